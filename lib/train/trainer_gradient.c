/* SPDX-License-Identifier: Apache-2.0 */
/* One batch through the stage's pass. */
#include <string.h>

#include "train/trainer.h"

static const ssi_data_row *batch_row(ss_trainer *trainer, uint32_t step, uint32_t i)
{
    return ssi_data_row_at(&trainer->rows, (uint64_t)step * trainer->params.batch_rows + i);
}

static const int32_t *tokens_of(const ss_trainer *trainer, const ssi_data_row *row)
{
    return trainer->rows.tokens + row->offset;
}

static uint32_t anchors_of(const ssi_data_row *row)
{
    return row->token_count - row->prompt_count;
}

static void merge(ss_trainer *trainer)
{
    const ssi_stage_memory *stage = &trainer->stage;
    for (uint32_t i = 0; stage->stream_layers && i < trainer->params.msa_layer_count; i++)
        ssi_train_layer_merge(&trainer->math, &stage->stream_layers[i]);
    for (uint32_t i = 0; stage->main_layers && i < trainer->model->hyper.layer_count; i++)
        ssi_train_layer_merge(&trainer->math, &stage->main_layers[i]);
}

/* The main pass over the batch, as many rows at once as its memory was laid out for. */
static void run_main(ss_trainer *trainer, uint32_t step, float scale, ssi_train_sums *sums)
{
    const ssi_stage_memory *stage = &trainer->stage;
    uint32_t batch = trainer->params.batch_rows, begin = 0;
    for (uint32_t i = 0; i < batch; i++) {
        const ssi_data_row *row = batch_row(trainer, step, i);
        stage->sequences[i] =
            (ssi_train_sequence){tokens_of(trainer, row), row->token_count, row->prompt_count};
    }
    for (uint32_t end = 1; end <= batch; end++) {
        const ssi_train_sequence *first = &stage->sequences[begin];
        if (end < batch &&
            ssi_train_main_rows(&stage->main, first, end + 1 - begin) <= stage->main_rows)
            continue;
        ssi_train_main_run(&trainer->math, &stage->main, stage->main_pass, first, end - begin,
                           scale, true, sums);
        begin = end;
    }
}

/* Whether a row of this step may have another turn in its stage. */
static bool comes_again(const ss_trainer *trainer, uint32_t step)
{
    uint64_t batch = trainer->params.batch_rows, rows = trainer->rows.row_count, end = 0;
    for (ss_train_stage stage = 0; stage <= trainer->stage.stage; stage++)
        end += trainer->params.steps[stage];
    return (step * batch / rows + 1) * rows < end * batch;
}

static void run_engine(ss_trainer *trainer, uint32_t step)
{
    bool again = comes_again(trainer, step);
    for (uint32_t i = 0; i < trainer->params.batch_rows; i++) {
        const ssi_data_row *row = batch_row(trainer, step, i);
        uint32_t number = (uint32_t)(row - trainer->rows.rows);
        ssi_train_states *states = &trainer->stage.states[i];
        ssi_train_context *context = &trainer->stage.contexts[i];
        ssi_train_states_point(states, tokens_of(trainer, row), row->token_count,
                               row->prompt_count, context);
        if (ssi_kept_states_read(&trainer->kept, number, states, context))
            continue;
        ssi_train_engine_run(&trainer->engine, context, trainer->draft_of_token, states);
        if (again)
            ssi_kept_states_write(&trainer->kept, number, states, context);
    }
}

void ssi_trainer_gradient(ss_trainer *trainer, uint32_t step, ssi_train_sums *sums,
                          uint64_t *positions, uint64_t *engine_ns)
{
    const ssi_stage_memory *stage = &trainer->stage;
    uint32_t batch = trainer->params.batch_rows;
    memset(sums, 0, sizeof *sums);
    *positions = 0;
    *engine_ns = 0;
    for (uint32_t i = 0; i < batch; i++)
        *positions += anchors_of(batch_row(trainer, step, i));
    float scale = 1 / (float)*positions; /* the mean over positions */
    ssi_optimiser_clear(&trainer->parameters, stage->stage);
    merge(trainer);
    if (stage->stage == SS_STAGE_MAIN) {
        run_main(trainer, step, scale, sums);
        return;
    }
    uint64_t start = ssi_clock_ns(NULL);
    run_engine(trainer, step);
    *engine_ns = ssi_clock_ns(NULL) - start;
    if (stage->stage == SS_STAGE_STREAMS)
        ssi_train_streams_run(&trainer->math, &stage->streams, stage->streams_pass,
                              stage->contexts, batch,
                              scale / (float)trainer->params.stream_count, true, sums);
    else
        ssi_train_prune_run(&trainer->math, &stage->streams, &stage->prune, stage->prune_pass,
                            stage->contexts, batch, scale, true, sums);
}
