/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/model.h and specstream/adapter.h that write files from files. */
#include "api/api.h"
#include "base/float_env.h"
#include "model/convert.h"

SSI_NO_TAIL_PADDING(ss_quantize_params, type);
SSI_NO_TAIL_PADDING(ss_merge_params, type);

static const ss_quantize_params default_quantize = {.struct_size = sizeof(ss_quantize_params)};
static const ss_merge_params default_merge = {.struct_size = sizeof(ss_merge_params)};

ss_status ss_quantize_params_init(ss_quantize_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_quantize, sizeof default_quantize);
}

ss_status ss_merge_params_init(ss_merge_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_merge, sizeof default_merge);
}

/* What a conversion runs with: memory and threads, which end with it. */
typedef struct tools {
    ssi_memory memory;
    ssi_parallel parallel;
    ssi_convert_env env;
    ssi_float_env before;
} tools;

static ss_status begin(tools *with, const ss_allocator *allocator, const ss_progress *progress,
                       const ss_parallel *parallel, uint32_t thread_count, ss_error *error)
{
    with->memory = ssi_memory_from(allocator);
    SSI_TRY(ssi_parallel_create(parallel, thread_count, &with->memory, &with->parallel, error));
    with->env = (ssi_convert_env){&with->memory, &with->parallel, progress};
    with->before = ssi_float_env_enter();
    return SS_OK;
}

static void end(tools *with)
{
    ssi_float_env_leave(with->before);
    ssi_parallel_free(&with->parallel, &with->memory);
}

ss_status ss_model_quantize(const char *model, const ss_quantize_params *params,
                            const char *path, ss_error *error)
{
    ss_quantize_params ours = default_quantize;
    ssi_hooks hooks;
    ssi_source source;
    tools with;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(params, "params", error));
    SSI_TRY(ssi_need(path, "path", error));
    SSI_TRY(ssi_params_read(&ours, sizeof ours, params, "ss_quantize_params", error));
    SSI_TRY(ssi_threads_check(ours.thread_count, error));
    SSI_TRY(ssi_params_check("type", ours.type, SS_WEIGHT_F32, SS_WEIGHT_Q4_1, error));
    SSI_TRY(
        ssi_hooks_read(&hooks, &ours.allocator, NULL, &ours.progress, &ours.parallel, error));
    SSI_TRY(ssi_source_open(&source, model, error));
    ss_status status =
        begin(&with, ours.allocator, ours.progress, ours.parallel, ours.thread_count, error);
    if (status == SS_OK) {
        status = ssi_model_quantize(&source, ours.type, &with.env, path, error);
        end(&with);
    }
    ssi_source_close(&source);
    return status;
}

/* Opens both files and merges them. */
static ss_status merge(const char *model, const char *adapter, const ss_merge_params *params,
                       const ssi_convert_env *env, const char *path, ss_error *error)
{
    ssi_source base, lora;
    SSI_TRY(ssi_source_open(&base, model, error));
    ss_status status = ssi_source_open(&lora, adapter, error);
    if (status == SS_OK) {
        status = ssi_adapter_merge(&base, &lora, params->type, env, path, params->streams_path,
                                   error);
        ssi_source_close(&lora);
    }
    ssi_source_close(&base);
    return status;
}

ss_status ss_adapter_merge(const char *model, const char *adapter,
                           const ss_merge_params *params, const char *path, ss_error *error)
{
    ss_merge_params ours = default_merge;
    ssi_hooks hooks;
    tools with;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(adapter, "adapter", error));
    SSI_TRY(ssi_need(path, "path", error));
    if (params != NULL)
        SSI_TRY(ssi_params_read(&ours, sizeof ours, params, "ss_merge_params", error));
    SSI_TRY(ssi_threads_check(ours.thread_count, error));
    SSI_TRY(ssi_params_check("type", ours.type, SS_WEIGHT_AUTO, SS_WEIGHT_Q4_1, error));
    if (ours.streams_path != NULL && ssi_same_place(ours.streams_path, path))
        return ssi_fail(error, SS_ERROR_ARGUMENT, "streams_path is %s, and so is path", path);
    SSI_TRY(
        ssi_hooks_read(&hooks, &ours.allocator, NULL, &ours.progress, &ours.parallel, error));
    SSI_TRY(
        begin(&with, ours.allocator, ours.progress, ours.parallel, ours.thread_count, error));
    ss_status status = merge(model, adapter, &ours, &with.env, path, error);
    end(&with);
    return status;
}

ss_status ss_adapter_export_lora(const char *adapter, const char *path, ss_error *error)
{
    const ssi_memory memory = ssi_memory_from(NULL);
    ssi_source source;
    SSI_TRY(ssi_need(adapter, "adapter", error));
    SSI_TRY(ssi_need(path, "path", error));
    SSI_TRY(ssi_source_open(&source, adapter, error));
    ss_status status = ssi_adapter_export_lora(&source, &memory, path, error);
    ssi_source_close(&source);
    return status;
}
