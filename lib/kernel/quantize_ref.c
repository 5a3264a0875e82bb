/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to 8 bits, 32 columns under one scale: the specification of every other
 * quantize. */
#include <math.h>

#include "kernel/kernel_list.h"
#include "kernel/quantize_scale.h"

/* One block; values beyond `count` count as zeros. Returns the sum of the quants. */
static int32_t quantize_block(const float *values, uint32_t count, int8_t *quants, float *scale)
{
    uint32_t largest = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t magnitude = ssi_bits_from_float(values[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    float inverse = ssi_quantize_scale(largest, scale);
    for (uint32_t i = 0; i < SSI_BLOCK; i++) {
        bool zero = inverse == 0 || i >= count;
        quants[i] = (int8_t)(zero ? 0 : lrintf(values[i] * inverse));
        sum += quants[i];
    }
    return sum;
}

void ssi_quantize__ref(ssi_activation *x, uint32_t row_begin, uint32_t row_end)
{
    for (uint32_t row = row_begin; row < row_end; row++)
        for (uint32_t block = 0; block < x->block_count; block++) {
            uint32_t left = x->columns - block * SSI_BLOCK;
            ssi_activation_block *to = &x->blocks[(size_t)row * x->block_count + block];
            int32_t sum =
                quantize_block(x->values + row * x->value_stride + (size_t)block * SSI_BLOCK,
                               left < SSI_BLOCK ? left : SSI_BLOCK, to->quants, &to->scale);
            to->sum8 = -8 * sum;
            to->scaled_sum = to->scale * (float)sum;
        }
}
