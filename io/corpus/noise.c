#include "io/noise.h"

#include "comm/memory.h"
#include "io/segment.h"

#define SAMPLING_ALPHA 0.1 /* Kudo 2018, where all segmentations are drawn from */

/* Numbers for a sentence: index pair·2^24 on, so that pairs of any corpus that fits in 2^40 keep apart. */
enum { PAIR_SHIFT = 24 };

/* Sites of random_stream() with RANDOM_NOISE, SIDES each. */
enum { SITE_DROPOUT = 0, SITE_PIECES = SIDES };

struct noise {
    struct noise_options options;
    struct segmenter *segmenters[SIDES]; /* the same twice: joint; NULL without sampling */
    int32_t *ids;                        /* of the sentence cut last */
    size_t room;
};

static enum status open_segmenters(struct noise *noise, const struct corpora *corpora)
{
    const struct corpus *corpus = corpora_at(corpora, 0);
    bool unigram = false;
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes;
        const void *model = corpus_vocabulary(corpus, side, &bytes);
        if (side == TARGET && corpus_facts(corpus)->joint)
            noise->segmenters[side] = noise->segmenters[SOURCE];
        else
            TRY(segmenter_open(&noise->segmenters[side], model, bytes, corpus_path(corpus)));
        unigram = unigram || segmenter_is_unigram(noise->segmenters[side]);
    }
    CHECK(unigram || noise->options.sampling_alpha == 0, STATUS_CONFIG,
            "data.sampling_alpha is %g, but counts only with a unigram vocabulary, found the bpe vocabulary "
            "of %s: leave it out",
            noise->options.sampling_alpha, corpus_path(corpus));
    return STATUS_OK;
}

enum status noise_open(struct noise **out, const struct corpora *corpora, const struct noise_options *options)
{
    struct noise *noise = NULL;
    const struct corpus *corpus = corpora_at(corpora, 0);
    bool text = corpus_facts(corpus)->form.kind == SOURCE_TEXT;
    CHECK(text || (options->sampling == 0 && options->word_dropout[SOURCE] == 0), STATUS_CONFIG,
            "%s needs a source of text, but that of %s is none: leave it out",
            options->sampling > 0 ? "data.sampling" : "data.word_dropout_source", corpus_path(corpus));
    TRY(memory_new(&noise, "noise", 1, sizeof *noise));
    noise->options = *options;
    enum status status = options->sampling > 0 ? open_segmenters(noise, corpora) : STATUS_OK;
    if (status != STATUS_OK) {
        noise_close(noise);
        return status;
    }
    if (noise->options.sampling_alpha == 0)
        noise->options.sampling_alpha = SAMPLING_ALPHA;
    *out = noise;
    return STATUS_OK;
}

void noise_close(struct noise *noise)
{
    if (!noise)
        return;
    if (noise->segmenters[TARGET] != noise->segmenters[SOURCE])
        segmenter_close(noise->segmenters[TARGET]);
    segmenter_close(noise->segmenters[SOURCE]);
    memory_free(noise->ids);
    memory_free(noise);
}

static struct random_stream stream_of(
        const struct noise *noise, int64_t epoch, const struct plan_item *item, int site)
{
    return random_stream(
            noise->options.seed, RANDOM_NOISE, (uint64_t)epoch, item->occurrence, (uint32_t)site);
}

enum status noise_pieces(struct noise *noise, enum side side, int64_t epoch, const struct plan_item *item,
        const int32_t **ids, size_t *count)
{
    if (!noise->segmenters[side])
        return STATUS_OK;
    size_t drawn;
    struct random_stream stream = stream_of(noise, epoch, item, SITE_PIECES + (int)side);
    TRY(segmenter_draw(noise->segmenters[side], noise->options.sampling, noise->options.sampling_alpha,
            &stream, (uint64_t)item->pair << PAIR_SHIFT, *ids, *count - 1, &noise->ids, &noise->room,
            &drawn));
    if (drawn + 1 > noise->options.longest)
        return STATUS_OK;
    TRY(memory_grow(&noise->ids, "segmenter", &noise->room, drawn + 1, sizeof *noise->ids));
    noise->ids[drawn] = TOKEN_END;
    *ids = noise->ids;
    *count = drawn + 1;
    return STATUS_OK;
}

bool noise_drops(const struct noise *noise, enum side side)
{
    return noise->options.word_dropout[side] > 0;
}

void noise_drop(const struct noise *noise, enum side side, int64_t epoch, const struct plan_item *item,
        int32_t *ids, size_t count)
{
    struct random_stream stream = stream_of(noise, epoch, item, SITE_DROPOUT + (int)side);
    for (size_t i = 0; i + 1 < count; i++)
        if (random_uniform(&stream, ((uint64_t)item->pair << PAIR_SHIFT) + i) <
                noise->options.word_dropout[side])
            ids[i] = TOKEN_UNKNOWN;
}
