/* SPDX-License-Identifier: Apache-2.0 */
/* What the trainer's passes compute with, for tests: threads of our own, no sgemm, no clock.
 * Include after cmocka.h. */
#ifndef TESTS_TRAIN_TRAIN_MATH_H
#define TESTS_TRAIN_TRAIN_MATH_H

#include <stdlib.h>

#include "base/random.h"
#include "train/matrix.h"

typedef struct test_math {
    ssi_train_math math;
    ssi_kernels kernels;
    ssi_parallel parallel;
    ssi_memory memory;
} test_math;

static inline test_math *test_math_create(ssi_isa isa, uint32_t threads)
{
    test_math *test = calloc(1, sizeof *test);
    test->memory = ssi_memory_from(NULL);
    ssi_kernels_select(&test->kernels, isa);
    if (ssi_parallel_create(NULL, threads, &test->memory, &test->parallel, NULL) != SS_OK)
        fail_msg("no threads");
    test->math = (ssi_train_math){.parallel = &test->parallel, .kernels = &test->kernels};
    return test;
}

static inline void test_math_free(test_math *test)
{
    ssi_parallel_free(&test->parallel, &test->memory);
    free(test);
}

/* Uniform in ±deviation * sqrt(3), from a counter. */
static inline float *random_floats(size_t count, float deviation, uint64_t seed)
{
    float *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (ssi_uniform(ssi_mix64(seed + i * 0x9e3779b97f4a7c15u)) - 0.5f) *
                    3.4641016f * deviation;
    return values;
}

#endif
