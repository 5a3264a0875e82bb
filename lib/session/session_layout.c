/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of a session's block: the session, its tokens, the step's workspace with the cache, the
 * sampler, the text stream. */
#include "session/session_layout.h"

ss_session *ssi_session_layout(ss_session *session, const ss_session_params *params,
                               ssi_arena *arena)
{
    const ss_model *model = session->work.model;
    ssi_workspace_shape shape = {
        .context_length = params->context_length,
        .max_step_rows = params->max_step_rows,
        .prefill_chunk = params->prefill_chunk,
        .kv_f32 = params->kv_type == SS_KV_F32,
    };
    ss_session *place = ssi_arena_take(arena, 1, sizeof *place);
    session->sequence.tokens =
        ssi_arena_take(arena, params->context_length, sizeof *session->sequence.tokens);
    session->slid = ssi_arena_take(arena, params->context_length, sizeof *session->slid);
    session->text = ssi_arena_take(arena, 1, ssi_text_stream_bytes(model->tokenizer));
    ssi_sampler_layout(&session->sampler, model->hyper.vocabulary_size, arena);
    ssi_workspace_layout(&session->work, &shape, arena);
    session->kept_logits =
        ssi_arena_take(arena, session->work.logit_stride, sizeof *session->kept_logits);
    return place;
}
