/* SPDX-License-Identifier: Apache-2.0 */
/* A session's birth, settings and end. */
#include "session/session.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/os.h"
#include "base/params.h"
#include "session/session_layout.h"

#define MAX_STEP_ROWS_DEFAULT 32u
#define PREFILL_CHUNK_DEFAULT 256u
#define PREFILL_CHUNK_MAX 1024u

void ssi_session_params_default(ss_session_params *params)
{
    *params = (ss_session_params){
        .struct_size = sizeof *params,
        .max_step_rows = MAX_STEP_ROWS_DEFAULT,
        .kv_type = SS_KV_F16,
        .on_full = SS_ON_FULL_ERROR,
    };
}

void ssi_sampler_params_default(ss_sampler_params *params)
{
    *params = (ss_sampler_params){
        .struct_size = sizeof *params,
        .top_p = 1.0f,
        .repetition_penalty = 1.0f,
        .penalty_window = 64,
    };
}

/* Copies the caller's params, defaults resolved. */
static ss_status resolve_params(const ss_model *model, const ss_session_params *theirs,
                                ss_session_params *ours, ss_error *error)
{
    *ours = *theirs;
    if (ours->context_length == 0)
        ours->context_length = model->hyper.context_length;
    SSI_TRY(ssi_params_check("context_length", ours->context_length, 1,
                             model->hyper.context_length, error));
    SSI_TRY(ssi_params_check("max_step_rows", ours->max_step_rows, 1, SSI_TREE_NODES, error));
    SSI_TRY(
        ssi_params_check("prefill_chunk", ours->prefill_chunk, 0, PREFILL_CHUNK_MAX, error));
    SSI_TRY(ssi_threads_check(ours->thread_count, error));
    SSI_TRY(ssi_params_check("kv_type", ours->kv_type, 0, SS_KV_F32, error));
    SSI_TRY(ssi_params_check("on_full", ours->on_full, 0, SS_ON_FULL_SLIDE, error));
    SSI_TRY(ssi_params_check("reserved0", ours->reserved0, 0, 0, error));
    if (ours->on_full == SS_ON_FULL_SLIDE) { /* a slide must free at least one place */
        SSI_TRY(ssi_params_check("context_length (with SS_ON_FULL_SLIDE)", ours->context_length,
                                 2, UINT32_MAX, error));
        SSI_TRY(ssi_params_check("keep_count", ours->keep_count, 0, ours->context_length - 2,
                                 error));
    }
    if (ours->prefill_chunk == 0)
        ours->prefill_chunk = PREFILL_CHUNK_DEFAULT;
    if (ours->prefill_chunk > ours->context_length)
        ours->prefill_chunk = ours->context_length;
    return SS_OK;
}

static ss_status count_block(ss_session *session, const ss_session_params *params,
                             size_t *bytes, ss_error *error)
{
    ssi_arena arena = {NULL, 0, false};
    ssi_session_layout(session, params, &arena);
    if (arena.overflow)
        return ssi_fail(error, SS_ERROR_MEMORY, "a session of %u tokens does not fit in memory",
                        params->context_length);
    *bytes = arena.used;
    return SS_OK;
}

ss_status ssi_session_memory_bytes(const ss_model *model, const ss_session_params *params,
                                   uint64_t *bytes, ss_error *error)
{
    ss_session_params ours;
    ss_session plan = {.work = {.model = model, .parallel = &plan.parallel}};
    size_t block_bytes = 0;
    SSI_TRY(resolve_params(model, params, &ours, error));
    plan.parallel.thread_count = ssi_parallel_threads(ours.parallel, ours.thread_count);
    SSI_TRY(count_block(&plan, &ours, &block_bytes, error));
    *bytes = block_bytes + ssi_parallel_bytes(ours.parallel, ours.thread_count);
    return SS_OK;
}

/* Fills the memory a layout has just handed out, and moves the session into its block. */
static ss_status settle_in(ss_session *plan, ss_session *session, ss_error *error)
{
    *session = *plan;
    session->work.parallel = &session->parallel;
    session->sampler.kernels = &session->work.model->kernels;
    atomic_init(&session->work.cancelled, false);
    ssi_workspace_clear(&session->work);
    ssi_sampler_clear(&session->sampler);
    ssi_sampler_params_default(&session->sampler.params);
    return ssi_text_stream_init(session->text, session->work.model->tokenizer, NULL, 0, error);
}

ss_status ssi_session_create(const ss_model *model, const ss_session_params *params,
                             ss_session **session, ss_error *error)
{
    ss_session_params ours;
    ss_session plan = {.work = {.model = model, .parallel = &plan.parallel}};
    ss_session *place;
    ss_status status;
    *session = NULL;
    SSI_TRY(resolve_params(model, params, &ours, error));
    plan.memory = ssi_memory_from(ours.allocator);
    plan.work.clock = ours.clock ? ours.clock : ssi_clock_ns;
    plan.work.clock_context = ours.clock_context;
    plan.context_length = ours.context_length;
    plan.on_full = ours.on_full;
    plan.keep_count = ours.keep_count;
    plan.has_progress = ours.progress != NULL;
    if (ours.progress)
        plan.progress = *ours.progress;
    SSI_TRY(ssi_parallel_create(ours.parallel, ours.thread_count, &plan.memory, &plan.parallel,
                                error));

    if ((status = count_block(&plan, &ours, &plan.block_bytes, error)) != SS_OK)
        goto fail;
    plan.block = ssi_allocate(&plan.memory, plan.block_bytes, SSI_ALIGN);
    if (!plan.block) {
        status = ssi_fail(error, SS_ERROR_MEMORY, "no memory for a session: %zu bytes",
                          plan.block_bytes);
        goto fail;
    }
    ssi_arena arena = {plan.block, 0, false};
    place = ssi_session_layout(&plan, &ours, &arena);
    if ((status = settle_in(&plan, place, error)) != SS_OK)
        goto fail;
    *session = place;
    return SS_OK;

fail:
    ssi_release(&plan.memory, plan.block, plan.block_bytes);
    ssi_parallel_free(&plan.parallel, &plan.memory);
    return status;
}

void ssi_session_free(ss_session *session)
{
    if (!session)
        return;
    ssi_memory memory = session->memory;
    ssi_drafting_free(session);
    ssi_parallel_free(&session->parallel, &memory);
    ssi_release(&memory, session->block, session->block_bytes);
}

static ss_status check_bias(const ssi_sampler *sampler, const ss_sampler_params *params,
                            ss_error *error)
{
    size_t at;
    ss_status status = SS_OK;
    for (at = 0; at < params->bias_count && status == SS_OK; at++) {
        int32_t token = params->bias_tokens[at];
        float value = params->bias_values[at];
        if (token < 0 || (uint32_t)token >= sampler->vocabulary_size) {
            status =
                ssi_fail(error, SS_ERROR_ARGUMENT, "bias_tokens[%zu] is %d: expected 0 to %u",
                         at, token, sampler->vocabulary_size - 1);
            break;
        }
        if (!(value < INFINITY)) /* -INFINITY bans the token */
            status = ssi_fail(error, SS_ERROR_ARGUMENT,
                              "bias_values[%zu] is %g: expected a number or -INFINITY", at,
                              (double)value);
        else if (sampler->occurrences[token])
            status = ssi_fail(error, SS_ERROR_ARGUMENT,
                              "bias_tokens[%zu] is %d, which came before", at, token);
        sampler->occurrences[token] = 1;
    }
    while (at-- > 0)
        sampler->occurrences[params->bias_tokens[at]] = 0;
    return status;
}

ss_status ssi_session_set_sampler(ss_session *session, const ss_sampler_params *params,
                                  ss_error *error)
{
    ssi_sampler *sampler = &session->sampler;
    static const uint8_t zeros[sizeof params->reserved0];
    if (params->temperature != 0.0f && !(params->temperature >= 1e-5f && params->temperature <= 1e5f))
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "temperature %g: expected 0 (greedy), or 1e-05 to 100000",
                        (double)params->temperature);
    SSI_TRY(ssi_params_check_number("top_p", params->top_p, 0, 1, error));
    SSI_TRY(ssi_params_check_number("min_p", params->min_p, 0, 1, error));
    SSI_TRY(ssi_params_check_number("repetition_penalty", params->repetition_penalty, 1e-5, 1e5,
                                    error));
    SSI_TRY(ssi_params_check_number("frequency_penalty", params->frequency_penalty, -1e5, 1e5,
                                    error));
    SSI_TRY(ssi_params_check_number("presence_penalty", params->presence_penalty, -1e5, 1e5,
                                    error));
    SSI_TRY(ssi_params_check("penalty_window", params->penalty_window, 0,
                             SSI_PENALTY_WINDOW_MAX, error));
    if (params->bias_count > SSI_BIAS_MAX)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "bias_count %zu: expected at most %u",
                        params->bias_count, SSI_BIAS_MAX);
    if (memcmp(params->reserved0, zeros, sizeof zeros) != 0)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "reserved0: expected zeros");
    SSI_TRY(check_bias(sampler, params, error));

    sampler->params = *params;
    sampler->params.bias_tokens = sampler->bias_tokens;
    sampler->params.bias_values = sampler->bias_values;
    if (params->bias_count > 0) {
        memmove(sampler->bias_tokens, params->bias_tokens,
                params->bias_count * sizeof *sampler->bias_tokens);
        memmove(sampler->bias_values, params->bias_values,
                params->bias_count * sizeof *sampler->bias_values);
    }
    return SS_OK;
}

ss_status ssi_session_set_stops(ss_session *session, const char *const *stops,
                                size_t stop_count, ss_error *error)
{
    SSI_TRY(ssi_text_stream_init(session->text, session->work.model->tokenizer, stops,
                                 stop_count, error));
    session->has_stops = stop_count > 0;
    ssi_session_rebuild_text(session);
    return SS_OK;
}
