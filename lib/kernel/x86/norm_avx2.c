/* SPDX-License-Identifier: Apache-2.0 */
/* Root mean square norm: lanes 0..7 and 8..15 of norm_ref.c in two vectors. (One chain of
 * multiply-adds per lane is the specification, so wider vectors would wait just as long.) */
#include <immintrin.h>
#include <math.h>

#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

void ssi_rms_norm__avx2(const float *x, const float *weight, float epsilon, uint32_t count,
                        float *out)
{
    __m256 low = _mm256_setzero_ps(), high = low;
    uint32_t whole = count / 16 * 16, i = 0;
    for (; i < whole; i += 16) {
        __m256 x0 = _mm256_loadu_ps(x + i), x1 = _mm256_loadu_ps(x + i + 8);
        low = _mm256_fmadd_ps(x0, x0, low);
        high = _mm256_fmadd_ps(x1, x1, high);
    }
    float lane[16];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < count; i++)
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);

    float factor = 1.0f / sqrtf(ssi_reduce16(lane) / (float)count + epsilon);
    __m256 factors = _mm256_set1_ps(factor);
    for (i = 0; i < whole; i += 8) {
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), factors);
        _mm256_storeu_ps(out + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(weight + i)));
    }
    for (; i < count; i++)
        out[i] = x[i] * factor * weight[i];
}
