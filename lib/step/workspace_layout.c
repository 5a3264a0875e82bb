/* SPDX-License-Identifier: Apache-2.0 */
/* What a pass computes in, laid out in one block. */
#include "step/cut.h"
#include "step/rows.h"

#include <string.h>

/* Columns past the last belong to its block and are read as zeros; nothing writes them. */
static void clear_tail(const ssi_activation *x, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        memset(x->values + row * x->value_stride + x->columns, 0,
               (x->value_stride - x->columns) * sizeof *x->values);
}

static void layout_batch(ssi_workspace *work, ssi_arena *arena)
{
    ssi_batch *batch = &work->batch;
    uint32_t rows = work->row_capacity, pairs = work->model->hyper.rope_length / 2;
    batch->tokens = ssi_arena_take(arena, rows, sizeof *batch->tokens);
    batch->positions = ssi_arena_take(arena, rows, sizeof *batch->positions);
    batch->slots = ssi_arena_take(arena, rows, sizeof *batch->slots);
    batch->attention = ssi_arena_take(arena, rows, sizeof *batch->attention);
    batch->cosines = ssi_arena_take(arena, rows, pairs * sizeof *batch->cosines);
    batch->sines = ssi_arena_take(arena, rows, pairs * sizeof *batch->sines);
    batch->ancestors = ssi_arena_take(arena, work->logit_rows, sizeof *batch->ancestors);
}

void ssi_workspace_layout(ssi_workspace *work, const ssi_workspace_shape *shape,
                          ssi_arena *arena)
{
    const ssi_hyper *hyper = &work->model->hyper;
    uint32_t heads_per_kv = hyper->head_count / hyper->head_count_kv;
    uint32_t threads = work->parallel->thread_count, rows;
    ssi_kv_shape cache = {
        .layer_count = hyper->layer_count,
        .head_count = hyper->head_count_kv,
        .head_length = hyper->head_length,
        .positions = shape->context_length,
        .nodes = shape->max_step_rows,
        .streams = shape->max_step_rows * SSI_STREAMS_MAX,
        .f32 = shape->kv_f32,
    };
    work->chunk_rows = shape->prefill_chunk;
    work->logit_rows = shape->max_step_rows;
    rows = work->logit_rows * (1 + SSI_STREAMS_MAX); /* with streams beside every node */
    work->row_capacity = rows = work->chunk_rows > rows ? work->chunk_rows : rows;
    ssi_kv_layout(&work->cache, &cache, &work->model->kernels, arena);
    layout_batch(work, arena);

    work->hidden_stride = ssi_round_up(hyper->embedding_length, SSI_GROUP);
    work->query_stride = ssi_round_up((size_t)hyper->head_count * hyper->head_length, SSI_GROUP);
    work->key_stride = ssi_round_up((size_t)hyper->head_count_kv * hyper->head_length, SSI_GROUP);
    work->feed_stride = ssi_round_up(hyper->feed_forward_length, SSI_GROUP);
    work->logit_stride = ssi_round_up(hyper->vocabulary_size, SSI_GROUP);
    work->hidden = ssi_take_floats(arena, rows, work->hidden_stride);
    work->delta = ssi_take_floats(arena, rows, work->hidden_stride);
    work->query = ssi_take_floats(arena, rows, work->query_stride);
    work->key = ssi_take_floats(arena, rows, work->key_stride);
    work->value = ssi_take_floats(arena, rows, work->key_stride);
    work->gate = ssi_take_floats(arena, rows, work->feed_stride);
    work->up = ssi_take_floats(arena, rows, work->feed_stride);
    ssi_rows_layout(&work->normed, rows, hyper->embedding_length, arena);
    ssi_rows_layout(&work->attended, rows, hyper->head_count * hyper->head_length, arena);
    ssi_rows_layout(&work->gated, rows, hyper->feed_forward_length, arena);
    work->logits = ssi_take_floats(arena, work->logit_rows, work->logit_stride);
    work->chunk_stride = ssi_head_chunk_count(hyper->vocabulary_size);
    uint32_t head_rows = /* the model's head runs over nodes, the draft head over streams */
        work->logit_rows > SSI_STREAMS_MAX ? work->logit_rows : SSI_STREAMS_MAX;
    work->chunk_peaks =
        ssi_arena_take(arena, head_rows, work->chunk_stride * sizeof *work->chunk_peaks);
    work->peaks = ssi_arena_take(arena, head_rows, sizeof *work->peaks);
    work->contender_rows = ssi_take_floats(arena, work->logit_rows,
                                           SSI_GROUP * (size_t)hyper->embedding_length);
    work->contender_row = ssi_take_floats(arena, work->logit_rows, hyper->embedding_length);

    work->attention_scratch_bytes =
        ssi_round_up(ssi_attention_scratch_bytes(hyper->head_length, heads_per_kv), SSI_ALIGN);
    work->attention_scratch =
        ssi_arena_take(arena, threads > 1 ? threads * SSI_TASKS_PER_THREAD : 1u,
                       work->attention_scratch_bytes);
}

void ssi_workspace_clear(ssi_workspace *work)
{
    clear_tail(&work->normed, work->row_capacity);
    clear_tail(&work->attended, work->row_capacity);
    clear_tail(&work->gated, work->row_capacity);
}
