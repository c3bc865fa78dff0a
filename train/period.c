#include "train/period.h"

bool period_due(struct period period, struct place place)
{
    int64_t every = (int64_t)period.value;
    if (every < 1)
        return false;
    switch (period.unit) {
    case 'u':
        return place.update % every == 0;
    case 'e':
        return place.epoch_end && place.epoch % every == 0;
    default:
        return false;
    }
}

bool period_reached(struct period limit, struct place place)
{
    int64_t at = (int64_t)limit.value;
    return limit.unit == 'e' ? place.epoch >= at : place.update >= at;
}

double period_seconds(struct period period)
{
    switch (period.unit) {
    case 's':
        return period.value;
    case 'm':
        return period.value * 60;
    case 'h':
        return period.value * 3600;
    default:
        return 0;
    }
}
