/*
 * The CPU and the BLAS library on it. Private to comm/.
 */
#ifndef COMM_CPU_H
#define COMM_CPU_H

/* What the vector units can do: "x86-64-v4" (AVX-512), "x86-64-v3" (AVX2 and FMA), ... or the architecture's name. */
const char *cpu_vector_level(void);

/* The OpenBLAS core in use, "" with another BLAS. */
const char *cpu_blas_core(void);

/* An OPENBLAS_CORETYPE much faster on this CPU than the core in use, or NULL. */
const char *cpu_better_core(void);

/* Keeps a BLAS with threads of its own to one: the tiles call it single-threaded. */
void cpu_quiet_blas(void);

#endif
