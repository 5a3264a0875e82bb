/* SPDX-License-Identifier: Apache-2.0 */
/* The draft tree: node 0 is the root (the last token drawn, not yet run), every other node a guess
 * of the token after its parent. Parents precede children; siblings hold distinct tokens. */
#ifndef SSI_DRAFT_TREE_H
#define SSI_DRAFT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#define SSI_TREE_NODES 64u /* most nodes, the root included: masks are 64 bits */

typedef enum ssi_source_kind {
    SSI_SOURCE_STREAM = 0,
    SSI_SOURCE_NGRAM,
    SSI_SOURCE_CALLER,
    SSI_SOURCE_HISTORY,
    SSI_SOURCE_COUNT
} ssi_source_kind;

typedef struct ssi_tree {
    uint32_t node_count;
    int32_t token_of_node[SSI_TREE_NODES];
    uint8_t parent_of_node[SSI_TREE_NODES]; /* of the root: 0 */
    uint8_t depth_of_node[SSI_TREE_NODES];  /* of the root: 0 */
    uint8_t source_of_node[SSI_TREE_NODES]; /* ssi_source_kind */
    uint8_t rank_of_node[SSI_TREE_NODES];   /* rank of the guess in its source, from 0 */
    float probability_of_node[SSI_TREE_NODES];  /* estimated chance that the path is accepted */
} ssi_tree;

/* A tree of the root alone. */
void ssi_tree_init(ssi_tree *tree, int32_t root_token);

/* Adds a child; returns its node, or the present one where the parent has a child with that token
 * (its probability is then the larger of the two). Precondition: room for it, if new. */
uint32_t ssi_tree_add(ssi_tree *tree, uint32_t parent, int32_t token, float probability,
                      ssi_source_kind source, uint32_t rank);

/* The child of `parent` that holds `token`, or -1. */
int32_t ssi_tree_find(const ssi_tree *tree, uint32_t parent, int32_t token);

/* Keeps the nodes whose bit is set (a kept node's parent must be kept), renumbered in order;
 * node_of_kept[new] = old. */
void ssi_tree_keep(ssi_tree *tree, uint64_t kept, uint8_t node_of_kept[SSI_TREE_NODES]);

#endif
