/* SPDX-License-Identifier: Apache-2.0 */
/* Creating a trainer and giving it rows. */
#include "train/trainer.h"
#include "base/params.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

void ssi_train_params_default(ss_train_params *params)
{
    *params = (ss_train_params){
        .struct_size = sizeof *params,
        .seed = 1,
        .mode = SS_TRAIN_LOSSLESS,
        .stream_count = 4,
        .main_rank = 8,
        .stream_rank = 8,
        .root_rank = 32,
        .parent_rank = 32,
        .prune_rank = 8,
        .draft_vocabulary_size = 8192,
        .steps = {400, 600, 60},
        .batch_rows = 8,
        .warmup_steps = 20,
        .rates = {1e-3f, 4e-3f, 4e-3f},
        .weight_decay = 0.01f,
        .gradient_limit = 1,
        .main_weight = 1,
        .stream_weight = 0.1f,
        .stream_decay = 1,
        .row_tokens_max = 2048,
        .states_bytes_max = (uint64_t)4 << 30,
    };
}

static ss_status check_params(const ss_model *model, const ss_train_params *params,
                              ss_error *error)
{
    static const char *const rates[SS_STAGE_COUNT] = {"rates[0]", "rates[1]", "rates[2]"};
    static const char *const steps[SS_STAGE_COUNT] = {"steps[0]", "steps[1]", "steps[2]"};
    const ssi_hyper *hyper = &model->hyper;
    SSI_TRY(ssi_params_check("mode", params->mode, SS_TRAIN_LOSSLESS, SS_TRAIN_JOINT, error));
    SSI_TRY(ssi_params_check("stream_count", params->stream_count, 1, SSI_STREAMS_MAX, error));
    SSI_TRY(ssi_params_check("msa_layer_count", params->msa_layer_count, 1, hyper->layer_count,
                             error));
    SSI_TRY(ssi_params_check("main_rank", params->main_rank, 1, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("stream_rank", params->stream_rank, 1, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("init_rank", params->init_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("root_rank", params->root_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("parent_rank", params->parent_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("prune_rank", params->prune_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("draft_vocabulary_size", params->draft_vocabulary_size, 0,
                             hyper->vocabulary_size, error));
    SSI_TRY(ssi_params_check("value_rotation", (uint32_t)params->value_rotation, 0, 1, error));
    SSI_TRY(ssi_params_check("batch_rows", params->batch_rows, 1, 1024, error));
    SSI_TRY(ssi_params_check("row_tokens_max", params->row_tokens_max, 3, hyper->context_length,
                             error));
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++) {
        SSI_TRY(ssi_params_check(steps[stage], params->steps[stage], 0, SSI_STAGE_STEPS_MAX,
                                 error));
        SSI_TRY(ssi_params_check_number(rates[stage], params->rates[stage], 0, 1, error));
    }
    SSI_TRY(ssi_params_check_number("weight_decay", params->weight_decay, 0, 10, error));
    SSI_TRY(
        ssi_params_check_number("gradient_limit", params->gradient_limit, 1e-6f, 1e6f, error));
    SSI_TRY(ssi_params_check_number("main_weight", params->main_weight, 0, 1000, error));
    SSI_TRY(ssi_params_check_number("stream_weight", params->stream_weight, 0, 1000, error));
    SSI_TRY(ssi_params_check_number("stream_decay", params->stream_decay, 0, 10, error));
    SSI_TRY(ssi_params_check_number("value_rotation_step", params->value_rotation_step, -10, 10,
                                    error));
    return ssi_params_check_number("teacher_weight", params->teacher_weight, 0, 1, error);
}

/* Fields whose default depends on the model. A start's shape comes after, and stays as it is: it
 * may list the whole vocabulary, in an order of its own. */
static void resolve(const ss_model *model, ss_train_params *params)
{
    const ssi_hyper *hyper = &model->hyper;
    if (params->msa_layer_count == 0)
        params->msa_layer_count = hyper->layer_count < 8 ? hyper->layer_count : 8;
    if (params->draft_vocabulary_size >= hyper->vocabulary_size)
        params->draft_vocabulary_size = 0;
    if (params->row_tokens_max > hyper->context_length)
        params->row_tokens_max = hyper->context_length;
    if (params->value_rotation == 1 && params->value_rotation_step == 0)
        params->value_rotation_step =
            6.2831853f / (float)(hyper->context_length + params->stream_count);
}

static void drop_empty_stages(ss_train_params *params)
{
    for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++)
        if (!ssi_trainer_has_stage(params, stage))
            params->steps[stage] = 0;
}

static ss_status copy_name(ss_trainer *trainer, const char *name, ss_error *error)
{
    size_t length = name ? strlen(name) : 0;
    if (length >= sizeof trainer->name)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "name has %zu bytes, expected at most %zu", length,
                        sizeof trainer->name - 1);
    if (length > 0)
        memcpy(trainer->name, name, length);
    return SS_OK;
}

/* Paths are used again when training begins. */
static ss_status copy_path(ss_trainer *trainer, const char *path, char **copy, ss_error *error)
{
    if (!path)
        return SS_OK;
    *copy = ssi_allocate(&trainer->memory, strlen(path) + 1, SSI_ALIGN);
    if (!*copy)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a path");
    memcpy(*copy, path, strlen(path) + 1);
    return SS_OK;
}

static void free_path(ss_trainer *trainer, char *copy)
{
    if (copy)
        ssi_release(&trainer->memory, copy, strlen(copy) + 1);
}

ss_status ssi_trainer_create(const ss_model *model, const ss_train_params *params,
                             ss_trainer **trainer, ss_error *error)
{
    ssi_memory memory = params->allocator ? ssi_memory_from(params->allocator) : model->memory;
    ss_status status;
    *trainer = NULL;
    ss_trainer *made = ssi_allocate(&memory, sizeof *made, SSI_ALIGN);
    if (!made)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a trainer");
    *made = (ss_trainer){.memory = memory, .model = model, .params = *params};
    made->alpha = 2 * (float)params->stream_rank;
    ssi_data_create(&made->rows, &memory);
    ssi_data_create(&made->dev, &memory);
    made->parallel.thread_count = 1;
    if ((status = copy_name(made, params->name, error)) != SS_OK ||
        (status = copy_path(made, params->start, &made->start, error)) != SS_OK ||
        (status = copy_path(made, params->states_folder, &made->folder, error)) != SS_OK)
        goto fail;
    if ((status = ssi_parallel_create(params->parallel, params->thread_count, &memory,
                                      &made->parallel, error)) != SS_OK)
        goto fail;
    resolve(model, &made->params);
    if (made->start && (status = ssi_trainer_read_shape(made, made->start, error)) != SS_OK)
        goto fail;
    drop_empty_stages(&made->params);
    if ((status = check_params(model, &made->params, error)) != SS_OK)
        goto fail;
    made->math = (ssi_train_math){.parallel = &made->parallel,
                                  .kernels = &model->kernels,
                                  .sgemm = params->sgemm,
                                  .clock = ssi_clock_ns};
    *trainer = made;
    return SS_OK;
fail:
    ssi_trainer_free(made);
    return status;
}

void ssi_trainer_free(ss_trainer *trainer)
{
    if (!trainer)
        return;
    ssi_memory memory = trainer->memory;
    ssi_trainer_leave_stage(trainer);
    ssi_train_engine_free(&trainer->engine);
    ssi_release(&memory, trainer->block, trainer->block_bytes);
    ssi_data_free(&trainer->rows);
    ssi_data_free(&trainer->dev);
    ssi_kept_states_free(&trainer->kept);
    free_path(trainer, trainer->start);
    free_path(trainer, trainer->folder);
    ssi_parallel_free(&trainer->parallel, &memory);
    ssi_release(&memory, trainer, sizeof *trainer);
}

ss_status ssi_trainer_add(ss_trainer *trainer, ssi_data_set *to, const int32_t *tokens,
                          size_t count, size_t prompt_count, ss_error *error)
{
    uint32_t most = trainer->params.row_tokens_max, behind = to == &trainer->rows ? 2 : 0;
    if (trainer->begun)
        return ssi_fail(error, SS_ERROR_STATE, "training has begun: rows come before it");
    if (count > most)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "a row of %zu tokens: expected at most %u",
                        count, most);
    if (prompt_count < 1 || prompt_count + behind > count)
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "a prompt of %zu tokens in a row of %zu: expected 1 to %zu",
                        prompt_count, count, count > behind ? count - behind : 0);
    SSI_TRY(ssi_tokenizer_check(trainer->model->tokenizer, tokens, count, error));
    return ssi_data_add(to, tokens, (uint32_t)count, (uint32_t)prompt_count, error);
}
