/* SPDX-License-Identifier: Apache-2.0 */
/* The draft tree as flat arrays. Sixty-four nodes at most: a child is found by looking at all. */
#include "draft/tree.h"

#include <assert.h>

void ssi_tree_init(ssi_tree *tree, int32_t root_token)
{
    tree->node_count = 1;
    tree->token_of_node[0] = root_token;
    tree->parent_of_node[0] = 0;
    tree->depth_of_node[0] = 0;
    tree->source_of_node[0] = SSI_SOURCE_STREAM;
    tree->rank_of_node[0] = 0;
    tree->probability_of_node[0] = 1.0f;
}

int32_t ssi_tree_find(const ssi_tree *tree, uint32_t parent, int32_t token)
{
    /* Children come after their parent; the root alone is its own parent, and never a child. */
    for (uint32_t node = parent + 1; node < tree->node_count; node++)
        if (tree->parent_of_node[node] == parent && tree->token_of_node[node] == token)
            return (int32_t)node;
    return -1;
}

uint32_t ssi_tree_add(ssi_tree *tree, uint32_t parent, int32_t token, float probability,
                      ssi_source_kind source, uint32_t rank)
{
    int32_t present = ssi_tree_find(tree, parent, token);
    if (present >= 0) {
        if (probability > tree->probability_of_node[present])
            tree->probability_of_node[present] = probability;
        return (uint32_t)present;
    }
    assert(parent < tree->node_count && tree->node_count < SSI_TREE_NODES);
    uint32_t node = tree->node_count++;
    tree->token_of_node[node] = token;
    tree->parent_of_node[node] = (uint8_t)parent;
    tree->depth_of_node[node] = (uint8_t)(tree->depth_of_node[parent] + 1);
    tree->source_of_node[node] = (uint8_t)source;
    tree->rank_of_node[node] = (uint8_t)rank;
    tree->probability_of_node[node] = probability;
    return node;
}

void ssi_tree_keep(ssi_tree *tree, uint64_t kept, uint8_t node_of_kept[SSI_TREE_NODES])
{
    uint8_t kept_of_node[SSI_TREE_NODES] = {0};
    uint32_t count = 0;

    assert(kept & 1);
    for (uint32_t node = 0; node < tree->node_count; node++) {
        if (!(kept >> node & 1))
            continue;
        /* New numbers never exceed old ones, so moving in place overwrites nothing unread. */
        uint32_t to = count++;
        uint32_t parent = kept_of_node[tree->parent_of_node[node]];
        kept_of_node[node] = (uint8_t)to;
        node_of_kept[to] = (uint8_t)node;
        tree->token_of_node[to] = tree->token_of_node[node];
        tree->parent_of_node[to] = (uint8_t)parent;
        tree->depth_of_node[to] = tree->depth_of_node[node];
        tree->source_of_node[to] = tree->source_of_node[node];
        tree->rank_of_node[to] = tree->rank_of_node[node];
        tree->probability_of_node[to] = tree->probability_of_node[node];
    }
    tree->node_count = count;
}
