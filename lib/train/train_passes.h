/* SPDX-License-Identifier: Apache-2.0 */
/* What is trained together, each a forward and a backward pass that adds to gradients: the streams
 * (given the main stream's keys and values), the main stream (shared mode), the pruner. */
#ifndef SSI_TRAIN_PASSES_H
#define SSI_TRAIN_PASSES_H

#include "model/adapter.h"
#include "train/train_layer.h"

#define SSI_TEACHER_MAX 16u /* likeliest tokens kept of a main row's distribution */

/* Sums over what was trained on; a main row counts under `main`, a stream's under its number. */
typedef struct ssi_train_sums {
    double stream_loss[SSI_STREAMS_MAX]; /* cross-entropy, natural logarithm, summed */
    uint64_t stream_rows[SSI_STREAMS_MAX], stream_right[SSI_STREAMS_MAX]; /* argmax = target */
    double main_loss;
    uint64_t main_rows, main_right;
} ssi_train_sums;

/* One sequence as its streams see it. An anchor is a main row whose streams are trained: position p
 * with input tokens[p]; tokens[p + 1] is its root; stream j (from 0) is to say tokens[p + 2 + j],
 * whose parent is tokens[p + 1 + j]. Anchors ascend by one: prompt_count - 1 .. token_count - 2.
 * Streams past the end of the tokens don't exist. */
typedef struct ssi_train_context {
    const int32_t *tokens;
    uint32_t token_count;
    uint32_t first_anchor, anchor_count; /* positions */
    uint32_t key_count;                  /* main rows with keys: >= last anchor + 1 */
    const float *keys, *values;          /* [Ns][kv_head][key_count][d_h], keys rotated */
    float *key_gradient, *value_gradient; /* the same shape, or NULL */
    const float *entries;                /* [anchor][d]: M at the entry of layer N - Ns */
    float *entry_gradient;               /* [anchor][d], or NULL */
    /* The main stream's own next-token distribution at every anchor; the target of stream j of
     * anchor a is that of anchor a + 1 + j. NULL: none. Indices in the draft vocabulary, -1
     * outside it; probabilities over the whole vocabulary. */
    const int32_t *teacher_tokens;       /* [anchor][SSI_TEACHER_MAX] */
    const float *teacher_probabilities;  /* [anchor][SSI_TEACHER_MAX] */
} ssi_train_context;

/* The streams' half of an adapter in training. */
typedef struct ssi_train_streams {
    const ss_model *model;
    uint32_t stream_count, msa_layer_count;
    ssi_stream_init stream_init;
    float rotation_step;
    ssi_train_layer *layers;        /* [Ns], as stream rows see them */
    ssi_trained embedding;          /* [γ][d]; values NULL with value_rotation */
    ssi_trained root_gain;          /* [γ][d]; values NULL: no root terms */
    ssi_trained_pair init, root, parent; /* d to d, scale 1 */
    uint32_t draft_count;
    const float *draft_head;        /* [draft_count][d], dequantised */
    const float *draft_bias;        /* [draft_count]; NULL: the head has none */
    const int32_t *draft_of_token;  /* [V]: -1 outside; NULL: the whole vocabulary */
    float loss_weight[SSI_STREAMS_MAX]; /* α_j */
    float teacher_weight;           /* share of the teacher's distribution in the target, 0 to 1 */
} ssi_train_streams;

typedef struct ssi_train_streams_pass ssi_train_streams_pass; /* memory of the pass */
/* rows: stream rows of one segment (256 to 1024 is efficient; at least γ); seen: given keys + γ. */
ssi_train_streams_pass *ssi_train_streams_layout(const ssi_train_streams *streams,
                                                 const ssi_train_capacity *most,
                                                 ssi_arena *arena);
/* Forward and backward over all anchors of the contexts, in segments of as many whole anchors as
 * fit, several contexts in one segment. The loss is the weighted sum over rows times
 * `gradient_scale`. backward false: sums only (evaluation), no gradient touched. Rows whose target
 * is outside the draft vocabulary have no loss and are not counted as right, but as rows. */
void ssi_train_streams_run(ssi_train_math *math, const ssi_train_streams *streams,
                           ssi_train_streams_pass *pass, const ssi_train_context *contexts,
                           uint32_t context_count, float gradient_scale, bool backward,
                           ssi_train_sums *sums);

/* The main stream in training (shared mode): all N layers, loss on tokens behind the prompt. */
typedef struct ssi_train_sequence {
    const int32_t *tokens;
    uint32_t token_count, prompt_count; /* main rows: token_count - 1, the last token is no input */
} ssi_train_sequence;

typedef struct ssi_train_main {
    const ss_model *model;
    ssi_train_layer *layers;  /* [N], as main rows see them */
    const float *head;        /* [V][d], dequantised */
    float loss_weight;        /* α_0 */
    /* Joint training: these streams run between the main stream's forward and backward pass, and
     * their gradients go on through its keys, values and entry states. NULL: main alone. */
    const ssi_train_streams *streams;
    ssi_train_streams_pass *streams_pass;
} ssi_train_main;

typedef struct ssi_train_main_pass ssi_train_main_pass;
/* Rows that a call with these sequences takes: what all begin with is computed once. In joint
 * training it counts in each, as in each the streams find its keys. */
uint32_t ssi_train_main_rows(const ssi_train_main *main, const ssi_train_sequence *sequences,
                             uint32_t sequence_count);
/* rows: ssi_train_main_rows() of one call; sequences: their number at most. */
ssi_train_main_pass *ssi_train_main_layout(const ssi_train_main *main,
                                           const ssi_train_capacity *most, uint32_t sequences,
                                           ssi_arena *arena);
void ssi_train_main_run(ssi_train_math *math, const ssi_train_main *main,
                        ssi_train_main_pass *pass, const ssi_train_sequence *sequences,
                        uint32_t sequence_count, float gradient_scale, bool backward,
                        ssi_train_sums *sums);

/* The pruner: next token over the draft vocabulary from norm(M + B A M). */
typedef struct ssi_train_prune_pass ssi_train_prune_pass;
ssi_train_prune_pass *ssi_train_prune_layout(const ssi_train_streams *streams, uint32_t rank,
                                             uint32_t rows, ssi_arena *arena);
/* All anchors of the contexts; counted as main rows. */
void ssi_train_prune_run(ssi_train_math *math, const ssi_train_streams *streams,
                         const ssi_trained_pair *prune, ssi_train_prune_pass *pass,
                         const ssi_train_context *contexts, uint32_t context_count,
                         float gradient_scale, bool backward, ssi_train_sums *sums);

/* Softmax and cross-entropy over `count` classes, in blocks of rows. states [R][d] go through
 * head [count][d]; targets[r] -1: no hard target; soft targets may be NULL. loss[r] (may be NULL)
 * and right[r] tell how it went; with state_gradient not NULL the gradient of
 * weight[r] * cross-entropy goes there ([R][d], overwritten). logits is scratch of
 * ssi_train_loss_rows() * count floats. */
typedef struct ssi_train_loss {
    const float *head;
    const float *bias; /* [count], or NULL */
    uint32_t count, columns, row_count;
    const float *states;
    const int32_t *targets;
    const int32_t *soft_targets;      /* [R][SSI_TEACHER_MAX], -1: none; or NULL */
    const float *soft_probabilities;  /* [R][SSI_TEACHER_MAX] */
    float soft_share;
    const float *weights;             /* [R] */
    float *logits;
    float *loss;
    uint8_t *right;
    float *state_gradient;
} ssi_train_loss;
uint32_t ssi_train_loss_rows(void); /* rows of a block */
void ssi_train_loss_run(ssi_train_math *math, const ssi_train_loss *loss);

#endif
