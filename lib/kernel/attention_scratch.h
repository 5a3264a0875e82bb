/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's attention keeps beside its output: one state per query head of each row, and room
 * for one value vector. */
#ifndef SSI_KERNEL_ATTENTION_SCRATCH_H
#define SSI_KERNEL_ATTENTION_SCRATCH_H

#include <math.h>

#include "kernel/kernel.h"

/* Query heads a SIMD version handles together. */
#define SSI_ATTENTION_GROUP 6u

typedef struct ssi_attention_state {
    _Alignas(64) float score[SSI_ATTENTION_BLOCK]; /* of the block at hand, then p */
    float lane[SSI_ATTENTION_BLOCK];               /* scores of 32 keys of the tree */
    const float *query;
    float *output;      /* o until the last block, then o / l */
    float largest, sum; /* m, l */
    float factor;       /* o is still to be multiplied by it */
} ssi_attention_state;

static inline float *ssi_attention_value(const ssi_attention_args *args) /* [head_length] */
{
    ssi_attention_state *states = args->scratch;
    return (float *)(states + SSI_ATTENTION_ROWS * args->heads_per_kv);
}

static inline void ssi_attention_begin(const ssi_attention_args *args, uint32_t row,
                                       uint32_t head, ssi_attention_state *state)
{
    state->query = args->query + row * args->query_stride + (size_t)head * args->head_length;
    state->output = args->output + row * args->output_stride + (size_t)head * args->head_length;
    state->largest = -INFINITY;
    state->sum = 0.0f;
    for (uint32_t d = 0; d < args->head_length; d++)
        state->output[d] = 0.0f;
}

/* Where key i of a row lies: an area and a slot in it. */
typedef struct ssi_attention_place {
    const void *keys, *values;
    uint32_t slot;
} ssi_attention_place;

static inline ssi_attention_place ssi_attention_find(const ssi_attention_args *args,
                                                     const ssi_attention_row *row, uint32_t i)
{
    if (i < row->cache_count)
        return (ssi_attention_place){args->cache_keys, args->cache_values, i};
    i -= row->cache_count;
    if (i < row->node_count)
        return (ssi_attention_place){args->node_keys, args->node_values, row->nodes[i]};
    return (ssi_attention_place){args->stream_keys, args->stream_values,
                                 row->stream_first + i - row->node_count};
}

/* Element `index` of an area of binary32 or binary16 numbers. */
static inline const void *ssi_attention_at(const ssi_attention_args *args, const void *area,
                                           size_t index)
{
    return (const char *)area + index * (args->f32 ? sizeof(float) : sizeof(uint16_t));
}

#endif
