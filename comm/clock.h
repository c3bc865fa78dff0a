/*
 * Where the time goes: seconds by phase, on a monotonic clock. Wall-clock time steers nothing.
 */
#ifndef COMM_CLOCK_H
#define COMM_CLOCK_H

#define PHASE_LIST(X)                                                                                        \
    X(DATA, "data")                                                                                          \
    X(FORWARD, "forward")                                                                                    \
    X(BACKWARD, "backward")                                                                                  \
    X(EXCHANGE, "exchange")                                                                                  \
    X(UPDATE, "update")                                                                                      \
    X(VALIDATE, "validate")                                                                                  \
    X(SAVE, "save")                                                                                          \
    X(START, "start")                                                                                        \
    X(OTHER, "other")

enum phase {
#define PHASE_ENUM(name, text) PHASE_##name,
    PHASE_LIST(PHASE_ENUM)
#undef PHASE_ENUM
            PHASES
};

const char *phase_name(enum phase phase);

/* Seconds since some fixed instant (CLOCK_MONOTONIC). */
double clock_now(void);

/* From now on time counts for `phase`; returns the phase before. Main thread only. */
enum phase clock_enter(enum phase phase);

/* Seconds spent in each phase since clock_reset(). */
void clock_seconds(double out[PHASES]);
void clock_reset(void);

/* The phase the main thread is in, readable from any thread (the watchdog names it). */
enum phase clock_phase(void);

#endif
