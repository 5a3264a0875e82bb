/* SPDX-License-Identifier: Apache-2.0 */
/* Streams' birth and the parent's term, as lib/step/streams.c and draft_head.c compute them, and
 * their gradients. Sums over rows go in the order of rows, cut by columns. */
#include "train/train_birth.h"

#include <math.h>
#include <string.h>

#include "train/train_pair.h"
#include "train/train_rows.h"

typedef struct birth_work {
    const ssi_train_streams *streams;
    const ssi_train_segment *segment;
    ssi_train_birth *birth;
    float *hidden;
    const float *gradient;
} birth_work;

void ssi_train_birth_layout(ssi_train_birth *birth, const ssi_train_streams *streams,
                            uint32_t row_capacity, ssi_arena *arena)
{
    size_t rows = row_capacity,
           row_bytes = streams->model->hyper.embedding_length * sizeof(float);
    *birth = (ssi_train_birth){0};
    birth->entries = ssi_arena_take(arena, rows, row_bytes);
    birth->shared = ssi_arena_take(arena, rows, row_bytes);
    birth->init_t = ssi_arena_take(arena, rows * streams->init.rank, sizeof(float));
    if (streams->root_gain.values) {
        birth->roots = ssi_arena_take(arena, rows, row_bytes);
        birth->root_t = ssi_arena_take(arena, rows * streams->root.rank, sizeof(float));
    }
    if (streams->parent.rank > 0) {
        birth->parents = ssi_arena_take(arena, rows, row_bytes);
        birth->parent_t = ssi_arena_take(arena, rows * streams->parent.rank, sizeof(float));
    }
}

/* M of an anchor, and e of its root, the parent of its first stream. */
static void gather_body(void *context, uint32_t begin, uint32_t end)
{
    const birth_work *work = context;
    const ssi_train_segment *segment = work->segment;
    const ss_model *model = work->streams->model;
    uint32_t d = model->hyper.embedding_length;
    for (uint32_t i = begin; i < end; i++) {
        const ssi_train_anchor *anchor = &segment->anchors[i];
        const float *entry = anchor->context->entries + (size_t)anchor->index * d;
        memcpy(work->birth->entries + (size_t)i * d, entry, d * sizeof *entry);
        memcpy(work->birth->shared + (size_t)i * d, entry, d * sizeof *entry);
        if (!work->birth->roots)
            continue;
        float *unit = work->birth->roots + (size_t)i * d, sum = 0;
        ssi_train_embed(model, segment->parents[anchor->row_begin], unit);
        for (uint32_t k = 0; k < d; k++)
            sum = fmaf(unit[k], unit[k], sum);
        float rms = sqrtf(sum / (float)d + model->hyper.rms_epsilon);
        for (uint32_t k = 0; k < d; k++)
            unit[k] /= rms;
    }
}

static void part_body(void *context, uint32_t begin, uint32_t end)
{
    const birth_work *work = context;
    const ssi_train_streams *streams = work->streams;
    const ssi_train_segment *segment = work->segment;
    uint32_t d = streams->model->hyper.embedding_length;
    for (uint32_t i = begin; i < end; i++)
        for (uint32_t j = 0; j < segment->anchors[i].row_count; j++) {
            size_t anchor_at = (size_t)i * d, stream_at = (size_t)j * d;
            float *row = work->hidden + (size_t)(segment->anchors[i].row_begin + j) * d;
            memcpy(row, work->birth->shared + anchor_at, d * sizeof *row);
            for (uint32_t k = 0; streams->embedding.values && k < d; k++)
                row[k] += streams->embedding.values[stream_at + k];
            for (uint32_t k = 0; work->birth->roots && k < d; k++)
                row[k] = fmaf(streams->root_gain.values[stream_at + k],
                              work->birth->roots[anchor_at + k], row[k]);
        }
}

void ssi_train_birth_forward(ssi_train_math *math, const ssi_train_streams *streams,
                             const ssi_train_segment *segment, ssi_train_birth *birth,
                             float *hidden)
{
    uint32_t d = streams->model->hyper.embedding_length, count = segment->anchor_count;
    birth_work work = {
        .streams = streams, .segment = segment, .birth = birth, .hidden = hidden};
    ssi_train_rows_run(math, count, gather_body, &work);
    ssi_train_pair_forward(math, &streams->init, d, count, birth->entries, birth->init_t,
                           birth->shared);
    if (birth->roots)
        ssi_train_pair_forward(math, &streams->root, d, count, birth->roots, birth->root_t,
                               birth->shared);
    ssi_train_rows_run(math, count, part_body, &work);
}

/* A range of columns: an anchor's streams summed up, and P_j's and gain_j's gradients. */
static void sum_body(void *context, uint32_t begin, uint32_t end)
{
    const birth_work *work = context;
    const ssi_train_streams *streams = work->streams;
    const ssi_train_segment *segment = work->segment;
    uint32_t d = streams->model->hyper.embedding_length;
    for (uint32_t i = 0; i < segment->anchor_count; i++) {
        size_t anchor_at = (size_t)i * d;
        float *shared = work->birth->shared + anchor_at;
        memset(shared + begin, 0, (end - begin) * sizeof *shared);
        for (uint32_t j = 0; j < segment->anchors[i].row_count; j++) {
            const float *row = work->gradient + (size_t)(segment->anchors[i].row_begin + j) * d;
            float *embedding = streams->embedding.gradient, *gain = streams->root_gain.gradient;
            size_t at = (size_t)j * d;
            for (uint32_t k = begin; k < end; k++)
                shared[k] += row[k];
            for (uint32_t k = begin; embedding && k < end; k++)
                embedding[at + k] += row[k];
            for (uint32_t k = begin; gain && k < end; k++)
                gain[at + k] = fmaf(row[k], work->birth->roots[anchor_at + k], gain[at + k]);
        }
    }
}

static void give_back(const ssi_train_segment *segment, const float *shared, uint32_t d)
{
    for (uint32_t i = 0; i < segment->anchor_count; i++) {
        const ssi_train_anchor *anchor = &segment->anchors[i];
        float *entry = anchor->context->entry_gradient;
        for (uint32_t k = 0; entry && k < d; k++)
            entry[(size_t)anchor->index * d + k] += shared[(size_t)i * d + k];
    }
}

void ssi_train_birth_backward(ssi_train_math *math, const ssi_train_streams *streams,
                              const ssi_train_segment *segment, ssi_train_birth *birth,
                              const float *gradient)
{
    uint32_t d = streams->model->hyper.embedding_length, count = segment->anchor_count;
    birth_work work = {
        .streams = streams, .segment = segment, .birth = birth, .gradient = gradient};
    ssi_train_rows_run(math, d, sum_body, &work);
    if (birth->roots)
        ssi_train_pair_backward(math, &streams->root, d, d, count, birth->roots, birth->root_t,
                                birth->shared, NULL);
    ssi_train_pair_backward(math, &streams->init, d, d, count, birth->entries, birth->init_t,
                            birth->shared, birth->shared);
    give_back(segment, birth->shared, d);
}

static void parents_body(void *context, uint32_t begin, uint32_t end)
{
    const birth_work *work = context;
    const ss_model *model = work->streams->model;
    for (uint32_t row = begin; row < end; row++)
        ssi_train_embed(model, work->segment->parents[row],
                        work->birth->parents + (size_t)row * model->hyper.embedding_length);
}

void ssi_train_parent_forward(ssi_train_math *math, const ssi_train_streams *streams,
                              const ssi_train_segment *segment, ssi_train_birth *birth,
                              float *states)
{
    uint32_t count = segment->rows.row_count;
    birth_work work = {.streams = streams, .segment = segment, .birth = birth};
    if (streams->parent.rank == 0)
        return;
    ssi_train_rows_run(math, count, parents_body, &work);
    ssi_train_pair_forward(math, &streams->parent, streams->model->hyper.embedding_length,
                           count, birth->parents, birth->parent_t, states);
}

void ssi_train_parent_backward(ssi_train_math *math, const ssi_train_streams *streams,
                               const ssi_train_segment *segment, ssi_train_birth *birth,
                               const float *state_gradient)
{
    ssi_train_pair_backward(math, &streams->parent, streams->model->hyper.embedding_length,
                            streams->model->hyper.embedding_length, segment->rows.row_count,
                            birth->parents, birth->parent_t, state_gradient, NULL);
}
