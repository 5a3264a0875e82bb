/* SPDX-License-Identifier: Apache-2.0 */
/* From what was asked for to the adapter, in one training or, where a model is tuned and then has to
 * answer, in two: OUT.tuned comes first, with a checkpoint and a log of its own. */
#ifndef TRAIN_COURSE_H
#define TRAIN_COURSE_H

#include "train_job.h"

/* After train_job_take_parts(). EXIT_DONE once `out` is written, or an exit status after saying why. */
int train_course(const train_job *of);

#endif
