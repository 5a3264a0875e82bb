/* SPDX-License-Identifier: Apache-2.0 */
/* The pruner's training pass: o(M) = M + B A M at every anchor, output norm, draft head, the next
 * token. Nothing else moves, so it goes over states alone, as many of them as there is room for. */
#include <string.h>

#include "train/train_pair.h"
#include "train/train_passes.h"

struct ssi_train_prune_pass {
    uint32_t row_capacity, row_count;
    float *entries;                 /* [row][d]: M */
    float *shifted;                 /* [row][d]: M + B A M */
    float *t;                       /* [row][rank] */
    float *states, *state_gradient; /* [row][d] */
    float *logits;                  /* [ssi_train_loss_rows()][draft_count] */
    float *weights, *loss;          /* [row] */
    int32_t *targets;               /* [row] */
    uint8_t *right;                 /* [row] */
};

ssi_train_prune_pass *ssi_train_prune_layout(const ssi_train_streams *streams, uint32_t rank,
                                             uint32_t rows, ssi_arena *arena)
{
    size_t row_bytes = streams->model->hyper.embedding_length * sizeof(float);
    ssi_train_prune_pass counted, *pass = ssi_arena_take(arena, 1, sizeof *pass);
    ssi_train_prune_pass *to = pass ? pass : &counted;
    *to = (ssi_train_prune_pass){.row_capacity = rows};
    to->entries = ssi_arena_take(arena, rows, row_bytes);
    to->shifted = ssi_arena_take(arena, rows, row_bytes);
    to->t = ssi_arena_take(arena, rows, rank * sizeof(float));
    to->states = ssi_arena_take(arena, rows, row_bytes);
    to->state_gradient = ssi_arena_take(arena, rows, row_bytes);
    to->logits =
        ssi_arena_take(arena, ssi_train_loss_rows(), streams->draft_count * sizeof(float));
    to->weights = ssi_arena_take(arena, rows, sizeof(float));
    to->loss = ssi_arena_take(arena, rows, sizeof(float));
    to->targets = ssi_arena_take(arena, rows, sizeof(int32_t));
    to->right = ssi_arena_take(arena, rows, 1);
    return pass;
}

static void add_row(const ssi_train_streams *streams, ssi_train_prune_pass *pass,
                    const ssi_train_context *context, uint32_t anchor, float weight)
{
    size_t d = streams->model->hyper.embedding_length;
    int32_t target = context->tokens[context->first_anchor + anchor + 1];
    uint32_t row = pass->row_count++;
    memcpy(pass->entries + row * d, context->entries + anchor * d, d * sizeof(float));
    pass->targets[row] = streams->draft_of_token ? streams->draft_of_token[target] : target;
    pass->weights[row] = weight;
}

static void run_block(ssi_train_math *math, const ssi_train_streams *streams,
                      const ssi_trained_pair *prune, ssi_train_prune_pass *pass, bool backward,
                      ssi_train_sums *sums)
{
    const ss_model *model = streams->model;
    uint32_t d = model->hyper.embedding_length, rows = pass->row_count;
    ssi_train_loss loss = {
        .head = streams->draft_head,
        .bias = streams->draft_bias,
        .count = streams->draft_count,
        .columns = d,
        .row_count = rows,
        .states = pass->states,
        .targets = pass->targets,
        .weights = pass->weights,
        .logits = pass->logits,
        .loss = pass->loss,
        .right = pass->right,
        .state_gradient = backward ? pass->state_gradient : NULL,
    };
    memcpy(pass->shifted, pass->entries, (size_t)rows * d * sizeof(float));
    ssi_train_pair_forward(math, prune, d, rows, pass->entries, pass->t, pass->shifted);
    ssi_train_norm(math, &model->hyper, model->output_norm, pass->shifted, rows, pass->states);
    ssi_train_loss_run(math, &loss);
    for (uint32_t row = 0; row < rows; row++) {
        sums->main_loss += (double)pass->loss[row];
        sums->main_rows++;
        sums->main_right += pass->right[row];
    }
    if (backward) {
        float *gradient = pass->states; /* what the head read is no longer needed */
        ssi_train_norm_backward(math, &model->hyper, model->output_norm, pass->shifted,
                                pass->state_gradient, rows, false, gradient);
        ssi_train_pair_backward(math, prune, d, d, rows, pass->entries, pass->t, gradient,
                                NULL);
    }
    pass->row_count = 0;
}

void ssi_train_prune_run(ssi_train_math *math, const ssi_train_streams *streams,
                         const ssi_trained_pair *prune, ssi_train_prune_pass *pass,
                         const ssi_train_context *contexts, uint32_t context_count,
                         float gradient_scale, bool backward, ssi_train_sums *sums)
{
    pass->row_count = 0;
    for (uint32_t i = 0; i < context_count; i++)
        for (uint32_t anchor = 0; anchor < contexts[i].anchor_count; anchor++) {
            add_row(streams, pass, &contexts[i], anchor, gradient_scale);
            if (pass->row_count == pass->row_capacity)
                run_block(math, streams, prune, pass, backward, sums);
        }
    if (pass->row_count > 0)
        run_block(math, streams, prune, pass, backward, sums);
}
