/* SPDX-License-Identifier: Apache-2.0 */
/* B of a LoRA pair, added to rows, with VPDPBUSD: a lane is an output row. Groups are the outer
 * loop, so that B is read once for all rows, and at the usual ranks, 8 and 16, lies in registers. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/dot_avx512vnni.h"
#include "kernel/x86/unroll.h"

#define HELD_MAX 4u /* chunks of four ranks in registers */

static inline __attribute__((always_inline)) void add_group(const uint8_t *quants, __m512 scales,
                                                            uint32_t held, uint32_t chunk_count,
                                                            const ssi_lora_rank *t,
                                                            uint32_t row_count, float *y,
                                                            size_t y_stride)
{
    __m512i weights[HELD_MAX];
    SSI_UNROLL
    for (uint32_t chunk = 0; chunk < held; chunk++)
        weights[chunk] = _mm512_load_si512(quants + chunk * 64);
    for (uint32_t row = 0; row < row_count; row++, y += y_stride) {
        __m512i dot = _mm512_set1_epi32(t[row].offset);
        SSI_UNROLL
        for (uint32_t chunk = 0; chunk < held; chunk++)
            dot = dot4(dot, weights[chunk], t[row].quants + chunk * 4);
        for (uint32_t chunk = held; chunk < chunk_count; chunk++)
            dot = dot4(dot, _mm512_load_si512(quants + chunk * 64), t[row].quants + chunk * 4);
        __m512 both = _mm512_mul_ps(scales, _mm512_set1_ps(t[row].scale));
        _mm512_store_ps(y, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), both, _mm512_load_ps(y)));
    }
}

void ssi_lora_add__avx512vnni(const ssi_lora_b *b, uint32_t group_begin, uint32_t group_end,
                              const ssi_lora_rank *t, uint32_t row_count, float *y,
                              size_t y_stride)
{
    uint32_t chunk_count = (b->rank + 3) / 4;
    for (uint32_t group = group_begin; group < group_end && chunk_count > 0; group++) {
        const uint8_t *quants = b->quants + (size_t)group * chunk_count * 64;
        __m512 scales = _mm512_load_ps(b->scales + group * SSI_GROUP);
        float *out = y + (size_t)group * SSI_GROUP;
        if (chunk_count == 4)
            add_group(quants, scales, 4, 4, t, row_count, out, y_stride);
        else if (chunk_count == 2)
            add_group(quants, scales, 2, 2, t, row_count, out, y_stride);
        else
            add_group(quants, scales, 0, chunk_count, t, row_count, out, y_stride);
    }
}
