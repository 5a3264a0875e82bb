/* SPDX-License-Identifier: Apache-2.0 */
/* What a session has counted. */
#include <string.h>

#include "session/session_state.h"

void ssi_session_get_stats(const ss_session *session, ss_stats *stats)
{
    const uint64_t *stage_ns = session->work.stage_ns;
    const ssi_parallel *parallel = &session->parallel;
    *stats = session->stats;
    stats->struct_size = sizeof *stats;
    stats->lower_ns = stage_ns[SSI_STAGE_LOWER];
    stats->prune_ns = stage_ns[SSI_STAGE_PRUNE];
    stats->msa_ns = stage_ns[SSI_STAGE_MSA];
    stats->head_ns = stage_ns[SSI_STAGE_HEAD];
    stats->verify_ns = stage_ns[SSI_STAGE_VERIFY];
    stats->memory_bytes = session->block_bytes;
    if (session->drafting) {
        stats->memory_bytes += session->drafting->block_bytes;
        memcpy(stats->row_cost_ms, session->drafting->planner->row_cost.cost,
               sizeof stats->row_cost_ms);
    }
    if (parallel->pool)
        stats->memory_bytes += ssi_parallel_bytes(NULL, parallel->thread_count);
    stats->kv_bytes = ssi_kv_bytes(&session->work.cache);
}

void ssi_session_reset_stats(ss_session *session)
{
    memset(&session->stats, 0, sizeof session->stats);
    memset(session->work.stage_ns, 0, sizeof session->work.stage_ns);
}
