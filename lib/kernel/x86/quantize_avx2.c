/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to 8 bits: a block is four vectors. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/quantize_scale.h"

/* 32 values to quants; returns the sum of the quants. */
static inline int32_t quantize_block(const float *values, int8_t *quants, float *scale)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256 v[4];
    __m256i largest = _mm256_setzero_si256(), q[4], sum;

    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(values + 8 * i);
        largest = _mm256_max_epu32(largest,
                                   _mm256_and_si256(_mm256_castps_si256(v[i]), magnitude));
    }
    __m128i most = _mm_max_epu32(_mm256_castsi256_si128(largest),
                                 _mm256_extracti128_si256(largest, 1));
    most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0xb1));
    float inverse = ssi_quantize_scale((uint32_t)_mm_cvtsi128_si32(most), scale);
    if (inverse == 0) {
        memset(quants, 0, SSI_BLOCK);
        return 0;
    }
    for (int i = 0; i < 4; i++)
        q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
    sum = _mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
    /* Packing works within halves: words of four quants come out as 0 2 4 6 1 3 5 7. */
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]),
                                       _mm256_packs_epi32(q[2], q[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)quants, bytes);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return _mm_cvtsi128_si32(four);
}

void ssi_quantize__avx2(ssi_activation *x, uint32_t row_begin, uint32_t row_end)
{
    for (uint32_t row = row_begin; row < row_end; row++)
        for (uint32_t block = 0; block < x->block_count; block++) {
            const float *values = x->values + row * x->value_stride + (size_t)block * SSI_BLOCK;
            ssi_activation_block *to = &x->blocks[(size_t)row * x->block_count + block];
            uint32_t left = x->columns - block * SSI_BLOCK;
            float tail[SSI_BLOCK] = {0};
            if (left < SSI_BLOCK)
                values = memcpy(tail, values, left * sizeof *values);
            int32_t sum = quantize_block(values, to->quants, &to->scale);
            to->sum8 = -8 * sum;
            to->scaled_sum = to->scale * (float)sum;
        }
}
