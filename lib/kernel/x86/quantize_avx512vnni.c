/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to 8 bits: a block is two vectors. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/quantize_scale.h"

void ssi_quantize__avx512vnni(ssi_activation *x, uint32_t row_begin, uint32_t row_end)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);

    for (uint32_t row = row_begin; row < row_end; row++)
        for (uint32_t block = 0; block < x->block_count; block++) {
            const float *values = x->values + row * x->value_stride + (size_t)block * SSI_BLOCK;
            ssi_activation_block *to = &x->blocks[(size_t)row * x->block_count + block];
            uint32_t left = x->columns - block * SSI_BLOCK;
            uint32_t mask = left < SSI_BLOCK ? (1u << left) - 1 : 0xffffffffu;
            __m512 a = _mm512_maskz_loadu_ps((__mmask16)(mask & 0xffffu), values);
            __m512 b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), values + 16);
            uint32_t largest = _mm512_reduce_max_epu32(
                _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                                 _mm512_and_si512(_mm512_castps_si512(b), magnitude)));
            float inverse = ssi_quantize_scale(largest, &to->scale);
            __m512i qa = _mm512_setzero_si512(), qb = qa;
            if (inverse != 0) {
                qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, _mm512_set1_ps(inverse)));
                qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, _mm512_set1_ps(inverse)));
            }
            __m128i *quants = (__m128i *)to->quants;
            _mm_storeu_si128(quants, _mm512_cvtepi32_epi8(qa));
            _mm_storeu_si128(quants + 1, _mm512_cvtepi32_epi8(qb));
            int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(qa, qb));
            to->sum8 = -8 * sum;
            to->scaled_sum = to->scale * (float)sum;
        }
}
