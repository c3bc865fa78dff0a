/*
 * For tests that run on several ranks, where cmocka's output would come from all at once: counts what does not hold.
 */
#ifndef TESTS_COMM_EXPECT_H
#define TESTS_COMM_EXPECT_H

#include "comm/world.h"

#include <stdio.h>

static int unexpected;

static inline void expect_at(int holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    if (++unexpected > 20) /* counted, but enough said */
        return;
    fprintf(stderr, "[rank %d] %s:%d: does not hold: %s\n", world()->rank, file, line, what);
}

#define EXPECT(condition) expect_at(!!(condition), #condition, __FILE__, __LINE__)
#define EXPECT_OK(call)   expect_at((call) == STATUS_OK, #call, __FILE__, __LINE__)

#endif
