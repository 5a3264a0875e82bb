/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the model through a session: its tokens, logits of rows above it, log probabilities
 * of a text. */
#include <string.h>

#include "session/session_state.h"

void ssi_session_get_tokens(const ss_session *session, const int32_t **tokens, size_t *count)
{
    *tokens = session->sequence.tokens;
    *count = session->sequence.count;
}

static ss_status check_forest(const ss_session *session, const int32_t *parents,
                              uint32_t row_count, ss_error *error)
{
    uint32_t depths[SSI_TREE_NODES], room = session->context_length - session->sequence.count;
    for (uint32_t row = 0; row < row_count; row++) {
        if (parents[row] < -1 || parents[row] >= (int32_t)row)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "parents[%u] is %d: expected -1 to %d", row,
                            parents[row], (int32_t)row - 1);
        depths[row] = parents[row] < 0 ? 1 : depths[parents[row]] + 1;
        if (depths[row] > room)
            return ssi_fail(error, SS_ERROR_CONTEXT_FULL,
                            "row %u stands at position %u: the context holds %u tokens", row,
                            session->sequence.count + depths[row] - 1, session->context_length);
    }
    return SS_OK;
}

ss_status ssi_session_evaluate(ss_session *session, const int32_t *tokens,
                               const int32_t *parents, uint32_t row_count,
                               const float **logits, ss_error *error)
{
    ssi_workspace *work = &session->work;
    size_t size = work->model->hyper.vocabulary_size;
    if (row_count == 0 || row_count > work->logit_rows)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "row_count %u: expected 1 to %u", row_count,
                        work->logit_rows);
    SSI_TRY(ssi_tokenizer_check(work->model->tokenizer, tokens, row_count, error));
    SSI_TRY(check_forest(session, parents, row_count, error));
    SSI_TRY(ssi_session_complete(session, error));
    ssi_step_evaluate(work, tokens, parents, row_count);
    if (size != work->logit_stride)
        for (uint32_t row = 1; row < row_count; row++) /* rows close up, as promised */
            memmove(work->logits + row * size, work->logits + row * work->logit_stride,
                    size * sizeof *work->logits);
    *logits = work->logits;
    return SS_OK;
}

ss_status ssi_session_score(ss_session *session, const int32_t *tokens, size_t count,
                            size_t first, float *log_probabilities, ss_error *error)
{
    ssi_workspace *work = &session->work;
    if (first == 0 || first >= count)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "first %zu of %zu tokens: expected 1 to %zu",
                        first, count, count > 0 ? count - 1 : 0);
    SSI_TRY(ssi_session_check_text(session, tokens, count, error));

    uint64_t start = work->clock(work->clock_context);
    uint32_t first_row = (uint32_t)first - 1; /* whose logits give the first score */
    uint32_t shared = ssi_session_replace(session, tokens, (uint32_t)count, first_row);
    ss_status status =
        ssi_prefill_score(work, &session->sequence, first_row, log_probabilities,
                          session->kept_logits, ssi_session_progress(session), error);
    session->has_logits = status == SS_OK;
    session->stats.prefill_reused += shared;
    session->stats.prefill_tokens += work->cache.length - shared;
    session->stats.prefill_ns += work->clock(work->clock_context) - start;
    if (status == SS_ERROR_CANCELLED)
        session->sequence.count = session->prompt_count = work->cache.length;
    return status;
}
