/* SPDX-License-Identifier: Apache-2.0 */
/* One forward pass over a batch of rows, and the stages it is made of, in the order of the flow
 * diagram: embed, lower layers, head, verify. A plain step is a tree of the root alone; a prefill
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
#include "draft/tree.h"
#include "model/model.h"
#include "step/sample.h"

/* The rows of a pass. Arrays are [row]. */
typedef struct ssi_batch {
    uint32_t row_count;
    int32_t *tokens;
    uint32_t *positions;           /* rotary */
    ssi_kv_slot *slots;            /* where the row's keys and values go */
    ssi_attention_row *attention;  /* what it sees */
    float *cosines, *sines;        /* [row][rope_length / 2] */
    uint16_t (*ancestors)[SSI_TREE_NODES]; /* [node]: slots in the node area, root first */
} ssi_batch;

enum { SSI_STAGE_LOWER, SSI_STAGE_HEAD, SSI_STAGE_VERIFY, SSI_STAGE_COUNT };

/* All that passes compute in; laid out once by ssi_workspace_layout, owned by a session. */
typedef struct ssi_workspace {
    const ss_model *model;
    const ssi_parallel *parallel;
    uint64_t (*clock)(void *context);
    void *clock_context;
    atomic_bool cancelled;

    ssi_kv_cache cache;
    ssi_batch batch;
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

/* step.c: one pass over the tree, whose root is the sequence's last token, not yet in the cache;
 * emits what it verifies and commits the accepted path. *accepted counts nodes below the root.
 * SS_ERROR_CANCELLED: nothing emitted, nothing committed. SS_ERROR_NUMERIC: the row of the last
 * token emitted (or of the root) has logits that are not finite; what came before stands. */
ss_status ssi_step_run(ssi_workspace *work, const ssi_tree *tree, const ssi_sampler *sampler,
                       const ssi_sequence *sequence, const ssi_emitter *emitter,
                       uint32_t *accepted, ss_error *error) SSI_MUST_CHECK;

/* prefill.c: runs tokens[cache.length .. count - 1] in chunks and commits their rows, with logits
 * of the last into `last_logits` (NULL: none). Honours `cancelled` and `progress` (NULL: none)
 * between chunks: SS_ERROR_CANCELLED, with the rows so far committed. */
ss_status ssi_prefill_run(ssi_workspace *work, const int32_t *tokens, uint32_t count,
                          float *last_logits, const ss_progress *progress,
                          ss_error *error) SSI_MUST_CHECK;

/* The same from `first` on, giving the log probability of every token after it:
 * log_probabilities[i] is that of tokens[first + 1 + i]. cache.length <= first. */
ss_status ssi_prefill_score(ssi_workspace *work, const int32_t *tokens, uint32_t count,
                            uint32_t first, float *log_probabilities, float *last_logits,
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
void ssi_lower_run(ssi_workspace *work);   /* lower.c */
void ssi_layer_run(ssi_workspace *work, uint32_t layer);                  /* layer.c */
void ssi_attention_run(ssi_workspace *work, uint32_t layer, bool quantise); /* attention.c */
/* head.c: logits of rows first .. first + row_count - 1, [row][logit_stride]. */
void ssi_head_run(ssi_workspace *work, uint32_t first, uint32_t row_count, float *logits);
ss_status ssi_verify_run(ssi_workspace *work, const ssi_tree *tree, const ssi_sampler *sampler,
                         const ssi_sequence *sequence, const ssi_emitter *emitter,
                         uint32_t *accepted, ss_error *error) SSI_MUST_CHECK; /* verify.c */

static inline bool ssi_workspace_cancelled(ssi_workspace *work)
{
    /* Relaxed: the flag carries no data, and is only ever seen a little earlier or later. */
    return atomic_load_explicit(&work->cancelled, memory_order_relaxed) &&
           atomic_exchange_explicit(&work->cancelled, false, memory_order_relaxed);
}

#endif
