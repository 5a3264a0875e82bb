/* SPDX-License-Identifier: Apache-2.0 */
/* How a session comes by the tree of its next pass: sources, planner, and the adapter's streams. One
 * block, taken when adapter or streams are set, besides the session's own. */
#ifndef SSI_SESSION_DRAFTING_H
#define SSI_SESSION_DRAFTING_H

#include "draft/planner.h"
#include "draft/source_caller.h"
#include "draft/source_history.h"
#include "draft/source_ngram.h"
#include "draft/source_stream.h"
#include "specstream/session.h"
#include "step/step.h"

#define SSI_END_TOKENS 16u

typedef struct ssi_drafting {
    void *block;
    size_t block_bytes;
    ss_stream_config config; /* the caller's, but its arrays are those below, or NULL */
    uint32_t widths[SSI_TREE_NODES];
    float row_cost[SSI_ROW_COUNTS];
    ssi_planner_config plan_config;
    ssi_streams streams;     /* as laid out here; the workspace holds a copy */
    ssi_planner *planner;
    ssi_stream_source stream_source;
    ssi_ngram ngram;
    ssi_history history;     /* without streams alone; else its capacity is 0 */
    ssi_caller_source caller_source;
    ssi_draft_source sources[SSI_SOURCE_COUNT];
    uint32_t source_count;
    int32_t end_tokens[SSI_END_TOKENS];
    uint32_t end_count;
    ssi_draft_view view;     /* what streams are asked through */
    ssi_plan plan;
    uint64_t stream_ns;      /* the deferred pass before the plan under way; 0: there was none */
    uint64_t pass_start_ns;
    uint64_t prune_before_ns;
    ssi_walk walk;           /* of the last pass */
    ss_tree_node *shown;     /* [SSI_TREE_NODES]: the last tree, as planned */
    uint32_t shown_count;
} ssi_drafting;

/* drafting.c. Streams if they are worth it, then the tree, for a root that is the sequence's last
 * token. */
void ssi_drafting_plan(ss_session *session);
/* What came of it: `before` tokens were there when the pass began. */
void ssi_drafting_observe(ss_session *session, uint32_t before);

/* tokens[begin .. end) leave the sequence, drafting or not: nothing from `begin` on is unchanged.
 * session->prompt_count is still theirs. */
void ssi_drafting_let_go(ss_session *session, const int32_t *tokens, uint32_t begin, uint32_t end);

/* set_adapter.c */
void ssi_drafting_free(ss_session *session);

#endif
