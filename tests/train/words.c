#include "tests/train/words.h"

#include "comm/memory.h"

#include <string.h>

struct vocabulary *words_vocabulary(const char *line, int64_t size)
{
    struct vocabulary *vocabulary = NULL;
    const size_t bytes = strlen(line);
    char *model;
    size_t model_bytes;
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, "word"), .size = size, .coverage = 1};
    if (vocabulary_train(&model, &model_bytes, "test", &settings, &line, &bytes, 1) != STATUS_OK)
        return NULL;
    if (vocabulary_open(&vocabulary, model, model_bytes, "test") != STATUS_OK)
        vocabulary = NULL;
    memory_free(model);
    return vocabulary;
}
