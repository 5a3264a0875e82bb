/* SPDX-License-Identifier: Apache-2.0 */
/* What every lora_add begins with: one row of A's products in 8 bits under one scale. Plain C, in
 * each of their files built with that file's flags; the bits are the same. */
#ifndef SSI_KERNEL_LORA_RANK_H
#define SSI_KERNEL_LORA_RANK_H

#include <math.h>

#include "base/bytes.h"
#include "kernel/kernel.h"

#define SSI_LORA_RANK_MAX 256u

typedef struct ssi_lora_rank {
    _Alignas(64) int8_t quants[SSI_LORA_RANK_MAX]; /* zeros up to a multiple of 4 */
    int32_t offset; /* takes the 128 off every quant of B again */
    float scale;
} ssi_lora_rank;

/* As quantize (quantize_ref.c) does a block. */
static inline void ssi_lora_rank_quantize(const float *t, uint32_t rank, ssi_lora_rank *out)
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

#endif
