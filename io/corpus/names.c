#include "io/corpus/names.h"

const struct side_arrays corpus_names[SIDES] = {
        [SOURCE] = {"/source/tokens", "/source/offsets",
                {"/vocabulary/source/model", "/vocabulary/source/pieces"}},
        [TARGET] = {"/target/tokens", "/target/offsets",
                {"/vocabulary/target/model", "/vocabulary/target/pieces"}},
};

const struct source_array corpus_sources[] = {
        [SOURCE_TEXT] = {"/source/tokens", "token ids", H5_INT32},
        [SOURCE_FRAMES] = {"/source/features", "frames of all sentences, end to end", H5_FLOAT32},
        [SOURCE_IMAGES] = {"/source/images",
                "rows of pixels of all images, each from the top; channels side by side", H5_BYTE},
};

const struct vocabulary_names corpus_joint = {"/vocabulary/joint/model", "/vocabulary/joint/pieces"};
const char *const side_names[SIDES] = {"source", "target"};
const char *const skip_texts[SKIP_REASONS] = {
        [SKIP_EMPTY] = "empty",
        [SKIP_SHORT] = "too short",
        [SKIP_LONG] = "too long",
        [SKIP_UNEVEN] = "uneven",
        [SKIP_IDENTICAL] = "identical",
        [SKIP_DUPLICATE] = "duplicate",
        [SKIP_UNDIVIDED] = "not one tab",
        [SKIP_BAD] = "no text",
};
