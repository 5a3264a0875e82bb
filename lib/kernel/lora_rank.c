/* SPDX-License-Identifier: Apache-2.0 */
/* One row of A's products, before B is applied: 8 bits under one scale, as quantize (quantize_ref.c)
 * does a block. Once a row and pair, so plain C will do. */
#include <math.h>

#include "base/bytes.h"
#include "kernel/kernel.h"

void ssi_lora_rank_quantize(const float *t, uint32_t rank, ssi_lora_rank *out)
{
    uint32_t largest = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t magnitude = ssi_bits_from_float(t[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    float inverse = 127.0f / ssi_float_from_bits(largest);
    bool finite = largest < 0x7f800000u;
    bool small = ssi_bits_from_float(inverse) == 0x7f800000u;
    out->scale = ssi_float_from_bits(finite ? largest : 0x7fc00000u) / 127.0f;
    if (small)
        out->scale = 0;
    for (uint32_t i = rank; i % 4 != 0; i++)
        out->quants[i] = 0;
    for (uint32_t i = 0; i < rank; i++) {
        int32_t q = finite && !small ? (int32_t)lrintf(t[i] * inverse) : 0;
        out->quants[i] = (int8_t)q;
        sum += q;
    }
    out->offset = -128 * sum;
}
