/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of the trainer: through the host's sgemm (cblas_sgemm's signature), or our own
 * where it gave none; and row-wise work over the threads. Row-major throughout; a [m][k] etc. with
 * leading dimensions in floats. */
#ifndef SSI_TRAIN_MATRIX_H
#define SSI_TRAIN_MATRIX_H

#include "base/parallel.h"
#include "kernel/kernel.h"
#include "specstream/train.h"

typedef struct ssi_train_math {
    const ssi_parallel *parallel;
    const ssi_kernels *kernels;
    ss_sgemm_function *sgemm; /* NULL: ours */
    uint64_t (*clock)(void *context); /* nanoseconds; called with NULL. NULL: nothing is timed */
    uint64_t product_ns;      /* time in products so far */
    double product_flops;     /* 2 m n k of each */
} ssi_train_math;

/* c[m][n] = beta c + alpha op(a)[m][k] op(b)[k][n]. a_transposed: a is stored [k][m]; b_transposed:
 * b is stored [n][k]. Any of m, n, k may be 0. Called from one thread at a time; the product
 * itself may use them all. */
void ssi_train_product(ssi_train_math *math, bool a_transposed, bool b_transposed, size_t m,
                       size_t n, size_t k, float alpha, const float *a, size_t a_stride,
                       const float *b, size_t b_stride, float beta, float *c, size_t c_stride);

/* body(context, row_begin, row_end) for all rows, some at a time, over the threads. */
void ssi_train_rows_run(const ssi_train_math *math, uint32_t row_count,
                        void (*body)(void *context, uint32_t row_begin, uint32_t row_end),
                        void *context);

#endif
