/* SPDX-License-Identifier: Apache-2.0 */
/* The main stream's training pass: all N layers over whole sequences, loss on what follows the
 * prompt. Tokens that all sequences of a call begin with go through the layers once, in rows that
 * stand before all others (train_layer.h):
 *
 *     common prefix │ rest of sequence 0 │ rest of sequence 1 │ ...
 *
 * In joint training the streams' pass runs in the middle, over this pass's own keys, values
 * and entry states, and hands back their gradients, which join the main stream's on the way down. */
#include <string.h>

#include "train/train_passes.h"
#include "train/train_rows.h"

struct ssi_train_main_pass {
    ssi_train_saved **saved; /* [layer] */
    ssi_train_scratch *scratch;
    ssi_train_rows rows;      /* reads the arrays below */
    ssi_train_span *spans;    /* the prefix's, then [sequence] */
    uint32_t *group_begin;    /* [row] */
    float *cosines, *sines;   /* [row][rope_length / 2] */
    float *hidden, *gradient; /* [row][d] */
    /* Rows that are judged, side by side. */
    uint32_t judged_count;
    float *judged, *states, *state_gradient; /* [judged][d] */
    int32_t *targets;
    float *weights, *loss;
    uint8_t *right;
    float *logits; /* [ssi_train_loss_rows()][V] */
    /* Joint training; else NULL. The sequences' keys lie one after another, with the prefix's in
     * each: [Ns][kv_head][position][d_h]. */
    ssi_train_context *contexts; /* [sequence] */
    float *keys, *values, *key_gradient, *value_gradient;
    float *own_key_gradient, *own_value_gradient; /* [kv_head][row][d_h], of one layer */
    float *entries, *entry_gradient;              /* [row][d] */
};

static void layout_joint(ssi_train_main_pass *to, const ssi_train_main *main, size_t rows,
                         uint32_t sequences, ssi_arena *arena)
{
    const ssi_hyper *hyper = &main->model->hyper;
    size_t key_bytes = (size_t)hyper->head_count_kv * hyper->head_length * sizeof(float);
    size_t layer_rows = rows * main->streams->msa_layer_count;
    size_t row_bytes = hyper->embedding_length * sizeof(float);
    to->contexts = ssi_arena_take(arena, sequences, sizeof *to->contexts);
    to->keys = ssi_arena_take(arena, layer_rows, key_bytes);
    to->values = ssi_arena_take(arena, layer_rows, key_bytes);
    to->key_gradient = ssi_arena_take(arena, layer_rows, key_bytes);
    to->value_gradient = ssi_arena_take(arena, layer_rows, key_bytes);
    to->own_key_gradient = ssi_arena_take(arena, rows, key_bytes);
    to->own_value_gradient = ssi_arena_take(arena, rows, key_bytes);
    to->entries = ssi_arena_take(arena, rows, row_bytes);
    to->entry_gradient = ssi_arena_take(arena, rows, row_bytes);
}

ssi_train_main_pass *ssi_train_main_layout(const ssi_train_main *main,
                                           const ssi_train_capacity *most, uint32_t sequences,
                                           ssi_arena *arena)
{
    const ssi_hyper *hyper = &main->model->hyper;
    size_t rows = most->rows, pairs = hyper->rope_length / 2;
    size_t row_bytes = hyper->embedding_length * sizeof(float);
    ssi_train_main_pass counted, *pass = ssi_arena_take(arena, 1, sizeof *pass);
    ssi_train_main_pass *to = pass ? pass : &counted;
    *to = (ssi_train_main_pass){0};
    to->saved = ssi_arena_take(arena, hyper->layer_count, sizeof *to->saved);
    for (uint32_t layer = 0; layer < hyper->layer_count; layer++) {
        ssi_train_saved *saved = ssi_train_saved_layout(hyper, most, arena);
        if (to->saved)
            to->saved[layer] = saved;
    }
    to->scratch = ssi_train_scratch_layout(
        hyper, most, ssi_train_rank(main->layers, hyper->layer_count), arena);
    to->spans = ssi_arena_take(arena, (size_t)sequences + 1, sizeof *to->spans);
    to->group_begin = ssi_arena_take(arena, rows, sizeof *to->group_begin);
    to->cosines = ssi_arena_take(arena, rows * pairs, sizeof(float));
    to->sines = ssi_arena_take(arena, rows * pairs, sizeof(float));
    to->hidden = ssi_arena_take(arena, rows, row_bytes);
    to->gradient = ssi_arena_take(arena, rows, row_bytes);
    to->judged = ssi_arena_take(arena, rows, row_bytes);
    to->states = ssi_arena_take(arena, rows, row_bytes);
    to->state_gradient = ssi_arena_take(arena, rows, row_bytes);
    to->targets = ssi_arena_take(arena, rows, sizeof *to->targets);
    to->weights = ssi_arena_take(arena, rows, sizeof(float));
    to->loss = ssi_arena_take(arena, rows, sizeof(float));
    to->right = ssi_arena_take(arena, rows, 1);
    to->logits =
        ssi_arena_take(arena, ssi_train_loss_rows(), hyper->vocabulary_size * sizeof(float));
    if (main->streams)
        layout_joint(to, main, rows, sequences, arena);
    return pass;
}

/* Tokens that all sequences begin with, up to a row that is judged. One alone shares nothing. */
static uint32_t find_prefix(const ssi_train_sequence *sequences, uint32_t sequence_count)
{
    uint32_t prefix = sequence_count > 1 ? sequences[0].prompt_count - 1 : 0;
    for (uint32_t i = 1; i < sequence_count; i++) {
        uint32_t most = sequences[i].prompt_count - 1, same = 0;
        most = most < prefix ? most : prefix;
        while (same < most && sequences[i].tokens[same] == sequences[0].tokens[same])
            same++;
        prefix = same;
    }
    return prefix;
}

uint32_t ssi_train_main_rows(const ssi_train_main *main, const ssi_train_sequence *sequences,
                             uint32_t sequence_count)
{
    uint32_t shared = main->streams ? 0 : find_prefix(sequences, sequence_count), rows = shared;
    for (uint32_t i = 0; i < sequence_count; i++)
        rows += sequences[i].token_count - 1 - shared;
    return rows;
}

static uint32_t row_at(const ssi_train_main_pass *pass, uint32_t sequence, uint32_t position)
{
    uint32_t prefix = pass->rows.prefix_rows;
    return position < prefix ? position
                             : pass->spans[1 + sequence].row_begin + position - prefix;
}

/* Rows of a span that begins at `position` of its sequence. */
static void place_span(const ss_model *model, ssi_train_main_pass *pass,
                       const ssi_train_span *span, const int32_t *tokens, uint32_t position)
{
    size_t d = model->hyper.embedding_length, pairs = model->hyper.rope_length / 2;
    for (uint32_t row = span->row_begin; row < span->row_end; row++, position++) {
        pass->group_begin[row] = span->row_begin;
        ssi_train_embed(model, tokens[position], pass->hidden + row * d);
        ssi_train_rotate(model, position, pass->cosines + row * pairs,
                         pass->sines + row * pairs);
    }
}

/* Every token but the last is an input. */
static void place_rows(const ss_model *model, ssi_train_main_pass *pass,
                       const ssi_train_sequence *sequences, uint32_t sequence_count)
{
    uint32_t prefix = find_prefix(sequences, sequence_count), row = prefix;
    pass->spans[0] = (ssi_train_span){.row_end = prefix};
    place_span(model, pass, &pass->spans[0], sequences[0].tokens, 0);
    for (uint32_t i = 0; i < sequence_count; i++) {
        uint32_t begin = row;
        row += sequences[i].token_count - 1 - prefix;
        pass->spans[1 + i] = (ssi_train_span){.row_begin = begin, .row_end = row};
        place_span(model, pass, &pass->spans[1 + i], sequences[i].tokens, prefix);
    }
    pass->rows = (ssi_train_rows){
        .row_count = row,
        .span_count = 1 + sequence_count,
        .spans = pass->spans,
        .group_begin = pass->group_begin,
        .prefix_rows = prefix,
        .cosines = pass->cosines,
        .sines = pass->sines,
    };
}

/* ── the main stream as its streams see it ── */

static void place_contexts(const ssi_train_main *main, ssi_train_main_pass *pass,
                           const ssi_train_sequence *sequences, uint32_t sequence_count,
                           bool backward)
{
    const ssi_hyper *hyper = &main->model->hyper;
    size_t d = hyper->embedding_length, keys = 0;
    for (uint32_t i = 0; i < sequence_count; i++) {
        const ssi_train_sequence *sequence = &sequences[i];
        size_t entry = row_at(pass, i, sequence->prompt_count - 1) * d;
        pass->contexts[i] = (ssi_train_context){
            .tokens = sequence->tokens,
            .token_count = sequence->token_count,
            .first_anchor = sequence->prompt_count - 1,
            .anchor_count = sequence->token_count - sequence->prompt_count,
            .key_count = sequence->token_count - 1,
            .keys = pass->keys + keys,
            .values = pass->values + keys,
            .key_gradient = backward ? pass->key_gradient + keys : NULL,
            .value_gradient = backward ? pass->value_gradient + keys : NULL,
            .entries = pass->entries + entry,
            .entry_gradient = backward ? pass->entry_gradient + entry : NULL,
        };
        keys += (size_t)main->streams->msa_layer_count * hyper->head_count_kv *
                pass->contexts[i].key_count * hyper->head_length;
    }
    if (backward) {
        memset(pass->key_gradient, 0, keys * sizeof(float));
        memset(pass->value_gradient, 0, keys * sizeof(float));
        memset(pass->entry_gradient, 0, pass->rows.row_count * d * sizeof(float));
    }
}

/* Where keys of one head begin in one sequence's. */
static size_t keys_at(const ssi_hyper *hyper, const ssi_train_main_pass *pass,
                      uint32_t sequence, uint32_t msa_layer, size_t head)
{
    const ssi_train_context *context = &pass->contexts[sequence];
    size_t first = (msa_layer * hyper->head_count_kv + head) * context->key_count;
    return (size_t)(context->keys - pass->keys) + first * hyper->head_length;
}

/* The layer's keys and values as the streams read them: [row][kv_head] becomes
 * [kv_head][position]. */
static void keep_keys(const ssi_hyper *hyper, const ssi_train_main_pass *pass,
                      uint32_t msa_layer, const ssi_train_saved *saved)
{
    size_t heads = hyper->head_count_kv, length = hyper->head_length;
    const float *keys = ssi_train_saved_keys(saved), *values = ssi_train_saved_values(saved);
    for (uint32_t i = 0; i + 1 < pass->rows.span_count; i++)
        for (size_t head = 0; head < heads; head++) {
            size_t to = keys_at(hyper, pass, i, msa_layer, head);
            for (uint32_t at = 0; at < pass->contexts[i].key_count; at++, to += length) {
                size_t from = (row_at(pass, i, at) * heads + head) * length;
                memcpy(pass->keys + to, keys + from, length * sizeof(float));
                memcpy(pass->values + to, values + from, length * sizeof(float));
            }
        }
}

/* What the streams found for this layer's keys or values, as the layer's backward reads it. */
static void collect(const ssi_train_math *math, const ssi_hyper *hyper,
                    const ssi_train_main_pass *pass, uint32_t msa_layer, const float *found,
                    float *own)
{
    size_t heads = hyper->head_count_kv, length = hyper->head_length;
    size_t row_count = pass->rows.row_count;
    memset(own, 0, heads * row_count * length * sizeof *own);
    for (uint32_t i = 0; i + 1 < pass->rows.span_count; i++)
        for (size_t head = 0; head < heads; head++) {
            size_t from = keys_at(hyper, pass, i, msa_layer, head);
            for (uint32_t at = 0; at < pass->contexts[i].key_count; at++, from += length)
                math->kernels->add(own + (head * row_count + row_at(pass, i, at)) * length,
                                   found + from, hyper->head_length);
        }
}

/* ── the pass ── */

static void forward(ssi_train_math *math, const ssi_train_main *main, ssi_train_main_pass *pass)
{
    const ssi_hyper *hyper = &main->model->hyper;
    uint32_t streamed = main->streams ? main->streams->msa_layer_count : 0;
    uint32_t entry = hyper->layer_count - streamed;
    for (uint32_t layer = 0; layer < hyper->layer_count; layer++) {
        if (streamed > 0 && layer == entry)
            memcpy(pass->entries, pass->hidden,
                   (size_t)pass->rows.row_count * hyper->embedding_length * sizeof(float));
        ssi_train_layer_forward(math, hyper, &main->layers[layer], &pass->rows,
                                pass->saved[layer], pass->scratch, pass->hidden);
        if (layer >= entry)
            keep_keys(hyper, pass, layer - entry, pass->saved[layer]);
    }
}

/* Copies the judged rows of all sequences out of [row][d], or back into it. */
static void move_judged(const ssi_train_main_pass *pass, const ssi_train_sequence *sequences,
                        size_t d, float *rows, float *judged, bool back)
{
    size_t at = 0;
    for (uint32_t i = 0; i + 1 < pass->rows.span_count; i++) {
        size_t count = sequences[i].token_count - sequences[i].prompt_count;
        float *first = rows + row_at(pass, i, sequences[i].prompt_count - 1) * d;
        memcpy(back ? first : judged + at, back ? judged + at : first,
               count * d * sizeof(float));
        at += count * d;
    }
}

static void judge(ssi_train_math *math, const ssi_train_main *main, ssi_train_main_pass *pass,
                  const ssi_train_sequence *sequences, float gradient_scale, bool backward,
                  ssi_train_sums *sums)
{
    const ss_model *model = main->model;
    uint32_t count = 0, d = model->hyper.embedding_length;
    for (uint32_t i = 0; i + 1 < pass->rows.span_count; i++)
        for (uint32_t at = sequences[i].prompt_count; at < sequences[i].token_count; at++) {
            pass->targets[count] = sequences[i].tokens[at];
            pass->weights[count++] = main->loss_weight * gradient_scale;
        }
    ssi_train_loss loss = {
        .head = main->head,
        .bias = model->head.bias,
        .count = model->hyper.vocabulary_size,
        .columns = d,
        .row_count = count,
        .states = pass->states,
        .targets = pass->targets,
        .weights = pass->weights,
        .logits = pass->logits,
        .loss = pass->loss,
        .right = pass->right,
        .state_gradient = backward ? pass->state_gradient : NULL,
    };
    pass->judged_count = count;
    move_judged(pass, sequences, d, pass->hidden, pass->judged, false);
    ssi_train_norm(math, &model->hyper, model->output_norm, pass->judged, count, pass->states);
    ssi_train_loss_run(math, &loss);
    for (uint32_t i = 0; i < count; i++) {
        sums->main_loss += (double)pass->loss[i];
        sums->main_rows++;
        sums->main_right += pass->right[i];
    }
}

static void backward_pass(ssi_train_math *math, const ssi_train_main *main,
                          ssi_train_main_pass *pass, const ssi_train_sequence *sequences)
{
    const ssi_hyper *hyper = &main->model->hyper;
    size_t d = hyper->embedding_length, numbers = pass->rows.row_count * d;
    uint32_t streamed = main->streams ? main->streams->msa_layer_count : 0;
    uint32_t entry = hyper->layer_count - streamed;
    memset(pass->gradient, 0, numbers * sizeof(float));
    ssi_train_norm_backward(math, hyper, main->model->output_norm, pass->judged,
                            pass->state_gradient, pass->judged_count, false, pass->states);
    move_judged(pass, sequences, d, pass->gradient, pass->states, true);
    for (uint32_t layer = hyper->layer_count; layer-- > 0;) {
        bool found = layer >= entry;
        if (found) {
            collect(math, hyper, pass, layer - entry, pass->key_gradient,
                    pass->own_key_gradient);
            collect(math, hyper, pass, layer - entry, pass->value_gradient,
                    pass->own_value_gradient);
        }
        ssi_train_layer_backward(math, hyper, &main->layers[layer], &pass->rows,
                                 pass->saved[layer], pass->scratch,
                                 found ? pass->own_key_gradient : NULL,
                                 found ? pass->own_value_gradient : NULL, pass->gradient);
        for (size_t i = 0; streamed > 0 && layer == entry && i < numbers; i++)
            pass->gradient[i] += pass->entry_gradient[i];
    }
}

void ssi_train_main_run(ssi_train_math *math, const ssi_train_main *main,
                        ssi_train_main_pass *pass, const ssi_train_sequence *sequences,
                        uint32_t sequence_count, float gradient_scale, bool backward,
                        ssi_train_sums *sums)
{
    place_rows(main->model, pass, sequences, sequence_count);
    if (main->streams)
        place_contexts(main, pass, sequences, sequence_count, backward);
    forward(math, main, pass);
    judge(math, main, pass, sequences, gradient_scale, backward, sums);
    if (main->streams)
        ssi_train_streams_run(math, main->streams, main->streams_pass, pass->contexts,
                              sequence_count, gradient_scale, backward, sums);
    if (backward)
        backward_pass(math, main, pass, sequences);
}
