/*
 * comm/: what every rank shares. The lowest folder: it includes nothing of the others.
 *
 *     world_prepare(argv, 0);                       choose the BLAS core, before MPI starts
 *     TRY(world_open(0));                           ranks, threads, binding
 *     TRY(exchange_open(&x, kind, floats, slots, 0));
 *     ...                                           see exchange.h for the life of one update
 *     exchange_close(x);
 *     world_close();
 *
 * Errors are values (status.h), agreed across ranks with status_agree() before anyone returns.
 * Functions that communicate say Collective; all others are local. MPI is called by the main thread
 * only.
 */
#ifndef COMM_COMM_H
#define COMM_COMM_H

#include "comm/blocks.h"   /* struct blocks: who owns what of the flat buffer */
#include "comm/clock.h"    /* enum phase, clock_enter(): where the time goes */
#include "comm/exchange.h" /* struct exchange: sum of gradients, spread of parameters */
#include "comm/fault.h"    /* fault_fires(): places made to fail by count */
#include "comm/fixed.h"    /* struct fixed_sum: sums that no order changes */
#include "comm/kind.h"     /* struct kind: rows of tables of choices */
#include "comm/log.h"      /* log_line(), log_progress() */
#include "comm/memory.h"   /* memory_new(), struct arena, checked sizes */
#include "comm/outlet.h"   /* outlet_put(): standard error that never waits */
#include "comm/random.h"   /* struct random_stream: Philox */
#include "comm/status.h"   /* enum status, TRY, CHECK, ASSERT */
#include "comm/thread.h"   /* thread_start(): helper threads */
#include "comm/watch.h"    /* watch_beat(): ends a rank that hangs */
#include "comm/world.h"    /* struct world, status_agree(), broadcast, gather */

#endif
