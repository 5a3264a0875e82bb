/* SPDX-License-Identifier: Apache-2.0 */
/* What `train` was asked to do, and the trainer that comes of it. */
#ifndef TRAIN_JOB_H
#define TRAIN_JOB_H

#include "settings.h"
#include "train_blas.h"
#include "train_dev.h"
#include "train_rows.h"

#define TRAIN_MINUTES 60 /* unless said otherwise */

typedef struct train_job {
    settings settings;            /* model, threads, kernels */
    const char *data, *dev, *out; /* files */
    const char *blas, *shares;    /* as on the command line, or NULL */
    const char *distilled;        /* where the base's answers are kept; NULL: beside the data */
    ss_train_params params;
    float rate, stream_rate, epochs, minutes; /* 0: not given */
    float keep;                               /* gigabytes of disk for states */
    uint32_t steps, limit, eval_every, dev_prompts,
        distill_tokens; /* 0: not given, but the last */
    bool raw, distill, resume, json, value_rotation;
    /* What is below is filled in. */
    ss_model *model;
    train_rows rows, dev_rows;
    train_blas sgemm;
    train_dev measure;
    double parts[SS_STAGE_COUNT]; /* of the training, by stage */
    buffer folder; /* of `out`, ending in 0 */
} train_job;

/* `parts`, from --shares or the mode. GO_ON, or an exit status after saying why. */
int train_job_take_parts(train_job *of);

/* Whether `out` may be written in place of what is there. GO_ON, or EXIT_ERROR after saying why. */
int train_job_check_out(const train_job *of);

/* After that: reads files, loads the model, lets it answer where that was asked for, and settles how many
 * steps each stage has. GO_ON, or an exit status after saying why. */
int train_job_prepare(train_job *of);

/* A trainer with all rows, from `start` (NULL: untrained), that has begun. GO_ON or EXIT_ERROR. */
int train_job_trainer(const train_job *of, const char *start,
                      const uint32_t steps[SS_STAGE_COUNT], ss_trainer **trainer);

void train_job_free(train_job *of);

#endif
