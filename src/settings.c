/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"
#include "report.h"

int settings_load(const settings *from, ss_model **model)
{
    ss_model_params params;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_model_params_init(&params, sizeof params);
    params.thread_count = from->threads;
    params.cpu = from->cpu;
    if (ss_model_load(from->model, &params, model, &error) != SS_OK)
        return report_error(from->model, &error);
    return GO_ON;
}

int settings_check_adapter(const settings *from, const char *file)
{
    ss_model *model;
    ss_adapter *adapter = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    int status = settings_load(from, &model);
    if (status != GO_ON)
        return status;
    if (ss_adapter_load(model, file, NULL, &adapter, &error) != SS_OK)
        status = report_error(file, &error);
    ss_adapter_free(adapter);
    ss_model_free(model);
    return status;
}

static uint32_t context_length(const settings *from, const ss_model *model, uint64_t wanted)
{
    ss_model_info info = {.struct_size = sizeof info};
    if (from->context > 0)
        return from->context;
    ss_model_get_info(model, &info, NULL);
    return wanted < info.context_length ? (uint32_t)wanted : info.context_length;
}

static ss_status set_up(const settings *from, ss_session *session, ss_error *error)
{
    ss_sampler_params sampler;
    ss_sampler_params_init(&sampler, sizeof sampler);
    sampler.temperature = from->temperature;
    sampler.top_k = from->top_k;
    sampler.top_p = from->top_p;
    sampler.min_p = from->min_p;
    sampler.seed = from->seed;
    sampler.repetition_penalty = from->repeat_penalty;
    sampler.frequency_penalty = from->frequency_penalty;
    sampler.presence_penalty = from->presence_penalty;
    sampler.ignore_end = from->ignore_end;
    ss_status status = ss_session_set_sampler(session, &sampler, error);
    if (status == SS_OK)
        status = ss_session_set_stops(session, from->stops.items, from->stops.count, error);
    return status;
}

int settings_session(const settings *from, const ss_model *model, uint64_t context,
                     ss_session **session)
{
    ss_session_params params;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_session_params_init(&params, sizeof params);
    params.thread_count = from->threads;
    params.context_length = context_length(from, model, context);
    params.prefill_chunk = from->prefill_chunk;
    params.max_step_rows = from->max_rows;
    params.kv_type = from->kv;
    if (ss_session_create(model, &params, session, &error) != SS_OK)
        return report_error(NULL, &error);
    if (set_up(from, *session, &error) == SS_OK)
        return GO_ON;
    ss_session_free(*session);
    *session = NULL;
    return report_error(NULL, &error);
}
