/* SPDX-License-Identifier: Apache-2.0 */
/* exp_ref.h in 8 lanes, operation for operation. */
#ifndef SSI_KERNEL_X86_EXP_AVX2_H
#define SSI_KERNEL_X86_EXP_AVX2_H

#include <immintrin.h>

#include "kernel/exp_ref.h"

static inline __m256 exp_avx2(__m256 x)
{
    const __m256 lowest = _mm256_set1_ps(SSI_EXP_LOWEST),
                 highest = _mm256_set1_ps(SSI_EXP_HIGHEST);
    const __m256 rounder = _mm256_set1_ps(SSI_EXP_ROUNDER), one = _mm256_set1_ps(1.0f);
    __m256 clamped =
        _mm256_min_ps(_mm256_max_ps(x, lowest), highest); /* NaN: the second operand */
    __m256 rounded = _mm256_fmadd_ps(clamped, _mm256_set1_ps(SSI_EXP_LOG2_E), rounder);
    __m256 n = _mm256_sub_ps(rounded, rounder);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-SSI_EXP_LN2_HIGH), clamped);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-SSI_EXP_LN2_LOW), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(SSI_EXP_C6), r, _mm256_set1_ps(SSI_EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C2));
    p = _mm256_fmadd_ps(p, r, one);
    p = _mm256_fmadd_ps(p, r, one);
    __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(rounded), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
    p = _mm256_andnot_ps(_mm256_cmp_ps(x, lowest, _CMP_LT_OQ), p);
    p = _mm256_blendv_ps(p, _mm256_set1_ps(INFINITY), _mm256_cmp_ps(x, highest, _CMP_GT_OQ));
    return _mm256_blendv_ps(p, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

/* The same bits for x <= 0, where nothing overflows: softmax. (A NaN stays one: MAXPS passes on its
 * second operand.) */
static inline __m256 exp_below_avx2(__m256 x)
{
    const __m256 lowest = _mm256_set1_ps(SSI_EXP_LOWEST), one = _mm256_set1_ps(1.0f);
    const __m256 rounder = _mm256_set1_ps(SSI_EXP_ROUNDER);
    __m256 clamped = _mm256_max_ps(lowest, x);
    __m256 rounded = _mm256_fmadd_ps(clamped, _mm256_set1_ps(SSI_EXP_LOG2_E), rounder);
    __m256 n = _mm256_sub_ps(rounded, rounder);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-SSI_EXP_LN2_HIGH), clamped);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-SSI_EXP_LN2_LOW), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(SSI_EXP_C6), r, _mm256_set1_ps(SSI_EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SSI_EXP_C2));
    p = _mm256_fmadd_ps(p, r, one);
    p = _mm256_fmadd_ps(p, r, one);
    __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(rounded), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
    return _mm256_andnot_ps(_mm256_cmp_ps(x, lowest, _CMP_LT_OQ), p);
}

/* The tree of reduce_ref.h over lanes 0..7 in `low`, 8..15 in `high`. */
static inline float reduce16_avx2(__m256 low, __m256 high)
{
    __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four)); /* 0 + 2, 1 + 3 */
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
