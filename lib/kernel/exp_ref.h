/* SPDX-License-Identifier: Apache-2.0 */
/* The exponential that softmax and SiLU are made of, as one straight line that SIMD copies
 * operation for operation (x86/exp_avx2.h, x86/exp_avx512vnni.h):
 *
 *     n = x / ln 2 rounded to nearest even, by adding and taking away 1.5 * 2^23
 *     r = x - n * ln 2 in two pieces, |r| <= ln 2 / 2;  e^r by a polynomial of degree 6
 *     n is added to the exponent of e^r
 *
 * Within 1 ulp. A result below 2^-126 is 0 (never a denormal), above the largest float +inf; NaN
 * gives NaN; exp(0) is exactly 1. */
#ifndef SSI_KERNEL_EXP_REF_H
#define SSI_KERNEL_EXP_REF_H

#include <math.h>

#include "base/bytes.h"

#define SSI_EXP_LOWEST -0x1.5d589ep+6f /* the least x with e^x >= 2^-126 */
#define SSI_EXP_HIGHEST 0x1.62e42ep+6f /* the largest x with e^x finite */
#define SSI_EXP_LOG2_E 0x1.715476p+0f
#define SSI_EXP_ROUNDER 0x1.8p+23f    /* its low 9 bits are 0, so that bits << 23 leaves n */
#define SSI_EXP_LN2_HIGH 0x1.62e4p-1f /* 15 bits: n * it is exact */
#define SSI_EXP_LN2_LOW 0x1.7f7d1cp-20f
/* Minimax of (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, relative to e^r: 3.1e-9. */
#define SSI_EXP_C2 0x1.fffffcp-2f
#define SSI_EXP_C3 0x1.55549p-3f
#define SSI_EXP_C4 0x1.5558f4p-5f
#define SSI_EXP_C5 0x1.123a6cp-7f
#define SSI_EXP_C6 0x1.6a2352p-10f

static inline float ssi_exp_ref(float x)
{
    float clamped = x > SSI_EXP_LOWEST ? x : SSI_EXP_LOWEST; /* also for NaN */
    clamped = clamped < SSI_EXP_HIGHEST ? clamped : SSI_EXP_HIGHEST;
    float rounded = fmaf(clamped, SSI_EXP_LOG2_E, SSI_EXP_ROUNDER);
    float n = rounded - SSI_EXP_ROUNDER;
    float r = fmaf(n, -SSI_EXP_LN2_HIGH, clamped);
    r = fmaf(n, -SSI_EXP_LN2_LOW, r);
    float p = fmaf(SSI_EXP_C6, r, SSI_EXP_C5);
    p = fmaf(p, r, SSI_EXP_C4);
    p = fmaf(p, r, SSI_EXP_C3);
    p = fmaf(p, r, SSI_EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    p = ssi_float_from_bits(ssi_bits_from_float(p) + (ssi_bits_from_float(rounded) << 23));
    p = x < SSI_EXP_LOWEST ? 0.0f : p;
    p = x > SSI_EXP_HIGHEST ? INFINITY : p;
    return x == x ? p : x;
}

#endif
