/* SPDX-License-Identifier: Apache-2.0 */
/* The host's guesses, laid over whatever tree is being grown: a tree node stands for a guess when
 * its path holds the guess's path. */
#include "draft/source_caller.h"

#include <string.h>

#include "draft/acceptance.h"

#define NO_GUESS (-2)
/* A host that bothers to draft is trusted at first; acceptance corrects it within a few steps. */
#define UNSAID_PROBABILITY 0.7f

void ssi_caller_source_layout(ssi_caller_source *source, ssi_arena *arena)
{
    memset(source, 0, sizeof *source);
    source->nodes = ssi_arena_take(arena, SSI_CALLER_NODES, sizeof *source->nodes);
    source->guess_of_node = ssi_arena_take(arena, SSI_TREE_NODES, 1);
}

static int32_t find(const ssi_caller_source *source, int32_t parent, int32_t token)
{
    for (uint32_t i = 0; i < source->node_count; i++)
        if (source->nodes[i].parent == parent && source->nodes[i].token == token)
            return (int32_t)i;
    return NO_GUESS;
}

uint32_t ssi_caller_source_begin(ssi_caller_source *source, const ssi_caller_node *nodes,
                                 uint32_t count, uint32_t vocabulary_size)
{
    int8_t taken_as[SSI_CALLER_NODES]; /* of the host's index */

    source->node_count = 0;
    if (count > SSI_CALLER_NODES)
        count = SSI_CALLER_NODES;
    for (uint32_t i = 0; i < count; i++) {
        ssi_caller_node node = nodes[i];
        taken_as[i] = NO_GUESS;
        if (node.token < 0 || (uint32_t)node.token >= vocabulary_size || node.parent < -1
            || node.parent >= (int32_t)i || !(node.probability >= 0 && node.probability <= 1))
            continue;
        if (node.parent >= 0)
            node.parent = taken_as[node.parent];
        if (node.parent == NO_GUESS)
            continue;
        int32_t present = find(source, node.parent, node.token);
        if (present != NO_GUESS) {
            taken_as[i] = (int8_t)present;
            continue;
        }
        if (node.probability == 0.0f)
            node.probability = UNSAID_PROBABILITY;
        taken_as[i] = (int8_t)source->node_count;
        source->nodes[source->node_count++] = node;
    }
    return source->node_count;
}

static uint32_t expand(void *context, const ssi_tree *tree, uint32_t node,
                       ssi_candidate candidates[SSI_CANDIDATES])
{
    ssi_caller_source *source = context;
    uint32_t count = 0, depth = tree->depth_of_node[node];
    int32_t guess = -1;

    if (node > 0) {
        int32_t above = source->guess_of_node[tree->parent_of_node[node]];
        guess = above == NO_GUESS ? NO_GUESS : find(source, above, tree->token_of_node[node]);
    }
    source->guess_of_node[node] = (int8_t)guess;
    if (guess == NO_GUESS)
        return 0;
    for (uint32_t i = 0; i < source->node_count; i++) {
        if (source->nodes[i].parent != guess)
            continue;
        ssi_candidate candidate = {
            .token = source->nodes[i].token,
            .probability = source->nodes[i].probability,
            .group = (uint8_t)(depth < SSI_ACCEPTANCE_GROUPS ? depth : SSI_ACCEPTANCE_GROUPS - 1),
        };
        count = ssi_candidates_insert(candidates, 0, count, &candidate);
    }
    ssi_candidates_rank(candidates, count);
    return count;
}

ssi_draft_source ssi_caller_source_interface(ssi_caller_source *source)
{
    return (ssi_draft_source){.kind = SSI_SOURCE_CALLER, .context = source, .expand = expand};
}
