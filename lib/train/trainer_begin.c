/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a trainer's rows, fixed before the first step: the draft vocabulary, the typical
 * sizes of the model's states, the first values of all that is trained. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#define SPARED_BYTES (1u << 20) /* of the disk, for a log */
#define SCALE_ROWS 16u /* rows that typical sizes are measured on */

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
        ssi_train_states_point(&sizes.states, tokens, row->token_count, row->prompt_count,
                               &context);
        ssi_train_engine_run(&trainer->engine, &context, NULL, &sizes.states);
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

/* Of the disk, for what training is to leave there: a checkpoint and two adapters, each with what it is
 * replaced by. */
static uint64_t bytes_to_spare(const ss_trainer *trainer)
{
    const uint64_t values = trainer->parameters.value_count;
    return 2 * values * (3 * sizeof(float) + 2 * sizeof(uint16_t)) + SPARED_BYTES;
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
    SSI_TRY(ssi_data_begin(&trainer->rows, trainer->params.seed, error));
    SSI_TRY(choose_draft_vocabulary(trainer, error));
    trainer->scale = (ssi_train_scale){1, 1, 1};
    SSI_TRY(fill(trainer, error)); /* the engine needs an adapter before the scale is known */
    SSI_TRY(ssi_train_engine_create(&trainer->engine, trainer->model, &trainer->parallel,
                                    trainer->rows.longest, &trainer->memory, error));
    SSI_TRY(ssi_trainer_set_engine(trainer, &trainer->engine, error));
    SSI_TRY(measure_scale(trainer, error));
    SSI_TRY(fill(trainer, error));
    if (trainer->folder)
        return ssi_kept_states_create(&trainer->kept, trainer->folder,
                                      trainer->params.states_bytes_max, bytes_to_spare(trainer),
                                      trainer->rows.row_count, &trainer->model->hyper,
                                      trainer->params.msa_layer_count, &trainer->memory, error);
    return SS_OK;
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
        ssi_data_reopen(&trainer->rows); /* its order has room for no more rows */
        ssi_release(&trainer->memory, trainer->block, trainer->block_bytes);
        trainer->block = NULL;
        return status;
    }
    trainer->begun = true;
    return SS_OK;
}
