/* SPDX-License-Identifier: Apache-2.0 */
/* exp_ref.h in 16 lanes, operation for operation. */
#ifndef SSI_KERNEL_X86_EXP_AVX512VNNI_H
#define SSI_KERNEL_X86_EXP_AVX512VNNI_H

#include <immintrin.h>

#include "kernel/exp_ref.h"

static inline __m512 exp_avx512(__m512 x)
{
    const __m512 lowest = _mm512_set1_ps(SSI_EXP_LOWEST),
                 highest = _mm512_set1_ps(SSI_EXP_HIGHEST);
    const __m512 rounder = _mm512_set1_ps(SSI_EXP_ROUNDER), one = _mm512_set1_ps(1.0f);
    __m512 clamped =
        _mm512_min_ps(_mm512_max_ps(x, lowest), highest); /* NaN: the second operand */
    __m512 rounded = _mm512_fmadd_ps(clamped, _mm512_set1_ps(SSI_EXP_LOG2_E), rounder);
    __m512 n = _mm512_sub_ps(rounded, rounder);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-SSI_EXP_LN2_HIGH), clamped);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-SSI_EXP_LN2_LOW), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(SSI_EXP_C6), r, _mm512_set1_ps(SSI_EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C2));
    p = _mm512_fmadd_ps(p, r, one);
    p = _mm512_fmadd_ps(p, r, one);
    __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(rounded), 23);
    p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shift));
    p = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, lowest, _CMP_NLT_UQ), p);
    p = _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, highest, _CMP_GT_OQ),
                           _mm512_set1_ps(INFINITY));
    return _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

/* The same bits for x <= 0, where nothing overflows: softmax. (A NaN stays one: MAXPS passes on its
 * second operand.) */
static inline __m512 exp_below_avx512(__m512 x)
{
    const __m512 lowest = _mm512_set1_ps(SSI_EXP_LOWEST), one = _mm512_set1_ps(1.0f);
    const __m512 rounder = _mm512_set1_ps(SSI_EXP_ROUNDER);
    __m512 clamped = _mm512_max_ps(lowest, x);
    __m512 rounded = _mm512_fmadd_ps(clamped, _mm512_set1_ps(SSI_EXP_LOG2_E), rounder);
    __m512 n = _mm512_sub_ps(rounded, rounder);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-SSI_EXP_LN2_HIGH), clamped);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-SSI_EXP_LN2_LOW), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(SSI_EXP_C6), r, _mm512_set1_ps(SSI_EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SSI_EXP_C2));
    p = _mm512_fmadd_ps(p, r, one);
    p = _mm512_fmadd_ps(p, r, one);
    __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(rounded), 23);
    p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shift));
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, lowest, _CMP_NLT_UQ), p);
}

/* The tree of reduce_ref.h. */
static inline float reduce16_avx512(__m512 lane)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lane), _mm512_extractf32x8_ps(lane, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four)); /* 0 + 2, 1 + 3 */
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
