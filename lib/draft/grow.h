/* SPDX-License-Identifier: Apache-2.0 */
/* Grows one tree from all sources, best-first: the next node is always the one whose path is
 * likeliest to be accepted, so the first n nodes are the best tree of n (OPT-Tree). Candidates of
 * several sources for one parent are merged by token and weighed against each other.
 *
 * In numbers: a node's value is the product of its path's probabilities; the expected number of
 * accepted nodes is the sum of the values. */
#ifndef SSI_DRAFT_GROW_H
#define SSI_DRAFT_GROW_H

#include "draft/acceptance.h"
#include "draft/source.h"

typedef struct ssi_growth_limits {
    uint32_t node_limit;      /* nodes below the root, at most SSI_TREE_NODES - 1 */
    uint32_t depth_limit;     /* of a node */
    const uint8_t *widths;    /* children per node by depth of the parent, none below
                               * width_count; NULL: SSI_CANDIDATES everywhere */
    uint32_t width_count;
    const int32_t *end_tokens; /* nodes that hold one get no children */
    uint32_t end_count;
    const ssi_acceptance *acceptance; /* corrects probabilities; NULL: as the sources say */
    const float *price;       /* [r - 1]: what a step of r rows costs, in tokens, up to
                               * node_limit + 1 rows, never falling; NULL: rows are free */
} ssi_growth_limits;

/* Workspace; after a growth it tells what every source said about the nodes that were expanded. */
typedef struct ssi_growth {
    uint64_t expanded; /* bit per node */
    uint8_t candidate_count[SSI_TREE_NODES][SSI_SOURCE_COUNT];
    ssi_candidate candidates[SSI_TREE_NODES][SSI_SOURCE_COUNT][SSI_CANDIDATES];
    ssi_candidate children[SSI_TREE_NODES][SSI_CANDIDATES]; /* merged; corrected if asked for */
    uint8_t child_count[SSI_TREE_NODES];
    uint8_t child_next[SSI_TREE_NODES]; /* the best one not yet in the tree */
} ssi_growth;

/* Builds the tree under root_token. With a price it ends where expected tokens less price are
 * highest (earliest on a tie). Returns that difference to the root alone: 0 or more; without a
 * price, the expected number of accepted nodes. */
float ssi_grow(ssi_growth *growth, ssi_tree *tree, int32_t root_token,
               const ssi_draft_source *sources, uint32_t source_count,
               const ssi_growth_limits *limits);

/* Tells the tracker what came of a growth. path: the nodes visited by the walk, root first;
 * tokens[i]: what was drawn at path[i]. */
void ssi_growth_observe(const ssi_growth *growth, ssi_acceptance *acceptance,
                        const uint8_t *path, const int32_t *tokens, uint32_t path_count);

#endif
