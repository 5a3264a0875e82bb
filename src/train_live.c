/* SPDX-License-Identifier: Apache-2.0 */
#include "train_live.h"
#include "buffer.h"
#include "stopwatch.h"
#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

#define REDRAW_MS 200.0
#define PLAIN_MS 30000.0
#define SMOOTH 0.05 /* the last step's share in a mean */
#define BAR 24u
#define COLUMNS 80u /* of the longest line, and one more */

void train_live_begin(uint32_t stream_count, train_live *to)
{
    *to = (train_live){.stream_count = stream_count};
}

bool train_live_rewrites(void)
{
    return terminal_rewrites(STDERR_FILENO, COLUMNS);
}

void train_live_time(double seconds, char text[TIME_BYTES])
{
    unsigned whole = seconds > 0 && seconds < 1e7 ? (unsigned)(seconds + 0.5) : 0;
    if (whole >= 3600)
        snprintf(text, TIME_BYTES, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, TIME_BYTES, "%u:%02u", whole / 60, whole % 60);
}

static void smooth(double *mean, double value, bool first)
{
    *mean = first ? value : *mean + SMOOTH * (value - *mean);
}

static void take(train_live *of, const ss_train_report *step)
{
    const bool first = of->mean.struct_size == 0 || of->mean.stage != step->stage;
    ss_train_report *mean = &of->mean;
    double seconds = (double)step->step_ns * 1e-9, ns = (double)mean->step_ns;
    smooth(&mean->main_loss, step->main_loss, first);
    smooth(&mean->main_top1, step->main_top1, first);
    for (uint32_t i = 0; i < of->stream_count; i++) {
        smooth(&mean->stream_loss[i], step->stream_loss[i], first);
        smooth(&mean->stream_top1[i], step->stream_top1[i], first);
    }
    smooth(&ns, (double)step->step_ns, first);
    mean->step_ns = (uint64_t)ns;
    if (first)
        of->positions_per_second = 0;
    if (seconds > 0 && step->positions > of->positions_before)
        smooth(&of->positions_per_second,
               (double)(step->positions - of->positions_before) / seconds,
               of->positions_per_second <= 0);
    of->positions_before = step->positions;
    mean->struct_size = sizeof *mean;
    mean->stage = step->stage;
    mean->step = step->step;
    mean->stage_steps = step->stage_steps;
    mean->total_step = step->total_step;
    mean->total_steps = step->total_steps;
    mean->done = step->done;
}

/* How long the rest takes if it goes on as now. */
static double seconds_left(const ss_train_report *mean)
{
    return (double)(mean->total_steps - mean->total_step) * (double)mean->step_ns * 1e-9;
}

static bool has_streams(const train_live *of)
{
    for (uint32_t i = 0; i < of->stream_count; i++)
        if (of->mean.stream_loss[i] > 0)
            return true;
    return false;
}

static void add_bar(buffer *to, double share)
{
    unsigned eighths = (unsigned)(share * BAR * 8 + 0.5);
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    for (unsigned i = 0; i < BAR; i++, eighths -= eighths < 8 ? eighths : 8)
        buffer_text(to, eighths >= 8 ? "█" : eighths > 0 ? parts[eighths] : "·");
}

static void add_row(buffer *to, const char *name, double of_main, const double *of_streams,
                    uint32_t streams, const char *format, double factor)
{
    buffer_format(to, "  %-6s", name);
    if (of_main > 0)
        buffer_format(to, format, of_main * factor);
    else
        buffer_text(to, "      ·");
    for (uint32_t i = 0; i < streams; i++)
        buffer_format(to, format, of_streams[i] * factor);
    buffer_text(to, "\033[K\n");
}

/* Five lines of at most 79 columns: where it stands, and a small table. */
static void draw(train_live *of)
{
    const ss_train_report *mean = &of->mean;
    const uint32_t streams = has_streams(of) ? of->stream_count : 0;
    char left[TIME_BYTES];
    buffer text = {0};
    train_live_time(seconds_left(mean), left);
    if (of->drawn > 0)
        buffer_format(&text, "\033[%dA\r", of->drawn);
    buffer_format(&text, "%-7s %6u/%-6u ", train_stage_name(mean->stage), mean->step,
                  mean->stage_steps);
    add_bar(&text, (double)mean->total_step / (double)mean->total_steps);
    buffer_format(&text, " %3.0f %%  %s left\033[K\n",
                  100.0 * (double)mean->total_step / (double)mean->total_steps, left);
    buffer_text(&text, "          main");
    for (uint32_t i = 0; i < streams; i++)
        buffer_format(&text, "     s%u", i + 1);
    buffer_text(&text, "\033[K\n");
    add_row(&text, "loss", mean->main_loss, mean->stream_loss, streams, "%7.2f", 1);
    add_row(&text, "top-1", mean->main_top1, mean->stream_top1, streams, "%6.0f%%", 100);
    if (of->positions_per_second > 0)
        buffer_format(&text, "  %.0f positions/s", of->positions_per_second);
    if (of->tokens_per_step > 0)
        buffer_format(&text, "  %.2f tokens a step on dev (step %u)", of->tokens_per_step,
                      of->measured_at);
    buffer_text(&text, "\033[K\n");
    fwrite(text.bytes, 1, text.length, stderr);
    of->drawn = 5;
    buffer_free(&text);
}

static void add_list(buffer *to, const char *name, double of_main, const double *of_streams,
                     uint32_t streams, const char *format, double factor)
{
    buffer_format(to, ", %s", name);
    if (of_main > 0)
        buffer_format(to, format, of_main * factor);
    for (uint32_t i = 0; i < streams; i++)
        buffer_format(to, format, of_streams[i] * factor);
}

static void print_plain(train_live *of)
{
    const ss_train_report *mean = &of->mean;
    const uint32_t streams = has_streams(of) ? of->stream_count : 0;
    char left[TIME_BYTES];
    buffer text = {0};
    train_live_time(seconds_left(mean), left);
    buffer_format(&text, "%s %u/%u", train_stage_name(mean->stage), mean->step,
                  mean->stage_steps);
    add_list(&text, "loss", mean->main_loss, mean->stream_loss, streams, " %.2f", 1);
    add_list(&text, "top-1 %", mean->main_top1, mean->stream_top1, streams, " %.0f", 100);
    if (of->tokens_per_step > 0)
        buffer_format(&text, ", dev %.2f tokens a step", of->tokens_per_step);
    if (of->positions_per_second > 0)
        buffer_format(&text, ", %.0f positions/s", of->positions_per_second);
    buffer_format(&text, ", %s left\n", left);
    fwrite(text.bytes, 1, text.length, stderr);
    of->drawn = 0; /* it stands below what was drawn */
    buffer_free(&text);
}

void train_live_step(train_live *of, const ss_train_report *step)
{
    const double now = now_ms();
    const bool first = of->mean.struct_size == 0;
    take(of, step);
    if (first && !train_live_rewrites())
        of->next_ms = now + PLAIN_MS;
    if (now < of->next_ms && !step->done && step->step < step->stage_steps)
        return;
    const bool table = train_live_rewrites();
    of->next_ms = now + (table ? REDRAW_MS : PLAIN_MS);
    if (table)
        draw(of);
    else
        print_plain(of);
}

void train_live_dev(train_live *of, uint32_t total_step, const ss_train_evaluation *dev)
{
    of->tokens_per_step = dev->tokens_per_step;
    of->measured_at = total_step;
    if (train_live_rewrites())
        draw(of);
}

void train_live_end(train_live *of)
{
    of->drawn = 0;
}
