#include "tests/fuzz/targets.h"

const struct fuzz_target *const fuzz_targets[] = {&fuzz_corpus, &fuzz_checkpoint, &fuzz_array, &fuzz_yaml,
        &fuzz_arguments, &fuzz_vocabulary, &fuzz_alignment, &fuzz_text, &fuzz_pairs, &fuzz_picture,
        &fuzz_metrics, NULL};
