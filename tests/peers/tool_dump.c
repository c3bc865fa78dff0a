/*
 * What the comparison with PyTorch looks at, as HDF5 or raw floats:
 *
 *     tool_dump batches CHECKPOINT CORPUS UPDATES OUT.h5    /UPDATE/SLOT/{source,target}_{ids,offsets}: micro-batches;
 *                                                           points, point_offsets: their alignment, if there is one
 *     tool_dump gradients CHECKPOINT BATCHES.h5 OUT.h5 [RATE]
 *                                                           /logits and /gradient/NAME of micro-batch 0/0, dropout off,
 *                                                           with scheduled sampling for the gradients
 *     tool_dump attention IN.raw OUT.raw                    op_attention on fused q, k, v (see peers.py)
 *     tool_dump r_drop IN.raw OUT.raw                       op_loss on two draws: objective, cross-entropy, gradients
 */
#include "comm/comm.h"
#include "io/io.h"
#include "models/models.h"
#include "train/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loaded {
    struct config config;
    struct checkpoint *checkpoint;
    struct model *model;
};

/* And, of the source, its form. */
static enum status count_rows(struct loaded *loaded, enum side side, size_t *rows, bool *joint)
{
    size_t bytes;
    const void *bytes_of_model = checkpoint_vocabulary(loaded->checkpoint, side, &bytes, joint);
    struct vocabulary *vocabulary;
    TRY(vocabulary_open(&vocabulary, bytes_of_model, bytes, "checkpoint"));
    *rows = vocabulary_rows(vocabulary);
    if (side == SOURCE)
        loaded->config.model.source = *vocabulary_form(vocabulary);
    vocabulary_close(vocabulary);
    return STATUS_OK;
}

static enum status load(struct loaded *loaded, const char *path)
{
    size_t rows[SIDES];
    bool joint;
    TRY(checkpoint_open(&loaded->checkpoint, path));
    TRY(options_defaults(&config_schema, &loaded->config));
    const char *text = checkpoint_config(loaded->checkpoint);
    TRY(options_parse_yaml(&config_schema, &loaded->config, text, strlen(text), path));
    TRY(count_rows(loaded, SOURCE, &rows[SOURCE], &joint));
    TRY(count_rows(loaded, TARGET, &rows[TARGET], &joint));
    TRY(model_open(&loaded->model, &loaded->config.model, rows, joint));

    struct parameters *parameters = model_parameters(loaded->model);
    struct flat_array *arrays;
    TRY(memory_new(&arrays, "arrays", parameters->count, sizeof *arrays));
    for (size_t i = 0; i < parameters->count; i++)
        arrays[i] = parameters->items[i].array;
    struct blocks blocks = blocks_make(parameters->floats, 0, 1);
    struct flat_plane plane = {.group = "model", .values = parameters->values, .flat = true};
    enum status status =
            checkpoint_load(loaded->checkpoint, &blocks, arrays, parameters->count, &plane, 1, NULL, 0);
    memory_free(arrays);
    return status;
}

static void unload(struct loaded *loaded)
{
    model_close(loaded->model);
    checkpoint_close(loaded->checkpoint);
    options_release(&config_schema, &loaded->config);
}

static enum status put(struct h5_writer *out, const char *name, enum h5_type type, size_t rows,
        size_t columns, const void *data)
{
    struct h5_array array = {
            .type = type, .rank = columns ? 2 : 1, .shape = {rows, columns}, .description = "test data"};
    memcpy(array.name, name, strnlen(name, sizeof array.name - 1));
    return h5_put(out, &array, data);
}

/* words: of a source token. */
static enum status put_batch(
        struct h5_writer *out, int64_t update, int slot, const struct batch *batch, size_t words)
{
    for (int side = 0; side < SIDES; side++) {
        char name[96];
        snprintf(name, sizeof name, "/%lld/%d/%s_ids", (long long)update, slot, side_names[side]);
        size_t count = batch->tokens[side] * (side == SOURCE ? words : 1);
        TRY(put(out, name, H5_INT32, count, 0, batch->ids[side]));
        snprintf(name, sizeof name, "/%lld/%d/%s_offsets", (long long)update, slot, side_names[side]);
        TRY(put(out, name, H5_INT32, batch->pairs + 1, 0, batch->offsets[side]));
    }
    const struct alignment *alignment = &batch->alignment;
    size_t tokens = batch->tokens[TARGET];
    char name[96];
    if (!alignment->offsets)
        return STATUS_OK;
    snprintf(name, sizeof name, "/%lld/%d/point_offsets", (long long)update, slot);
    TRY(put(out, name, H5_INT32, tokens + 1, 0, alignment->offsets));
    snprintf(name, sizeof name, "/%lld/%d/points", (long long)update, slot);
    return put(out, name, H5_INT32, (size_t)alignment->offsets[tokens], 0, alignment->points);
}

static enum status put_updates(
        struct h5_writer *out, struct reader *reader, int slots, int64_t updates, size_t words)
{
    for (int64_t update = 0; update < updates; update++) {
        bool any = false;
        for (int slot = 0; slot < slots; slot++) {
            struct batch batch;
            bool more;
            TRY(reader_next(reader, &batch, &more));
            any |= more;
            if (batch.pairs > 0)
                TRY(put_batch(out, update, slot, &batch, words));
        }
        if (!any)
            reader_next_epoch(reader);
    }
    return STATUS_OK;
}

static enum status dump_batches(
        const char *checkpoint, const char *corpus_path, int64_t updates, const char *path)
{
    struct loaded loaded = {0};
    struct corpora *corpora;
    struct reader *reader;
    struct h5_writer *out;
    TRY(load(&loaded, checkpoint));
    TRY(corpora_open(&corpora, &corpus_path, 1));
    int slots = (int)loaded.config.batch.micro_batches;
    struct plan_options plan = {(size_t)loaded.config.batch.tokens, slots, (uint64_t)loaded.config.run.seed};
    TRY(reader_open(&reader, corpora, &plan, NULL, 0, slots, 0, 0));
    TRY(h5_create(&out, path, H5_CORPUS));
    TRY(put_updates(out, reader, slots, updates, source_words(&loaded.config.model.source)));
    TRY(h5_commit(out));
    reader_close(reader);
    corpora_close(corpora);
    unload(&loaded);
    return STATUS_OK;
}

static enum status get_batch(struct h5_file *file, struct batch *batch)
{
    for (int side = 0; side < SIDES; side++) {
        struct h5_array array;
        char name[64];
        snprintf(name, sizeof name, "/0/0/%s_ids", side_names[side]);
        TRY(h5_get(file, name, H5_INT32, 1, &batch->ids[side], &array));
        snprintf(name, sizeof name, "/0/0/%s_offsets", side_names[side]);
        TRY(h5_get(file, name, H5_INT32, 1, &batch->offsets[side], &array));
        batch->pairs = array.shape[0] - 1;
        batch->tokens[side] = (size_t)batch->offsets[side][batch->pairs];
        for (size_t p = 0; p < batch->pairs; p++) {
            size_t length = (size_t)(batch->offsets[side][p + 1] - batch->offsets[side][p]);
            batch->longest[side] = length > batch->longest[side] ? length : batch->longest[side];
        }
    }
    struct h5_array array;
    if (!h5_has(file, "/0/0/points"))
        return STATUS_OK;
    TRY(h5_get(file, "/0/0/point_offsets", H5_INT32, 1, &batch->alignment.offsets, &array));
    return h5_get(file, "/0/0/points", H5_INT32, 1, &batch->alignment.points, &array);
}

static enum status put_gradients(
        struct h5_writer *out, const struct parameters *parameters, const float *gradient)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct flat_array *array = &parameters->items[i].array;
        char name[H5_NAME_LIMIT + 16];
        snprintf(name, sizeof name, "/gradient/%s", array->name);
        size_t rows = array->shape[0], columns = array->rank > 1 ? parameters->items[i].floats / rows : 0;
        TRY(put(out, name, H5_FLOAT32, rows, columns, gradient + array->offset));
    }
    return STATUS_OK;
}

static enum status dump_gradients(
        const char *checkpoint, const char *batches, const char *path, double sampling)
{
    struct loaded loaded = {0};
    struct h5_file *file;
    struct h5_writer *out;
    struct batch batch = {0};
    float *gradient, *logits;
    struct loss loss;
    TRY(load(&loaded, checkpoint));
    TRY(h5_open(&file, batches, H5_CORPUS, false));
    TRY(get_batch(file, &batch));
    struct parameters *parameters = model_parameters(loaded.model);
    size_t classes = parameters_find(parameters, "output/bias")->floats - VOCABULARY_EXTRA;
    TRY(memory_new(&gradient, "gradient", parameters->floats, sizeof *gradient));
    TRY(memory_new(&logits, "logits", batch.tokens[TARGET] * classes, sizeof *logits));
    struct pass pass = {.label_smoothing = loaded.config.train.label_smoothing,
            .guide = loaded.config.train.guided_alignment,
            .guide_weight = loaded.config.train.guided_weight,
            .sampling = sampling,
            .gradient = gradient};
    TRY(model_loss(loaded.model, &batch, &pass, &loss));
    TRY(model_logits(loaded.model, &batch, logits));
    TRY(h5_create(&out, path, H5_CORPUS));
    TRY(put(out, "/logits", H5_FLOAT32, batch.tokens[TARGET], classes, logits));
    TRY(put_gradients(out, parameters, gradient));
    TRY(h5_commit(out));
    h5_close(file);
    for (int side = 0; side < SIDES; side++) {
        memory_free((void *)batch.ids[side]);
        memory_free((void *)batch.offsets[side]);
    }
    memory_free((void *)batch.alignment.offsets);
    memory_free((void *)batch.alignment.points);
    memory_free(gradient);
    memory_free(logits);
    unload(&loaded);
    return STATUS_OK;
}

/* In: int32 {pairs, heads, head_width, causal}, int32 offsets[pairs + 1], float qkv[rows][3·heads·head_width]. */
static enum status dump_attention(const char *in, const char *path)
{
    int32_t head[4];
    FILE *file = fopen(in, "rb");
    CHECK(file && fread(head, sizeof head, 1, file) == 1, STATUS_DATA, "cannot read %s", in);
    size_t pairs = (size_t)head[0], width = (size_t)(head[1] * head[2]);
    int32_t *offsets;
    TRY(memory_new(&offsets, "offsets", pairs + 1, sizeof *offsets));
    CHECK(fread(offsets, sizeof *offsets, pairs + 1, file) == pairs + 1, STATUS_DATA, "%s is too short", in);
    size_t rows = (size_t)offsets[pairs];
    float *qkv;
    TRY(memory_new(&qkv, "qkv", rows * 3 * width, sizeof *qkv));
    CHECK(fread(qkv, 3 * width * sizeof *qkv, rows, file) == rows, STATUS_DATA, "%s is too short", in);
    fclose(file);

    struct arena *arena;
    struct parameters none = {0};
    TRY(arena_open(&arena, "step", 1 << 20));
    struct tape *tape = tape_start(arena, &none, &(struct tape_options){0});
    struct tensor *x = tape_input(tape, rows, 3 * width, qkv, false);
    struct attention_shape shape = {.pairs = pairs,
            .query_offsets = offsets,
            .key_offsets = offsets,
            .heads = (size_t)head[1],
            .key_width = (size_t)head[2],
            .value_width = (size_t)head[2],
            .scale = (float)(1 / __builtin_sqrt(head[2])),
            .causal = head[3] != 0};
    struct tensor *y = op_attention(tape, &shape, (struct attention_part){x, 0},
            (struct attention_part){x, width}, (struct attention_part){x, 2 * width}, (struct dropout){0});
    TRY(tape_status(tape));
    file = fopen(path, "wb");
    CHECK(file && fwrite(y->value, width * sizeof *y->value, rows, file) == rows, STATUS_IO,
            "cannot write %s", path);
    fclose(file);
    arena_close(arena);
    memory_free(qkv);
    memory_free(offsets);
    return STATUS_OK;
}

/* In: int32 {targets n, width, classes}, float {smoothing, r_drop}, int32 targets[n], float x[2n][width],
 * weight[classes][width], bias[classes]. Out: double {objective, cross_entropy}, float gradients as x, weight and bias. */
static enum status dump_r_drop(const char *in, const char *path)
{
    int32_t head[3];
    float weights[2];
    FILE *file = fopen(in, "rb");
    CHECK(file && fread(head, sizeof head, 1, file) == 1 && fread(weights, sizeof weights, 1, file) == 1,
            STATUS_DATA, "cannot read %s", in);
    size_t n = (size_t)head[0], width = (size_t)head[1], classes = (size_t)head[2];
    size_t floats = (2 * n + classes) * width + classes;
    int32_t *targets;
    float *values;
    TRY(memory_new(&targets, "targets", n, sizeof *targets));
    TRY(memory_new(&values, "values", floats, sizeof *values));
    CHECK(fread(targets, sizeof *targets, n, file) == n &&
                    fread(values, sizeof *values, floats, file) == floats,
            STATUS_DATA, "%s is too short", in);
    fclose(file);

    struct arena *arena;
    struct loss loss;
    TRY(arena_open(&arena, "step", 1 << 20));
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){.recording = true});
    struct tensor *x = tape_input(tape, 2 * n, width, values, true);
    struct tensor *weight = tape_input(tape, classes, width, values + 2 * n * width, true);
    struct tensor *bias = tape_input(tape, 1, classes, values + (2 * n + classes) * width, true);
    const struct loss_task task = {.classes = classes,
            .targets = targets,
            .smoothing = (double)weights[0],
            .r_drop = (double)weights[1]};
    op_loss(tape, x, weight, bias, &task, &loss);
    TRY(tape_status(tape));
    const double sums[] = {loss.objective, loss.cross_entropy};
    file = fopen(path, "wb");
    CHECK(file && fwrite(sums, sizeof sums, 1, file) == 1 &&
                    fwrite(x->gradient, width * sizeof(float), 2 * n, file) == 2 * n &&
                    fwrite(weight->gradient, width * sizeof(float), classes, file) == classes &&
                    fwrite(bias->gradient, sizeof(float), classes, file) == classes,
            STATUS_IO, "cannot write %s", path);
    fclose(file);
    arena_close(arena);
    memory_free(values);
    memory_free(targets);
    return STATUS_OK;
}

static enum status dispatch(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "batches") == 0 && argc == 6)
        return dump_batches(argv[2], argv[3], atoll(argv[4]), argv[5]);
    if (strcmp(what, "gradients") == 0 && (argc == 5 || argc == 6))
        return dump_gradients(argv[2], argv[3], argv[4], argc == 6 ? atof(argv[5]) : 0);
    if (strcmp(what, "attention") == 0 && argc == 4)
        return dump_attention(argv[2], argv[3]);
    if (strcmp(what, "r_drop") == 0 && argc == 4)
        return dump_r_drop(argv[2], argv[3]);
    return status_fail(STATUS_USAGE, "expected batches, gradients, attention or r_drop with their files");
}

int main(int argc, char **argv)
{
    world_prepare(argv, 0);
    enum status status = dispatch(argc, argv);
    if (status != STATUS_OK)
        fprintf(stderr, "tool_dump: %s\n", status_message());
    return (int)status;
}
