/* For tests of the program: a vocabulary of words. */
#ifndef TESTS_TRAIN_WORDS_H
#define TESTS_TRAIN_WORDS_H

#include "io/vocabulary.h"

/* </s> 0, <unk> 1, <s> 2, then the words of the line, the most frequent first; NULL on failure. */
struct vocabulary *words_vocabulary(const char *line, int64_t size);

#endif
