/* SPDX-License-Identifier: Apache-2.0 */
/* An option that would mean nothing in the mode, the stages and the files asked for is wrong usage: who
 * gives one expects something of it. Not so what the machine is told, and shares of stages that a mode
 * lacks. */
#ifndef TRAIN_USAGE_H
#define TRAIN_USAGE_H

#include "args.h"
#include "train_job.h"

/* After train_job_take_parts(). GO_ON, or EXIT_USAGE after naming the first such option. */
int train_usage_check(const train_job *of, const command_line *line, int count,
                      char **arguments);

#endif
