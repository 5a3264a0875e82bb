/* SPDX-License-Identifier: Apache-2.0 */
/* How a training has gone so far, step by step: kept while it runs, read back from its log to go
 * on, or to be drawn. */
#ifndef TRAIN_CURVES_H
#define TRAIN_CURVES_H

#include "specstream/train.h"

#define MOST_STREAMS 8u

typedef struct dev_point {
    uint32_t total_step; /* after which it was measured */
    ss_train_evaluation of;
} dev_point;

/* What the log's first line says of how drafts were to be measured. */
typedef struct dev_begun {
    double prompts, every;
    char prompts_hash[20]; /* "": it has no such line, or is of a program that did not write this */
} dev_begun;

typedef struct train_curves {
    dev_begun dev_begun;
    ss_train_report *steps;
    size_t step_count, step_capacity;
    dev_point *devs;
    size_t dev_count, dev_capacity;
    uint32_t stream_count;
    double seconds;    /* of the last line read, or 0 */
    size_t bytes;      /* of the log that were read */
    size_t lines;      /* whole and well-formed ones among them */
    char problem[160]; /* what ended the reading early, or "" */
} train_curves;

/* Reads the log up to its end, its first line that is none, or the first about step `before`
 * (counted over all stages). GO_ON, or EXIT_ERROR where the file can't be read. */
int train_curves_read(const char *path, uint32_t before, train_curves *to);

void train_curves_add_step(train_curves *to, const ss_train_report *step);
void train_curves_add_dev(train_curves *to, uint32_t total_step, const ss_train_evaluation *of);
void train_curves_free(train_curves *of);

/* Sums over all steps. */
typedef struct train_sums {
    double stage_seconds[SS_STAGE_COUNT];
    double seconds, engine_seconds, product_seconds, product_flops;
    uint64_t positions;
    double positions_per_hour; /* over the time of the stage that trains the streams */
} train_sums;

train_sums train_curves_sums(const train_curves *of);

/* "main", "streams", "prune". */
const char *train_stage_name(ss_train_stage stage);

#endif
