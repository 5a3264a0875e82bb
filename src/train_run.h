/* SPDX-License-Identifier: Apache-2.0 */
/* A training from its first step, or its checkpoint, to the adapter's file. Beside OUT stand
 * OUT.checkpoint, OUT.log.jsonl and, for a while, OUT.best: the adapter that did best on dev. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "train_job.h"

/* EXIT_DONE once OUT is written, or EXIT_ERROR after saying why. */
int train_run(train_job *of);

#endif
