/* SPDX-License-Identifier: Apache-2.0 */
/* B of a LoRA pair, added to rows, with VPDPBUSD: a lane is an output row. */
#include <immintrin.h>

#include "base/bytes.h"
#include "kernel/kernel_list.h"

void ssi_lora_add__avx512vnni(const ssi_lora_b *b, uint32_t group_begin, uint32_t group_end,
                              const ssi_lora_rank *t, uint32_t row_count, float *y,
                              size_t y_stride)
{
    uint32_t chunk_count = (b->rank + 3) / 4;
    for (uint32_t row = 0; row < row_count && chunk_count > 0; row++) {
        const ssi_lora_rank *rank = &t[row];
        __m512i offset = _mm512_set1_epi32(rank->offset);
        __m512 scale = _mm512_set1_ps(rank->scale);
        for (uint32_t group = group_begin; group < group_end; group++) {
            const uint8_t *quants = b->quants + (size_t)group * chunk_count * 64;
            float *out = y + row * y_stride + (size_t)group * SSI_GROUP;
            __m512i dot = offset;
            for (uint32_t chunk = 0; chunk < chunk_count; chunk++)
                dot = _mm512_dpbusd_epi32(
                    dot, _mm512_load_si512(quants + chunk * 64),
                    _mm512_set1_epi32((int32_t)ssi_load_u32le(rank->quants + chunk * 4)));
            __m512 both = _mm512_mul_ps(_mm512_load_ps(b->scales + group * SSI_GROUP), scale);
            _mm512_store_ps(out, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), both,
                                                 _mm512_load_ps(out)));
        }
    }
}
