/* SPDX-License-Identifier: Apache-2.0 */
/* B of a LoRA pair, added to rows: the specification of every other lora_add. */
#include <math.h>

#include "kernel/kernel_list.h"

void ssi_lora_add__ref(const ssi_lora_b *b, uint32_t group_begin, uint32_t group_end,
                       const ssi_lora_rank *t, uint32_t row_count, float *y,
                       size_t y_stride)
{
    uint32_t chunk_count = (b->rank + 3) / 4;
    for (uint32_t row = 0; row < row_count && chunk_count > 0; row++) {
        const ssi_lora_rank *rank = &t[row];
        for (uint32_t group = group_begin; group < group_end; group++) {
            const uint8_t *quants = b->quants + (size_t)group * chunk_count * SSI_GROUP * 4;
            float *out = y + row * y_stride + (size_t)group * SSI_GROUP;
            for (uint32_t lane = 0; lane < SSI_GROUP; lane++) {
                int32_t dot = rank->offset;
                for (uint32_t i = 0; i < chunk_count * 4; i++)
                    dot += quants[(i / 4 * SSI_GROUP + lane) * 4 + i % 4] * rank->quants[i];
                float scale = b->scales[group * SSI_GROUP + lane] * rank->scale;
                out[lane] = fmaf((float)dot, scale, out[lane]);
            }
        }
    }
}
