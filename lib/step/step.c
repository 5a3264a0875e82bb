/* SPDX-License-Identifier: Apache-2.0 */
/* A step: the flow diagram as code. */
#include "step/step.h"

static void charge(ssi_workspace *work, uint32_t stage, uint64_t *since)
{
    uint64_t now = work->clock(work->clock_context);
    work->stage_ns[stage] += now - *since;
    *since = now;
}

ss_status ssi_step_run(ssi_workspace *work, ssi_tree *tree, const ssi_plan *plan,
                       const ssi_sampler *sampler, const ssi_sequence *sequence,
                       const ssi_emitter *emitter, ssi_walk *walk, ss_error *error)
{
    uint64_t time = work->clock(work->clock_context);
    bool parallel = plan->schedule == SSI_SCHEDULE_PARALLEL;
    ssi_batch_tree(work, tree);
    ssi_batch_embed(work);
    ssi_lower_run(work);
    charge(work, SSI_STAGE_LOWER, &time);
    for (uint32_t node = 0; node < tree->node_count; node++)
        walk->node_of_kept[node] = (uint8_t)node;
    if (plan->prune)
        ssi_prune_run(work, tree, plan->prune_threshold, walk->node_of_kept);
    charge(work, SSI_STAGE_PRUNE, &time);
    ssi_msa_run(work, parallel);
    charge(work, SSI_STAGE_MSA, &time);
    ssi_main_head_run(work, 0, tree->node_count, work->logits);
    charge(work, SSI_STAGE_HEAD, &time);
    if (ssi_workspace_cancelled(work))
        return ssi_fail(error, SS_ERROR_CANCELLED, "cancelled");
    ss_status status = ssi_verify_run(work, tree, sampler, sequence, emitter, walk, error);
    charge(work, SSI_STAGE_VERIFY, &time);
    if (status == SS_OK)
        ssi_msa_settle(work, walk->path[walk->count - 1], parallel);
    charge(work, SSI_STAGE_HEAD, &time);
    return status;
}

void ssi_step_defer(ssi_workspace *work, int32_t root_token)
{
    uint64_t time = work->clock(work->clock_context);
    ssi_msa_defer(work, root_token);
    charge(work, SSI_STAGE_MSA, &time);
}

void ssi_step_evaluate(ssi_workspace *work, const int32_t *tokens, const int32_t *parents,
                       uint32_t row_count)
{
    ssi_batch_forest(work, tokens, parents, row_count);
    ssi_batch_embed(work);
    ssi_lower_run(work);
    ssi_msa_run(work, false);
    ssi_main_head_run(work, 0, row_count, work->logits);
}
