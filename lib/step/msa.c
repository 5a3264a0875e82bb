/* SPDX-License-Identifier: Apache-2.0 */
/* The top Ns layers: multi-stream attention (method 2.4). Main rows attend as in any layer; stream
 * j of a node attends to all the node does, the node, and streams 1 .. j of it. Both schedules are
 * here: the paper's, γ streams beside every node, and the deferred one, the streams of the accepted
 * node alone in a pass of their own. They give the same streams, since streams read main keys only. */
#include "step/rows.h"

#include <string.h>

static void run_layers(ssi_workspace *work)
{
    uint32_t first = ssi_msa_first_layer(work->model, &work->streams);
    for (uint32_t layer = first; layer < work->model->hyper.layer_count; layer++)
        ssi_layer_run(work, layer);
}

/* Stream j (from 0) of a row that is seen as `seen` and stands at `position`. */
static void place_stream(ssi_workspace *work, uint32_t row, uint32_t stream,
                         const ssi_attention_row *seen, uint32_t position, uint32_t first_slot)
{
    ssi_batch *batch = &work->batch;
    batch->positions[row] = position + stream + 1;
    batch->slots[row] = (ssi_kv_slot){SSI_KV_STREAMS, first_slot + stream};
    batch->attention[row] = *seen;
    batch->attention[row].stream_first = first_slot;
    batch->attention[row].stream_count = stream + 1;
    ssi_batch_rotate(work, row);
}

void ssi_msa_run(ssi_workspace *work, bool streams)
{
    ssi_batch *batch = &work->batch;
    ssi_streams *state = &work->streams;
    uint32_t count = state->count;
    if (count > 0) {
        uint32_t kept = batch->main_count < work->logit_rows ? batch->main_count : work->logit_rows;
        state->entry_row = batch->main_count - kept;
        memcpy(state->entries, work->hidden + state->entry_row * work->hidden_stride,
               kept * work->hidden_stride * sizeof(float));
    }
    if (streams) {
        batch->row_count = batch->main_count * (1 + count);
        for (uint32_t node = 0; node < batch->main_count; node++) {
            uint32_t first = batch->main_count + node * count;
            ssi_streams_birth(work, work->hidden + node * work->hidden_stride, -1, first);
            for (uint32_t j = 0; j < count; j++)
                place_stream(work, first + j, j, &batch->attention[node], batch->positions[node],
                             node * count);
        }
    }
    run_layers(work);
}

void ssi_msa_settle(ssi_workspace *work, uint32_t node, bool streams)
{
    ssi_streams *state = &work->streams;
    state->ready = false;
    if (state->count == 0)
        return;
    memcpy(state->entry, state->entries + (node - state->entry_row) * work->hidden_stride,
           work->hidden_stride * sizeof(float));
    state->entry_length = work->cache.length;
    if (streams) {
        ssi_draft_head_run(work, work->batch.main_count + node * state->count);
        state->ready = true;
    }
}

void ssi_msa_defer(ssi_workspace *work, int32_t root_token)
{
    ssi_batch *batch = &work->batch;
    ssi_streams *state = &work->streams;
    ssi_attention_row seen = {.cache_count = work->cache.length};
    batch->main_count = 0;
    batch->row_count = state->count;
    ssi_streams_birth(work, state->entry, root_token, 0);
    for (uint32_t j = 0; j < state->count; j++)
        place_stream(work, j, j, &seen, work->cache.length - 1, 0);
    run_layers(work);
    ssi_draft_head_run(work, 0);
    state->ready = true;
}
