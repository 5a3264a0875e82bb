/* SPDX-License-Identifier: Apache-2.0 */
/* Which stream rows a segment holds: where they stand, what they see, and what they are to say. */
#include "train/train_segment.h"

#include <string.h>

#include "train/train_rows.h"

void ssi_train_segment_layout(ssi_train_segment *segment, const ssi_train_streams *streams,
                              uint32_t row_capacity, ssi_arena *arena)
{
    const ssi_hyper *hyper = &streams->model->hyper;
    size_t rows = row_capacity, pairs = hyper->rope_length / 2,
           value_pairs = hyper->head_length / 2;
    *segment = (ssi_train_segment){.row_capacity = row_capacity};
    segment->anchors = ssi_arena_take(arena, rows, sizeof *segment->anchors);
    segment->context_of_span = ssi_arena_take(arena, rows, sizeof *segment->context_of_span);
    segment->spans = ssi_arena_take(arena, rows, sizeof *segment->spans);
    segment->group_begin = ssi_arena_take(arena, rows, sizeof *segment->group_begin);
    segment->visible = ssi_arena_take(arena, rows, sizeof *segment->visible);
    segment->cosines = ssi_arena_take(arena, rows * pairs, sizeof(float));
    segment->sines = ssi_arena_take(arena, rows * pairs, sizeof(float));
    if (streams->stream_init == SSI_STREAM_VALUE_ROTATION) {
        segment->value_cosines = ssi_arena_take(arena, rows * value_pairs, sizeof(float));
        segment->value_sines = ssi_arena_take(arena, rows * value_pairs, sizeof(float));
    }
    segment->parents = ssi_arena_take(arena, rows, sizeof *segment->parents);
    segment->targets = ssi_arena_take(arena, rows, sizeof *segment->targets);
    segment->soft_targets =
        ssi_arena_take(arena, rows * SSI_TEACHER_MAX, sizeof *segment->soft_targets);
    segment->soft_probabilities = ssi_arena_take(arena, rows * SSI_TEACHER_MAX, sizeof(float));
    segment->weights = ssi_arena_take(arena, rows, sizeof(float));
}

/* Streams of an anchor that have a target. */
static uint32_t count_streams(const ssi_train_context *context, uint32_t anchor,
                              uint32_t stream_count)
{
    uint32_t behind_root = context->first_anchor + anchor + 2;
    uint32_t left = context->token_count > behind_root ? context->token_count - behind_root : 0;
    return left < stream_count ? left : stream_count;
}

static void rotate(const ssi_train_segment *segment, const ssi_train_streams *streams,
                   uint32_t row, uint32_t position, uint32_t stream)
{
    const ss_model *model = streams->model;
    size_t pairs = model->hyper.rope_length / 2, value_pairs = model->hyper.head_length / 2;
    ssi_train_rotate(model, position, segment->cosines + row * pairs,
                     segment->sines + row * pairs);
    if (streams->stream_init != SSI_STREAM_VALUE_ROTATION)
        return;
    float *sines = segment->value_sines + row * value_pairs;
    float *cosines = segment->value_cosines + row * value_pairs;
    for (size_t i = 0; i < value_pairs; i++)
        ssi_sincosf((double)streams->rotation_step * (double)(stream + 1), &sines[i],
                    &cosines[i]);
}

/* The teacher's word on a row's target is what the main stream says one place before it. A target
 * outside the draft vocabulary leaves the row without any. */
static void set_teacher(const ssi_train_segment *segment, const ssi_train_context *context,
                        uint32_t row, uint32_t teacher)
{
    int32_t *tokens = segment->soft_targets + (size_t)row * SSI_TEACHER_MAX;
    size_t at = (size_t)teacher * SSI_TEACHER_MAX;
    if (context->teacher_tokens && teacher < context->anchor_count &&
        segment->targets[row] >= 0) {
        memcpy(tokens, context->teacher_tokens + at, SSI_TEACHER_MAX * sizeof *tokens);
        memcpy(segment->soft_probabilities + (size_t)row * SSI_TEACHER_MAX,
               context->teacher_probabilities + at, SSI_TEACHER_MAX * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < SSI_TEACHER_MAX; i++)
        tokens[i] = -1;
}

static void place_anchor(const ssi_train_segment *segment, const ssi_train_streams *streams,
                         const ssi_train_anchor *anchor, float gradient_scale)
{
    const ssi_train_context *context = anchor->context;
    uint32_t position = context->first_anchor + anchor->index;
    for (uint32_t stream = 0; stream < anchor->row_count; stream++) {
        uint32_t row = anchor->row_begin + stream;
        int32_t target = context->tokens[position + 2 + stream];
        segment->group_begin[row] = anchor->row_begin;
        segment->visible[row] = position + 1;
        segment->parents[row] = context->tokens[position + 1 + stream];
        segment->targets[row] =
            streams->draft_of_token ? streams->draft_of_token[target] : target;
        segment->weights[row] = streams->loss_weight[stream] * gradient_scale;
        rotate(segment, streams, row, position + 1 + stream, stream);
        set_teacher(segment, context, row, anchor->index + 1 + stream);
    }
}

bool ssi_train_segment_fill(ssi_train_segment *segment, const ssi_train_streams *streams,
                            const ssi_train_context *contexts, uint32_t context_count,
                            float gradient_scale, ssi_train_place *place)
{
    uint32_t row_count = 0, span_count = 0;
    segment->anchor_count = 0;
    while (place->context < context_count) {
        const ssi_train_context *context = &contexts[place->context];
        if (place->anchor >= context->anchor_count) {
            *place = (ssi_train_place){place->context + 1, 0};
            continue;
        }
        uint32_t count = count_streams(context, place->anchor, streams->stream_count);
        if (row_count + count > segment->row_capacity)
            break;
        ssi_train_anchor anchor = {context, place->anchor++, row_count, count};
        if (count == 0)
            continue;
        if (span_count == 0 || segment->context_of_span[span_count - 1] != context) {
            segment->spans[span_count].row_begin = row_count;
            segment->context_of_span[span_count++] = context;
        }
        place_anchor(segment, streams, &anchor, gradient_scale);
        segment->anchors[segment->anchor_count++] = anchor;
        row_count += count;
        segment->spans[span_count - 1].row_end = row_count;
    }
    segment->rows = (ssi_train_rows){
        .row_count = row_count,
        .span_count = span_count,
        .spans = segment->spans,
        .group_begin = segment->group_begin,
        .visible = segment->visible,
        .cosines = segment->cosines,
        .sines = segment->sines,
        .value_cosines = segment->value_cosines,
        .value_sines = segment->value_sines,
    };
    return row_count > 0;
}

void ssi_train_segment_enter(ssi_train_segment *segment, const ssi_train_streams *streams,
                             uint32_t msa_layer)
{
    const ssi_hyper *hyper = &streams->model->hyper;
    for (uint32_t i = 0; i < segment->rows.span_count; i++) {
        const ssi_train_context *context = segment->context_of_span[i];
        ssi_train_span *span = &segment->spans[i];
        size_t at =
            (size_t)msa_layer * hyper->head_count_kv * context->key_count * hyper->head_length;
        span->key_count = context->key_count;
        span->keys = context->keys + at;
        span->values = context->values + at;
        span->key_gradient = context->key_gradient ? context->key_gradient + at : NULL;
        span->value_gradient = context->value_gradient ? context->value_gradient + at : NULL;
    }
}
