/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of the adapter that training goes on from. It stays: an option that asks for another is
 * refused by name, and one for a part that the adapter lacks adds it. */
#ifndef TRAIN_SHAPE_H
#define TRAIN_SHAPE_H

#include "train_job.h"

/* Puts the shape of the adapter at params.start where options have theirs, which are to be read
 * again. GO_ON, or EXIT_ERROR after saying why. */
int train_shape_take(train_job *of, ss_adapter_file_info *start);

/* Whether options have left it as it was. GO_ON, or EXIT_USAGE after naming the one that has not. */
int train_shape_check(const train_job *of, const ss_adapter_file_info *start);

#endif
