/* SPDX-License-Identifier: Apache-2.0 */
/* Creating a trainer, giving it rows, and fixing what follows from them. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#define SCALE_ROWS 16u /* rows that typical sizes are measured on */

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
    };
}

static ss_status check_count(const char *name, uint32_t value, uint32_t least, uint32_t most,
                             ss_error *error)
{
    if (value >= least && value <= most)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_ARGUMENT, "%s is %u, expected %u to %u", name, value, least,
                    most);
}

static ss_status check_number(const char *name, float value, float least, float most,
                              ss_error *error)
{
    if (value >= least && value <= most) /* false for NaN */
        return SS_OK;
    return ssi_fail(error, SS_ERROR_ARGUMENT, "%s is %g, expected %g to %g", name,
                    (double)value, (double)least, (double)most);
}

static ss_status check_params(const ss_model *model, const ss_train_params *params,
                              ss_error *error)
{
    static const char *const rates[SS_STAGE_COUNT] = {"rates[0]", "rates[1]", "rates[2]"};
    static const char *const steps[SS_STAGE_COUNT] = {"steps[0]", "steps[1]", "steps[2]"};
    const ssi_hyper *hyper = &model->hyper;
    if (params->mode < SS_TRAIN_LOSSLESS || params->mode > SS_TRAIN_JOINT)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "mode is %d, expected 0 to 2", params->mode);
    SSI_TRY(check_count("stream_count", params->stream_count, 1, SSI_STREAMS_MAX, error));
    SSI_TRY(
        check_count("msa_layer_count", params->msa_layer_count, 1, hyper->layer_count, error));
    SSI_TRY(check_count("main_rank", params->main_rank, 1, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("stream_rank", params->stream_rank, 1, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("init_rank", params->init_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("root_rank", params->root_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("parent_rank", params->parent_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("prune_rank", params->prune_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(check_count("draft_vocabulary_size", params->draft_vocabulary_size, 0,
                        hyper->vocabulary_size, error));
    SSI_TRY(check_count("value_rotation", (uint32_t)params->value_rotation, 0, 1, error));
    SSI_TRY(check_count("batch_rows", params->batch_rows, 1, 1024, error));
    SSI_TRY(
        check_count("row_tokens_max", params->row_tokens_max, 3, hyper->context_length, error));
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++) {
        SSI_TRY(check_count(steps[stage], params->steps[stage], 0, 100000000, error));
        SSI_TRY(check_number(rates[stage], params->rates[stage], 0, 1, error));
    }
    SSI_TRY(check_number("weight_decay", params->weight_decay, 0, 10, error));
    SSI_TRY(check_number("gradient_limit", params->gradient_limit, 1e-6f, 1e6f, error));
    SSI_TRY(check_number("main_weight", params->main_weight, 0, 1000, error));
    SSI_TRY(check_number("stream_weight", params->stream_weight, 0, 1000, error));
    SSI_TRY(check_number("stream_decay", params->stream_decay, 0, 10, error));
    SSI_TRY(check_number("value_rotation_step", params->value_rotation_step, -10, 10, error));
    return check_number("teacher_weight", params->teacher_weight, 0, 1, error);
}

/* Fields whose default depends on the model. */
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
    if (params->mode == SS_TRAIN_LOSSLESS)
        params->steps[SS_STAGE_MAIN] = 0;
    if (params->mode == SS_TRAIN_JOINT)
        params->steps[SS_STAGE_STREAMS] = 0;
    if (params->prune_rank == 0)
        params->steps[SS_STAGE_PRUNE] = 0;
}

/* The path is read again when training begins. */
static ss_status keep_start(ss_trainer *trainer, const char *path, ss_error *error)
{
    if (!path)
        return SS_OK;
    trainer->start_bytes = strlen(path) + 1;
    trainer->start = ssi_allocate(&trainer->memory, trainer->start_bytes, SSI_ALIGN);
    if (!trainer->start)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a path");
    memcpy(trainer->start, path, trainer->start_bytes);
    return SS_OK;
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
    if ((status = keep_start(made, params->start, error)) != SS_OK)
        goto fail;
    if (params->name) {
        size_t length = strlen(params->name);
        length = length < sizeof made->name ? length : sizeof made->name - 1;
        memcpy(made->name, params->name, length);
    }
    if ((status = ssi_parallel_create(params->parallel, params->thread_count, &memory,
                                      &made->parallel, error)) != SS_OK)
        goto fail;
    if (made->start && (status = ssi_trainer_read_shape(made, made->start, error)) != SS_OK)
        goto fail;
    resolve(model, &made->params);
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
    ssi_release(&memory, trainer->start, trainer->start_bytes);
    ssi_parallel_free(&trainer->parallel, &memory);
    ssi_release(&memory, trainer, sizeof *trainer);
}

ss_status ssi_trainer_add(ss_trainer *trainer, ssi_data_set *to, const int32_t *tokens,
                          size_t count, size_t prompt_count, ss_error *error)
{
    uint32_t vocabulary_size = trainer->model->hyper.vocabulary_size;
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
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= vocabulary_size)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "token %zu is %d: expected 0 to %u", i,
                            tokens[i], vocabulary_size - 1);
    return ssi_data_add(to, tokens, (uint32_t)count, (uint32_t)prompt_count, error);
}

/* ── what follows from the rows ── */

static void layout(ss_trainer *trainer, ssi_arena *arena)
{
    uint32_t vocabulary_size = trainer->model->hyper.vocabulary_size;
    uint32_t chosen = trainer->params.draft_vocabulary_size;
    ssi_parameters_layout(&trainer->parameters, trainer->model, &trainer->params, arena);
    trainer->draft_count = chosen > 0 ? chosen : vocabulary_size;
    trainer->draft_tokens = ssi_arena_take(arena, chosen, sizeof *trainer->draft_tokens);
    trainer->draft_of_token = ssi_arena_take(arena, chosen > 0 ? vocabulary_size : 0,
                                             sizeof *trainer->draft_of_token);
    if (chosen == 0)
        trainer->draft_tokens = trainer->draft_of_token = NULL;
}

static ss_status choose_draft_vocabulary(ss_trainer *trainer, ss_error *error)
{
    uint32_t vocabulary_size = trainer->model->hyper.vocabulary_size;
    size_t bytes = ssi_data_draft_scratch(vocabulary_size);
    if (!trainer->draft_tokens)
        return SS_OK;
    void *scratch = ssi_allocate(&trainer->memory, bytes, SSI_ALIGN);
    if (!scratch)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory to count tokens: %zu bytes", bytes);
    ssi_data_draft_vocabulary(&trainer->rows, vocabulary_size, trainer->draft_count, scratch,
                              trainer->draft_tokens);
    ssi_release(&trainer->memory, scratch, bytes);
    return SS_OK;
}

static void index_draft_vocabulary(ss_trainer *trainer)
{
    uint32_t vocabulary_size = trainer->model->hyper.vocabulary_size;
    for (uint32_t token = 0; trainer->draft_of_token && token < vocabulary_size; token++)
        trainer->draft_of_token[token] = -1;
    for (uint32_t i = 0; trainer->draft_tokens && i < trainer->draft_count; i++)
        trainer->draft_of_token[trainer->draft_tokens[i]] = (int32_t)i;
}

static float root_mean_square(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    float rms = (float)sqrt(sum / (double)count);
    return rms > 1e-6f && rms < 1e6f ? rms : 1; /* of a model that makes sense */
}

static float median(float *x, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) { /* by insertion: d numbers, once */
        float taken = x[i];
        uint32_t at = i;
        for (; at > 0 && x[at - 1] > taken; at--)
            x[at] = x[at - 1];
        x[at] = taken;
    }
    return x[count / 2];
}

typedef struct scale_work {
    ssi_train_states states;
    double *squares;  /* [d]: of entries */
    float *row, *rms; /* [d padded] */
} scale_work;

static void layout_sizes(scale_work *sizes, const ss_trainer *trainer, ssi_arena *arena)
{
    uint32_t d = trainer->model->hyper.embedding_length;
    ssi_train_states_layout(&sizes->states, &trainer->model->hyper,
                            trainer->params.msa_layer_count, trainer->rows.longest, false,
                            arena);
    sizes->squares = ssi_arena_take(arena, d, sizeof *sizes->squares);
    sizes->row = ssi_arena_take(arena, d + SSI_BLOCK, sizeof *sizes->row);
    sizes->rms = ssi_arena_take(arena, d, sizeof *sizes->rms);
}

/* Sizes of the numbers that the streams' terms are added to, over the first rows. */
static ss_status measure_scale(ss_trainer *trainer, ss_error *error)
{
    const ss_model *model = trainer->model;
    uint32_t d = model->hyper.embedding_length, entries = 0;
    ssi_arena arena = {NULL, 0, false};
    double embedding = 0;
    uint64_t embedded = 0;
    scale_work sizes;
    layout_sizes(&sizes, trainer, &arena);
    size_t bytes = arena.used;
    void *block = arena.overflow ? NULL : ssi_allocate(&trainer->memory, bytes, SSI_ALIGN);
    if (!block)
        return ssi_fail(error, SS_ERROR_MEMORY,
                        "no memory for the longest row's states: %zu bytes", bytes);
    arena = (ssi_arena){block, 0, false};
    layout_sizes(&sizes, trainer, &arena);
    memset(sizes.squares, 0, d * sizeof *sizes.squares);
    for (uint32_t i = 0; i < SCALE_ROWS && i < trainer->rows.row_count; i++) {
        const ssi_data_row *row = ssi_data_row_at(&trainer->rows, i);
        const int32_t *tokens = trainer->rows.tokens + row->offset;
        ssi_train_context context;
        ssi_train_engine_run(&trainer->engine, tokens, row->token_count, row->prompt_count,
                             NULL, &sizes.states, &context);
        entries += context.anchor_count;
        for (size_t n = 0; n < (size_t)context.anchor_count * d; n++)
            sizes.squares[n % d] += (double)context.entries[n] * (double)context.entries[n];
        for (uint32_t n = 0; n < row->token_count; n++, embedded++) {
            ssi_type_get(model->embedding.type)
                ->unpack_row(&model->embedding, (uint32_t)tokens[n], sizes.row);
            float rms = root_mean_square(sizes.row, d);
            embedding += (double)rms;
        }
    }
    for (uint32_t i = 0; i < d; i++)
        sizes.rms[i] = (float)sqrt(sizes.squares[i] / entries);
    trainer->scale = (ssi_train_scale){
        .entry = median(sizes.rms, d),
        .embedding = (float)(embedding / (double)embedded),
        .normed = root_mean_square(model->output_norm, d),
    };
    if (!(trainer->scale.entry > 1e-6f && trainer->scale.entry < 1e6f))
        trainer->scale.entry = 1;
    ssi_release(&trainer->memory, block, bytes);
    return SS_OK;
}

static ss_status fill(ss_trainer *trainer, ss_error *error)
{
    ssi_parameters_fill(&trainer->parameters, &trainer->scale, trainer->params.seed);
    if (trainer->start)
        SSI_TRY(ssi_trainer_read_start(trainer, trainer->start, error));
    index_draft_vocabulary(trainer);
    return SS_OK;
}

static ss_status begin(ss_trainer *trainer, ss_error *error)
{
    ssi_arena arena = {NULL, 0, false};
    layout(trainer, &arena);
    trainer->block_bytes = arena.used;
    trainer->block =
        arena.overflow ? NULL : ssi_allocate(&trainer->memory, arena.used, SSI_ALIGN);
    if (!trainer->block)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for the parameters: %zu bytes",
                        arena.used);
    arena = (ssi_arena){trainer->block, 0, false};
    layout(trainer, &arena);
    if (!trainer->rows.order)
        SSI_TRY(ssi_data_begin(&trainer->rows, trainer->params.seed, error));
    SSI_TRY(choose_draft_vocabulary(trainer, error));
    trainer->scale = (ssi_train_scale){1, 1, 1};
    SSI_TRY(fill(trainer, error)); /* the engine needs an adapter before the scale is known */
    SSI_TRY(ssi_train_engine_create(&trainer->engine, trainer->model, &trainer->parallel,
                                    trainer->rows.longest, &trainer->memory, error));
    SSI_TRY(ssi_trainer_renew_engine(trainer, error));
    SSI_TRY(measure_scale(trainer, error));
    return fill(trainer, error);
}

ss_status ssi_trainer_begin(ss_trainer *trainer, ss_error *error)
{
    if (trainer->begun)
        return SS_OK;
    if (trainer->rows.row_count == 0)
        return ssi_fail(error, SS_ERROR_STATE, "no rows to train on");
    ss_status status = begin(trainer, error);
    if (status != SS_OK) {
        ssi_train_engine_free(&trainer->engine);
        ssi_release(&trainer->memory, trainer->block, trainer->block_bytes);
        trainer->block = NULL;
        return status;
    }
    trainer->begun = true;
    return SS_OK;
}
