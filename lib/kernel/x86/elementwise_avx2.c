/* SPDX-License-Identifier: Apache-2.0 */
/* The residual sum and the rounding to binary16, 8 lanes. */
#include <immintrin.h>

#include "base/bytes.h"
#include "kernel/kernel_list.h"

void ssi_add__avx2(float *x, const float *y, uint32_t count)
{
    uint32_t i = 0;
    for (; count - i >= 8; i += 8)
        _mm256_storeu_ps(x + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    for (; i < count; i++)
        x[i] += y[i];
}

void ssi_to_f16__avx2(const float *values, uint32_t count, uint16_t *halves)
{
    uint32_t i = 0;
    for (; count - i >= 8; i += 8)
        _mm_storeu_si128((__m128i *)(halves + i), _mm256_cvtps_ph(_mm256_loadu_ps(values + i),
                                                                  _MM_FROUND_TO_NEAREST_INT));
    for (; i < count; i++)
        halves[i] = ssi_f16_from_float(values[i]);
}
