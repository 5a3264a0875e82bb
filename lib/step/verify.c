/* SPDX-License-Identifier: Apache-2.0 */
/* The walk from the root: draw the next token from the node's logits; while a child holds that
 * very token, accept it and go on (method: sample-and-compare). Where a guess came from can't
 * matter here. */
#include "step/step.h"

ss_status ssi_verify_run(ssi_workspace *work, const ssi_tree *tree, const ssi_sampler *sampler,
                         const ssi_sequence *sequence, const ssi_emitter *emitter, ssi_walk *walk,
                         ss_error *error)
{
    uint32_t node = 0;
    walk->count = 0;
    work->cache.length++; /* the root, whose keys lie in their place */
    for (;;) {
        int32_t token, child;
        walk->path[walk->count++] = (uint8_t)node;
        uint32_t position = sequence->dropped + sequence->count;
        if (!ssi_sample(sampler, work->logits + node * work->logit_stride, sequence->tokens,
                        sequence->count, position, &token)) {
            work->cache.length--; /* this node stays pending: the next step will say the same */
            return ssi_fail(error, SS_ERROR_NUMERIC,
                            "position %u: the logits are not all finite", position - 1);
        }
        if (!emitter->emit(emitter->context, token))
            return SS_OK;
        child = ssi_tree_find(tree, node, token);
        if (child < 0)
            return SS_OK;
        node = (uint32_t)child;
        ssi_kv_commit_node(&work->cache, work->batch.slots[node].index);
    }
}
