/* SPDX-License-Identifier: Apache-2.0 */
/* What a training came to: the last line of its log, and a line for people. */
#ifndef TRAIN_END_H
#define TRAIN_END_H

#include "train_job.h"
#include "train_log.h"

/* dev: the measurement of the adapter that was written, or NULL. GO_ON, or EXIT_ERROR. */
int train_end_log(const train_job *job, const train_curves *curves, const dev_point *dev,
                  bool stopped_early, train_log *log);

#endif
