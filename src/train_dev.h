/* SPDX-License-Identifier: Apache-2.0 */
/* What the dev prompts decide: when drafts are measured on them, which adapter was best, and
 * whether to stop early. A function of the curves alone, so that a resumed training decides as an
 * unbroken one. */
#ifndef TRAIN_DEV_H
#define TRAIN_DEV_H

#include "train_curves.h"

#include <stdbool.h>

#define DEV_NODES 8u    /* --tree best:8 */
#define DEV_NOISE 0.02  /* a figure that is no further below the best is as good */
#define DEV_HARM 0.05   /* one that is so far below is worse for sure, though rates still fall */
#define DEV_PATIENCE 3u /* of those in a row end the training of streams */

typedef struct train_dev {
    uint32_t prompts;     /* 0: none given */
    uint64_t prompts_hash;
    uint32_t tokens;      /* drawn from each, at most */
    uint32_t every;       /* steps; 0: a tenth of the stage */
    ss_train_stage stage; /* that trains the streams */
} train_dev;

/* The prompts' hash in hexadecimal, as the log has it. */
#define DEV_HASH_BYTES 17u
void train_dev_hash_text(const train_dev *of, char text[DEV_HASH_BYTES]);

bool train_dev_due(const train_dev *how, const ss_train_report *step);

/* The best measurement so far, or NULL. */
const dev_point *train_dev_best(const train_curves *of);

/* Whether the streams' stage is to end where it stands, and the best adapter to be gone on with:
 * the last figures have all been worse than the best for sure, or the stage is over and its last
 * one is not as good. */
bool train_dev_should_stop(const train_curves *of, const train_dev *how);

#endif
