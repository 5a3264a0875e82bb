/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to 8 bits: a block is two vectors, and four blocks are reduced together. */
#include <immintrin.h>
#include <math.h>

#include "kernel/kernel_list.h"
#include "kernel/quantize_scale.h"
#include "kernel/x86/unroll.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i larger_magnitude(__m512 a, __m512 b)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    return _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                            _mm512_and_si512(_mm512_castps_si512(b), magnitude));
}

/* Rounds a block's two vectors; returns them added. */
INLINE __m512i store_quants(__m512 a, __m512 b, int8_t *quants)
{
    __m512i qa = _mm512_cvtps_epi32(a), qb = _mm512_cvtps_epi32(b);
    _mm_storeu_si128((__m128i *)quants, _mm512_cvtepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(quants + 16), _mm512_cvtepi32_epi8(qb));
    return _mm512_add_epi32(qa, qb);
}

/* The first `left` columns of a block. */
static void quantize_block(const float *values, uint32_t left, ssi_activation_block *to)
{
    uint32_t mask = left < SSI_BLOCK ? (1u << left) - 1 : 0xffffffffu;
    __m512 a = _mm512_maskz_loadu_ps((__mmask16)(mask & 0xffffu), values);
    __m512 b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), values + 16);
    uint32_t largest = _mm512_reduce_max_epu32(larger_magnitude(a, b));
    float inverse = ssi_quantize_scale(largest, &to->scale);
    /* What is not finite is not multiplied by 0. */
    __m512 factor = _mm512_set1_ps(inverse), zero = _mm512_setzero_ps();
    a = inverse != 0 ? _mm512_mul_ps(a, factor) : zero;
    b = inverse != 0 ? _mm512_mul_ps(b, factor) : zero;
    int32_t sum = _mm512_reduce_add_epi32(store_quants(a, b, to->quants));
    to->sum8 = -8 * sum;
    to->scaled_sum = to->scale * (float)sum;
}

/* Sums where `add`, else the larger. */
INLINE __m512i join512(__m512i a, __m512i b, const bool add)
{
    return add ? _mm512_add_epi32(a, b) : _mm512_max_epu32(a, b);
}

/* Four vectors to one of four lanes: lane i joins all of v[i]. */
INLINE __m128i reduce_4(const __m512i v[4], const bool add)
{
    __m512i first = join512(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]), add);
    __m512i last = join512(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]), add);
    __m512i all = join512(_mm512_unpacklo_epi64(first, last), _mm512_unpackhi_epi64(first, last), add);
    all = join512(all, _mm512_shuffle_i64x2(all, all, 0x4e), add);
    return _mm512_castsi512_si128(join512(all, _mm512_shuffle_i64x2(all, all, 0xb1), add));
}

/* Four whole blocks; false, and nothing done, if one of them is not to be divided by its largest. */
static bool quantize_four(const float *values, ssi_activation_block *to)
{
    const __m128 most = _mm_set1_ps(127.0f);
    __m512 a[4], b[4];
    __m512i reduced[4];
    SSI_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        a[i] = _mm512_loadu_ps(values + i * SSI_BLOCK);
        b[i] = _mm512_loadu_ps(values + i * SSI_BLOCK + 16);
        reduced[i] = larger_magnitude(a[i], b[i]);
    }
    __m128i largest_bits = reduce_4(reduced, false);
    __m128 largest = _mm_castsi128_ps(largest_bits), inverse = _mm_div_ps(most, largest);
    __m128 infinity = _mm_set1_ps(INFINITY);
    if (_mm_cmp_ps_mask(largest, infinity, _CMP_LT_OQ) != 15 ||
        _mm_cmp_ps_mask(inverse, infinity, _CMP_LT_OQ) != 15)
        return false;
    _Alignas(16) float inverses[4];
    _mm_store_ps(inverses, inverse);
    SSI_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        __m512 factor = _mm512_set1_ps(inverses[i]);
        reduced[i] = store_quants(_mm512_mul_ps(a[i], factor), _mm512_mul_ps(b[i], factor), to[i].quants);
    }
    __m128i sum = reduce_4(reduced, true);
    __m128 scale = _mm_div_ps(largest, most);
    _Alignas(16) float scales[4], scaled_sums[4];
    _Alignas(16) int32_t sums8[4];
    _mm_store_ps(scales, scale);
    _mm_store_ps(scaled_sums, _mm_mul_ps(scale, _mm_cvtepi32_ps(sum)));
    _mm_store_si128((__m128i *)sums8, _mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(sum, 3)));
    SSI_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        to[i].scale = scales[i];
        to[i].scaled_sum = scaled_sums[i];
        to[i].sum8 = sums8[i];
    }
    return true;
}

void ssi_quantize__avx512vnni(ssi_activation *x, uint32_t row_begin, uint32_t row_end)
{
    for (uint32_t row = row_begin; row < row_end; row++) {
        const float *values = x->values + row * x->value_stride;
        ssi_activation_block *to = x->blocks + (size_t)row * x->block_count;
        uint32_t block = 0, whole = x->columns / SSI_BLOCK;
        for (; whole - block >= 4; block += 4)
            if (!quantize_four(values + (size_t)block * SSI_BLOCK, to + block))
                for (uint32_t i = block; i < block + 4; i++)
                    quantize_block(values + (size_t)i * SSI_BLOCK, SSI_BLOCK, to + i);
        for (; block < x->block_count; block++)
            quantize_block(values + (size_t)block * SSI_BLOCK, x->columns - block * SSI_BLOCK,
                           to + block);
    }
}
