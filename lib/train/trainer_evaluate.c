/* SPDX-License-Identifier: Apache-2.0 */
/* How drafts do: the dev prompts are decoded by a session with the adapter as it would be written
 * now, which is the very thing that users will do. */
#include "base/params.h"
#include "train/trainer.h"

/* Longer than the model's context no sequence gets: those of long prompts end there. */
static uint32_t capacity_for(const ss_trainer *trainer, uint32_t token_count)
{
    uint32_t most = trainer->model->hyper.context_length, longest = trainer->dev.longest;
    return token_count < most - longest ? longest + token_count : most;
}

static ss_status open_session(ss_trainer *trainer, uint32_t token_count, uint32_t nodes,
                              ssi_train_engine *engine, ss_error *error)
{
    ss_stream_config config;
    ssi_stream_config_default(&config);
    config.sources = SS_DRAFT_STREAMS;
    config.tree_mode = SS_TREE_BEST;
    config.best_count = nodes;
    SSI_TRY(ssi_train_engine_create(engine, trainer->model, &trainer->parallel,
                                    capacity_for(trainer, token_count), &trainer->memory,
                                    error));
    SSI_TRY(ssi_session_set_streams(engine->session, &config, error));
    return ssi_trainer_set_engine(trainer, engine, error);
}

static ss_status decode(ss_session *session, const int32_t *prompt, uint32_t count,
                        uint32_t token_count, uint64_t deeper[SSI_STREAMS_MAX], ss_error *error)
{
    uint32_t made = 0, room = session->context_length - count;
    ss_step step = {.struct_size = sizeof step};
    token_count = token_count < room ? token_count : room;
    SSI_TRY(ssi_session_prefill(session, prompt, count, error));
    while (made < token_count && step.stop == SS_STOP_NONE) {
        step = (ss_step){.struct_size = sizeof step};
        SSI_TRY(ssi_session_step(session, token_count - made, &step, error));
        made += step.count;
        for (uint32_t depth = 0; depth < SSI_STREAMS_MAX && depth < step.accepted; depth++)
            deeper[depth]++;
    }
    return SS_OK;
}

ss_status ssi_trainer_evaluate(ss_trainer *trainer, uint32_t prompt_count, uint32_t token_count,
                               uint32_t nodes, ss_train_evaluation *evaluation, ss_error *error)
{
    const ssi_data_set *dev = &trainer->dev;
    uint64_t deeper[SSI_STREAMS_MAX] = {0};
    ssi_train_engine engine = {0};
    ss_stats stats;
    if (dev->row_count == 0)
        return ssi_fail(error, SS_ERROR_STATE, "no dev prompts to decode from");
    SSI_TRY(ssi_params_check("token_count", token_count, 1, 100000, error));
    SSI_TRY(ssi_params_check("nodes", nodes, 1, SSI_TREE_NODES - 1, error));
    SSI_TRY(ssi_trainer_begin(trainer, error));
    if (prompt_count == 0 || prompt_count > dev->row_count)
        prompt_count = dev->row_count;
    ss_status status = open_session(trainer, token_count, nodes, &engine, error);
    for (uint32_t i = 0; i < prompt_count && status == SS_OK; i++) {
        const ssi_data_row *row = &dev->rows[i];
        status = decode(engine.session, dev->tokens + row->offset, row->token_count,
                        token_count, deeper, error);
    }
    if (status == SS_OK) {
        ssi_session_get_stats(engine.session, &stats);
        double steps = stats.steps ? (double)stats.steps : 1;
        *evaluation = (ss_train_evaluation){
            .struct_size = sizeof *evaluation,
            .prompts = prompt_count,
            .tokens = stats.tokens,
            .steps = stats.steps,
            .tokens_per_step = (double)(stats.tokens - stats.first_tokens) / steps,
        };
        for (uint32_t depth = 0; depth < SSI_STREAMS_MAX; depth++)
            evaluation->acceptance[depth] = (double)deeper[depth] / steps;
    }
    ssi_train_engine_free(&engine);
    return status;
}
