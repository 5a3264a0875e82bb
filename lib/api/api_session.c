/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/session.h. */
#include "session/session.h"
#include "api/api.h"
#include "base/float_env.h"

SSI_NO_TAIL_PADDING(ss_session_params, reserved0);
SSI_NO_TAIL_PADDING(ss_sampler_params, reserved0);
SSI_NO_TAIL_PADDING(ss_step, reserved0);
SSI_NO_TAIL_PADDING(ss_stats, row_cost_ms);

ss_status ss_session_params_init(ss_session_params *params, size_t struct_size)
{
    ss_session_params defaults;
    ssi_session_params_default(&defaults);
    return ssi_params_fill(params, struct_size, &defaults, sizeof defaults);
}

static ss_status read_params(ss_session_params *ours, ssi_hooks *hooks,
                             const ss_session_params *theirs, ss_error *error)
{
    ssi_session_params_default(ours);
    if (theirs == NULL)
        return SS_OK;
    SSI_TRY(ssi_params_read(ours, sizeof *ours, theirs, "ss_session_params", error));
    return ssi_hooks_read(hooks, &ours->allocator, &ours->log, &ours->progress,
                          &ours->parallel, error);
}

ss_status ss_session_memory_bytes(const ss_model *model, const ss_session_params *params,
                                  uint64_t *bytes, ss_error *error)
{
    ss_session_params ours;
    ssi_hooks hooks;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(bytes, "bytes", error));
    SSI_TRY(read_params(&ours, &hooks, params, error));
    return ssi_session_memory_bytes(model, &ours, bytes, error);
}

static void tell_created(const ss_log *log, const ss_session *session)
{
    ss_stats stats;
    if (log == NULL)
        return;
    ssi_session_get_stats(session, &stats);
    ssi_log_line(log, SS_LOG_INFO, "session: %.1f MB, %.1f of them the key-value cache",
                 (double)stats.memory_bytes * 1e-6, (double)stats.kv_bytes * 1e-6);
}

ss_status ss_session_create(const ss_model *model, const ss_session_params *params,
                            ss_session **session, ss_error *error)
{
    ss_session_params ours;
    ssi_hooks hooks;
    SSI_TRY(ssi_need(session, "session", error));
    *session = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(read_params(&ours, &hooks, params, error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_create(model, &ours, session, error);
    ssi_float_env_leave(before);
    if (status == SS_OK)
        tell_created(ours.log, *session);
    return status;
}

void ss_session_free(ss_session *session)
{
    ssi_session_free(session);
}

ss_status ss_sampler_params_init(ss_sampler_params *params, size_t struct_size)
{
    ss_sampler_params defaults;
    ssi_sampler_params_default(&defaults);
    return ssi_params_fill(params, struct_size, &defaults, sizeof defaults);
}

ss_status ss_session_set_sampler(ss_session *session, const ss_sampler_params *params,
                                 ss_error *error)
{
    ss_sampler_params ours;
    SSI_TRY(ssi_need(session, "session", error));
    ssi_sampler_params_default(&ours);
    if (params != NULL)
        SSI_TRY(ssi_params_read(&ours, sizeof ours, params, "ss_sampler_params", error));
    if (ours.bias_count > 0) {
        SSI_TRY(ssi_need(ours.bias_tokens, "bias_tokens", error));
        SSI_TRY(ssi_need(ours.bias_values, "bias_values", error));
    }
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_set_sampler(session, &ours, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_set_stops(ss_session *session, const char *const *stops, size_t stop_count,
                               ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    if (stop_count > 0)
        SSI_TRY(ssi_need(stops, "stops", error));
    return ssi_session_set_stops(session, stops, stop_count, error);
}

ss_status ss_session_prefill(ss_session *session, const int32_t *tokens, size_t count,
                             ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    if (count > 0)
        SSI_TRY(ssi_need(tokens, "tokens", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_prefill(session, tokens, count, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_step(ss_session *session, uint32_t max_tokens, ss_step *step,
                          ss_error *error)
{
    ss_step ours = {.struct_size = sizeof ours};
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need_result(step, "ss_step", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_step(session, max_tokens, &ours, error);
    ssi_float_env_leave(before);
    if (status != SS_OK)
        return status;
    return ssi_result_write(step, &ours, sizeof ours, "ss_step", error);
}

void ss_session_cancel(ss_session *session)
{
    if (session != NULL)
        ssi_session_cancel(session);
}

ss_status ss_session_rewind(ss_session *session, size_t count, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_rewind(session, count, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_get_tokens(const ss_session *session, const int32_t **tokens,
                                size_t *count, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(tokens, "tokens", error));
    SSI_TRY(ssi_need(count, "count", error));
    ssi_session_get_tokens(session, tokens, count);
    return SS_OK;
}

ss_status ss_session_evaluate(ss_session *session, const int32_t *tokens,
                              const int32_t *parents, uint32_t row_count, const float **logits,
                              ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(tokens, "tokens", error));
    SSI_TRY(ssi_need(parents, "parents", error));
    SSI_TRY(ssi_need(logits, "logits", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status =
        ssi_session_evaluate(session, tokens, parents, row_count, logits, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_score(ss_session *session, const int32_t *tokens, size_t count,
                           size_t first, float *log_probabilities, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(tokens, "tokens", error));
    SSI_TRY(ssi_need(log_probabilities, "log_probabilities", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status =
        ssi_session_score(session, tokens, count, first, log_probabilities, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_save(const ss_session *session, void *buffer, size_t capacity,
                          size_t *bytes, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(bytes, "bytes", error));
    if (capacity > 0)
        SSI_TRY(ssi_need(buffer, "buffer", error));
    return ssi_session_save(session, buffer, capacity, bytes, error);
}

ss_status ss_session_save_file(const ss_session *session, const char *path, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(path, "path", error));
    return ssi_session_save_file(session, path, error);
}

ss_status ss_session_restore(ss_session *session, const void *data, size_t bytes,
                             ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(data, "data", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_restore(session, data, bytes, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_restore_file(ss_session *session, const char *path, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(path, "path", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_restore_file(session, path, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_get_stats(const ss_session *session, ss_stats *stats, ss_error *error)
{
    ss_stats ours = {.struct_size = sizeof ours};
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need_result(stats, "ss_stats", error));
    ssi_session_get_stats(session, &ours);
    return ssi_result_write(stats, &ours, sizeof ours, "ss_stats", error);
}

void ss_session_reset_stats(ss_session *session)
{
    if (session != NULL)
        ssi_session_reset_stats(session);
}
