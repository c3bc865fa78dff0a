/*
 * The shim over SentencePiece: every call turns exceptions and its own statuses into ours; nothing C++ leaves this
 * file.
 */
/* C allows a function and a struct of one name; C++ warns of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "io/vocabulary.h"

#include "comm/memory.h"
#include "io/vocabulary_model.h"
}
#pragma GCC diagnostic pop

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <unordered_map>
#include <vector>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

namespace sentencepiece::logging {
void SetMinLogLevel(int level); /* exported by the library, declared in none of its public headers */
}

namespace {

/* What a kind is called by SentencePiece is its name. `exact`: the wanted size is met or refused. `bytes`: text that
 * was written in bytes is read back (words would be joined by U+2581). */
struct vocabulary_kind {
    struct kind kind;
    bool exact, bytes;
};

const vocabulary_kind kinds[] = {
        {{"unigram", "pieces of the likeliest segmentation", "Kudo 2018"}, true, true},
        {{"bpe", "byte-pair encoding: the most frequent pairs merged", "Sennrich et al. 2016"}, true, true},
        {{"word", "the most frequent words, split at spaces", nullptr}, false, false},
        {{"char", "single characters", nullptr}, false, true},
};

constexpr size_t byte_pieces = 256;
/* The model's bytes depend on it: never the machine's number of cores. */
constexpr int training_threads = 8;
/* Above this SentencePiece needs 64-bit positions in its suffix array. */
constexpr size_t large_corpus = size_t{1} << 30;

const char *const extra_pieces[VOCABULARY_EXTRA] = {"<mask>", "<pad>"};

class lines_in_memory : public sentencepiece::SentenceIterator {
  public:
    lines_in_memory(const char *const *lines, const size_t *bytes, size_t count)
        : lines_(lines), bytes_(bytes), count_(count)
    {
        take();
    }
    bool done() const override
    {
        return next_ >= count_;
    }
    void Next() override
    {
        next_++;
        take();
    }
    const std::string &value() const override
    {
        return line_;
    }
    sentencepiece::util::Status status() const override
    {
        return {};
    }

  private:
    void take()
    {
        if (next_ < count_)
            line_.assign(lines_[next_], bytes_[next_]);
    }
    const char *const *lines_;
    const size_t *bytes_;
    size_t count_, next_ = 0;
    std::string line_;
};

/* The level is one for all threads: it is set before several encode. */
void quiet_library()
{
    sentencepiece::logging::SetMinLogLevel(3);
}

/* Runs `work`; nothing is thrown past it. */
template <typename Work> enum status guarded(const char *action, Work work) noexcept
{
    try {
        return work();
    } catch (const std::exception &error) {
        return status_fail(STATUS_INTERNAL, "SentencePiece cannot %s: %s", action, error.what());
    } catch (...) {
        return status_fail(STATUS_INTERNAL, "SentencePiece cannot %s", action);
    }
}

/* SentencePiece tells a possible size in words only. */
enum status refuse_size(
        const std::string &reason, const char *what, const struct vocabulary_settings *settings)
{
    const char *kind = settings->kind->name;
    size_t possible = 0, size = settings->size;
    const char *upper = std::strstr(reason.c_str(), "a value <= ");
    const char *lower = std::strstr(reason.c_str(), "required_chars. ");
    if (upper && std::sscanf(upper, "a value <= %zu", &possible) == 1)
        return status_fail(STATUS_DATA,
                "a %s %s vocabulary of %zu pieces cannot be learned: expected at most %zu, which is all this "
                "text gives",
                what, kind, size, possible);
    if (lower && std::sscanf(lower, "required_chars. %*u vs %zu", &possible) == 1)
        return status_fail(STATUS_DATA,
                "a %s %s vocabulary of %zu pieces cannot be learned: expected at least %zu, one for each "
                "%scharacter of this text",
                what, kind, size, possible, settings->bytes ? "byte and each " : "");
    return status_fail(STATUS_DATA, "a %s %s vocabulary of %zu pieces cannot be learned: %s", what, kind,
            size, reason.c_str());
}

std::unordered_map<std::string, std::string> training_options(
        const struct vocabulary_settings *settings, bool exact, size_t text_bytes)
{
    return {
            {"model_type", settings->kind->name},
            {"vocab_size", std::to_string(settings->size)},
            {"hard_vocab_limit", exact ? "true" : "false"},
            {"normalization_rule_name", "nmt_nfkc"},
            {"eos_id", std::to_string(TOKEN_END)},
            {"unk_id", std::to_string(TOKEN_UNKNOWN)},
            {"bos_id", std::to_string(TOKEN_START)},
            {"pad_id", "-1"},
            {"character_coverage", std::to_string(settings->coverage)},
            {"byte_fallback", settings->bytes ? "true" : "false"},
            {"input_sentence_size", "0"},
            {"max_sentence_length", std::to_string(VOCABULARY_LINE_LIMIT)},
            {"num_threads", std::to_string(training_threads)},
            {"train_extremely_large_corpus", text_bytes >= large_corpus ? "true" : "false"},
            {"minloglevel", "3"},
    };
}

} // namespace

struct vocabulary {
    sentencepiece::SentencePieceProcessor processor;
    std::string model;
    size_t pieces = 0;
    struct source_form form = {SOURCE_TEXT, 0, 0, 0};
};

extern "C" {

const struct kind_table vocabulary_kinds = KIND_TABLE("vocabulary", kinds);

enum status vocabulary_train(char **model, size_t *model_bytes, const char *what,
        const struct vocabulary_settings *settings, const char *const *lines, const size_t *line_bytes,
        size_t lines_count)
{
    const auto &row = *reinterpret_cast<const vocabulary_kind *>(settings->kind);
    const char *kind = row.kind.name;
    size_t fewest = TOKEN_FIRST_PIECE + 1 + (settings->bytes ? byte_pieces : 0);
    CHECK(lines_count > 0, STATUS_DATA, "a %s %s vocabulary cannot be learned: expected text, found no line",
            what, kind);
    CHECK(row.bytes || !settings->bytes, STATUS_CONFIG,
            "a %s %s vocabulary cannot be learned: expected a kind of which what is unknown can be written "
            "in bytes, found %s",
            what, kind, kind);
    CHECK(settings->size >= fewest && settings->size <= INT32_MAX - VOCABULARY_EXTRA, STATUS_DATA,
            "a %s %s vocabulary of %zu pieces cannot be learned: expected at least %zu", what, kind,
            settings->size, fewest);
    return guarded("learn a vocabulary", [&] {
        quiet_library();
        size_t text_bytes = 0;
        for (size_t i = 0; i < lines_count; i++)
            text_bytes += line_bytes[i];
        lines_in_memory iterator(lines, line_bytes, lines_count);
        std::string bytes;
        auto result = sentencepiece::SentencePieceTrainer::Train(
                training_options(settings, row.exact, text_bytes), &iterator, &bytes);
        if (!result.ok())
            return refuse_size(result.ToString(), what, settings);
        TRY(memory_copy(model, "vocabulary", bytes.data(), bytes.size()));
        *model_bytes = bytes.size();
        return STATUS_OK;
    });
}

enum status vocabulary_open(struct vocabulary **out, const void *model, size_t bytes, const char *where)
{
    *out = nullptr;
    struct vocabulary *made = nullptr;
    CHECK(bytes > 0, STATUS_DATA, "%s: expected a SentencePiece model, found nothing", where);
    enum status status = guarded("read a vocabulary", [&] {
        quiet_library();
        made = new struct vocabulary;
        made->model.assign(static_cast<const char *>(model), bytes);
        if (source_read_form(&made->form, model, bytes))
            return STATUS_OK;
        bool sound;
        TRY(vocabulary_model_is_sound(&sound, model, bytes));
        CHECK(sound, STATUS_DATA,
                "%s: expected a SentencePiece model, found %zu other bytes, or a damaged table of "
                "normalisation",
                where, bytes);
        auto result = made->processor.LoadFromSerializedProto(made->model);
        CHECK(result.ok(), STATUS_DATA, "%s: expected a SentencePiece model, found %zu other bytes (%s)",
                where, bytes, result.ToString().c_str());
        const auto &processor = made->processor;
        CHECK(processor.eos_id() == TOKEN_END && processor.unk_id() == TOKEN_UNKNOWN &&
                        processor.bos_id() == TOKEN_START,
                STATUS_DATA,
                "%s: expected a SentencePiece model with ids </s> %d, <unk> %d, <s> %d, found %d, %d, %d",
                where, TOKEN_END, TOKEN_UNKNOWN, TOKEN_START, processor.eos_id(), processor.unk_id(),
                processor.bos_id());
        made->pieces = static_cast<size_t>(processor.GetPieceSize());
        return STATUS_OK;
    });
    if (status != STATUS_OK)
        delete made;
    else
        *out = made;
    return status;
}

void vocabulary_close(struct vocabulary *vocabulary)
{
    delete vocabulary;
}

const struct source_form *vocabulary_form(const struct vocabulary *vocabulary)
{
    return &vocabulary->form;
}

size_t vocabulary_pieces(const struct vocabulary *vocabulary)
{
    return vocabulary->pieces;
}

size_t vocabulary_rows(const struct vocabulary *vocabulary)
{
    return vocabulary->pieces + VOCABULARY_EXTRA;
}

const char *vocabulary_piece(const struct vocabulary *vocabulary, int32_t id)
{
    ASSERT(id >= 0 && static_cast<size_t>(id) < vocabulary_rows(vocabulary));
    size_t row = static_cast<size_t>(id);
    if (row >= vocabulary->pieces)
        return extra_pieces[row - vocabulary->pieces];
    return vocabulary->processor.IdToPiece(id).c_str();
}

static enum status encoded(const sentencepiece::util::Status &result, size_t bytes)
{
    CHECK(result.ok(), STATUS_INTERNAL, "SentencePiece cannot encode a line of %zu bytes: %s", bytes,
            result.ToString().c_str());
    return STATUS_OK;
}

enum status vocabulary_encode(const struct vocabulary *vocabulary, const char *line, size_t bytes,
        int32_t **ids, size_t *capacity, size_t *count)
{
    return guarded("encode a line", [&] {
        std::vector<int> found;
        auto result = vocabulary->processor.Encode(absl::string_view(line, bytes), &found);
        TRY(encoded(result, bytes));
        TRY(memory_grow(ids, "tokens", capacity, found.size(), sizeof **ids));
        for (size_t i = 0; i < found.size(); i++)
            (*ids)[i] = found[i];
        *count = found.size();
        return STATUS_OK;
    });
}

namespace {

bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Of each byte of a line the word that it is in, or of a blank the next one; how many there are after the last. */
std::vector<int32_t> words_of(const char *line, size_t bytes)
{
    std::vector<int32_t> words(bytes + 1);
    int32_t begun = 0;
    bool inside = false;
    for (size_t i = 0; i < bytes; i++) {
        begun += !is_blank(line[i]) && !inside;
        inside = !is_blank(line[i]);
        words[i] = inside ? begun - 1 : begun;
    }
    words[bytes] = begun;
    return words;
}

/* Bytes [begin, end) are a piece's, with the blanks beside its word; none of a piece that shares a character with the one
 * after it. */
word_range range_of(const std::vector<int32_t> &words, const char *line, uint32_t begin, uint32_t end)
{
    const int32_t most = words.back() > 0 ? words.back() - 1 : 0;
    while (end > begin && is_blank(line[end - 1]))
        end--;
    const int32_t first = words[begin] < most ? words[begin] : most;
    return {first, end > begin ? words[end - 1] : first};
}

} // namespace

enum status vocabulary_encode_words(const struct vocabulary *vocabulary, const char *line, size_t bytes,
        int32_t **ids, size_t *capacity, size_t *count, struct word_range **words, size_t *words_capacity,
        size_t *word_count)
{
    return guarded("encode a line", [&] {
        sentencepiece::ImmutableSentencePieceText text;
        auto result = vocabulary->processor.Encode(absl::string_view(line, bytes), text.mutable_proto());
        TRY(encoded(result, bytes));
        const std::vector<int32_t> of_bytes = words_of(line, bytes);
        const auto pieces = text.pieces();
        TRY(memory_grow(ids, "tokens", capacity, pieces.size(), sizeof **ids));
        TRY(memory_grow(words, "tokens", words_capacity, pieces.size(), sizeof **words));
        for (size_t i = 0; i < pieces.size(); i++) {
            (*ids)[i] = static_cast<int32_t>(pieces[i].id());
            (*words)[i] = range_of(of_bytes, line, pieces[i].begin(), pieces[i].end());
        }
        *count = pieces.size();
        *word_count = static_cast<size_t>(of_bytes.back());
        return STATUS_OK;
    });
}

enum status vocabulary_decode(const struct vocabulary *vocabulary, const int32_t *ids, size_t count,
        char **text, size_t *capacity, size_t *bytes)
{
    return guarded("decode a line", [&] {
        std::vector<int> known;
        for (size_t i = 0; i < count; i++) {
            CHECK(ids[i] >= 0 && static_cast<size_t>(ids[i]) < vocabulary_rows(vocabulary), STATUS_INTERNAL,
                    "cannot decode token %zu: expected an id below %zu, found %d", i,
                    vocabulary_rows(vocabulary), ids[i]);
            if (static_cast<size_t>(ids[i]) < vocabulary->pieces)
                known.push_back(ids[i]);
        }
        std::string found;
        auto result = vocabulary->processor.Decode(known, &found);
        CHECK(result.ok(), STATUS_INTERNAL, "SentencePiece cannot decode %zu tokens: %s", count,
                result.ToString().c_str());
        for (char &byte : found) /* that a piece of one byte may be: the text stays one line */
            if (byte == '\n' || byte == '\r' || byte == '\0')
                byte = ' ';
        TRY(memory_grow(text, "text", capacity, found.size() + 1, 1));
        std::memcpy(*text, found.c_str(), found.size() + 1);
        *bytes = found.size();
        return STATUS_OK;
    });
}

const void *vocabulary_model(const struct vocabulary *vocabulary, size_t *bytes)
{
    *bytes = vocabulary->model.size();
    return vocabulary->model.data();
}

} /* extern "C" */
