/* SPDX-License-Identifier: Apache-2.0 */
/* One forward pass over a batch of rows, and the stages it is made of, in the order of the flow
 * diagram: embed, lower layers, prune, MSA layers, head, verify. A plain step is a tree of the root alone; a prefill
 * chunk is a batch of rows in a chain whose keys go straight to their positions. All kinds of rows
 * go through the one layer function.
 *
 * A row is one vector going through a layer; a node is a token of the tree. The root's row goes
 * straight into the context (it is always accepted), every other node's into the node area. */
#ifndef SSI_STEP_STEP_H
#define SSI_STEP_STEP_H

#include <stdatomic.h>

#include "base/parallel.h"
#include "cache/kv_cache.h"
#include "draft/planner.h"
#include "model/model.h"
#include "step/head_chunk.h"
#include "step/sample.h"
#include "step/streams.h"

/* The rows of a pass. Arrays are [row]. */
typedef struct ssi_batch {
    uint32_t row_count;
    uint32_t main_count;           /* rows from here on are streams, γ of a node side by side */
    int32_t *tokens;
    uint32_t *positions;           /* rotary */
    ssi_kv_slot *slots;            /* where the row's keys and values go */
    ssi_attention_row *attention;  /* what it sees */
    float *cosines, *sines;        /* [row][rope_length / 2] */
    uint16_t (*ancestors)[SSI_TREE_NODES]; /* [node]: slots in the node area, root first */
} ssi_batch;

enum {
    SSI_STAGE_LOWER, SSI_STAGE_PRUNE, SSI_STAGE_MSA, SSI_STAGE_HEAD, SSI_STAGE_VERIFY,
    SSI_STAGE_COUNT
};

/* All that passes compute in; laid out once by ssi_workspace_layout, owned by a session. */
typedef struct ssi_workspace {
    const ss_model *model;
    const ssi_parallel *parallel;
    uint64_t (*clock)(void *context);
    void *clock_context;
    atomic_bool cancelled;

    ssi_kv_cache cache;
    ssi_batch batch;
    ssi_streams streams;
    uint32_t row_capacity;    /* rows of a pass: of a prefill chunk or of a step */
    uint32_t chunk_rows;      /* of a prefill */
    uint32_t logit_rows;      /* rows the head gives at once: max_step_rows */

    size_t hidden_stride, query_stride, key_stride, feed_stride, logit_stride; /* floats */
    float *hidden;            /* [row][d]: the residual stream */
    float *delta;             /* [row][d]: what a sublayer adds to it */
    float *query, *key, *value; /* [row][head][d_h] */
    float *gate, *up;         /* [row][d_ff] */
    ssi_activation normed;    /* [row][d]: input of query, key, value, gate, up, head */
    ssi_activation attended;  /* [row][H * d_h]: input of output */
    ssi_activation gated;     /* [row][d_ff]: input of down */
    unsigned char *attention_scratch; /* [attention task][attention_scratch_bytes] */
    size_t attention_scratch_bytes;
    float *logits;            /* [logit_rows][logit_stride] */
    ssi_chunk_peak *chunk_peaks; /* [row of the last head run][chunk_stride] */
    uint32_t chunk_stride;
    float *contender_rows;    /* [logit_rows][d][16]: rows of the head, interleaved */
    float *contender_row;     /* [logit_rows][d] */
    ssi_peak *peaks;          /* [row of the last head run]: what they come to */

    uint64_t stage_ns[SSI_STAGE_COUNT];
} ssi_workspace;

typedef struct ssi_workspace_shape {
    uint32_t context_length, max_step_rows, prefill_chunk;
    bool kv_f32;
} ssi_workspace_shape;

/* workspace_layout.c; model and parallel->thread_count are set. Runs twice (base/arena.h). */
void ssi_workspace_layout(ssi_workspace *work, const ssi_workspace_shape *shape,
                          ssi_arena *arena);
void ssi_workspace_clear(ssi_workspace *work); /* once, after the layout with memory */

/* The tokens so far: prompt and emitted ones, and how many sliding has dropped before them. */
typedef struct ssi_sequence {
    int32_t *tokens;
    uint32_t count;
    uint32_t dropped;
} ssi_sequence;

/* What becomes of a token that a pass has verified: appends it to the sequence; returns whether
 * another one may follow (no end token, stop string or limit yet). */
typedef struct ssi_emitter {
    bool (*emit)(void *context, int32_t token);
    void *context;
} ssi_emitter;

/* What the walk visited, in the numbers of the tree as run (pruning renumbers; node_of_kept tells
 * the planned number). */
typedef struct ssi_walk {
    uint32_t count;                /* nodes visited: the root and the accepted ones */
    uint8_t path[SSI_TREE_NODES];
    uint8_t node_of_kept[SSI_TREE_NODES];
} ssi_walk;

/* step.c: one pass over the tree, whose root is the sequence's last token, not yet in the cache;
 * emits what it verifies and commits the accepted path. Pruning, if planned, cuts the tree.
 * SS_ERROR_CANCELLED: nothing emitted, nothing committed. SS_ERROR_NUMERIC: the row of the last
 * token emitted (or of the root) has logits that are not finite; what came before stands. */
ss_status ssi_step_run(ssi_workspace *work, ssi_tree *tree, const ssi_plan *plan,
                       const ssi_sampler *sampler, const ssi_sequence *sequence,
                       const ssi_emitter *emitter, ssi_walk *walk,
                       ss_error *error) SSI_MUST_CHECK;

/* step.c: the deferred schedule's second pass: the streams of the last committed row. */
void ssi_step_defer(ssi_workspace *work, int32_t root_token);

/* prefill.c: runs the sequence's tokens from cache.length on, at least one, in chunks and commits
 * their rows, with logits of the last into `last_logits`, SS_ERROR_NUMERIC if they are not finite
 * (NULL: none, and no such check). Honours `cancelled` and `progress` (NULL: none) between chunks:
 * SS_ERROR_CANCELLED, with the rows so far committed. */
ss_status ssi_prefill_run(ssi_workspace *work, const ssi_sequence *sequence, float *last_logits,
                          const ss_progress *progress, ss_error *error) SSI_MUST_CHECK;

/* prefill.c: one chunk of it, at most chunk_rows tokens: commits their rows. Afterwards `hidden` holds
 * what the last layer gave, and streams.entries the states at the entry of the MSA layers. */
void ssi_prefill_chunk(ssi_workspace *work, const int32_t *tokens, uint32_t count);

/* ssi_prefill_run from `first` on, giving the log probability of every token after it:
 * log_probabilities[i] is that of tokens[first + 1 + i]. cache.length <= first. SS_ERROR_NUMERIC
 * at the first row whose logits are not finite, with its chunk's rows committed. */
ss_status ssi_prefill_score(ssi_workspace *work, const ssi_sequence *sequence, uint32_t first,
                            float *log_probabilities, float *last_logits,
                            const ss_progress *progress, ss_error *error) SSI_MUST_CHECK;

/* step.c: rows above the context that nothing keeps; logits of row r in work->logits. */
void ssi_step_evaluate(ssi_workspace *work, const int32_t *tokens, const int32_t *parents,
                       uint32_t row_count);

/* The stages and their parts. */
void ssi_batch_chain(ssi_workspace *work, const int32_t *tokens, uint32_t count); /* batch.c */
void ssi_batch_tree(ssi_workspace *work, const ssi_tree *tree);
void ssi_batch_forest(ssi_workspace *work, const int32_t *tokens, const int32_t *parents,
                      uint32_t row_count);
void ssi_batch_embed(ssi_workspace *work); /* rotations, and embeddings into hidden */
void ssi_batch_rotate(ssi_workspace *work, uint32_t row); /* cosines, sines of its position */
void ssi_lower_run(ssi_workspace *work);   /* lower.c: layers 0 .. N - Ns - 1 */

/* prune.c: cuts the nodes whose path is less likely than `threshold` by the early exit, from the
 * tree and from the batch; node_of_kept[new] = old. Needs the adapter's pruner. */
void ssi_prune_run(ssi_workspace *work, ssi_tree *tree, float threshold,
                   uint8_t node_of_kept[SSI_TREE_NODES]);
/* Its opinion alone: probability[node] of a child given its parent, 1 of the root. */
void ssi_prune_score(ssi_workspace *work, const ssi_tree *tree, float *probability);

/* msa.c: the top Ns layers, over the batch's main rows and, if `streams`, γ streams of every node
 * beside them (the parallel schedule; no root terms). Keeps every node's entry state. */
void ssi_msa_run(ssi_workspace *work, bool streams);
/* After the walk ended at `node`: its entry state, and with `streams` its streams' logits, become
 * those of the next root. */
void ssi_msa_settle(ssi_workspace *work, uint32_t node, bool streams);
/* The deferred schedule: the last committed row's γ streams alone, given the next root. */
void ssi_msa_defer(ssi_workspace *work, int32_t root_token);

/* streams.c */
/* Takes the arrays from an arena (runs twice); adapter may be NULL. */
void ssi_streams_layout(ssi_workspace *work, ssi_streams *streams, const ss_adapter *adapter,
                        ssi_arena *arena);
void ssi_streams_clear(ssi_streams *streams, const ss_model *model); /* once, with memory */
/* x += B A x, for the pruner. */
void ssi_streams_add_low_rank(ssi_workspace *work, const ssi_low_rank *low, float *x);
/* S_j = f(M) + P_j (+ the terms of the root, where root_token is not negative), into
 * hidden[first_row .. first_row + γ - 1]. */
void ssi_streams_birth(ssi_workspace *work, const float *entry, int32_t root_token,
                       uint32_t first_row);
/* draft_head.c: logits over the draft vocabulary of hidden[first_row ..], γ streams. */
void ssi_draft_head_run(ssi_workspace *work, uint32_t first_row);
/* Stream candidates given their parent's token (ssi_stream_expand); context: ssi_draft_view. */
typedef struct ssi_draft_view {
    ssi_workspace *work;
    const ss_sampler_params *sampler;
    uint32_t position; /* of stream 0's token */
} ssi_draft_view;
uint32_t ssi_draft_expand(void *context, uint32_t stream, int32_t parent_token,
                          ssi_candidate candidates[SSI_CANDIDATES]);
void ssi_layer_run(ssi_workspace *work, uint32_t layer);                  /* layer.c */
void ssi_attention_run(ssi_workspace *work, uint32_t layer, bool quantise); /* attention.c */
/* head.c: output norm and a head; logits of rows first .. first + row_count - 1, and their
 * work->chunk_peaks and work->peaks, both [row of this run]. */
void ssi_head_run(ssi_workspace *work, const ssi_linear *head, uint32_t first,
                  uint32_t row_count, float *logits, size_t logit_stride);
/* main_head.c: the model's own head, the logits of the likeliest tokens again in binary32, and the
 * peaks as they are then; rows logit_stride apart. */
void ssi_main_head_run(ssi_workspace *work, uint32_t first, uint32_t row_count, float *logits);
ss_status ssi_verify_run(ssi_workspace *work, const ssi_tree *tree, const ssi_sampler *sampler,
                         const ssi_sequence *sequence, const ssi_emitter *emitter, ssi_walk *walk,
                         ss_error *error) SSI_MUST_CHECK; /* verify.c */

static inline bool ssi_workspace_cancelled(ssi_workspace *work)
{
    /* Relaxed: the flag carries no data, and is only ever seen a little earlier or later. */
    return atomic_load_explicit(&work->cancelled, memory_order_relaxed) &&
           atomic_exchange_explicit(&work->cancelled, false, memory_order_relaxed);
}

#endif
