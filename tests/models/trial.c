#include "tests/models/trial.h"

#include <stdlib.h>
#include <string.h>

double trial_draw(struct trial *trial)
{
    struct random_stream stream = random_stream(7, RANDOM_TEST, 0, 0, 0);
    return random_normal(&stream, trial->draws++);
}

size_t matrix_count(const struct matrix *matrix)
{
    return matrix->rows * matrix->columns;
}

void trial_fill(struct trial *trial, int i, size_t rows, size_t columns, double scale)
{
    trial->in[i] = (struct matrix){rows, columns, calloc(rows * columns + 1, sizeof(double))};
    for (size_t k = 0; k < rows * columns; k++)
        trial->in[i].values[k] = (double)(float)(scale * trial_draw(trial));
}

void trial_expect(struct trial *trial, int i, size_t rows, size_t columns)
{
    trial->out[i] = (struct matrix){rows, columns, calloc(rows * columns + 1, sizeof(double))};
}

bool trial_has(const struct trial *trial, const char *word)
{
    return trial->row->option && strstr(trial->row->option, word);
}
