/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax's numerators and denominator, 16 lanes. */
#include "kernel/kernel_list.h"
#include "kernel/x86/exp_avx512vnni.h"

float ssi_exp_sum__avx512vnni(const float *values, uint32_t count, float largest,
                              float inverse)
{
    const __m512 shift = _mm512_set1_ps(largest), factor = _mm512_set1_ps(inverse);
    __m512 lane = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; count - i >= 16; i += 16) {
        __m512 below = _mm512_sub_ps(_mm512_loadu_ps(values + i), shift);
        lane = _mm512_add_ps(lane, exp_avx512(_mm512_mul_ps(below, factor)));
    }
    if (i < count) {
        __mmask16 here = (__mmask16)((1u << (count - i)) - 1);
        __m512 below = _mm512_sub_ps(_mm512_maskz_loadu_ps(here, values + i), shift);
        __m512 power = exp_avx512(_mm512_mul_ps(below, factor));
        lane = _mm512_mask_add_ps(lane, here, lane, power);
    }
    return reduce16_avx512(lane);
}

float ssi_exp_each__avx512vnni(float *values, uint32_t count, float largest)
{
    const __m512 shift = _mm512_set1_ps(largest);
    __m512 lane = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; count - i >= 16; i += 16) {
        __m512 power = exp_avx512(_mm512_sub_ps(_mm512_loadu_ps(values + i), shift));
        _mm512_storeu_ps(values + i, power);
        lane = _mm512_add_ps(lane, power);
    }
    if (i < count) {
        __mmask16 here = (__mmask16)((1u << (count - i)) - 1);
        __m512 power =
            exp_avx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(here, values + i), shift));
        _mm512_mask_storeu_ps(values + i, here, power);
        lane = _mm512_mask_add_ps(lane, here, lane, power);
    }
    return reduce16_avx512(lane);
}
