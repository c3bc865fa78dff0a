/*
 * io/: what is read and written. It knows nothing of models: files pass named arrays with shapes.
 *
 *     text -> tokens -> corpus.h5 -> batch plan -> micro-batch          checkpoint.h5
 *     text.h  vocabulary.h  corpus.h    plan.h     reader.h             checkpoint.h  run.h
 *                           corpora.h
 *
 *     TRY(corpora_open(&corpora, names, count));
 *     TRY(reader_open(&reader, corpora, &plan, NULL, first_slot, end_slot, epoch, done));
 *     TRY(reader_next(reader, &batch, &more));
 */
#ifndef IO_IO_H
#define IO_IO_H

#include "io/batch.h"      /* struct batch: a micro-batch, packed */
#include "io/checkpoint.h" /* struct checkpointer: save beside training; load on any number of ranks */
#include "io/corpora.h"    /* struct corpora: several with weights, as one */
#include "io/corpus.h"     /* struct corpus, corpus_writer */
#include "io/encoder.h"    /* text to tokens, remembering words */
#include "io/generate.h"   /* built-in corpora */
#include "io/h5.h"         /* named arrays in verified HDF5 files */
#include "io/noise.h"      /* word dropout and sampled pieces at read */
#include "io/options.h"    /* the option table */
#include "io/plan.h"       /* struct plan: which pairs make which micro-batch */
#include "io/reader.h"     /* struct reader: read-ahead thread */
#include "io/run.h"        /* struct run_directory: lock, metrics */
#include "io/spool.h"      /* temporary files */
#include "io/text.h"       /* lines, checked */
#include "io/vocabulary.h" /* SentencePiece */

#endif
