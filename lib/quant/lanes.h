/* SPDX-License-Identifier: Apache-2.0 */
/* Four numbers side by side, as the compilers' own vectors: sums have an order of their own that no
 * option changes, at a quarter of the time. */
#ifndef SSI_QUANT_LANES_H
#define SSI_QUANT_LANES_H

#include <math.h>

#include "quant/pack.h"

typedef float ssi_lanes __attribute__((vector_size(16)));
typedef int32_t ssi_int_lanes __attribute__((vector_size(16)));

SSI_INLINE ssi_lanes ssi_lanes_load(const float *at)
{
    ssi_lanes x;
    memcpy(&x, at, sizeof x);
    return x;
}

SSI_INLINE ssi_lanes ssi_lanes_pick(ssi_int_lanes where, ssi_lanes a, ssi_lanes b)
{
    return (ssi_lanes)((where & (ssi_int_lanes)a) | (~where & (ssi_int_lanes)b));
}

/* The nearest of 0, 1 .. 15, halves upward; NaN gives 0. */
SSI_INLINE ssi_lanes ssi_lanes_nibbles(ssi_lanes x)
{
    const ssi_lanes zero = {0, 0, 0, 0}, most = {15, 15, 15, 15};
    x = ssi_lanes_pick(x > zero, x, zero);
    x = ssi_lanes_pick(x < most, x, most);
    return __builtin_convertvector(__builtin_convertvector(x + 0.5f, ssi_int_lanes), ssi_lanes);
}

SSI_INLINE float ssi_lanes_sum(ssi_lanes x)
{
    return (x[0] + x[2]) + (x[1] + x[3]);
}

/* What an error counts in a block: its value's own magnitude and the block's. Large weights are few
 * and carry much; with all counting alike the many small ones win at their cost. */
SSI_INLINE void ssi_block_weights(const float values[SSI_BLOCK], float weights[SSI_BLOCK])
{
    ssi_lanes squares = {0};
    for (uint32_t j = 0; j < SSI_BLOCK; j += 4)
        squares += ssi_lanes_load(values + j) * ssi_lanes_load(values + j);
    float size = sqrtf(ssi_lanes_sum(squares) / (float)SSI_BLOCK);
    for (uint32_t j = 0; j < SSI_BLOCK; j++)
        weights[j] = size + fabsf(values[j]);
}

#endif
