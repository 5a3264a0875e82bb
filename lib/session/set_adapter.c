/* SPDX-License-Identifier: Apache-2.0 */
/* Setting adapter and streams on a live session. Both need memory that depends on both, so a new
 * block is laid out for the pair; it is taken before anything changes. */
#include <math.h>
#include <string.h>

#include "base/params.h"
#include "session/session_state.h"

/* Some fifty answers; half a megabyte. */
#define HISTORY_TOKENS 4096u

void ssi_stream_config_default(ss_stream_config *config)
{
    *config = (ss_stream_config){
        .struct_size = sizeof *config,
        .sources = SS_DRAFT_STREAMS | SS_DRAFT_NGRAM,
    };
}

static ss_status check_config(const ss_stream_config *config, ss_error *error)
{
    SSI_TRY(ssi_params_check("sources", config->sources, 0,
                             SS_DRAFT_STREAMS | SS_DRAFT_NGRAM | SS_DRAFT_CALLER, error));
    SSI_TRY(ssi_params_check("tree_mode", config->tree_mode, 0, SS_TREE_WIDTHS, error));
    SSI_TRY(ssi_params_check("schedule", config->schedule, 0, SS_SCHEDULE_DEFERRED, error));
    SSI_TRY(ssi_params_check("prune", config->prune, 0, SS_PRUNE_OFF, error));
    SSI_TRY(ssi_params_check("best_count", config->best_count, 0, SSI_TREE_NODES - 1, error));
    SSI_TRY(ssi_params_check("reserved0", config->reserved0, 0, 0, error));
    if ((config->sources & SS_DRAFT_CALLER) && !config->draft)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "draft: SS_DRAFT_CALLER needs a function");
    if (config->tree_mode == SS_TREE_WIDTHS) {
        if (!config->widths || config->width_count < 1 || config->width_count >= SSI_TREE_NODES)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "widths: expected 1 to %u numbers",
                            SSI_TREE_NODES - 1);
        for (size_t i = 0; i < config->width_count; i++)
            if (config->widths[i] < 1)
                return ssi_fail(error, SS_ERROR_ARGUMENT, "widths[%zu] is 0: expected 1 or more",
                                i);
    }
    if (config->row_cost && config->row_cost_count != SSI_ROW_COUNTS)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "row_cost_count %zu: expected %u",
                        config->row_cost_count, SSI_ROW_COUNTS);
    for (size_t i = 0; config->row_cost && i < config->row_cost_count; i++)
        if (!(config->row_cost[i] > 0 && config->row_cost[i] < INFINITY))
            return ssi_fail(error, SS_ERROR_ARGUMENT, "row_cost[%zu] is %g: expected above 0", i,
                            (double)config->row_cost[i]);
    return SS_OK;
}

static ss_status check_match(const ss_session *session, const ss_adapter *adapter,
                             const ss_stream_config *config, ss_error *error)
{
    if (!adapter)
        return SS_OK;
    if (adapter->model != session->work.model)
        return ssi_fail(error, SS_ERROR_MISMATCH,
                        "the adapter was loaded for another model than the session's");
    if (config->schedule == SS_SCHEDULE_PARALLEL && adapter->root_gain)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "the parallel schedule does not go with an adapter that has root terms: "
                        "its streams need the root's token");
    return SS_OK;
}

static double matrix_cost(const ssi_matrix *matrix)
{
    return (double)matrix->group_count * matrix->columns; /* weights read, whatever their type */
}

/* Shares of a step of one row, by weights read. */
static void estimate_shares(const ss_model *model, const ss_adapter *adapter,
                            ssi_planner_config *config)
{
    double layer = 0, head = matrix_cost(&model->head.weight);
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
        layer += matrix_cost(&model->layers[0].linear[map].weight);
    double whole = layer * model->hyper.layer_count + head;
    config->msa_share = (float)(layer * adapter->msa_layer_count / whole);
    config->draft_head_share = (float)(matrix_cost(&adapter->draft_head.weight) / whole);
    config->prune_share = config->draft_head_share;
}

static void plan_config(const ss_session *session, const ss_adapter *adapter,
                        const ss_stream_config *config, ssi_planner_config *plan)
{
    *plan = (ssi_planner_config){
        .tree_mode = (ssi_tree_mode)config->tree_mode,
        .best_count = config->best_count,
        .schedule = (ssi_schedule)config->schedule,
        .prune = (ssi_prune_mode)config->prune,
        .max_rows = session->work.logit_rows,
        .row_cost_shape = config->row_cost,
    };
    if (config->tree_mode == SS_TREE_WIDTHS) {
        plan->width_count = (uint32_t)config->width_count;
        for (size_t i = 0; i < config->width_count; i++)
            plan->widths[i] = (uint8_t)(config->widths[i] < UINT8_MAX ? config->widths[i]
                                                                      : UINT8_MAX);
    }
    if (adapter && (config->sources & SS_DRAFT_STREAMS)) {
        plan->stream_count = adapter->stream_count;
        plan->has_root_terms = adapter->root_gain != NULL;
        plan->has_pruner = adapter->prune.rank > 0;
        if (plan->stream_count > 0)
            estimate_shares(session->work.model, adapter, plan);
    }
}

static bool has_streams(const ssi_drafting *drafting)
{
    return (drafting->config.sources & SS_DRAFT_STREAMS) && drafting->streams.count > 0;
}

/* Streams know what answers to their task look like: beside them a history brings rows, few tokens. */
static bool has_history(const ssi_drafting *drafting)
{
    return (drafting->config.sources & SS_DRAFT_NGRAM) && !has_streams(drafting);
}

static ssi_drafting *layout(ss_session *session, ssi_drafting *drafting,
                            const ss_adapter *adapter, ssi_arena *arena)
{
    ssi_drafting *place = ssi_arena_take(arena, 1, sizeof *place);
    drafting->planner = ssi_arena_take(arena, 1, sizeof *drafting->planner);
    drafting->shown = ssi_arena_take(arena, SSI_TREE_NODES, sizeof *drafting->shown);
    ssi_streams_layout(&session->work, &drafting->streams, adapter, arena);
    ssi_stream_source_layout(&drafting->stream_source, arena);
    if (drafting->config.sources & SS_DRAFT_NGRAM)
        ssi_ngram_layout(&drafting->ngram, arena, session->context_length);
    if (has_history(drafting))
        ssi_history_layout(&drafting->history, arena, HISTORY_TOKENS);
    if (drafting->config.sources & SS_DRAFT_CALLER)
        ssi_caller_source_layout(&drafting->caller_source, arena);
    return place;
}

/* The caller's arrays are read by his call alone, but the next adapter needs them again. */
static void keep_numbers(ssi_drafting *drafting)
{
    ss_stream_config *config = &drafting->config;
    if (config->tree_mode == SS_TREE_WIDTHS) {
        memcpy(drafting->widths, config->widths, config->width_count * sizeof *config->widths);
        config->widths = drafting->widths;
    } else {
        config->widths = NULL;
    }
    if (config->row_cost) {
        memcpy(drafting->row_cost, config->row_cost, sizeof drafting->row_cost);
        config->row_cost = drafting->row_cost;
    }
}

static void settle_in(ss_session *session, ssi_drafting *drafting)
{
    const ssi_tokenizer *tokenizer = session->work.model->tokenizer;
    uint32_t sources = drafting->config.sources;
    ssi_streams_clear(&drafting->streams, session->work.model);
    ssi_planner_init(drafting->planner, &drafting->plan_config);
    drafting->plan_config.row_cost_shape = NULL;
    keep_numbers(drafting);
    if (has_streams(drafting))
        drafting->sources[drafting->source_count++] =
            ssi_stream_source_interface(&drafting->stream_source);
    if (sources & SS_DRAFT_NGRAM) {
        ssi_ngram_reset(&drafting->ngram);
        drafting->sources[drafting->source_count++] = ssi_ngram_interface(&drafting->ngram);
    }
    if (has_history(drafting)) {
        ssi_history_reset(&drafting->history);
        drafting->sources[drafting->source_count++] = ssi_history_interface(&drafting->history);
    }
    if (sources & SS_DRAFT_CALLER)
        drafting->sources[drafting->source_count++] =
            ssi_caller_source_interface(&drafting->caller_source);
    for (uint32_t token = 0; token < session->work.model->hyper.vocabulary_size &&
                             drafting->end_count < SSI_END_TOKENS; token++)
        if (ssi_tokenizer_is_end(tokenizer, (int32_t)token))
            drafting->end_tokens[drafting->end_count++] = (int32_t)token;
}

void ssi_drafting_free(ss_session *session)
{
    ssi_drafting *drafting = session->drafting;
    session->drafting = NULL;
    session->work.streams = (ssi_streams){0};
    if (drafting)
        ssi_release(&session->memory, drafting->block, drafting->block_bytes);
}

/* Replaces what the session has by a block for this pair; nothing changes on failure. */
static ss_status install(ss_session *session, const ss_adapter *adapter,
                         const ss_stream_config *config, ss_error *error)
{
    ssi_arena arena = {NULL, 0, false};
    ssi_planner_config planner;
    SSI_TRY(check_match(session, adapter, config, error));
    plan_config(session, adapter, config, &planner);
    ssi_drafting plan_only = {.config = *config};
    layout(session, &plan_only, adapter, &arena);
    size_t bytes = arena.used;
    void *block = arena.overflow ? NULL : ssi_allocate(&session->memory, bytes, SSI_ALIGN);
    if (!block)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for drafting: %zu bytes", bytes);
    memset(block, 0, sizeof(ssi_drafting));
    ssi_drafting *drafting = block;
    drafting->config = *config;
    arena = (ssi_arena){block, 0, false};
    (void)layout(session, drafting, adapter, &arena);
    drafting->plan_config = planner;
    drafting->block = block;
    drafting->block_bytes = bytes;
    settle_in(session, drafting);

    if (!ssi_hash_equal(ssi_adapter_main_hash(session->work.streams.adapter),
                        ssi_adapter_main_hash(adapter))) {
        session->work.cache.length = 0; /* rows of another model, as it were */
        session->has_logits = false;
    }
    ssi_drafting_free(session);
    session->drafting = drafting;
    session->work.streams = drafting->streams;
    session->unchanged = 0;
    return SS_OK;
}

ss_status ssi_session_set_adapter(ss_session *session, const ss_adapter *adapter, ss_error *error)
{
    ss_stream_config config;
    ssi_stream_config_default(&config);
    if (session->drafting)
        config = session->drafting->config;
    return install(session, adapter, &config, error);
}

ss_status ssi_session_set_streams(ss_session *session, const ss_stream_config *config,
                                  ss_error *error)
{
    ss_stream_config ours;
    ssi_stream_config_default(&ours);
    if (config)
        ours = *config;
    SSI_TRY(check_config(&ours, error));
    return install(session, session->work.streams.adapter, &ours, error);
}

void ssi_session_get_tree(const ss_session *session, const ss_tree_node **nodes, size_t *count)
{
    const ssi_drafting *drafting = session->drafting;
    bool drafts = drafting && drafting->config.sources != SS_DRAFT_NONE;
    *nodes = drafts ? drafting->shown : NULL;
    *count = drafts ? drafting->shown_count : 0;
}
