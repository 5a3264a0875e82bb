/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a pass: where each stands, where its keys go, what it sees, how it is rotated. */
#include "step/rows.h"

#include <string.h>

void ssi_batch_chain(ssi_workspace *work, const int32_t *tokens, uint32_t count)
{
    ssi_batch *batch = &work->batch;
    batch->row_count = batch->main_count = count;
    for (uint32_t row = 0; row < count; row++) {
        uint32_t position = work->cache.length + row;
        batch->tokens[row] = tokens[row];
        batch->positions[row] = position;
        batch->slots[row] = (ssi_kv_slot){SSI_KV_CONTEXT, position};
        batch->attention[row] = (ssi_attention_row){.cache_count = position + 1};
    }
}

/* A row in the node area, one position after `parent`'s (-1: after the context). It sees what its
 * parent sees, and itself. */
static void place_node(ssi_workspace *work, uint32_t row, int64_t parent)
{
    ssi_batch *batch = &work->batch;
    ssi_attention_row seen = {.cache_count = work->cache.length};
    uint32_t position = work->cache.length;
    if (parent >= 0) {
        seen = batch->attention[parent];
        position = batch->positions[parent] + 1;
    }
    uint16_t *slots = batch->ancestors[row];
    if (seen.node_count > 0)
        memcpy(slots, seen.nodes, seen.node_count * sizeof *slots);
    slots[seen.node_count++] = (uint16_t)row;
    seen.nodes = slots;
    batch->positions[row] = position;
    batch->slots[row] = (ssi_kv_slot){SSI_KV_NODES, row};
    batch->attention[row] = seen;
}

void ssi_batch_tree(ssi_workspace *work, const ssi_tree *tree)
{
    ssi_batch_chain(work, tree->token_of_node, 1);
    work->batch.row_count = work->batch.main_count = tree->node_count;
    for (uint32_t node = 1; node < tree->node_count; node++) {
        work->batch.tokens[node] = tree->token_of_node[node];
        place_node(work, node, tree->parent_of_node[node]);
    }
}

void ssi_batch_forest(ssi_workspace *work, const int32_t *tokens, const int32_t *parents,
                      uint32_t row_count)
{
    work->batch.row_count = work->batch.main_count = row_count;
    for (uint32_t row = 0; row < row_count; row++) {
        work->batch.tokens[row] = tokens[row];
        place_node(work, row, parents[row]);
    }
}

void ssi_batch_rotate(ssi_workspace *work, uint32_t row)
{
    const ssi_batch *batch = &work->batch;
    const ss_model *model = work->model;
    uint32_t pair_count = model->hyper.rope_length / 2;
    float *cosine = batch->cosines + (size_t)row * pair_count;
    float *sine = batch->sines + (size_t)row * pair_count;
    for (uint32_t i = 0; i < pair_count; i++) {
        ssi_sincosf(batch->positions[row] * model->rope_frequency[i], &sine[i], &cosine[i]);
        cosine[i] *= model->hyper.rope_magnitude;
        sine[i] *= model->hyper.rope_magnitude;
    }
}

static void embed_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    ssi_workspace *work = context;
    const ssi_matrix *embedding = &work->model->embedding;
    const ssi_type_info *type = ssi_type_get(embedding->type);
    for (uint32_t row = row_begin; row < row_end; row++) {
        ssi_batch_rotate(work, row);
        type->unpack_row(embedding, (uint32_t)work->batch.tokens[row],
                         work->hidden + row * work->hidden_stride);
    }
}

void ssi_batch_embed(ssi_workspace *work)
{
    uint32_t rows = work->batch.row_count, threads = work->parallel->thread_count;
    ssi_parallel_ranges(work->parallel, rows, rows < 2 * threads ? 1 : threads, embed_rows, work);
}
