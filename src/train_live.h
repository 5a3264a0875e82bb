/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees of a training while it runs, on stderr: on a terminal that is wide enough a few
 * lines that are written over, elsewhere a plain line now and then. */
#ifndef TRAIN_LIVE_H
#define TRAIN_LIVE_H

#include "train_curves.h"

#include <stdbool.h>

typedef struct train_live {
    uint32_t stream_count;
    int drawn;      /* lines of it now on the terminal */
    double next_ms; /* when to write again */
    ss_train_report
        mean; /* losses, shares and time smoothed over the last steps of the stage */
    uint64_t positions_before;
    double positions_per_second;
    double tokens_per_step; /* on dev; 0: not measured yet */
    uint32_t measured_at;
} train_live;

void train_live_begin(uint32_t stream_count, train_live *to);
void train_live_step(train_live *of, const ss_train_report *step);
void train_live_dev(train_live *of, uint32_t total_step, const ss_train_evaluation *dev);

/* What is drawn stays; the next line on stderr stands below it. */
void train_live_end(train_live *of);

/* Whether such lines can be written over now: terminals are made wider and narrower. */
bool train_live_rewrites(void);

/* "1:02:03" or "4:05". */
#define TIME_BYTES 24u
void train_live_time(double seconds, char text[TIME_BYTES]);

#endif
