/* SPDX-License-Identifier: Apache-2.0 */
#include "train_end.h"
#include "json_write.h"
#include "stopwatch.h"
#include "train_live.h"

#include <stdio.h>

int train_end_log(const train_job *job, const train_curves *curves, const dev_point *dev,
                  bool stopped_early, train_log *log)
{
    const train_sums sums = train_curves_sums(curves);
    ss_adapter_file_info info = {.struct_size = sizeof info};
    buffer *line = &log->line;
    (void)ss_adapter_read_file_info(job->out, &info, NULL);
    train_log_open(log, "end");
    json_text(line, "adapter", job->out);
    json_count(line, "file_bytes", info.file_bytes);
    json_count(line, "parameters", info.parameter_count);
    json_count(line, "steps", curves->step_count);
    json_count(line, "positions", sums.positions);
    json_number(line, "positions_per_hour", sums.positions_per_hour);
    for (int32_t stage = 0; stage < SS_STAGE_COUNT; stage++) {
        char key[32];
        snprintf(key, sizeof key, "%s_seconds", train_stage_name(stage));
        json_number(line, key, sums.stage_seconds[stage]);
    }
    json_number(line, "gemm_gflops", ratio(sums.product_flops * 1e-9, sums.product_seconds));
    json_number(line, "product_share", ratio(sums.product_seconds, sums.seconds));
    json_number(line, "engine_share", ratio(sums.engine_seconds, sums.seconds));
    json_bool(line, "stopped_early", stopped_early);
    json_count(line, "peak_rss_bytes", peak_rss_bytes());
    if (dev != NULL)
        json_number(line, "dev_tokens_per_step", dev->of.tokens_per_step);
    else
        json_raw(line, "dev_tokens_per_step", "null", 4);
    int status = train_log_close(log);
    char time[TIME_BYTES];
    train_live_time(train_log_seconds(log), time);
    const bool many = sums.positions >= 100000;
    fprintf(stderr, "%s: %.1f MB, %.*f%s positions in %s", job->out,
            (double)info.file_bytes * 1e-6, many ? 2 : 0,
            (double)sums.positions * (many ? 1e-6 : 1), many ? " million" : "", time);
    if (sums.positions_per_hour > 0)
        fprintf(stderr, " (%.2f million an hour while streams were trained)",
                sums.positions_per_hour * 1e-6);
    if (dev != NULL)
        fprintf(stderr, ", %.2f tokens a step on dev", dev->of.tokens_per_step);
    fprintf(stderr, "\n");
    return status;
}
