/* SPDX-License-Identifier: Apache-2.0 */
#include "train_curves.h"
#include "json_lines.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stage_names[SS_STAGE_COUNT] = {"main", "streams", "prune"};

const char *train_stage_name(ss_train_stage stage)
{
    return stage >= 0 && stage < SS_STAGE_COUNT ? stage_names[stage] : "?";
}

void train_curves_add_step(train_curves *to, const ss_train_report *step)
{
    to->steps = grow_memory(to->steps, to->step_count, &to->step_capacity, sizeof *to->steps);
    to->steps[to->step_count++] = *step;
}

void train_curves_add_dev(train_curves *to, uint32_t total_step, const ss_train_evaluation *of)
{
    to->devs = grow_memory(to->devs, to->dev_count, &to->dev_capacity, sizeof *to->devs);
    to->devs[to->dev_count++] = (dev_point){total_step, *of};
}

void train_curves_free(train_curves *of)
{
    free(of->steps);
    free(of->devs);
    *of = (train_curves){0};
}

typedef struct log_line { /* of any kind; keys it lacks stay 0 */
    buffer event, stage, dev_prompts_hash;
    ss_train_report step;
    ss_train_evaluation dev;
    dev_begun begun;
    double seconds, streams;
} log_line;

/* The number of an unknown key is passed over, as everything else that isn't known. */
static void read_value(json_cursor *in, const buffer *key, log_line *to)
{
    const struct {
        const char *key;
        double *value;
    } reals[] = {{"main_loss", &to->step.main_loss},
                 {"main_top1", &to->step.main_top1},
                 {"gradient_norm", &to->step.gradient_norm},
                 {"rate", &to->step.rate},
                 {"product_flops", &to->step.product_flops},
                 {"tokens_per_step", &to->dev.tokens_per_step},
                 {"seconds", &to->seconds},
                 {"streams", &to->streams},
                 {"dev_prompts", &to->begun.prompts},
                 {"eval_every", &to->begun.every}};
    const struct {
        const char *key;
        uint32_t *value;
    } counts[] = {{"step", &to->step.step},
                  {"stage_steps", &to->step.stage_steps},
                  {"total_step", &to->step.total_step},
                  {"total_steps", &to->step.total_steps}};
    const struct {
        const char *key;
        uint64_t *value;
    } times[] = {{"step_ns", &to->step.step_ns},
                 {"engine_ns", &to->step.engine_ns},
                 {"product_ns", &to->step.product_ns},
                 {"positions", &to->step.positions}};
    const struct {
        const char *key;
        double *values;
    } lists[] = {{"stream_loss", to->step.stream_loss},
                 {"stream_top1", to->step.stream_top1},
                 {"acceptance", to->dev.acceptance}};
    const struct {
        const char *key;
        buffer *text;
    } texts[] = {{"event", &to->event},
                 {"stage", &to->stage},
                 {"dev_prompts_hash", &to->dev_prompts_hash}};
    const char *raw;
    size_t length;
    double number = 0;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_key_is(key, reals[i].key)) {
            json_read_number(in, reals[i].value);
            return;
        }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (json_key_is(key, counts[i].key)) {
            if (json_read_number(in, &number) && number >= 0 && number < 4294967296.0)
                *counts[i].value = (uint32_t)number;
            return;
        }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (json_key_is(key, times[i].key)) {
            if (json_read_number(in, &number) && number >= 0 && number < 1e18)
                *times[i].value = (uint64_t)number;
            return;
        }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (json_key_is(key, lists[i].key)) {
            json_read_numbers(in, lists[i].values, MOST_STREAMS, &length);
            return;
        }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_key_is(key, texts[i].key)) {
            buffer_clear(texts[i].text);
            json_read_string(in, texts[i].text);
            return;
        }
    json_read_raw(in, &raw, &length);
}

static const char *read_line(json_cursor *in, log_line *to)
{
    buffer key = {0};
    json_read_open(in);
    while (in->problem == NULL && json_read_key(in, &key))
        read_value(in, &key, to);
    json_read_end(in);
    buffer_free(&key);
    if (in->problem == NULL && to->event.length == 0)
        return "no \"event\": not a line of a training's log";
    return in->problem;
}

static void keep(train_curves *to, log_line *line)
{
    if (line->streams >= 1 && line->streams <= MOST_STREAMS)
        to->stream_count = (uint32_t)line->streams;
    for (int32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        if (json_key_is(&line->stage, stage_names[stage]))
            line->step.stage = stage;
    if (json_key_is(&line->event, "begin")) {
        const buffer *hash = &line->dev_prompts_hash;
        to->dev_begun = line->begun;
        if (hash->length > 0 && hash->length < sizeof to->dev_begun.prompts_hash)
            memcpy(to->dev_begun.prompts_hash, hash->bytes, hash->length);
    } else if (json_key_is(&line->event, "step"))
        train_curves_add_step(to, &line->step);
    else if (json_key_is(&line->event, "dev"))
        train_curves_add_dev(to, line->step.total_step, &line->dev);
    if (line->seconds > to->seconds)
        to->seconds = line->seconds;
}

int train_curves_read(const char *path, uint32_t before, train_curves *to)
{
    json_lines lines;
    json_cursor in;
    *to = (train_curves){0};
    int status = json_lines_open(path, &lines);
    while (status == GO_ON && to->problem[0] == '\0' && json_lines_next(&lines, &in)) {
        log_line line = {0};
        const char *problem = read_line(&in, &line);
        bool whole = lines.file.bytes[lines.at - 1] == '\n';
        bool later = problem == NULL && line.step.total_step >= before;
        if (problem != NULL)
            snprintf(to->problem, sizeof to->problem, "line %zu, byte %zu: %s", lines.line,
                     (size_t)(in.at - in.begin) + 1, problem);
        else if (!later && whole) {
            keep(to, &line);
            to->bytes = lines.at;
            to->lines++;
        }
        buffer_free(&line.event);
        buffer_free(&line.stage);
        buffer_free(&line.dev_prompts_hash);
        if (later)
            break;
    }
    json_lines_close(&lines);
    return status;
}

train_sums train_curves_sums(const train_curves *of)
{
    train_sums sums = {0};
    double teaching = 0; /* seconds of steps that trained streams */
    for (size_t i = 0; i < of->step_count; i++) {
        const ss_train_report *step = &of->steps[i];
        double seconds = (double)step->step_ns * 1e-9;
        sums.seconds += seconds;
        sums.engine_seconds += (double)step->engine_ns * 1e-9;
        sums.product_seconds += (double)step->product_ns * 1e-9;
        sums.product_flops += step->product_flops;
        if (step->stage >= 0 && step->stage < SS_STAGE_COUNT)
            sums.stage_seconds[step->stage] += seconds;
        if (step->positions > sums.positions) {
            teaching += seconds;
            sums.positions = step->positions;
        }
    }
    if (teaching > 0)
        sums.positions_per_hour = (double)sums.positions * 3600 / teaching;
    return sums;
}
