/* SPDX-License-Identifier: Apache-2.0 */
#include "train_log.h"
#include "file_lock.h"
#include "json_write.h"
#include "output.h"
#include "report.h"
#include "stopwatch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int train_log_take(const char *path, bool echo, train_log *to)
{
    *to = (train_log){.path = strdup(path), .echo = echo, .begin = now_ms()};
    to->file = to->path != NULL ? fopen(path, "ab") : NULL;
    return to->file != NULL ? file_lock(to->file, path) : report("%s: %s", path, strerror(errno));
}

int train_log_begin(train_log *of, size_t bytes, double seconds)
{
    of->begin = now_ms() - seconds * 1e3;
    return ftruncate(fileno(of->file), (off_t)bytes) == 0
               ? GO_ON
               : report("%s: %s", of->path, strerror(errno));
}

double train_log_seconds(const train_log *of)
{
    return (now_ms() - of->begin) * 1e-3;
}

void train_log_open(train_log *of, const char *event)
{
    buffer_clear(&of->line);
    json_open(&of->line);
    json_text(&of->line, "event", event);
}

int train_log_close(train_log *of)
{
    json_number(&of->line, "seconds", train_log_seconds(of));
    json_close(&of->line);
    if (of->echo)
        output_line(&of->line);
    buffer_text(&of->line, "\n");
    errno = 0;
    if (fwrite(of->line.bytes, 1, of->line.length, of->file) == of->line.length &&
        fflush(of->file) == 0)
        return GO_ON;
    return report("%s: %s", of->path, strerror(errno != 0 ? errno : EIO));
}

int train_log_sync(const train_log *of)
{
    if (fsync(fileno(of->file)) == 0 || errno == EINVAL) /* a device has no need */
        return GO_ON;
    return report("%s: %s", of->path, strerror(errno));
}

static void write_list(buffer *to, const char *key, const double *values, uint32_t count)
{
    json_key(to, key);
    buffer_text(to, "[");
    for (uint32_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            buffer_format(to, "%s%.6g", i > 0 ? "," : "", values[i]);
        else
            buffer_text(to, i > 0 ? ",null" : "null");
    buffer_text(to, "]");
}

int train_log_step(train_log *of, const ss_train_report *step, uint32_t stream_count)
{
    buffer *line = &of->line;
    train_log_open(of, "step");
    json_text(line, "stage", train_stage_name(step->stage));
    json_count(line, "step", step->step);
    json_count(line, "stage_steps", step->stage_steps);
    json_count(line, "total_step", step->total_step);
    json_count(line, "total_steps", step->total_steps);
    json_number(line, "main_loss", step->main_loss);
    json_number(line, "main_top1", step->main_top1);
    write_list(line, "stream_loss", step->stream_loss, stream_count);
    write_list(line, "stream_top1", step->stream_top1, stream_count);
    json_number(line, "gradient_norm", step->gradient_norm);
    json_number(line, "rate", step->rate);
    json_count(line, "positions", step->positions);
    json_count(line, "step_ns", step->step_ns);
    json_count(line, "engine_ns", step->engine_ns);
    json_count(line, "product_ns", step->product_ns);
    json_number(line, "product_flops", step->product_flops);
    return train_log_close(of);
}

int train_log_dev(train_log *of, uint32_t total_step, const ss_train_evaluation *dev,
                  uint32_t stream_count)
{
    buffer *line = &of->line;
    train_log_open(of, "dev");
    json_count(line, "total_step", total_step);
    json_count(line, "prompts", dev->prompts);
    json_count(line, "tokens", dev->tokens);
    json_count(line, "steps", dev->steps);
    json_number(line, "tokens_per_step", dev->tokens_per_step);
    write_list(line, "acceptance", dev->acceptance, stream_count);
    return train_log_close(of);
}

void train_log_free(train_log *of)
{
    if (of->file != NULL)
        fclose(of->file);
    free(of->path);
    buffer_free(&of->line);
    *of = (train_log){0};
}
