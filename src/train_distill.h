/* SPDX-License-Identifier: Apache-2.0 */
/* Completions written by the model that is to draft them: what it says itself, greedily, is what
 * its streams have to guess. Answers are kept in a file as they come, a line each, so that a killed
 * run loses at most the one it was writing. */
#ifndef TRAIN_DISTILL_H
#define TRAIN_DISTILL_H

#include "train_job.h"

/* Where answers are kept: as --distilled says, or beside the rows; there the first of several
 * files, where more than one model has answered. The caller frees it. */
char *train_distill_path(const train_job *of);

/* Whether --distilled can take the answers of a model that is yet to be tuned: there are none in it.
 * GO_ON, or EXIT_ERROR after saying why. */
int train_distill_check_new(const train_job *of);

/* Puts an answer behind every row's prompt: from the file, or drawn now. An answer that its length
 * cut off has no end token. GO_ON, or EXIT_ERROR after saying why (also after SIGINT or SIGTERM). */
int train_distill(train_job *of);

#endif
