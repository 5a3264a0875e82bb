/* SPDX-License-Identifier: Apache-2.0 */
/* plot: logs of trainings as a picture. One log is shown in full, a line a stream; several are
 * compared, a line a log, its streams' mean. */
#include "args.h"
#include "chart.h"
#include "commands.h"
#include "file_uses.h"
#include "file_write.h"
#include "output.h"
#include "report.h"
#include "train_curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 160u /* of a line: steps between are averaged */
#define PAGE_WIDTH 1040.0
#define CHART_WIDTH 520.0
#define CHART_HEIGHT 300.0
#define MOST_LINES (LIST_MOST * 2 + MOST_STREAMS + 2)

typedef struct plot_log {
    train_curves curves;
    char name[64];
} plot_log;

typedef struct plot {
    plot_log logs[LIST_MOST];
    size_t log_count;
    chart_line lines[MOST_LINES];
    size_t line_count;
} plot;

typedef double step_value(const ss_train_report *step, int stream, uint32_t stream_count);

/* A stream's value, or with stream -1 the mean of those there are; NaN: the step has none. */
static double of_streams(const double *values, const double *losses, int stream, uint32_t count)
{
    double sum = 0;
    if (losses[0] <= 0 && losses[count > 1 ? 1 : 0] <= 0)
        return (double)NAN;
    if (stream >= 0)
        return values[stream];
    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

static double stream_loss(const ss_train_report *step, int stream, uint32_t count)
{
    return of_streams(step->stream_loss, step->stream_loss, stream, count);
}

static double stream_top1(const ss_train_report *step, int stream, uint32_t count)
{
    return of_streams(step->stream_top1, step->stream_loss, stream, count);
}

static double main_loss(const ss_train_report *step, int stage, uint32_t count)
{
    (void)count;
    return step->stage == stage && step->main_loss > 0 ? step->main_loss : (double)NAN;
}

static double main_top1(const ss_train_report *step, int stage, uint32_t count)
{
    (void)count;
    return step->stage == stage && step->main_loss > 0 ? step->main_top1 : (double)NAN;
}

static chart_line *add_line(plot *to, const char *name, unsigned colour, size_t count)
{
    chart_line *line = &to->lines[to->line_count++];
    *line = (chart_line){.name = name, .colour = colour};
    line->x = take_memory(count, sizeof *line->x);
    line->y = take_memory(count, sizeof *line->y);
    return line;
}

static void clear_lines(plot *of)
{
    for (size_t i = 0; i < of->line_count; i++) {
        free(of->lines[i].x);
        free(of->lines[i].y);
    }
    of->line_count = 0;
}

/* Means over runs of steps; a line without a single value is not drawn. */
static void add_steps(plot *to, const plot_log *log, const char *name, unsigned colour,
                      bool dashed, step_value *value, int which)
{
    const train_curves *from = &log->curves;
    const uint32_t streams = from->stream_count > 0 ? from->stream_count : 1;
    const size_t run = (from->step_count + POINTS - 1) / POINTS;
    chart_line *line = add_line(to, name, colour, POINTS + 1);
    bool any = false;
    line->dashed = dashed;
    for (size_t begin = 0; begin < from->step_count; begin += run) {
        double sum = 0, last = 0;
        size_t count = 0;
        for (size_t i = begin; i < begin + run && i < from->step_count; i++) {
            double y = value(&from->steps[i], which, streams);
            last = from->steps[i].total_step;
            sum += isfinite(y) ? y : 0;
            count += isfinite(y) != 0;
        }
        line->x[line->count] = last;
        line->y[line->count++] = count > 0 ? sum / (double)count : (double)NAN;
        any |= count > 0;
    }
    if (!any)
        line->count = 0;
}

static void add_all_steps(plot *of, step_value *streams, step_value *others)
{
    static const char *const names[] = {"stream 1", "stream 2", "stream 3", "stream 4",
                                        "stream 5", "stream 6", "stream 7", "stream 8"};
    if (of->log_count > 1) {
        for (size_t i = 0; i < of->log_count; i++) {
            unsigned colour = (unsigned)(i % CHART_COLOURS);
            add_steps(of, &of->logs[i], of->logs[i].name, colour, false, streams, -1);
            add_steps(of, &of->logs[i], "main", colour, true, others, SS_STAGE_MAIN);
        }
        return;
    }
    add_steps(of, &of->logs[0], "main", CHART_GREY, false, others, SS_STAGE_MAIN);
    for (uint32_t i = 0; i < of->logs[0].curves.stream_count; i++)
        add_steps(of, &of->logs[0], names[i], i, false, streams, (int)i);
    add_steps(of, &of->logs[0], "pruner", CHART_GREY, true, others, SS_STAGE_PRUNE);
}

static void add_dev(plot *of)
{
    for (size_t i = 0; i < of->log_count; i++) {
        const plot_log *log = &of->logs[i];
        chart_line *line = add_line(of, of->log_count > 1 ? log->name : "best:8",
                                    (unsigned)(i % CHART_COLOURS), log->curves.dev_count);
        line->dots = true;
        for (size_t j = 0; j < log->curves.dev_count; j++) {
            line->x[j] = log->curves.devs[j].total_step;
            line->y[j] = log->curves.devs[j].of.tokens_per_step;
        }
        line->count = log->curves.dev_count;
    }
}

/* Of the first and of the last measurement; of several logs the last alone. */
static void add_acceptance(plot *of)
{
    for (size_t i = 0; i < of->log_count; i++) {
        const train_curves *from = &of->logs[i].curves;
        for (size_t j = of->log_count > 1 || from->dev_count < 2; j < 2; j++) {
            if (from->dev_count == 0)
                continue;
            const ss_train_evaluation *dev = &from->devs[j == 0 ? 0 : from->dev_count - 1].of;
            chart_line *line =
                add_line(of,
                         of->log_count > 1 ? of->logs[i].name
                         : j == 0          ? "first"
                                           : "last",
                         j == 0 ? CHART_GREY : (unsigned)(i % CHART_COLOURS), MOST_STREAMS);
            line->dots = true;
            line->dashed = j == 0;
            for (uint32_t depth = 0; depth < from->stream_count; depth++) {
                line->x[depth] = depth + 1;
                line->y[depth] = dev->acceptance[depth];
            }
            line->count = from->stream_count;
        }
    }
}

static size_t find_stages(const plot *of, chart_mark marks[SS_STAGE_COUNT])
{
    const train_curves *from = &of->logs[0].curves;
    size_t count = 0;
    for (size_t i = 0; of->log_count == 1 && i < from->step_count; i++)
        if ((i == 0 || from->steps[i].stage != from->steps[i - 1].stage) &&
            count < SS_STAGE_COUNT)
            marks[count++] =
                (chart_mark){from->steps[i].total_step, train_stage_name(from->steps[i].stage)};
    return count;
}

static void draw(plot *of, buffer *to)
{
    chart_mark marks[SS_STAGE_COUNT];
    const size_t mark_count = find_stages(of, marks);
    chart at = {.width = CHART_WIDTH,
                .height = CHART_HEIGHT,
                .x_name = "step",
                .lines = of->lines,
                .marks = marks,
                .mark_count = mark_count};
    chart_begin(to, PAGE_WIDTH, 2 * CHART_HEIGHT, "How a training went");
    add_all_steps(of, stream_loss, main_loss);
    at.title = of->log_count > 1 ? "Loss, mean of the streams" : "Loss";
    at.line_count = of->line_count;
    chart_draw(to, &at);
    clear_lines(of);

    add_all_steps(of, stream_top1, main_top1);
    at.title = of->log_count > 1 ? "Likeliest token is right, mean of the streams"
                                 : "Likeliest token is right";
    at.left = CHART_WIDTH;
    at.percent = true;
    at.line_count = of->line_count;
    chart_draw(to, &at);
    clear_lines(of);

    add_dev(of);
    at.title = "Tokens a step on dev";
    at.left = 0;
    at.top = CHART_HEIGHT;
    at.percent = false;
    at.line_count = of->line_count;
    chart_draw(to, &at);
    clear_lines(of);

    add_acceptance(of);
    at.title = "Steps that accept so many drafted tokens, or more";
    at.x_name = "drafted tokens";
    at.left = CHART_WIDTH;
    at.percent = at.whole = true;
    at.mark_count = 0;
    at.line_count = of->line_count;
    chart_draw(to, &at);
    clear_lines(of);
    chart_end(to);
}

/* The file's name, without folder and ".gguf.log.jsonl". */
static void name_log(const char *path, char name[64])
{
    static const char *const endings[] = {".jsonl", ".log", ".gguf"};
    const char *slash = strrchr(path, '/');
    size_t length = (size_t)snprintf(name, 64, "%s", slash != NULL ? slash + 1 : path);
    length = length < 64 ? length : 63;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t cut = strlen(endings[i]);
        if (length > cut && strcmp(name + length - cut, endings[i]) == 0)
            name[length -= cut] = '\0';
    }
}

static int read_logs(plot *to, const text_list *paths)
{
    int status = GO_ON;
    for (size_t i = 0; i < paths->count && status == GO_ON; i++) {
        plot_log *log = &to->logs[to->log_count++];
        name_log(paths->items[i], log->name);
        status = train_curves_read(paths->items[i], UINT32_MAX, &log->curves);
        if (status != GO_ON)
            break;
        if (log->curves.problem[0] != '\0')
            status = report("%s, %s", paths->items[i], log->curves.problem);
        else if (log->curves.step_count == 0)
            status = report("%s: no steps in it", paths->items[i]);
    }
    return status;
}

static int read_arguments(text_list *logs, const char **out, int count, char **arguments)
{
    const option options[] = {
        {OPTION_TEXT, "-o", "FILE", "the picture, SVG [standard output]", out, 0, 0, 0},
    };
    const command_line line = {
        .command = "plot",
        .summary = "Draws logs of trainings: losses, accuracies, tokens a step, acceptance.",
        .usage = "ADAPTER.log.jsonl... [-o FILE.svg]",
        .notes = "One log is shown in full; several are compared.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .positionals = logs,
    };
    int status = args_read(&line, count, arguments);
    if (status == GO_ON && logs->count == 0)
        return usage_error("plot", "no log is given");
    file_uses files = {0};
    for (size_t i = 0; i < logs->count; i++)
        file_uses_read(&files, "the log", logs->items[i]);
    file_uses_write(&files, "-o", *out, "");
    return status == GO_ON ? file_uses_check(&files, "plot") : status;
}

int cmd_plot(int count, char **arguments)
{
    static plot all; /* large */
    text_list paths = {0};
    const char *out = NULL;
    buffer picture = {0};
    int status = read_arguments(&paths, &out, count, arguments);
    if (status == GO_ON)
        status = read_logs(&all, &paths);
    if (status == GO_ON) {
        draw(&all, &picture);
        status = EXIT_DONE;
        if (out != NULL)
            status = file_write_whole(out, &picture);
        else
            output_bytes(picture.bytes, picture.length);
    }
    for (size_t i = 0; i < all.log_count; i++)
        train_curves_free(&all.logs[i].curves);
    buffer_free(&picture);
    return status;
}
