/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint has its own plan of steps, which going on follows, and its training its way of measuring
 * drafts. Whoever asks for another one wants another training. */
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include "train_job.h"

/* Whether the steps asked for, dev prompts and times of measuring are those of the checkpoint's
 * training, as far as it got: `next` is the step it would take now (NULL: there is none left), `before`
 * what its log says it has done. Minutes were made into steps by the clock, and can't be compared.
 * GO_ON, or EXIT_ERROR after naming both numbers. */
int train_plan_check(const train_job *of, const char *checkpoint, const ss_train_report *next,
                     const train_curves *before);

#endif
