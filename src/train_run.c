/* SPDX-License-Identifier: Apache-2.0 */
#include "train_run.h"
#include "interrupt.h"
#include "json_write.h"
#include "report.h"
#include "stopwatch.h"
#include "train_end.h"
#include "train_live.h"
#include "train_log.h"
#include "train_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAVE_MS 60000.0 /* between checkpoints: none of them changes a result */

typedef struct run {
    train_job *job;
    ss_trainer *trainer;
    train_curves curves;
    train_log log;
    train_live live;
    buffer checkpoint, log_path, best; /* file names, NUL-terminated */
    double saved_ms;
    ss_train_report last;  /* step; struct_size 0: none yet */
    uint32_t steps_before; /* of the trainer before this one */
    bool checkpoints;      /* this trainer's state is kept */
    bool finished, stopped_early;
} run;

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int say_error(run *of, const char *about, const ss_error *error)
{
    train_live_end(&of->live);
    return report_error(about, error);
}

static int save(run *of)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (!of->checkpoints)
        return GO_ON;
    if (train_log_sync(&of->log) != GO_ON)
        return EXIT_ERROR;
    if (ss_trainer_save(of->trainer, of->checkpoint.bytes, &error) != SS_OK)
        return say_error(of, of->checkpoint.bytes, &error);
    of->saved_ms = now_ms();
    return GO_ON;
}

static int write_adapter(run *of, const char *path)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (ss_trainer_write_adapter(of->trainer, path, &error) != SS_OK)
        return say_error(of, path, &error);
    return GO_ON;
}

static int log_begin(run *of)
{
    const train_job *job = of->job;
    const ss_train_params *params = &job->params;
    static const char *const modes[] = {"lossless", "shared", "joint"};
    char dev_hash[DEV_HASH_BYTES];
    buffer *line = &of->log.line;
    train_dev_hash_text(&job->measure, dev_hash);
    train_log_open(&of->log, "begin");
    json_text(line, "model", job->settings.model);
    json_text(line, "data", job->data);
    json_count(line, "rows", job->rows.count);
    json_count(line, "rows_of_file", job->rows.lines);
    json_count(line, "dev_prompts", job->measure.prompts);
    json_text(line, "dev_prompts_hash", dev_hash);
    json_count(line, "eval_every", job->measure.every);
    json_text(line, "mode", modes[params->mode]);
    if (params->start != NULL)
        json_text(line, "start", params->start);
    json_count(line, "streams", job->params.stream_count);
    json_count(line, "batch", params->batch_rows);
    json_count(line, "seed", params->seed);
    json_text(line, "blas", job->sgemm.name);
    return train_log_close(&of->log);
}

/* Measures drafts on dev, keeps the adapter if it is the best so far. */
static int measure(run *of)
{
    const train_job *job = of->job;
    ss_train_evaluation dev = {.struct_size = sizeof dev};
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (!train_dev_due(&job->measure, &of->last))
        return GO_ON;
    if (ss_trainer_evaluate(of->trainer, 0, job->measure.tokens, DEV_NODES, &dev, &error) !=
        SS_OK)
        return say_error(of, NULL, &error);
    const dev_point *best = train_dev_best(&of->curves);
    bool better = best == NULL || dev.tokens_per_step > best->of.tokens_per_step;
    train_curves_add_dev(&of->curves, of->last.total_step, &dev);
    train_live_dev(&of->live, of->last.total_step, &dev);
    int status = train_log_dev(&of->log, of->last.total_step, &dev, job->params.stream_count);
    if (status == GO_ON && better && of->last.stage == job->measure.stage)
        status = write_adapter(of, of->best.bytes);
    return status;
}

static int say_numeric(run *of, const ss_error *error)
{
    train_live_end(&of->live);
    return report("training has failed: %s (--lr, --stream-lr); %s is not written%s%s",
                  error->message, of->job->out,
                  of->checkpoints ? ", the last good state is in " : "",
                  of->checkpoints ? of->checkpoint.bytes : "");
}

/* One step. *over: there was none left. */
static int take_step(run *of, ss_train_report *step, bool *over)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    *step = (ss_train_report){.struct_size = sizeof *step};
    ss_status status = ss_trainer_step(of->trainer, step, &error);
    *over = status == SS_ERROR_STATE;
    if (status == SS_ERROR_NUMERIC)
        return say_numeric(of, &error);
    if (status != SS_OK && !*over)
        return say_error(of, NULL, &error);
    step->total_step += of->steps_before;
    step->total_steps += of->steps_before;
    return GO_ON;
}

static int note_step(run *of, const ss_train_report *step)
{
    of->last = *step;
    train_curves_add_step(&of->curves, step);
    train_live_step(&of->live, step);
    int status = train_log_step(&of->log, step, of->job->params.stream_count);
    return status == GO_ON ? measure(of) : status;
}

static int say_interrupted(run *of)
{
    const bool known = of->last.total_steps > 0;
    train_live_end(&of->live);
    if (known)
        return report("interrupted after step %u of %u: %s holds it, the same command with "
                      "--resume goes on",
                      of->last.total_step, of->last.total_steps, of->checkpoint.bytes);
    return report("interrupted: the same command with --resume goes on from %s",
                  of->checkpoint.bytes);
}

/* Steps until the trainer has none left, dev says stop, or SIGINT comes. */
static int run_steps(run *of)
{
    int status = GO_ON;
    while (status == GO_ON) {
        ss_train_report step;
        bool over;
        if (!of->stopped_early && train_dev_should_stop(&of->curves, &of->job->measure)) {
            of->stopped_early = true;
            return save(of);
        }
        if (of->last.done)
            break;
        if (interrupt_taken()) {
            status = save(of);
            return status == GO_ON ? say_interrupted(of) : status;
        }
        status = take_step(of, &step, &over);
        if (status != GO_ON || over)
            break;
        status = note_step(of, &step);
        if (status == GO_ON &&
            (step.done || step.step == step.stage_steps || now_ms() - of->saved_ms > SAVE_MS))
            status = save(of);
    }
    return status;
}

/* What the log holds up to the checkpoint, or the whole of it where all is done. Where dev had ended
 * the streams already, the next step is not part of the training. */
static int read_log(run *of, const ss_train_report *next)
{
    const char *path = of->log_path.bytes;
    int status =
        train_curves_read(path, next == NULL ? UINT32_MAX : next->total_step, &of->curves);
    of->stopped_early =
        status == GO_ON && train_dev_should_stop(&of->curves, &of->job->measure);
    of->finished = of->stopped_early && exists(of->job->out) && !exists(of->best.bytes);
    if (!of->finished)
        return status;
    train_curves_free(&of->curves);
    return train_curves_read(path, UINT32_MAX, &of->curves);
}

/* An earlier run has left off somewhere: the first step tells where, and what of the log still
 * holds. */
static int pick_up(run *of)
{
    ss_train_report step;
    bool over;
    int status = take_step(of, &step, &over);
    if (status == GO_ON)
        status = read_log(of, over ? NULL : &step);
    if (status == GO_ON)
        status = train_plan_check(of->job, of->checkpoint.bytes, over ? NULL : &step,
                                  &of->curves);
    if (status == GO_ON)
        status = train_log_begin(&of->log, of->curves.bytes, of->curves.seconds);
    if (status != GO_ON)
        return status;
    if (of->curves.step_count > 0)
        of->last = of->curves.steps[of->curves.step_count - 1];
    if (of->curves.dev_count > 0) {
        const dev_point *dev = &of->curves.devs[of->curves.dev_count - 1];
        of->live.tokens_per_step = dev->of.tokens_per_step;
        of->live.measured_at = dev->total_step;
    }
    if (of->curves.lines == 0)
        status = log_begin(of);
    of->last.done = over;
    if (over || of->finished)
        report("%s is finished already: no step is left", of->job->out);
    if (over || of->stopped_early)
        return status;
    of->live.positions_before = of->last.positions;
    return status == GO_ON ? note_step(of, &step) : status;
}

/* Minutes into steps, by steps that are as long as any; nothing is trained yet that Ctrl-C could lose. */
static int plan_minutes(run *of)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (of->job->minutes <= 0)
        return GO_ON;
    interrupt_end("specstream: interrupted while steps were timed, before the first of them: the same "
                  "command with --resume goes on\n");
    const ss_status status =
        ss_trainer_plan_minutes(of->trainer, (double)of->job->minutes, &error);
    interrupt_note();
    return status == SS_OK ? GO_ON : report_error(NULL, &error);
}

static int start_anew(run *of)
{
    buffer old = {0};
    if (of->job->resume)
        report("%s: no such file: training begins at the beginning", of->checkpoint.bytes);
    buffer_join(&old, of->checkpoint.bytes, ".old");
    if (rename(of->checkpoint.bytes, old.bytes) == 0)
        report("%s is of an earlier training: kept as %s", of->checkpoint.bytes, old.bytes);
    buffer_free(&old);
    unlink(of->best.bytes);
    int status = train_log_begin(&of->log, 0, 0);
    if (status == GO_ON)
        status = log_begin(of);
    if (status == GO_ON)
        status = plan_minutes(of);
    return status == GO_ON ? save(of) : status; /* the plan is in it */
}

static int start(run *of)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (!of->job->resume || !exists(of->checkpoint.bytes))
        return start_anew(of);
    if (ss_trainer_resume(of->trainer, of->checkpoint.bytes, &error) != SS_OK)
        return report_error(of->checkpoint.bytes, &error);
    of->saved_ms = now_ms();
    return pick_up(of);
}

/* Dev has ended the streams early: the best adapter's pruner is trained, and that is the result.
 * Nothing is saved on the way, for the checkpoint leads here again. */
static int finish_from_best(run *of)
{
    const ss_train_report *last = &of->last;
    uint32_t left = last->total_steps - last->total_step - (last->stage_steps - last->step);
    const uint32_t steps[SS_STAGE_COUNT] = {[SS_STAGE_PRUNE] = left};
    ss_trainer_free(of->trainer);
    of->trainer = NULL;
    of->checkpoints = false;
    of->steps_before = last->total_step;
    of->last.done = 0;
    if (left == 0 && rename(of->best.bytes, of->job->out) != 0)
        return report("%s: %s", of->job->out, strerror(errno));
    of->finished = left == 0;
    int status =
        left > 0 ? train_job_trainer(of->job, of->best.bytes, steps, &of->trainer) : GO_ON;
    return status == GO_ON && left > 0 ? run_steps(of) : status;
}

/* The measurement of the adapter that was written, or NULL. */
static const dev_point *written_dev(const run *of)
{
    const size_t count = of->curves.dev_count;
    if (of->stopped_early && of->finished && of->last.stage == of->job->measure.stage)
        return train_dev_best(&of->curves); /* and no pruner has come after it */
    return count > 0 ? &of->curves.devs[count - 1] : NULL;
}

int train_run(train_job *job)
{
    run of = {.job = job, .checkpoints = true};
    buffer_join(&of.checkpoint, job->out, ".checkpoint");
    buffer_join(&of.log_path, job->out, ".log.jsonl");
    buffer_join(&of.best, job->out, ".best");
    train_live_begin(job->params.stream_count, &of.live);
    int status = train_job_trainer(job, job->params.start, job->params.steps, &of.trainer);
    interrupt_note();
    if (status == GO_ON)
        status = train_log_take(of.log_path.bytes, job->json, &of.log);
    if (status == GO_ON)
        status = start(&of);
    if (status == GO_ON && !of.stopped_early)
        status = run_steps(&of);
    if (status == GO_ON && of.stopped_early && !of.finished)
        status = finish_from_best(&of);
    if (status == GO_ON && !of.finished)
        status = write_adapter(&of, job->out);
    if (status == GO_ON) {
        unlink(of.best.bytes);
        train_live_end(&of.live);
        status = train_end_log(job, &of.curves, written_dev(&of), of.stopped_early, &of.log);
    }
    ss_trainer_free(of.trainer);
    train_curves_free(&of.curves);
    train_log_free(&of.log);
    buffer_free(&of.checkpoint);
    buffer_free(&of.log_path);
    buffer_free(&of.best);
    return status == GO_ON ? EXIT_DONE : status;
}
