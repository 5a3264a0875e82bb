/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: their memory, and how they are born at the entry of the MSA layers:
 *
 *     S_j = M + B A M + P_j + gain_j * e + B' A' e        (method 2.3; adapter-format.md)
 *
 * where e is the root's embedding over its own root mean square; the terms an adapter lacks are
 * left out. */
#include "step/rows.h"

#include <math.h>
#include <string.h>

static void clear_row(ssi_activation *x)
{
    if (x->values)
        memset(x->values, 0, x->value_stride * sizeof *x->values);
}

void ssi_streams_layout(ssi_workspace *work, ssi_streams *streams, const ss_adapter *adapter,
                        ssi_arena *arena)
{
    *streams = (ssi_streams){.adapter = adapter};
    if (!adapter)
        return;
    uint32_t rank = adapter->rank > adapter->stream_rank ? adapter->rank : adapter->stream_rank;
    uint32_t widest = adapter->init.rank > adapter->root.rank ? adapter->init.rank
                                                              : adapter->root.rank;
    widest = adapter->prune.rank > widest ? adapter->prune.rank : widest;
    streams->count = adapter->stream_count;
    streams->rank_stride = ssi_round_up(rank, SSI_BLOCK);
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++)
        for (uint32_t map = 0; map < SSI_LORA_MAPS; map++) {
            streams->lora_t[kind][map] =
                ssi_take_floats(arena, work->row_capacity, streams->rank_stride);
            streams->lora_rank[kind][map] =
                ssi_arena_take(arena, work->row_capacity, sizeof(ssi_lora_rank));
        }
    if (streams->count == 0)
        return;
    streams->hidden_stride = work->hidden_stride;
    streams->entries = ssi_take_floats(arena, work->logit_rows, work->hidden_stride);
    streams->entry = ssi_take_floats(arena, 1, work->hidden_stride);
    streams->term = ssi_take_floats(arena, 1, work->hidden_stride);
    streams->root_unit = ssi_take_floats(arena, 1, ssi_round_up(work->hidden_stride, SSI_BLOCK));
    streams->embedding = ssi_take_floats(arena, 1, ssi_round_up(work->hidden_stride, SSI_BLOCK));
    streams->rank_product = ssi_take_floats(arena, 1, ssi_round_up(widest, SSI_BLOCK));
    if (adapter->stream_init == SSI_STREAM_VALUE_ROTATION) {
        size_t pairs = work->model->hyper.head_length / 2;
        streams->rotation_cosine = ssi_take_floats(arena, streams->count, pairs);
        streams->rotation_sine = ssi_take_floats(arena, streams->count, pairs);
    }
    streams->logit_stride = ssi_round_up(adapter->draft_count, SSI_BLOCK);
    streams->logits = ssi_take_floats(arena, streams->count, streams->logit_stride);
    streams->conditioned = ssi_take_floats(arena, 1, streams->logit_stride);
    if (adapter->parent_rank > 0) {
        ssi_rows_layout(&streams->parent_embedding, 1, work->model->hyper.embedding_length, arena);
        ssi_rows_layout(&streams->parent, 1, adapter->parent_rank, arena);
    }
}

void ssi_streams_clear(ssi_streams *streams, const ss_model *model)
{
    if (streams->count == 0)
        return;
    size_t state_bytes = ssi_round_up(streams->hidden_stride, SSI_BLOCK) * sizeof(float);
    memset(streams->embedding, 0, state_bytes);
    memset(streams->root_unit, 0, state_bytes);
    clear_row(&streams->parent_embedding);
    clear_row(&streams->parent);
    uint32_t pairs = model->hyper.head_length / 2;
    for (uint32_t i = 0; streams->rotation_cosine && i < streams->count * pairs; i++)
        ssi_sincosf((double)streams->adapter->rotation_step * (double)(i / pairs + 1),
                    &streams->rotation_sine[i], &streams->rotation_cosine[i]);
}

/* to += B A x; x has zeros behind its last number. */
static void add_low_rank(ssi_workspace *work, const ssi_low_rank *low, float *x, float *to)
{
    const ssi_kernels *kernels = &work->model->kernels;
    ssi_streams *streams = &work->streams;
    size_t stride = work->hidden_stride;
    ssi_activation in = {.columns = low->a.columns, .value_stride = stride, .values = x};
    ssi_activation product = {.columns = low->rank,
                              .value_stride = ssi_round_up(low->rank, SSI_BLOCK),
                              .values = streams->rank_product};
    if (low->rank == 0)
        return;
    kernels->gemm[SSI_TYPE_F32](&low->a, 0, low->a.group_count, &in, 1, product.values,
                                product.value_stride);
    kernels->gemm[SSI_TYPE_F32](&low->b, 0, low->b.group_count, &product, 1, streams->term,
                                stride);
    kernels->add(to, streams->term, low->b.rows);
}

/* o_θ(x) = x + B A x, for the pruner, in place. */
void ssi_streams_add_low_rank(ssi_workspace *work, const ssi_low_rank *low, float *x)
{
    float *copy = work->streams.embedding;
    memcpy(copy, x, work->model->hyper.embedding_length * sizeof *copy);
    add_low_rank(work, low, copy, x);
}

/* e = embedding / rms(embedding) */
static void make_root_unit(ssi_workspace *work, int32_t token)
{
    const ss_model *model = work->model;
    ssi_streams *streams = &work->streams;
    uint32_t d = model->hyper.embedding_length;
    float sum = 0;
    ssi_type_get(model->embedding.type)
        ->unpack_row(&model->embedding, (uint32_t)token, streams->root_unit);
    for (uint32_t i = 0; i < d; i++)
        sum = fmaf(streams->root_unit[i], streams->root_unit[i], sum);
    float rms = sqrtf(sum / (float)d + model->hyper.rms_epsilon);
    for (uint32_t i = 0; i < d; i++)
        streams->root_unit[i] /= rms;
}

void ssi_streams_birth(ssi_workspace *work, const float *entry, int32_t root_token,
                       uint32_t first_row)
{
    ssi_streams *streams = &work->streams;
    const ss_adapter *adapter = streams->adapter;
    uint32_t d = work->model->hyper.embedding_length;
    float *first = work->hidden + first_row * work->hidden_stride;
    bool rooted = adapter->root_gain && root_token >= 0;
    memcpy(first, entry, d * sizeof *first); /* what all streams share, in the first one's row */
    memcpy(streams->embedding, entry, d * sizeof *first);
    add_low_rank(work, &adapter->init, streams->embedding, first);
    if (rooted) {
        make_root_unit(work, root_token);
        add_low_rank(work, &adapter->root, streams->root_unit, first);
    }
    for (uint32_t j = streams->count; j-- > 0;) { /* the first row last */
        float *row = first + j * work->hidden_stride;
        size_t at = j * adapter->embedding_stride;
        for (uint32_t i = 0; i < d; i++) {
            float value = first[i];
            if (adapter->stream_embedding)
                value += adapter->stream_embedding[at + i];
            if (rooted)
                value = fmaf(adapter->root_gain[at + i], streams->root_unit[i], value);
            row[i] = value;
        }
    }
}
