/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW (Loshchilov and Hutter, arXiv 1711.05101) over the tensors of one stage, with the
 * gradient's norm limited and a rate that rises linearly, then falls linearly to zero. */
#ifndef SSI_TRAIN_OPTIMISER_H
#define SSI_TRAIN_OPTIMISER_H

#include "train/parameters.h"

typedef struct ssi_optimiser {
    float peak_rate;
    uint32_t warmup_steps, steps;
    float weight_decay;   /* decoupled: value -= rate * decay * value */
    float gradient_limit; /* norm */
} ssi_optimiser;

/* The stage's rate at `step`, from 1: peak * min(step / warmup, 1) * (1 - (step - 1) / steps). */
float ssi_optimiser_rate(const ssi_optimiser *optimiser, uint32_t step);

/* Root of the sum of squares of the stage's gradients. */
double ssi_optimiser_norm(const ssi_parameters *parameters, ss_train_stage stage);

/* Update number `step`, from 1, of the stage's tensors, whose gradients have this norm. */
void ssi_optimiser_update(const ssi_optimiser *optimiser, ssi_parameters *parameters,
                          ss_train_stage stage, uint32_t step, double norm);

/* Gradients of the stage's tensors to zero. */
void ssi_optimiser_clear(ssi_parameters *parameters, ss_train_stage stage);

#endif
