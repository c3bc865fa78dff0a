#include "train/training/pace.h"

#include "comm/clock.h"

/* Micro-batches are gone through at least twice, then until so many seconds or passes are done. */
enum { PASSES_LEAST = 2, PASSES_MOST = 8, STEPS = 3 };
#define SECONDS_ENOUGH 2.0

struct run_pass {
    double started;
    struct pace pace;
};

static void on_ready(void *context, size_t first)
{
    struct run_pass *run = context;
    struct pace *pace = &run->pace;
    if (pace->count < PACE_POINTS)
        pace->count++;
    pace->points[pace->count - 1] = (struct pace_point){first, clock_now() - run->started};
}

double pace_seconds(const struct pace *pace)
{
    return pace->points[pace->count - 1].seconds;
}

static enum status run_pass(
        struct pace *out, const struct trainer *trainer, const struct batch *batch, float *gradient)
{
    struct run_pass run = {.started = clock_now()};
    struct pass pass = trainer_pass(trainer, 0, gradient);
    struct loss loss;
    pass.ready = on_ready;
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
    double last = pace_seconds(out);
    for (size_t i = 0; i < out->count; i++)
        out->points[i].seconds *= sum / passes / last;
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
