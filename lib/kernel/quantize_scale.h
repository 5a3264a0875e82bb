/* SPDX-License-Identifier: Apache-2.0 */
/* A block's scale from its largest magnitude: the same few scalar operations in every quantize. */
#ifndef SSI_KERNEL_QUANTIZE_SCALE_H
#define SSI_KERNEL_QUANTIZE_SCALE_H

#include "base/bytes.h"

/* `largest` is the largest of the block's values as bits, signs cleared: magnitudes compare as
 * integers just as they do as floats, with infinity and NaN above all others. Returns what the
 * values are to be multiplied by; 0: every quant is 0 (a block of zeros, or of values too small to
 * divide by, or one that is not finite). */
static inline float ssi_quantize_scale(uint32_t largest, float *scale)
{
    if (largest >= 0x7f800000u) {
        *scale = ssi_float_from_bits(0x7fc00000u);
        return 0;
    }
    float inverse = 127.0f / ssi_float_from_bits(largest);
    bool invertible = ssi_bits_from_float(inverse) < 0x7f800000u;
    *scale = invertible ? ssi_float_from_bits(largest) / 127.0f : 0;
    return invertible ? inverse : 0;
}

#endif
