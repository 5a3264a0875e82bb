/* SPDX-License-Identifier: Apache-2.0 */
/* What a session is made of.
 *
 * The sequence is `sequence.tokens[0 .. count - 1]`; the cache holds the rows of its first
 * cache.length tokens. Two states are at rest: after a prefill all rows are there, and the last
 * one's logits are kept; after a step the last token has been drawn but not run (it is the root of
 * the next pass), so the cache is one row short. Whatever leaves the cache shorter (a rewind, a
 * cancelled slide) is made good by settle() in session_run.c. */
#ifndef SSI_SESSION_SESSION_STATE_H
#define SSI_SESSION_SESSION_STATE_H

#include "session/drafting.h"
#include "session/session.h"
#include "step/step.h"
#include "tokenizer/tokenizer.h"

struct ss_session {
    ssi_memory memory;
    void *block; /* the allocation behind all of it, this struct included */
    size_t block_bytes;
    ssi_parallel parallel;
    ssi_workspace work;
    ssi_sampler sampler;
    ssi_text_stream *text; /* the text generated since the prefill, for the stop strings */
    bool has_stops;
    char slid_text[SSI_STOP_BYTES_MAX]; /* the end of the generated text before tokens[keep_count],
                                         * once slides have dropped some of it */
    uint32_t slid_text_length;
    bool has_progress;
    ss_progress progress;

    uint32_t context_length;
    ss_on_full on_full;
    uint32_t keep_count;

    ssi_sequence sequence;  /* tokens: [context_length] */
    int32_t *slid;          /* [context_length]: the sequence a slide is about to install */
    uint32_t unchanged;     /* tokens at the start that no replacing has touched since the last
                             * plan: what n-grams may go on from */
    uint32_t prompt_count;  /* tokens that were not generated */
    bool has_logits;        /* kept_logits are those after the last token */
    float *kept_logits;     /* [work.logit_stride] */
    ss_stop stop;           /* why the generation has ended, if it has */
    uint32_t limit;         /* of the step under way: sequence.count may reach it */
    ssi_drafting *drafting; /* NULL: plain decoding without an adapter */
    ssi_tree tree;          /* of the pass, as run */
    ss_stats stats;
};

/* session_run.c: pushes all text generated since the prefill through the stop strings again. */
void ssi_session_rebuild_text(ss_session *session);

/* session_run.c: makes `tokens` the sequence; returns how many rows of the cache still hold, at
 * most `most`. */
uint32_t ssi_session_replace(ss_session *session, const int32_t *tokens, uint32_t count,
                             uint32_t most);

/* session_run.c: brings the cache to the whole sequence, with the last row's logits kept. */
ss_status ssi_session_complete(ss_session *session, ss_error *error) SSI_MUST_CHECK;

/* session_run.c: whether the context holds so many tokens; whether the vocabulary has them. */
ss_status ssi_session_check_text(const ss_session *session, const int32_t *tokens, size_t count,
                                 ss_error *error) SSI_MUST_CHECK;
/* Tokens that both begin with, of `most`. */
static inline uint32_t ssi_shared_prefix(const int32_t *a, const int32_t *b, uint32_t most)
{
    uint32_t shared = 0;
    while (shared < most && a[shared] == b[shared])
        shared++;
    return shared;
}

static inline const ss_progress *ssi_session_progress(const ss_session *session)
{
    return session->has_progress ? &session->progress : NULL;
}

#endif
