/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/adapter.h. */
#include "api/api.h"
#include "base/float_env.h"
#include "model/adapter.h"

SSI_NO_TAIL_PADDING(ss_adapter_params, allocator);
SSI_NO_TAIL_PADDING(ss_adapter_info, main_xxh3);
SSI_NO_TAIL_PADDING(ss_adapter_file_info, draft_vocabulary_size);
SSI_NO_TAIL_PADDING(ss_adapter_init_params, reserved0);

static const ss_adapter_params default_params = {.struct_size = sizeof(ss_adapter_params)};

ss_status ss_adapter_params_init(ss_adapter_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_params, sizeof default_params);
}

/* The memory an adapter lives in: the host's, where it gave some, else the model's. */
static ss_status read_memory(const ss_model *model, const ss_adapter_params *theirs,
                             ssi_memory *memory, ss_error *error)
{
    ss_adapter_params ours = default_params;
    ss_allocator allocator;
    *memory = model->memory;
    if (theirs != NULL)
        SSI_TRY(ssi_params_read(&ours, sizeof ours, theirs, "ss_adapter_params", error));
    if (ours.allocator != NULL) {
        SSI_TRY(ssi_allocator_read(&allocator, ours.allocator, error));
        *memory = ssi_memory_from(&allocator);
    }
    return SS_OK;
}

/* Loads from a source and closes it. */
static ss_status load(const ss_model *model, ssi_source *source,
                      const ss_adapter_params *params, ss_adapter **adapter, ss_error *error)
{
    ssi_memory memory;
    ss_status status = read_memory(model, params, &memory, error);
    if (status == SS_OK) {
        ssi_float_env before = ssi_float_env_enter();
        status = ssi_adapter_load(model, source, &memory, adapter, error);
        ssi_float_env_leave(before);
    }
    ssi_source_close(source);
    return status;
}

ss_status ss_adapter_load(const ss_model *model, const char *path,
                          const ss_adapter_params *params, ss_adapter **adapter,
                          ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(adapter, "adapter", error));
    *adapter = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(path, "path", error));
    SSI_TRY(ssi_source_open(&source, path, error));
    return load(model, &source, params, adapter, error);
}

ss_status ss_adapter_load_fd(const ss_model *model, int fd, uint64_t offset, uint64_t length,
                             const ss_adapter_params *params, ss_adapter **adapter,
                             ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(adapter, "adapter", error));
    *adapter = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_source_from_fd(&source, fd, offset, length, error));
    return load(model, &source, params, adapter, error);
}

ss_status ss_adapter_load_buffer(const ss_model *model, const void *data, size_t bytes,
                                 const ss_adapter_params *params, ss_adapter **adapter,
                                 ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(adapter, "adapter", error));
    *adapter = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(data, "data", error));
    ssi_source_from_buffer(&source, data, bytes);
    return load(model, &source, params, adapter, error);
}

void ss_adapter_free(ss_adapter *adapter)
{
    ssi_adapter_free(adapter);
}

static const char *stream_init_name(const ss_adapter *adapter)
{
    if (adapter->stream_count == 0)
        return "";
    return adapter->stream_init == SSI_STREAM_EMBEDDING ? "embedding" : "value_rotation";
}

ss_status ss_adapter_get_info(const ss_adapter *adapter, ss_adapter_info *info, ss_error *error)
{
    SSI_TRY(ssi_need(adapter, "adapter", error));
    SSI_TRY(ssi_need_result(info, "ss_adapter_info", error));
    ss_adapter_info ours = {
        .struct_size = sizeof ours,
        .name = adapter->name,
        .mode = adapter->stream_count == 0 ? "lora" : adapter->shared ? "shared" : "lossless",
        .stream_init = stream_init_name(adapter),
        .parameter_count = adapter->parameter_count,
        .memory_bytes = adapter->memory_bytes,
        .stream_count = adapter->stream_count,
        .msa_layer_count = adapter->msa_layer_count,
        .main_rank = adapter->rank,
        .stream_rank = adapter->stream_rank,
        .init_rank = adapter->init.rank,
        .root_rank = adapter->root.rank,
        .parent_rank = adapter->parent_rank,
        .prune_rank = adapter->prune.rank,
        .draft_vocabulary_size = adapter->draft_tokens != NULL ? adapter->draft_count : 0,
    };
    if (adapter->rank > 0)
        ssi_hash_to_hex(adapter->main_hash, ours.main_xxh3);
    return ssi_result_write(info, &ours, sizeof ours, "ss_adapter_info", error);
}

ss_status ss_adapter_read_file_info(const char *path, ss_adapter_file_info *info,
                                    ss_error *error)
{
    ss_adapter_file_info ours = {.struct_size = sizeof ours};
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_source source;
    SSI_TRY(ssi_need(path, "path", error));
    SSI_TRY(ssi_need_result(info, "ss_adapter_file_info", error));
    SSI_TRY(ssi_source_open(&source, path, error));
    ss_status status = ssi_adapter_inspect(&source, &memory, &ours, error);
    ssi_source_close(&source);
    SSI_TRY(status);
    return ssi_result_write(info, &ours, sizeof ours, "ss_adapter_file_info", error);
}

static const ss_adapter_init_params default_init = {
    .struct_size = sizeof(ss_adapter_init_params),
    .seed = 1,
    .deviation = 0.02f,
    .stream_count = 4,
    .msa_layer_count = 4,
    .rank = 8,
    .prune_rank = 8,
};

ss_status ss_adapter_init_params_init(ss_adapter_init_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_init, sizeof default_init);
}

ss_status ss_adapter_write_untrained(const ss_model *model,
                                     const ss_adapter_init_params *params, const char *path,
                                     ss_error *error)
{
    ss_adapter_init_params ours = default_init;
    void *file;
    size_t bytes;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(path, "path", error));
    if (params != NULL)
        SSI_TRY(ssi_params_read(&ours, sizeof ours, params, "ss_adapter_init_params", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_adapter_init(model, &ours, &model->memory, &file, &bytes, error);
    ssi_float_env_leave(before);
    SSI_TRY(status);
    status = ssi_file_write(path, file, bytes, error);
    ssi_memory memory = model->memory;
    ssi_release(&memory, file, bytes);
    return status;
}
