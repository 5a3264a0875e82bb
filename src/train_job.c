/* SPDX-License-Identifier: Apache-2.0 */
#include "train_job.h"
#include "report.h"
#include "train_distill.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_STEPS 100000000.0

/* Parts of a training that go to its stages, unless --shares says otherwise; 0: a mode has no such
 * stage. */
static const double usual_shares[][SS_STAGE_COUNT] = {
    [SS_TRAIN_LOSSLESS] = {0, 94, 6},
    [SS_TRAIN_SHARED] = {45, 50, 5},
    [SS_TRAIN_JOINT] = {95, 0, 5},
};

static bool read_shares(const char *text, double shares[SS_STAGE_COUNT])
{
    for (int stage = 0; stage < SS_STAGE_COUNT; stage++) {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        shares[stage] = strtod(text, &end);
        if (*end != (stage + 1 < SS_STAGE_COUNT ? ',' : '\0') || !(shares[stage] <= 1e6))
            return false;
        text = end + 1;
    }
    return shares[0] + shares[1] + shares[2] > 0;
}

/* Splits `total` steps, every stage with a share getting at least one. */
static void split(double total, const double shares[SS_STAGE_COUNT],
                  uint32_t steps[SS_STAGE_COUNT])
{
    const double sum = shares[0] + shares[1] + shares[2];
    for (int stage = 0; stage < SS_STAGE_COUNT; stage++) {
        double part = floor(total * shares[stage] / sum + 0.5);
        steps[stage] = shares[stage] <= 0 ? 0 : part < 1 ? 1 : (uint32_t)part;
    }
    /* What rounding left over or took goes to the longest stage. */
    int longest = 0;
    for (int stage = 1; stage < SS_STAGE_COUNT; stage++)
        longest = steps[stage] > steps[longest] ? stage : longest;
    double others = 0;
    for (int stage = 0; stage < SS_STAGE_COUNT; stage++)
        others += stage != longest ? steps[stage] : 0;
    steps[longest] = total - others < 1 ? 1 : (uint32_t)(total - others);
}

int train_job_take_parts(train_job *of)
{
    const double *usual = usual_shares[of->params.mode];
    memcpy(of->parts, usual, sizeof of->parts);
    if (of->shares != NULL && !read_shares(of->shares, of->parts))
        return usage_error("train", "--shares: '%s' is not M,S,P", of->shares);
    for (int stage = 0; stage < SS_STAGE_COUNT; stage++)
        if (usual[stage] <= 0)
            of->parts[stage] = 0;
    if (of->params.prune_rank == 0)
        of->parts[SS_STAGE_PRUNE] = 0;
    if (of->parts[0] + of->parts[1] + of->parts[2] <= 0)
        return usage_error("train", "--shares: %s leaves nothing to train: there is no such stage",
                           of->shares);
    of->measure.stage = usual[SS_STAGE_STREAMS] > 0 ? SS_STAGE_STREAMS : SS_STAGE_MAIN;
    return GO_ON;
}

static int plan_steps(train_job *of)
{
    const double *parts = of->parts;
    double total = 1000;  /* for --minutes only the parts count */
    if (of->epochs > 0) { /* of the stage that trains the streams, or of the longest */
        double part = parts[of->measure.stage];
        double pass =
            ceil((double)of->epochs * (double)of->rows.count / (double)of->params.batch_rows);
        part = part > 0 ? part : fmax(parts[SS_STAGE_MAIN], parts[SS_STAGE_PRUNE]);
        total = ceil(pass * (parts[0] + parts[1] + parts[2]) / part);
    } else if (of->steps > 0) {
        total = of->steps;
    } else if (of->minutes <= 0) {
        of->minutes = TRAIN_MINUTES;
    }
    if (total > MOST_STEPS)
        return report("%.0f steps are too many", total);
    split(total, parts, of->params.steps);
    return GO_ON;
}

static void settle_params(train_job *of)
{
    ss_model_info info = {.struct_size = sizeof info};
    ss_train_params *params = &of->params;
    ss_model_get_info(of->model, &info, NULL);
    if (of->rate > 0 && params->mode == SS_TRAIN_LOSSLESS)
        params->rates[SS_STAGE_STREAMS] = of->rate;
    else if (of->rate > 0)
        params->rates[SS_STAGE_MAIN] = of->rate;
    if (of->stream_rate > 0)
        params->rates[SS_STAGE_STREAMS] = of->stream_rate;
    if (params->draft_vocabulary_size >= info.vocabulary_size)
        params->draft_vocabulary_size = 0; /* all of it */
    if (params->row_tokens_max > info.context_length)
        params->row_tokens_max = info.context_length;
    params->value_rotation = of->value_rotation;
    params->thread_count = of->settings.threads;
    params->sgemm = of->sgemm.sgemm;
    params->states_bytes_max = (uint64_t)((double)of->keep * 1e9);
    params->states_folder = of->keep > 0 ? of->folder.bytes : NULL;
}

static int read_rows(train_job *of)
{
    int status = train_rows_read(of->data, &of->rows);
    if (status == GO_ON && of->dev != NULL)
        status = train_rows_read(of->dev, &of->dev_rows);
    return status;
}

/* FNV-1a, of the tokens and where each prompt ends. */
static uint64_t hash_prompts(const train_rows *of)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < of->count; i++) {
        const token_list *tokens = &of->rows[i].tokens;
        for (size_t at = 0; at <= tokens->count; at++) {
            const uint32_t id = at < tokens->count ? (uint32_t)tokens->ids[at] : UINT32_MAX;
            for (uint32_t shift = 0; shift < 32; shift += 8)
                hash = (hash ^ (id >> shift & 255u)) * 0x100000001b3u;
        }
    }
    return hash;
}

static int encode_rows(train_job *of)
{
    row_format how = {of->model, of->raw, of->distill, of->params.row_tokens_max, of->limit};
    int status = train_rows_encode(&of->rows, &how);
    how.prompts_only = true;
    how.rows_max = of->dev_prompts;
    if (status == GO_ON && of->dev != NULL)
        status = train_rows_encode(&of->dev_rows, &how);
    how.prompts_only = false;
    if (status == GO_ON && of->distill)
        status = train_distill(of);
    if (status == GO_ON && of->distill)
        status = train_rows_check(&of->rows, &how);
    if (status == GO_ON) {
        train_rows_report(&of->rows);
        train_rows_report(&of->dev_rows);
    }
    of->measure.prompts = (uint32_t)of->dev_rows.count;
    of->measure.prompts_hash = hash_prompts(&of->dev_rows);
    of->measure.every = of->eval_every;
    return status;
}

int train_job_check_out(const train_job *of)
{
    struct stat file;
    if (stat(of->out, &file) != 0 || S_ISREG(file.st_mode))
        return GO_ON;
    return report("%s: is %s", of->out,
                  S_ISDIR(file.st_mode) ? "a folder" : "not a regular file");
}

/* Hours of work end in this folder: whether it can take them is better known before. */
static int check_folder(train_job *of)
{
    const char *slash = strrchr(of->out, '/');
    if (slash != NULL)
        buffer_append(&of->folder, of->out, (size_t)(slash - of->out) + 1);
    else
        buffer_text(&of->folder, ".");
    buffer_append(&of->folder, "", 1);
    return access(of->folder.bytes, W_OK) == 0
               ? GO_ON
               : report("%s: %s: %s", of->out, of->folder.bytes, strerror(errno));
}

int train_job_prepare(train_job *of)
{
    int status = train_job_check_out(of);
    if (status == GO_ON)
        status = check_folder(of);
    if (status == GO_ON)
        status = read_rows(of);
    if (status == GO_ON)
        status = train_blas_open(of->blas, of->settings.threads, &of->sgemm);
    if (status == GO_ON)
        status = settings_load(&of->settings, &of->model);
    if (status != GO_ON)
        return status;
    settle_params(of);
    status = encode_rows(of);
    return status == GO_ON ? plan_steps(of) : status;
}

static ss_status add_rows(const train_job *of, ss_trainer *trainer, ss_error *error)
{
    ss_status status = SS_OK;
    for (size_t i = 0; i < of->rows.count && status == SS_OK; i++) {
        const train_row *row = &of->rows.rows[i];
        status = ss_trainer_add_row(trainer, row->tokens.ids, row->tokens.count,
                                    row->prompt_count, error);
    }
    for (size_t i = 0; i < of->dev_rows.count && status == SS_OK; i++) {
        const token_list *prompt = &of->dev_rows.rows[i].tokens;
        status = ss_trainer_add_dev_prompt(trainer, prompt->ids, prompt->count, error);
    }
    return status;
}

int train_job_trainer(const train_job *of, const char *start,
                      const uint32_t steps[SS_STAGE_COUNT], ss_trainer **trainer)
{
    ss_train_params params = of->params;
    ss_error error;
    ss_error_init(&error, sizeof error);
    params.start = start;
    memcpy(params.steps, steps, sizeof params.steps);
    *trainer = NULL;
    ss_status status = ss_trainer_create(of->model, &params, trainer, &error);
    if (status == SS_OK)
        status = add_rows(of, *trainer, &error);
    if (status == SS_OK)
        status = ss_trainer_begin(*trainer, &error);
    if (status == SS_OK)
        return GO_ON;
    ss_trainer_free(*trainer);
    *trainer = NULL;
    const bool about_start = status == SS_ERROR_FORMAT || status == SS_ERROR_MISMATCH ||
                             status == SS_ERROR_UNSUPPORTED;
    return report_error(about_start ? start : NULL, &error);
}

void train_job_free(train_job *of)
{
    train_rows_free(&of->rows);
    train_rows_free(&of->dev_rows);
    buffer_free(&of->folder);
    ss_model_free(of->model);
}
