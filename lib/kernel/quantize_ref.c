/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to 8 bits, 32 columns under one scale: the specification of every other
 * quantize. */
#include <math.h>

#include "base/bytes.h"
#include "kernel/kernel_list.h"

/* One block; `values` beyond `count` count as zeros. */
static void quantize_block(const float *values, uint32_t count, int8_t *quants, float *scale,
                           int32_t *sum)
{
    /* Magnitudes compare as integers just as they do as floats, with NaN above infinity. */
    uint32_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t magnitude = ssi_bits_from_float(values[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    float inverse = 127.0f / ssi_float_from_bits(largest);
    bool finite = largest < 0x7f800000u;
    *scale = finite ? ssi_float_from_bits(largest) / 127.0f : ssi_float_from_bits(0x7fc00000u);
    *sum = 0;
    memset(quants, 0, SSI_BLOCK);
    if (!finite)
        return;
    if (ssi_bits_from_float(inverse) == 0x7f800000u) { /* zeros, or too small to invert */
        *scale = 0;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        long q = lrintf(values[i] * inverse);
        quants[i] = (int8_t)q;
        *sum += (int32_t)q;
    }
}

void ssi_quantize__ref(ssi_activation *x, uint32_t row_begin, uint32_t row_end)
{
    for (uint32_t row = row_begin; row < row_end; row++)
        for (uint32_t block = 0; block < x->block_count; block++) {
            uint32_t left = x->columns - block * SSI_BLOCK;
            size_t at = (size_t)row * x->block_count + block;
            int32_t sum;
            quantize_block(x->values + row * x->value_stride + (size_t)block * SSI_BLOCK,
                           left < SSI_BLOCK ? left : SSI_BLOCK, x->quants + at * SSI_BLOCK,
                           &x->scales[at], &sum);
            x->sums8[at] = -8 * sum;
            x->scaled_sums[at] = x->scales[at] * (float)sum;
        }
}
