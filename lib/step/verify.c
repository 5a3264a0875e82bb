/* SPDX-License-Identifier: Apache-2.0 */
/* The walk from the root: draw the next token from the node's logits; while a child holds that
 * very token, accept it and go on (method: sample-and-compare). Where a guess came from can't
 * matter here. Then the rows of the accepted path join the context. */
#include "step/step.h"

typedef struct commit_work {
    const ssi_kv_cache *cache;
    uint16_t slots[SSI_TREE_NODES];
    uint32_t count;
} commit_work;

static void commit_layers(void *context, uint32_t layer_begin, uint32_t layer_end)
{
    const commit_work *region = context;
    ssi_kv_move_nodes(region->cache, region->slots, region->count, layer_begin, layer_end);
}

/* The first `count` nodes of the walk. The root's keys lie in their place already. */
static void commit(ssi_workspace *work, const ssi_walk *walk, uint32_t count)
{
    ssi_kv_cache *cache = &work->cache;
    commit_work region = {.cache = cache};
    if (count == 0)
        return;
    cache->length++;
    for (uint32_t i = 1; i < count; i++)
        region.slots[region.count++] = (uint16_t)work->batch.slots[walk->path[i]].index;
    if (region.count > 0)
        ssi_parallel_ranges(work->parallel, cache->layer_count, work->parallel->thread_count,
                            commit_layers, &region);
    cache->length += region.count;
}

ss_status ssi_verify_run(ssi_workspace *work, const ssi_tree *tree, const ssi_sampler *sampler,
                         const ssi_sequence *sequence, const ssi_emitter *emitter, ssi_walk *walk,
                         ss_error *error)
{
    uint32_t node = 0;
    walk->count = 0;
    for (;;) {
        int32_t token, child;
        walk->path[walk->count++] = (uint8_t)node;
        uint32_t position = sequence->dropped + sequence->count;
        ss_status status =
            ssi_sample(sampler, work->logits + node * work->logit_stride, &work->peaks[node],
                       sequence->tokens, sequence->count, position, &token, error);
        if (status != SS_OK) {
            commit(work, walk, walk->count - 1); /* this node stays pending: the next step will
                                                  * say the same */
            return status;
        }
        if (!emitter->emit(emitter->context, token))
            break;
        child = ssi_tree_find(tree, node, token);
        if (child < 0)
            break;
        node = (uint32_t)child;
    }
    commit(work, walk, walk->count);
    return SS_OK;
}
