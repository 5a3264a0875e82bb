/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/model.h. */
#include "api/api.h"
#include "base/float_env.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

SSI_NO_TAIL_PADDING(ss_model_params, cpu);
SSI_NO_TAIL_PADDING(ss_model_info, reserved0);
SSI_NO_TAIL_PADDING(ss_tensor_info, bytes);

static const ss_model_params default_params = {
    .struct_size = sizeof(ss_model_params),
    .cpu = SS_CPU_AUTO,
};

ss_status ss_model_params_init(ss_model_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_params, sizeof default_params);
}

static ss_status read_params(ss_model_params *ours, ssi_hooks *hooks,
                             const ss_model_params *theirs, ss_error *error)
{
    *ours = default_params;
    if (theirs == NULL)
        return SS_OK;
    SSI_TRY(ssi_params_read(ours, sizeof *ours, theirs, "ss_model_params", error));
    SSI_TRY(ssi_threads_check(ours->thread_count, error));
    return ssi_hooks_read(hooks, &ours->allocator, &ours->log, &ours->progress,
                          &ours->parallel, error);
}

static void tell_loaded(const ss_log *log, const ss_model *model)
{
    ssi_log_line(log, SS_LOG_INFO,
                 "model: %s, %u layers, %.1f million parameters, tensors of %.1f MB, %s kernels",
                 model->architecture, model->hyper.layer_count,
                 (double)model->parameter_count * 1e-6, (double)model->tensor_bytes * 1e-6,
                 ssi_isa_name(model->kernels.isa));
    if (model->kernels.isa == SSI_ISA_PORTABLE)
        ssi_log_line(log, SS_LOG_WARNING,
                     "model: the portable kernels are many times slower than AVX2 or AVX-512");
}

/* Loads from a source and closes it. */
static ss_status load(ssi_source *source, const ss_model_params *params, ss_model **model,
                      ss_error *error)
{
    ss_model_params ours;
    ssi_hooks hooks;
    ss_status status = read_params(&ours, &hooks, params, error);
    if (status == SS_OK) {
        ssi_float_env before = ssi_float_env_enter();
        status = ssi_model_load(source, &ours, model, error);
        ssi_float_env_leave(before);
        if (status == SS_OK)
            tell_loaded(ours.log, *model);
    }
    ssi_source_close(source);
    return status;
}

ss_status ss_model_load(const char *path, const ss_model_params *params, ss_model **model,
                        ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(model, "model", error));
    *model = NULL;
    SSI_TRY(ssi_need(path, "path", error));
    SSI_TRY(ssi_source_open(&source, path, error));
    return load(&source, params, model, error);
}

ss_status ss_model_load_fd(int fd, uint64_t offset, uint64_t length,
                           const ss_model_params *params, ss_model **model, ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(model, "model", error));
    *model = NULL;
    SSI_TRY(ssi_source_from_fd(&source, fd, offset, length, error));
    return load(&source, params, model, error);
}

ss_status ss_model_load_buffer(const void *data, size_t bytes, const ss_model_params *params,
                               ss_model **model, ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_need(model, "model", error));
    *model = NULL;
    SSI_TRY(ssi_need(data, "data", error));
    ssi_source_from_buffer(&source, data, bytes);
    return load(&source, params, model, error);
}

void ss_model_free(ss_model *model)
{
    ssi_model_free(model);
}

ss_status ss_model_get_info(const ss_model *model, ss_model_info *info, ss_error *error)
{
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need_result(info, "ss_model_info", error));
    ss_model_info ours = {
        .struct_size = sizeof ours,
        .architecture = model->architecture,
        .name = model->name,
        .tokenizer = ssi_tokenizer_name(model->tokenizer),
        .chat_template = ssi_tokenizer_template(model->tokenizer),
        .cpu = ssi_isa_name(model->kernels.isa),
        .parameter_count = model->parameter_count,
        .tensor_bytes = model->tensor_bytes,
        .memory_bytes = model->memory_bytes,
        .context_length = model->hyper.context_length,
        .vocabulary_size = model->hyper.vocabulary_size,
        .layer_count = model->hyper.layer_count,
        .embedding_length = model->hyper.embedding_length,
        .feed_forward_length = model->hyper.feed_forward_length,
        .head_count = model->hyper.head_count,
        .head_count_kv = model->hyper.head_count_kv,
        .head_length = model->hyper.head_length,
        .bos_token = ssi_tokenizer_bos(model->tokenizer),
        .eos_token = ssi_tokenizer_eos(model->tokenizer),
        .tensor_count = model->tensor_count,
    };
    ssi_hash_to_hex(model->tensor_hash, ours.xxh3);
    return ssi_result_write(info, &ours, sizeof ours, "ss_model_info", error);
}

ss_status ss_model_get_tensor(const ss_model *model, uint32_t index, ss_tensor_info *info,
                              ss_error *error)
{
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need_result(info, "ss_tensor_info", error));
    if (index >= model->tensor_count)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "tensor index is %u, expected 0 to %u", index,
                        model->tensor_count - 1);
    return ssi_result_write(info, &model->tensors[index], sizeof model->tensors[index],
                            "ss_tensor_info", error);
}
