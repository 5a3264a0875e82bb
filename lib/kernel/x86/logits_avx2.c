/* SPDX-License-Identifier: Apache-2.0 */
/* Largest logit and softmax's denominator, 8 lanes. */
#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"
#include "kernel/x86/exp_avx2.h"
#include "kernel/x86/unroll.h"

/* Two passes: the largest value, then where it first stands. In MAXPS the second operand wins when
 * the first is NaN, so a NaN is never the largest. */
uint32_t ssi_argmax__avx2(const float *values, uint32_t count, bool *finite)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    __m256 best[4];
    __m256i broken = _mm256_setzero_si256();
    SSI_UNROLL
    for (int k = 0; k < 4; k++)
        best[k] = _mm256_set1_ps(-INFINITY);
    uint32_t i = 0;
    for (; count - i >= 32; i += 32)
        SSI_UNROLL
    for (int k = 0; k < 4; k++) {
        __m256 v = _mm256_loadu_ps(values + i + 8 * k);
        __m256i masked = _mm256_and_si256(_mm256_castps_si256(v), exponent);
        broken = _mm256_or_si256(broken, _mm256_cmpeq_epi32(masked, exponent));
        best[k] = _mm256_max_ps(v, best[k]);
    }
    float lane[8], largest = -INFINITY;
    best[0] = _mm256_max_ps(_mm256_max_ps(best[0], best[1]), _mm256_max_ps(best[2], best[3]));
    _mm256_storeu_ps(lane, best[0]);
    for (int k = 0; k < 8; k++)
        largest = lane[k] > largest ? lane[k] : largest;
    bool all = _mm256_testz_si256(broken, broken);
    for (; i < count; i++) {
        all &= (ssi_bits_from_float(values[i]) & 0x7f800000u) != 0x7f800000u;
        largest = values[i] > largest ? values[i] : largest;
    }
    *finite = all;
    if (largest == -INFINITY)
        return 0;

    const __m256 sought = _mm256_set1_ps(largest);
    for (i = 0; count - i >= 8; i += 8) {
        __m256 equal = _mm256_cmp_ps(_mm256_loadu_ps(values + i), sought, _CMP_EQ_OQ);
        int mask = _mm256_movemask_ps(equal);
        if (mask != 0)
            return i + (uint32_t)__builtin_ctz((unsigned)mask);
    }
    while (values[i] != largest)
        i++;
    return i;
}

float ssi_exp_sum__avx2(const float *values, uint32_t count, float largest, float inverse)
{
    const __m256 shift = _mm256_set1_ps(largest), factor = _mm256_set1_ps(inverse);
    __m256 low = _mm256_setzero_ps(), high = low;
    uint32_t i = 0;
    for (; count - i >= 16; i += 16) {
        __m256 first = _mm256_sub_ps(_mm256_loadu_ps(values + i), shift);
        __m256 second = _mm256_sub_ps(_mm256_loadu_ps(values + i + 8), shift);
        low = _mm256_add_ps(low, exp_avx2(_mm256_mul_ps(first, factor)));
        high = _mm256_add_ps(high, exp_avx2(_mm256_mul_ps(second, factor)));
    }
    float lane[16];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < count; i++)
        lane[i % 16] += ssi_exp_ref((values[i] - largest) * inverse);
    return ssi_reduce16(lane);
}

float ssi_exp_each__avx2(float *values, uint32_t count, float largest)
{
    const __m256 shift = _mm256_set1_ps(largest);
    __m256 low = _mm256_setzero_ps(), high = low;
    uint32_t i = 0;
    for (; count - i >= 16; i += 16) {
        __m256 first = exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(values + i), shift));
        __m256 second = exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(values + i + 8), shift));
        _mm256_storeu_ps(values + i, first);
        _mm256_storeu_ps(values + i + 8, second);
        low = _mm256_add_ps(low, first);
        high = _mm256_add_ps(high, second);
    }
    float lane[16];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < count; i++) {
        values[i] = ssi_exp_ref(values[i] - largest);
        lane[i % 16] += values[i];
    }
    return ssi_reduce16(lane);
}
