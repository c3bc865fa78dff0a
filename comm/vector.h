/*
 * Vector code without intrinsics: a kernel marked VECTOR_CLONES is compiled once for each level of the CPU, and the
 * loader picks. Kernels are plain loops over elements with `#pragma omp simd`; OpenMP bodies inside are cloned too.
 */
#ifndef COMM_VECTOR_H
#define COMM_VECTOR_H

#include <stddef.h>

/* Sanitizers start before the loader has picked: there a kernel is compiled once. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SEQTRAIN_SANITIZE)
#define VECTOR_LEVELS /* code for a level of the CPU may be chosen by hand, too */
#define VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VECTOR_CLONES
#endif

/* The sum of squares of x [count] in double, in one order whatever the vector length. */
double vector_square(const float *x, size_t count);

#endif
