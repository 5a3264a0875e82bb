/* SPDX-License-Identifier: Apache-2.0 */
/* train: from a model and rows of prompts and completions to an adapter. */
#include "commands.h"
#include "report.h"
#include "train_course.h"
#include "train_shape.h"
#include "train_usage.h"

#include <string.h>

/* Rows of the option table, over a variable `of` of type train_job. */
#define FILE_OPTIONS                                                                           \
    MODEL_OPTION(of->settings),                                                                \
    {OPTION_TEXT, "-d", "FILE", "rows to train on: {\"id\", \"prompt\", \"completion\"} a line",\
     &of->data, 0, 0, 0},                                                                      \
    {OPTION_TEXT, "--dev", "FILE", "rows whose prompts drafts are measured on", &of->dev, 0, 0,\
     0},                                                                                       \
    {OPTION_TEXT, "-o", "ADAPTER", "the file to write", &of->out, 0, 0, 0},                    \
    {OPTION_TEXT, "-a", "ADAPTER", "go on from this one, whose shape it keeps", &params->start,\
     0, 0, 0},                                                                                 \
    {OPTION_TEXT, "--name", "TEXT", "what the adapter is called", &params->name, 0, 0, 0},     \
    {OPTION_FLAG, "--resume", 0, "go on from the last checkpoint, where there is one",         \
     &of->resume, 0, 0, 0},                                                                    \
    {OPTION_FLAG, "--json", 0, "the log on standard output, too", &of->json, 0, 0, 0}

#define DATA_OPTIONS                                                                           \
    {OPTION_GROUP, 0, 0, "rows", 0, 0, 0, 0},                                                  \
    {OPTION_FLAG, "--raw", 0, "text as it stands, without the model's chat template",          \
     &of->raw, 0, 0, 0},                                                                       \
    {OPTION_COUNT, "--limit", "ROWS",                                                          \
     "the first ROWS rows only; shared with --distill: to answer", &of->limit, 1,              \
     4294967295.0, 0},                                                                         \
    {OPTION_COUNT, "--row-tokens", "N", "longer rows are left out", &params->row_tokens_max, 4,\
     1048576, 0},                                                                              \
    {OPTION_FLAG, "--distill", 0,                                                              \
     "the model, tuned first if shared, writes the completions itself", &of->distill, 0, 0, 0},\
    {OPTION_COUNT, "--distill-tokens", "N", "most tokens of one that it writes",               \
     &of->distill_tokens, 2, 1048576, 0},                                                      \
    {OPTION_TEXT, "--distilled", "FILE", "where they are kept [beside the rows]",              \
     &of->distilled, 0, 0, 0}

#define SHAPE_OPTIONS                                                                          \
    {OPTION_GROUP, 0, 0, "the adapter", 0, 0, 0, 0},                                           \
    {OPTION_CHOICE, "--mode", 0,                                                               \
     "lossless: the model's answers stay what they are; shared: it is tuned, then taught to "  \
     "draft; joint: both at once [lossless]", &params->mode, 0, 0, "lossless|shared|joint"},   \
    {OPTION_COUNT, "--streams", "G", "tokens drafted ahead", &params->stream_count, 1, 8, 0},  \
    {OPTION_COUNT, "--msa-layers", "S", "layers the streams run through, from the top; 0: 8, or all", \
     &params->msa_layer_count, 0, 4096, 0},                                                    \
    {OPTION_COUNT, "--rank", "R", "of the LoRA that tunes the model, or of lossless streams'", \
     &params->main_rank, 1, 256, 0},                                                           \
    {OPTION_COUNT, "--stream-rank", "R", "of the streams' LoRA", &params->stream_rank, 1, 256, \
     0},                                                                                       \
    {OPTION_COUNT, "--root", "R", "rank of the root terms; 0: none", &params->root_rank, 0,    \
     256, 0},                                                                                  \
    {OPTION_COUNT, "--parent", "R", "rank of the parent term; 0: none", &params->parent_rank,  \
     0, 256, 0},                                                                               \
    {OPTION_COUNT, "--init", "R", "rank of the streams' first map; 0: the identity",           \
     &params->init_rank, 0, 256, 0},                                                           \
    {OPTION_COUNT, "--prune-rank", "R", "of the pruner; 0: none", &params->prune_rank, 0, 256, \
     0},                                                                                       \
    {OPTION_COUNT, "--draft-vocab", "N",                                                       \
     "tokens it can draft, the data's likeliest; 0: all",                    \
     &params->draft_vocabulary_size, 0, 1048576, 0},                                           \
    {OPTION_FLAG, "--value-rotation", 0, "tell streams apart by rotated values, not embeddings",\
     &of->value_rotation, 0, 0, 0}

#define LEARNING_OPTIONS                                                                       \
    {OPTION_GROUP, 0, 0, "how long (one of three; an hour unless said)", 0, 0, 0, 0},          \
    {OPTION_COUNT, "--steps", "K", "optimiser steps, of all stages together", &of->steps, 1,   \
     100000000, 0},                                                                            \
    {OPTION_REAL, "--epochs", "E", "passes of the streams over the rows", &of->epochs,         \
     0.001, 10000, 0},                                                                         \
    {OPTION_REAL, "--minutes", "M", "made into steps by the speed of the first ones",          \
     &of->minutes, 0.001, 100000, 0},                                                          \
    {OPTION_TEXT, "--shares", "M,S,P", "parts of it for model, streams and pruner",            \
     &of->shares, 0, 0, 0},                                                                    \
    {OPTION_GROUP, 0, 0, "how", 0, 0, 0, 0},                                                   \
    {OPTION_COUNT, "--batch", "B", "rows of a step", &params->batch_rows, 1, 1024, 0},         \
    {OPTION_REAL, "--lr", "X", "highest rate of the tuning LoRA, or lossless streams;"         \
     " 0: the usual", &of->rate, 0, 1, 0},                                                     \
    {OPTION_REAL, "--stream-lr", "X", "highest rate of the streams; 0: the usual",             \
     &of->stream_rate, 0, 1, 0},                                                            \
    {OPTION_REAL, "--teacher", "X", "share of the model's own distribution in the targets",    \
     &params->teacher_weight, 0, 1, 0},                                                        \
    {OPTION_SEED, "--seed", "S", "64 bits", &params->seed, 0, 0, 0},                           \
    {OPTION_COUNT, "--eval-every", "K", "steps between measurements on dev [a tenth of all]",  \
     &of->eval_every, 1, 100000000, 0},                                                        \
    {OPTION_COUNT, "--dev-prompts", "N", "the first N of dev", &of->dev_prompts, 1, 100000, 0}

/* In lossless mode the LoRA that --rank means is the streams'. */
static int read_options(train_job *of, const command_line *line, int count, char **arguments)
{
    ss_train_params *params = &of->params;
    const uint32_t main_rank = params->main_rank;
    const int status = args_read(line, count, arguments);
    if (status == GO_ON && params->mode == SS_TRAIN_LOSSLESS &&
        args_have(line, count, arguments, "--rank")) {
        params->stream_rank = params->main_rank;
        params->main_rank = main_rank;
    }
    return status;
}

static int read_arguments(train_job *of, int count, char **arguments)
{
    ss_train_params *params = &of->params;
    const option options[] = {
        FILE_OPTIONS,
        LEARNING_OPTIONS,
        SHAPE_OPTIONS,
        DATA_OPTIONS,
        {OPTION_GROUP, 0, 0, "machine", 0, 0, 0, 0},
        {OPTION_COUNT, "--threads", "N", "threads; 0: one per core", &of->settings.threads, 0,
         256, 0},
        {OPTION_REAL, "--keep", "GB",
         "disk, in ADAPTER's folder, for the model's states of rows that come again; 0: none",
         &of->keep, 0, 1e6, 0},
        {OPTION_TEXT, "--blas", "FILE",
         "a library with cblas_sgemm, or none [OpenBLAS, if it is there]", &of->blas, 0, 0, 0},
    };
    const command_line line = {
        .command = "train",
        .summary = "Trains an adapter: a model learns to draft for itself.",
        .usage = "-m MODEL -d ROWS.jsonl -o ADAPTER [OPTION...]",
        .notes = "Beside ADAPTER stand ADAPTER.checkpoint and ADAPTER.log.jsonl (see: specstream "
                 "plot).\nThe log's last line holds \"positions\", \"positions_per_hour\", "
                 "\"seconds\",\n\"dev_tokens_per_step\". With --mode shared --distill the tuning "
                 "is a training of its own,\nand ADAPTER.tuned its result.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = read_options(of, &line, count, arguments);
    if (status != GO_ON)
        return status;
    if (of->settings.model == NULL)
        return usage_error("train", "-m MODEL is missing");
    if (of->data == NULL)
        return usage_error("train", "-d ROWS is missing");
    if (of->out == NULL)
        return usage_error("train", "-o ADAPTER is missing");
    if ((of->steps > 0) + (of->epochs > 0) + (of->minutes > 0) > 1)
        return usage_error("train", "one of --steps, --epochs and --minutes is enough");
    if (of->distill && of->distilled == NULL && strcmp(of->data, "-") == 0)
        return usage_error("train", "rows from standard input: --distilled FILE is needed");
    if (params->start != NULL) {
        /* Read once more over its shape: what then differs has been asked for. */
        ss_adapter_file_info start;
        status = train_shape_take(of, &start);
        if (status == GO_ON)
            status = read_options(of, &line, count, arguments);
        if (status == GO_ON)
            status = train_shape_check(of, &start);
    }
    if (status == GO_ON)
        status = train_job_take_parts(of);
    return status == GO_ON ? train_usage_check(of, &line, count, arguments) : status;
}

int cmd_train(int count, char **arguments)
{
    train_job of = {
        .settings = SETTINGS_DEFAULT,
        .dev_prompts = 24,
        .distill_tokens = 160,
        .keep = 4,
        .measure = {.tokens = 96},
    };
    ss_train_params_init(&of.params, sizeof of.params);
    int status = read_arguments(&of, count, arguments);
    return status == GO_ON ? train_course(&of) : status;
}
