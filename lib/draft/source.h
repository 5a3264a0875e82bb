/* SPDX-License-Identifier: Apache-2.0 */
/* A draft source: something that guesses the children of a node of the tree. Sources don't build
 * trees; grow.h asks all of them about each node it adds and keeps what is likeliest, so that a
 * path begun by one source may be carried on by another.
 *
 * A source's memory is laid out in the session's arena by its own ..._layout function; none of
 * these calls allocates or fails. Proposals are deterministic: they depend on the tokens observed
 * and on the path, never on time. */
#ifndef SSI_DRAFT_SOURCE_H
#define SSI_DRAFT_SOURCE_H

#include <stddef.h>

#include "draft/tree.h"

#define SSI_CANDIDATES 8u /* most children of one parent */

typedef struct ssi_candidate {
    int32_t token;
    float probability; /* the source's own estimate that this token follows its parent */
    uint8_t rank;      /* from 0 */
    uint8_t group;     /* what acceptance is tracked by, beside the rank: the stream, the band
                        * of match lengths, the depth; below SSI_ACCEPTANCE_GROUPS */
    uint8_t source;    /* ssi_source_kind; said by who asks, not by the source */
} ssi_candidate;

/* Puts one among candidates[first .. count), the likeliest first, behind those as likely; the last of
 * too many goes. Returns the new count. Ranks are given when all are there. */
static inline uint32_t ssi_candidates_insert(ssi_candidate candidates[SSI_CANDIDATES],
                                             uint32_t first, uint32_t count,
                                             const ssi_candidate *candidate)
{
    uint32_t at = count < SSI_CANDIDATES ? count++ : SSI_CANDIDATES;
    for (; at > first && candidate->probability > candidates[at - 1].probability; at--)
        if (at < SSI_CANDIDATES)
            candidates[at] = candidates[at - 1];
    if (at < SSI_CANDIDATES)
        candidates[at] = *candidate;
    return count;
}

static inline void ssi_candidates_rank(ssi_candidate candidates[SSI_CANDIDATES], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        candidates[i].rank = (uint8_t)i;
}

typedef struct ssi_draft_source {
    ssi_source_kind kind;
    void *context;

    /* Children for `node`, distinct tokens, best first; returns how many, 0 to SSI_CANDIDATES.
     * Nodes are expanded after their parents; node 0 first, which begins a new tree. */
    uint32_t (*expand)(void *context, const ssi_tree *tree, uint32_t node,
                       ssi_candidate candidates[SSI_CANDIDATES]);
} ssi_draft_source;

#endif
