/* SPDX-License-Identifier: Apache-2.0 */
/* What a step of r rows costs on this machine, learnt from the steps themselves: no warm-up sweep.
 *
 *     cost(r) = level * shape(r) * local(r)
 *
 * The shape has one unknown, how dear rows are, and is found among a few guesses at it: the better a
 * guess has foretold the steps so far, the more it weighs. Every guess has its own level, the
 * machine's mood, which changes from second to second when it is shared: the last few steps. So
 * only how steps differ from their neighbours in time tells guesses apart, and a busy moment, which
 * makes all steps dearer, doesn't pass for the price of rows. Local departures from the shape are
 * learnt slowly. Only ratios are used, so before the first measurement the unit is the shape's own. */
#ifndef SSI_DRAFT_ROW_COST_H
#define SSI_DRAFT_ROW_COST_H

#include "draft/tree.h"

#define SSI_ROW_COUNTS SSI_TREE_NODES
#define SSI_ROW_COST_GUESSES 24u

/* A robust running average of times: something else may have run meanwhile. */
typedef struct ssi_time {
    float average;
    float weight; /* samples, fading; 0: none yet */
} ssi_time;

/* Takes a sample, positive and finite. */
void ssi_time_observe(ssi_time *time, float sample);

typedef struct ssi_row_guess {
    float shape[SSI_ROW_COUNTS]; /* [r - 1]: r rows, over one row */
    float level;                 /* milliseconds of one row */
    float error;                 /* squared, relative, of what it foretold: a fading sum */
} ssi_row_guess;

typedef struct ssi_row_cost {
    ssi_row_guess guesses[SSI_ROW_COST_GUESSES];
    float samples;                  /* so far, up to the level's window */
    float common[SSI_ROW_COUNTS];   /* the guesses' mean, each as far as it is believed */
    ssi_time local[SSI_ROW_COUNTS]; /* times over that */
    float cost[SSI_ROW_COUNTS];     /* the estimate, never falling with r; milliseconds once a step
                                     * was observed */
} ssi_row_cost;

/* shape: [SSI_ROW_COUNTS] costs of 1, 2, … rows, positive and finite; NULL: built in. */
void ssi_row_cost_init(ssi_row_cost *cost, const float *shape);

/* A step of row_count rows (1 to SSI_ROW_COUNTS) took that long. Times that are not positive and
 * finite are ignored. */
void ssi_row_cost_observe(ssi_row_cost *cost, uint32_t row_count, float milliseconds);

#endif
