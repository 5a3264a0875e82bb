/* SPDX-License-Identifier: Apache-2.0 */
#include "train_course.h"
#include "file_uses.h"
#include "report.h"
#include "train_distill.h"
#include "train_run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(train_job *of)
{
    int status = train_job_prepare(of);
    if (status == GO_ON)
        status = train_run(of);
    train_job_free(of);
    return status;
}

/* Steps, epochs or minutes, to both by their shares. */
static void split_budget(const train_job *of, train_job *tuning, train_job *drafting)
{
    const double *parts = of->parts, main = parts[SS_STAGE_MAIN];
    const double share = main / (main + parts[SS_STAGE_STREAMS] + parts[SS_STAGE_PRUNE]);
    const bool said = of->steps > 0 || of->epochs > 0 || of->minutes > 0;
    const double minutes = said ? (double)of->minutes : TRAIN_MINUTES;
    if (of->steps > 0) {
        tuning->steps = (uint32_t)((double)of->steps * share + 0.5);
        tuning->steps += tuning->steps == 0;
        drafting->steps = of->steps > tuning->steps ? of->steps - tuning->steps : 1;
    }
    if (parts[SS_STAGE_STREAMS] > 0)
        tuning->epochs = (float)((double)of->epochs * main / parts[SS_STAGE_STREAMS]);
    tuning->minutes = (float)(minutes * share);
    drafting->minutes = (float)(minutes - minutes * share);
}

/* No checkpoint to go on from: answers that are there can't be those of the model to come. */
static int check_answers(const train_job *of, const char *tuned)
{
    buffer checkpoint = {0};
    buffer_join(&checkpoint, tuned, ".checkpoint");
    const bool goes_on = of->resume && access(checkpoint.bytes, F_OK) == 0;
    buffer_free(&checkpoint);
    return goes_on ? GO_ON : train_distill_check_new(of);
}

/* The model is tuned on the data's completions, then writes its own, and the streams learn from
 * those: they will have to guess what it says, not what the data says. */
static int tune_and_distill(const train_job *of)
{
    train_job tuning = *of, drafting = *of;
    buffer tuned = {0};
    if (strcmp(of->data, "-") == 0)
        return usage_error("train", "standard input can't be read twice, for tuning and for "
                                    "answers");
    split_budget(of, &tuning, &drafting);
    buffer_join(&tuned, of->out, ".tuned");
    tuning.out = drafting.params.start = tuned.bytes;
    tuning.parts[SS_STAGE_STREAMS] = tuning.parts[SS_STAGE_PRUNE] = 0;
    tuning.dev = NULL;
    tuning.distill = false;
    tuning.limit = 0;
    drafting.parts[SS_STAGE_MAIN] = 0;
    int status = check_answers(of, tuned.bytes);
    if (status == GO_ON)
        status = run(&tuning);
    if (status == EXIT_DONE)
        status = run(&drafting);
    buffer_free(&tuned);
    return status;
}

static bool tunes_first(const train_job *of)
{
    const double *parts = of->parts;
    return of->distill && of->params.mode == SS_TRAIN_SHARED && parts[SS_STAGE_MAIN] > 0 &&
           parts[SS_STAGE_STREAMS] + parts[SS_STAGE_PRUNE] > 0;
}

/* What is trained on must outlive the training. */
static int check_files(const train_job *of)
{
    static const char *const endings[] = {"", ".checkpoint", ".checkpoint.old", ".log.jsonl",
                                          ".best"};
    char *answers = of->distill ? train_distill_path(of) : NULL;
    file_uses files = {0};
    buffer tuned = {0};
    buffer_join(&tuned, of->out, ".tuned");
    file_uses_read(&files, "-m", of->settings.model);
    file_uses_read(&files, "-d", of->data);
    file_uses_read(&files, "--dev", of->dev);
    file_uses_read(&files, "-a", of->params.start);
    file_uses_write(&files, "--distilled", answers, "");
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        file_uses_write(&files, "-o", of->out, endings[i]);
        if (tunes_first(of))
            file_uses_write(&files, "-o", tuned.bytes, endings[i]);
    }
    int status = file_uses_check(&files, "train");
    buffer_free(&tuned);
    free(answers);
    return status;
}

int train_course(const train_job *of)
{
    int status = check_files(of);
    if (status == GO_ON) /* of both trainings, before the first */
        status = train_job_check_out(of);
    if (status != GO_ON)
        return status;
    train_job all = *of;
    return tunes_first(of) ? tune_and_distill(of) : run(&all);
}
