/* SPDX-License-Identifier: Apache-2.0 */
/* The streams' training pass (method 3.4): segment by segment, birth, the MSA layers beside the main
 * stream's keys and values, output norm, parent's term, loss; then all of it backward. Segments
 * know nothing of each other, so memory is that of one. */

#include "train/train_birth.h"
#include "train/train_rows.h"

struct ssi_train_streams_pass {
    ssi_train_segment segment;
    ssi_train_birth birth;
    ssi_train_saved **saved; /* [MSA layer] */
    ssi_train_scratch *scratch;
    float *hidden;         /* [row][d]: the residual stream; last layer's output stays */
    float *states;         /* [row][d]: what the head reads */
    float *gradient;       /* [row][d] */
    float *state_gradient; /* [row][d] */
    float *logits;         /* [ssi_train_loss_rows()][draft_count] */
    float *loss;           /* [row] */
    uint8_t *right;        /* [row] */
};

ssi_train_streams_pass *ssi_train_streams_layout(const ssi_train_streams *streams,
                                                 const ssi_train_capacity *most,
                                                 ssi_arena *arena)
{
    const ssi_hyper *hyper = &streams->model->hyper;
    size_t row_bytes = hyper->embedding_length * sizeof(float);
    ssi_train_streams_pass counted, *pass = ssi_arena_take(arena, 1, sizeof *pass);
    ssi_train_streams_pass *to = pass ? pass : &counted;
    ssi_train_segment_layout(&to->segment, streams, most->rows, arena);
    ssi_train_birth_layout(&to->birth, streams, most->rows, arena);
    to->saved = ssi_arena_take(arena, streams->msa_layer_count, sizeof *to->saved);
    for (uint32_t layer = 0; layer < streams->msa_layer_count; layer++) {
        ssi_train_saved *saved = ssi_train_saved_layout(hyper, most, arena);
        if (to->saved)
            to->saved[layer] = saved;
    }
    to->scratch = ssi_train_scratch_layout(
        hyper, most, ssi_train_rank(streams->layers, streams->msa_layer_count), arena);
    to->hidden = ssi_arena_take(arena, most->rows, row_bytes);
    to->states = ssi_arena_take(arena, most->rows, row_bytes);
    to->gradient = ssi_arena_take(arena, most->rows, row_bytes);
    to->state_gradient = ssi_arena_take(arena, most->rows, row_bytes);
    to->logits =
        ssi_arena_take(arena, ssi_train_loss_rows(), streams->draft_count * sizeof(float));
    to->loss = ssi_arena_take(arena, most->rows, sizeof(float));
    to->right = ssi_arena_take(arena, most->rows, 1);
    return pass;
}

static void forward(ssi_train_math *math, const ssi_train_streams *streams,
                    ssi_train_streams_pass *pass)
{
    const ss_model *model = streams->model;
    ssi_train_segment *segment = &pass->segment;
    ssi_train_birth_forward(math, streams, segment, &pass->birth, pass->hidden);
    for (uint32_t layer = 0; layer < streams->msa_layer_count; layer++) {
        ssi_train_segment_enter(segment, streams, layer);
        ssi_train_layer_forward(math, &model->hyper, &streams->layers[layer], &segment->rows,
                                pass->saved[layer], pass->scratch, pass->hidden);
    }
    ssi_train_norm(math, &model->hyper, model->output_norm, pass->hidden,
                   segment->rows.row_count, pass->states);
    ssi_train_parent_forward(math, streams, segment, &pass->birth, pass->states);
}

static void judge(ssi_train_math *math, const ssi_train_streams *streams,
                  ssi_train_streams_pass *pass, bool backward)
{
    const ssi_train_segment *segment = &pass->segment;
    ssi_train_loss loss = {
        .head = streams->draft_head,
        .bias = streams->draft_bias,
        .count = streams->draft_count,
        .columns = streams->model->hyper.embedding_length,
        .row_count = segment->rows.row_count,
        .states = pass->states,
        .targets = segment->targets,
        .soft_targets = streams->teacher_weight > 0 ? segment->soft_targets : NULL,
        .soft_probabilities = segment->soft_probabilities,
        .soft_share = streams->teacher_weight,
        .weights = segment->weights,
        .logits = pass->logits,
        .loss = pass->loss,
        .right = pass->right,
        .state_gradient = backward ? pass->state_gradient : NULL,
    };
    ssi_train_loss_run(math, &loss);
}

static void count(const ssi_train_streams_pass *pass, ssi_train_sums *sums)
{
    for (uint32_t row = 0; row < pass->segment.rows.row_count; row++) {
        uint32_t stream = row - pass->segment.group_begin[row];
        sums->stream_loss[stream] += (double)pass->loss[row];
        sums->stream_rows[stream]++;
        sums->stream_right[stream] += pass->right[row];
    }
}

static void backward_pass(ssi_train_math *math, const ssi_train_streams *streams,
                          ssi_train_streams_pass *pass)
{
    const ss_model *model = streams->model;
    ssi_train_segment *segment = &pass->segment;
    ssi_train_parent_backward(math, streams, segment, &pass->birth, pass->state_gradient);
    ssi_train_norm_backward(math, &model->hyper, model->output_norm, pass->hidden,
                            pass->state_gradient, segment->rows.row_count, false,
                            pass->gradient);
    for (uint32_t layer = streams->msa_layer_count; layer-- > 0;) {
        ssi_train_segment_enter(segment, streams, layer);
        ssi_train_layer_backward(math, &model->hyper, &streams->layers[layer], &segment->rows,
                                 pass->saved[layer], pass->scratch, NULL, NULL, pass->gradient);
    }
    ssi_train_birth_backward(math, streams, segment, &pass->birth, pass->gradient);
}

void ssi_train_streams_run(ssi_train_math *math, const ssi_train_streams *streams,
                           ssi_train_streams_pass *pass, const ssi_train_context *contexts,
                           uint32_t context_count, float gradient_scale, bool backward,
                           ssi_train_sums *sums)
{
    ssi_train_place place = {0};
    while (ssi_train_segment_fill(&pass->segment, streams, contexts, context_count,
                                  gradient_scale, &place)) {
        forward(math, streams, pass);
        judge(math, streams, pass, backward);
        count(pass, sums);
        if (backward)
            backward_pass(math, streams, pass);
    }
}
