/* SPDX-License-Identifier: Apache-2.0 */
#include "train/engine.h"

#include <string.h>

#include "step/best_logits.h"

/* Every row of a chunk keeps its entry state: a session does so for max_step_rows rows. */
#define CHUNK 64u

static void run_tasks(void *context, uint32_t task_count,
                      void (*body)(void *body_context, uint32_t task), void *body_context)
{
    ssi_parallel_run(context, task_count, body, body_context);
}

ss_status ssi_train_engine_create(ssi_train_engine *engine, const ss_model *model,
                                  const ssi_parallel *parallel, uint32_t token_capacity,
                                  const ssi_memory *memory, ss_error *error)
{
    const ss_allocator allocator = {sizeof allocator, memory->context, memory->allocate,
                                    memory->release};
    const ss_parallel hook = {.struct_size = sizeof hook,
                              .context = (void *)parallel,
                              .parallel_for = run_tasks,
                              .thread_count = parallel->thread_count};
    ss_session_params params;
    *engine = (ssi_train_engine){.memory = *memory, .model = model};
    ssi_session_params_default(&params);
    params.allocator = &allocator;
    params.parallel = &hook;
    params.context_length = token_capacity;
    params.max_step_rows = CHUNK;
    params.prefill_chunk = CHUNK;
    SSI_TRY(ssi_session_create(model, &params, &engine->session, error));
    engine->tokens = ssi_allocate(memory, token_capacity * sizeof *engine->tokens, SSI_ALIGN);
    if (!engine->tokens)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for %u tokens", token_capacity);
    engine->token_capacity = token_capacity;
    return SS_OK;
}

void ssi_train_engine_free(ssi_train_engine *engine)
{
    ssi_session_free(engine->session);
    ssi_adapter_free(engine->adapter);
    ssi_release(&engine->memory, engine->tokens,
                engine->token_capacity * sizeof *engine->tokens);
    *engine = (ssi_train_engine){0};
}

ss_status ssi_train_engine_set(ssi_train_engine *engine, const void *file, size_t bytes,
                               ss_error *error)
{
    ssi_source source;
    ss_adapter *adapter;
    ssi_source_from_buffer(&source, file, bytes);
    SSI_TRY(ssi_adapter_load(engine->model, &source, &engine->memory, &adapter, error));
    ss_status status = ssi_session_set_adapter(engine->session, adapter, error);
    if (status != SS_OK) {
        ssi_adapter_free(adapter);
        return status;
    }
    ssi_adapter_free(engine->adapter);
    engine->adapter = adapter;
    engine->token_count = 0;
    return SS_OK;
}

void ssi_train_states_layout(ssi_train_states *states, const ssi_hyper *hyper,
                             uint32_t msa_layer_count, uint32_t token_capacity, bool teacher,
                             ssi_arena *arena)
{
    size_t layer = (size_t)hyper->head_count_kv * token_capacity * hyper->head_length;
    size_t taught = teacher ? token_capacity : 0;
    states->keys = ssi_arena_take(arena, msa_layer_count, layer * sizeof(float));
    states->values = ssi_arena_take(arena, msa_layer_count, layer * sizeof(float));
    states->entries =
        ssi_arena_take(arena, token_capacity, hyper->embedding_length * sizeof(float));
    states->teacher_tokens =
        ssi_arena_take(arena, taught * SSI_TEACHER_MAX, sizeof *states->teacher_tokens);
    states->teacher_probabilities =
        ssi_arena_take(arena, taught * SSI_TEACHER_MAX, sizeof *states->teacher_probabilities);
    if (!teacher) {
        states->teacher_tokens = NULL;
        states->teacher_probabilities = NULL;
    }
}

/* The likeliest tokens of one row, best first. */
static void keep_best(const ssi_kernels *kernels, const float *logits, uint32_t count,
                      const int32_t *draft_of_token, int32_t *tokens, float *probabilities)
{
    ssi_ranked_logit best[SSI_TEACHER_MAX] = {{0}}; /* nothing is found where all is NaN */
    uint32_t found = ssi_best_logits(logits, count, SSI_TEACHER_MAX, best);
    float sum = kernels->exp_sum(logits, count, best[0].logit, 1.0f);
    for (uint32_t i = 0; i < SSI_TEACHER_MAX; i++) {
        bool there = i < found;
        int32_t token = there ? (int32_t)best[i].index : -1;
        probabilities[i] = there ? ssi_expf(best[i].logit - best[0].logit) / sum : 0;
        tokens[i] = there && draft_of_token ? draft_of_token[token] : token;
    }
}

typedef struct best_work {
    const ssi_workspace *work;
    const int32_t *draft_of_token;
    ssi_train_states *states;
    uint32_t first_anchor; /* of row 0 of the logits */
} best_work;

static void best_body(void *context, uint32_t task)
{
    const best_work *region = context;
    const ssi_workspace *work = region->work;
    size_t at = (size_t)(region->first_anchor + task) * SSI_TEACHER_MAX;
    keep_best(&work->model->kernels, work->logits + task * work->logit_stride,
              work->model->hyper.vocabulary_size, region->draft_of_token,
              region->states->teacher_tokens + at, region->states->teacher_probabilities + at);
}

/* Entry states and the teacher's word for the anchors among the rows of the last chunk, which
 * began at position `begin`. */
static void keep_anchors(ssi_workspace *work, uint32_t begin, uint32_t row_count,
                         uint32_t first_anchor, const int32_t *draft_of_token,
                         ssi_train_states *states)
{
    const ssi_streams *streams = &work->streams;
    uint32_t d = work->model->hyper.embedding_length;
    uint32_t first = first_anchor > begin ? first_anchor - begin : 0; /* row */
    if (first >= row_count)
        return;
    for (uint32_t row = first; row < row_count; row++)
        memcpy(states->entries + (size_t)(begin + row - first_anchor) * d,
               streams->entries + (row - streams->entry_row) * streams->hidden_stride,
               d * sizeof(float));
    if (!states->teacher_tokens)
        return;
    ssi_main_head_run(work, first, row_count - first, work->logits);
    best_work region = {work, draft_of_token, states, begin + first - first_anchor};
    ssi_parallel_run(work->parallel, row_count - first, best_body, &region);
}

typedef struct read_work {
    const ssi_workspace *work;
    ssi_train_states *states;
    uint32_t first_layer, key_count;
} read_work;

static void read_body(void *context, uint32_t task)
{
    const read_work *region = context;
    const ssi_kv_cache *cache = &region->work->cache;
    size_t at = (size_t)task * region->key_count * cache->head_length;
    ssi_kv_read_head(cache, region->first_layer + task / cache->head_count,
                     task % cache->head_count, region->key_count, region->states->keys + at,
                     region->states->values + at);
}

void ssi_train_states_point(const ssi_train_states *states, const int32_t *tokens,
                            uint32_t token_count, uint32_t prompt_count,
                            ssi_train_context *context)
{
    *context = (ssi_train_context){
        .tokens = tokens,
        .token_count = token_count,
        .first_anchor = prompt_count - 1,
        .anchor_count = token_count - prompt_count,
        .key_count = token_count - 1,
        .keys = states->keys,
        .values = states->values,
        .entries = states->entries,
        .teacher_tokens = states->teacher_tokens,
        .teacher_probabilities = states->teacher_probabilities,
    };
}

void ssi_train_engine_run(ssi_train_engine *engine, const ssi_train_context *context,
                          const int32_t *draft_of_token, ssi_train_states *states)
{
    ssi_workspace *work = &engine->session->work;
    const ssi_hyper *hyper = &engine->model->hyper;
    const int32_t *tokens = context->tokens;
    uint32_t msa_layer_count = engine->adapter->msa_layer_count;
    uint32_t row_count = context->key_count;
    uint32_t known = engine->token_count, first = context->first_anchor;
    work->cache.length =
        ssi_shared_prefix(engine->tokens, tokens, known < first ? known : first);
    while (work->cache.length < row_count) {
        uint32_t begin = work->cache.length;
        uint32_t count = row_count - begin < CHUNK ? row_count - begin : CHUNK;
        ssi_prefill_chunk(work, tokens + begin, count);
        keep_anchors(work, begin, count, context->first_anchor, draft_of_token, states);
    }
    memcpy(engine->tokens, tokens, row_count * sizeof *tokens);
    engine->token_count = row_count;
    read_work region = {work, states, hyper->layer_count - msa_layer_count, row_count};
    ssi_parallel_run(work->parallel, msa_layer_count * work->cache.head_count, read_body,
                     &region);
}
