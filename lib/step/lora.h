/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter's LoRA pairs in a layer: y += B (A x), main pairs on every row, stream pairs on stream
 * rows too. A takes a whole row of x, so A x is made where rows are whole: by whoever has just
 * normalised or quantised them, without another meeting of the threads. B is applied by the tasks
 * that own the groups of y. */
#ifndef SSI_STEP_LORA_H
#define SSI_STEP_LORA_H

#include "step/step.h"

typedef struct ssi_lora_layer { /* the pairs of one layer: [kind][map], or NULL */
    const ssi_lora *pairs[SSI_LORA_KINDS];
} ssi_lora_layer;

ssi_lora_layer ssi_lora_find(const ssi_workspace *work, uint32_t layer_index);

static inline bool ssi_lora_any(const ssi_lora_layer *lora)
{
    return lora->pairs[SSI_LORA_MAIN] || lora->pairs[SSI_LORA_STREAM];
}

/* A x in 8 bits, for maps [map_begin, map_end), which share their input x, and rows
 * [row_begin, row_end). At most SSI_LORA_MAPS maps. */
void ssi_lora_reduce(const ssi_workspace *work, const ssi_lora_layer *lora, uint32_t map_begin,
                     uint32_t map_end, const ssi_activation *x, uint32_t row_begin,
                     uint32_t row_end);

/* y += B (A x) for a range of groups; `place` is the map's among those reduced together. */
void ssi_lora_expand(const ssi_workspace *work, const ssi_lora_layer *lora, uint32_t map,
                     uint32_t place, uint32_t group_begin, uint32_t group_end,
                     uint32_t row_begin, uint32_t row_end, float *y, size_t y_stride);

/* Ask for weights ahead of their use: part `part` of `part_count` of the A's; groups of a B. */
void ssi_lora_reduce_ahead(const ssi_lora_layer *lora, uint32_t map_begin, uint32_t map_end,
                           uint32_t part, uint32_t part_count);
void ssi_lora_expand_ahead(const ssi_lora_layer *lora, uint32_t map, uint32_t group_begin,
                           uint32_t group_end);

#endif
