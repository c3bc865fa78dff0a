/*
 * Standard error as this program writes to it: never waiting for who reads it. Lines that a full pipe or a stopped terminal
 * does not take are kept, up to OUTLET_ROOM bytes, and tried again with the next one; what finds no room is dropped, which
 * is told as soon as that is possible. A pipe that nobody reads, a closed one or a full disk costs lines, never the run.
 */
#ifndef COMM_OUTLET_H
#define COMM_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

enum { OUTLET_ROOM = 1 << 16 };

/* The first thing main() does. Standard input, output and error that are closed get something in their place that fails,
 * so that no file of ours takes their number and then what is printed. */
void outlet_open(void);

/* `text` ends with the end of a line. Any thread. */
void outlet_put(const char *text, size_t bytes);

/* The same, but nothing is kept of what cannot be written now: a line that is overwritten. */
void outlet_try(const char *text, size_t bytes);

/* Last words before the process ends without order: takes no lock, which others may hold. */
void outlet_end(const char *text, size_t bytes);

/* At the end of the process: writes what is kept as long as somebody reads, and gives up after a second in which nobody
 * does. False: lines are lost. */
bool outlet_close(void);

#endif
