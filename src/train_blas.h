/* SPDX-License-Identifier: Apache-2.0 */
/* Whose matrix products training uses. OpenBLAS is looked for when a training starts, not linked:
 * the program runs without it, and trains without it, only slower. */
#ifndef TRAIN_BLAS_H
#define TRAIN_BLAS_H

#include "specstream/train.h"

typedef struct train_blas {
    ss_sgemm_function *sgemm; /* NULL: the library's own */
    char name[128];           /* for the log: "OpenBLAS 0.3.21 ...", "own" */
} train_blas;

/* `wanted`: NULL: OpenBLAS where there is one; "none": the library's own; else the path or name of
 * a shared library with cblas_sgemm. GO_ON, or EXIT_ERROR after saying why not. */
int train_blas_open(const char *wanted, uint32_t threads, train_blas *to);

#endif
