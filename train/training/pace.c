#include "train/training/pace.h"

#include "comm/clock.h"

/* Micro-batches are gone through at least twice, then until so many seconds or passes are done. */
enum { PASSES_LEAST = 2, PASSES_MOST = 8, STEPS = 3 };
#define SECONDS_ENOUGH 2.0

struct run_pass {
    double started;
    struct pace pace;
};

static double elapsed(const struct run_pass *run)
{
    return clock_now() - run->started;
}

/* Where there are too many, the last one stands for all that follow: as final when they all are ... */
static void on_ready(void *context, size_t first)
{
    struct run_pass *run = context;
    struct pace_points *ready = &run->pace.ready;
    if (ready->count < PACE_POINTS)
        ready->count++;
    ready->points[ready->count - 1] = (struct pace_point){first, elapsed(run)};
}

/* ... and as needed when the first of them is. */
static enum status on_needed(void *context, size_t end)
{
    struct run_pass *run = context;
    struct pace_points *needed = &run->pace.needed;
    if (needed->count < PACE_POINTS)
        needed->points[needed->count++].seconds = elapsed(run);
    needed->points[needed->count - 1].place = end;
    return STATUS_OK;
}

double pace_seconds(const struct pace *pace)
{
    return pace->ready.points[pace->ready.count - 1].seconds;
}

static void stretch(struct pace_points *points, double times)
{
    for (size_t i = 0; i < points->count; i++)
        points->points[i].seconds *= times;
}

void pace_stretch(struct pace *pace, double times)
{
    pace->step_seconds *= times;
    stretch(&pace->needed, times);
    stretch(&pace->ready, times);
}

static enum status run_pass(
        struct pace *out, const struct trainer *trainer, const struct batch *batch, float *gradient)
{
    struct run_pass run = {.started = clock_now()};
    struct pass pass = trainer_pass(trainer, 0, gradient);
    struct loss loss;
    pass.sampling = sampling_most(&trainer->config->train.sampling);
    pass.ready = on_ready;
    pass.needed = on_needed;
    pass.context = &run;
    TRY(model_loss(trainer->model, batch, &pass, &loss));
    on_ready(&run, 0);
    *out = run.pace;
    return STATUS_OK;
}

/* The last pass, stretched to the mean of all. */
static enum status measure_passes(
        struct pace *out, const struct trainer *trainer, const struct batch *batch, float *gradient)
{
    double sum = 0;
    int passes = 0;
    for (; passes < PASSES_LEAST || (passes < PASSES_MOST && sum < SECONDS_ENOUGH); passes++) {
        TRY(run_pass(out, trainer, batch, gradient));
        sum += pace_seconds(out);
    }
    pace_stretch(out, sum / passes / pace_seconds(out));
    return STATUS_OK;
}

static enum status measure_steps(
        double *seconds, struct trainer *trainer, const struct blocks *blocks, const float *gradient)
{
    float *values = model_parameters(trainer->model)->values;
    for (int i = 0; i < STEPS; i++) {
        double started = clock_now();
        const struct optimizer_step step = {
                .learning_rate = 1e-9, .update = 1 + i, .scale = 1, .square_norm = 1};
        TRY(optimizer_step(trainer->optimizer, &step, values, gradient));
        ema_update(&trainer->ema, blocks, 1 + i, values);
        *seconds += (clock_now() - started) / STEPS;
    }
    return STATUS_OK;
}

enum status pace_measure(struct pace *out, struct trainer *trainer, const struct blocks *blocks,
        const struct batch *batch, float *gradient)
{
    TRY(measure_passes(out, trainer, batch, gradient));
    TRY(measure_steps(&out->step_seconds, trainer, blocks, gradient));
    out->tokens = (double)(batch->tokens[SOURCE] + batch->tokens[TARGET]);
    return STATUS_OK;
}
