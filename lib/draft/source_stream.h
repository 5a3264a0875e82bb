/* SPDX-License-Identifier: Apache-2.0 */
/* The speculative streams as a draft source: stream j proposes the nodes of depth j + 1, each
 * given the token of its parent.
 *
 * The step room owns logits and tables; it answers, for (stream, parent token), the best
 * candidates with their probabilities over the draft vocabulary:
 *     logit(c) = head_c . norm(S_j) + (U u)_c,   u = A embedding(parent)      (parent term)
 *     greedy:  probability = softmax over the draft vocabulary of logit, best first
 *     sampled: the same after temperature and cuts; ranked by score(c) = log probability +
 *              noise(seed, position of the child, c), and probability = softmax of the scores,
 *              so that it already knows what the sampler is going to prefer (method 6.12).
 * The normaliser depends on the parent, hence one product U u per parent asked about. */
#ifndef SSI_DRAFT_SOURCE_STREAM_H
#define SSI_DRAFT_SOURCE_STREAM_H

#include "base/arena.h"
#include "draft/source.h"

/* Fills token and probability, best first (ties: the lower token), tokens distinct; returns how
 * many. 0 where the stream's logits are not all finite. Pure during one step. */
typedef uint32_t ssi_stream_expand(void *context, uint32_t stream, int32_t parent_token,
                                   ssi_candidate candidates[SSI_CANDIDATES]);

typedef struct ssi_stream_answer {
    int32_t parent_token;
    uint8_t stream;
    uint8_t count;
    ssi_candidate candidates[SSI_CANDIDATES];
} ssi_stream_answer;

typedef struct ssi_stream_source {
    ssi_stream_expand *expand;
    void *expand_context;
    uint32_t stream_count;     /* 0: no streams of this root: nothing is proposed */
    bool parent_conditioned;   /* false: one answer per stream, whatever the parent */
    uint32_t answer_count;
    ssi_stream_answer *answers; /* [SSI_TREE_NODES], those of this step */
} ssi_stream_source;

void ssi_stream_source_layout(ssi_stream_source *source, ssi_arena *arena);

/* Streams of a new root; forgets the answers of the one before. */
void ssi_stream_source_begin(ssi_stream_source *source, uint32_t stream_count,
                             bool parent_conditioned, ssi_stream_expand *expand,
                             void *expand_context);

ssi_draft_source ssi_stream_source_interface(ssi_stream_source *source);

#endif
