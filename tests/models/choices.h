/*
 * Models drawn from the tables of choices: covering arrays over the values of choices and switches of model_group and
 * over kinds of sources. What a table gains is drawn without a word here.
 */
#ifndef TESTS_MODELS_CHOICES_H
#define TESTS_MODELS_CHOICES_H

#include "tests/models/variants.h"

enum { CHOICES_MOST = 128 };

/* Strength 1: each value stands in one of the models; 2: every two that go together do. Returns how many; the same ones
 * each time, whose names last until the next call. */
size_t choices_draw(struct variant out[CHOICES_MOST], int strength);

/* The first value of a choice or switch, "model.cell lstm", that none of the variants has; NULL: there is none. */
const char *choices_missing(const struct variant *variants, size_t count);

#endif
