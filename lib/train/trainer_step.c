/* SPDX-License-Identifier: Apache-2.0 */
/* An optimiser step, and how many there will be in so many minutes. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

#define TRIED 3u /* steps of each stage that planning takes the time of, after one to warm up */

static void fill_report(const ss_trainer *trainer, const ssi_train_sums *sums,
                        ss_train_report *report)
{
    report->main_loss = sums->main_rows ? sums->main_loss / (double)sums->main_rows : 0;
    report->main_top1 =
        sums->main_rows ? (double)sums->main_right / (double)sums->main_rows : 0;
    for (uint32_t j = 0; j < trainer->params.stream_count; j++) {
        double rows = (double)(sums->stream_rows[j] ? sums->stream_rows[j] : 1);
        report->stream_loss[j] = sums->stream_loss[j] / rows;
        report->stream_top1[j] = (double)sums->stream_right[j] / rows;
    }
}

/* A loss far beyond that of guessing blindly is no training any more, unless it began there: a model that
 * is very sure of itself is wrong by more, where it is. */
static ss_status check_going(ss_trainer *trainer, const ss_train_report *report,
                             ss_error *error)
{
    double blind = (double)ssi_logf((float)trainer->model->hyper.vocabulary_size);
    double worst = report->main_loss, *first = &trainer->stage.first_loss;
    char name[24] = "main";
    for (uint32_t j = 0; j < trainer->params.stream_count && !isnan(worst); j++)
        if (!(report->stream_loss[j] <= worst)) { /* NaN is the worst */
            worst = report->stream_loss[j];
            snprintf(name, sizeof name, "stream %u", j + 1);
        }
    if (worst < (double)INFINITY && report->gradient_norm < (double)INFINITY &&
        (*first <= 0 || worst <= 4 * blind || worst <= 2 * *first)) {
        *first = *first > 0 ? *first : worst;
        return SS_OK;
    }
    return ssi_fail(error, SS_ERROR_NUMERIC,
                    "step %u: %s loss %g, gradient %g: training has diverged; try a lower rate",
                    report->total_step, name, fabs(worst),
                    fabs(report->gradient_norm)); /* no "-nan" */
}

ss_status ssi_trainer_step(ss_trainer *trainer, ss_train_report *report, ss_error *error)
{
    uint64_t start = ssi_clock_ns(NULL), positions;
    uint32_t in_stage;
    ssi_train_sums sums;
    SSI_TRY(ssi_trainer_begin(trainer, error));
    ss_train_stage stage = ssi_trainer_stage_of(trainer, trainer->step, &in_stage);
    if (stage == SS_STAGE_COUNT)
        return ssi_fail(error, SS_ERROR_STATE, "all %u steps are made", trainer->step);
    SSI_TRY(ssi_trainer_enter_stage(trainer, stage, error));
    trainer->math.product_ns = 0;
    trainer->math.product_flops = 0;
    ssi_optimiser optimiser = {
        .peak_rate = trainer->params.rates[stage],
        .warmup_steps = trainer->params.warmup_steps,
        .steps = trainer->params.steps[stage],
        .weight_decay = trainer->params.weight_decay,
        .gradient_limit = trainer->params.gradient_limit,
    };
    *report = (ss_train_report){
        .struct_size = sizeof *report,
        .stage = stage,
        .step = in_stage + 1,
        .stage_steps = optimiser.steps,
        .total_step = trainer->step + 1,
        .total_steps = ssi_trainer_total(trainer),
        .rate = (double)ssi_optimiser_rate(&optimiser, in_stage + 1),
    };
    ssi_trainer_gradient(trainer, trainer->step, &sums, &positions, &report->engine_ns);
    fill_report(trainer, &sums, report);
    report->gradient_norm = ssi_optimiser_norm(&trainer->parameters, stage);
    SSI_TRY(check_going(trainer, report, error));
    ssi_optimiser_update(&optimiser, &trainer->parameters, stage, in_stage + 1,
                         report->gradient_norm);
    trainer->step++;
    if (stage == SS_STAGE_STREAMS || trainer->params.mode == SS_TRAIN_JOINT)
        trainer->positions += stage == SS_STAGE_PRUNE ? 0 : positions;
    report->positions = trainer->positions;
    report->done = trainer->step == report->total_steps;
    report->product_ns = trainer->math.product_ns;
    report->product_flops = trainer->math.product_flops;
    report->step_ns = ssi_clock_ns(NULL) - start;
    return SS_OK;
}

/* Nanoseconds of one step of a stage, by trial. */
static ss_status try_stage(ss_trainer *trainer, ss_train_stage stage, double *ns,
                           ss_error *error)
{
    ssi_train_sums sums;
    uint64_t positions, engine_ns, start = 0;
    SSI_TRY(ssi_trainer_enter_stage(trainer, stage, error));
    for (uint32_t i = 0; i <= TRIED; i++) {
        if (i == 1)
            start = ssi_clock_ns(NULL);
        ssi_trainer_gradient(trainer, i, &sums, &positions, &engine_ns);
    }
    *ns = (double)(ssi_clock_ns(NULL) - start) / TRIED;
    return SS_OK;
}

ss_status ssi_trainer_plan_minutes(ss_trainer *trainer, double minutes, ss_error *error)
{
    uint32_t *steps = trainer->params.steps;
    double ns[SS_STAGE_COUNT] = {0}, all = 0;
    if (!(minutes > 0 && minutes < 1e6))
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "minutes is %g, expected more than 0 and less "
                        "than 1e6",
                        minutes);
    SSI_TRY(ssi_trainer_begin(trainer, error));
    if (trainer->step > 0)
        return ssi_fail(error, SS_ERROR_STATE, "%u steps are made: minutes are planned before",
                        trainer->step);
    for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++)
        all += steps[stage];
    for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++)
        if (steps[stage] > 0)
            SSI_TRY(try_stage(trainer, stage, &ns[stage], error));
    for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++)
        if (steps[stage] > 0) {
            double share = steps[stage] / all * minutes * 60e9 / ns[stage];
            steps[stage] = share < 1                     ? 1
                           : share < SSI_STAGE_STEPS_MAX ? (uint32_t)share
                                                         : SSI_STAGE_STEPS_MAX;
        }
    ssi_trainer_leave_stage(trainer);
    return SS_OK;
}
