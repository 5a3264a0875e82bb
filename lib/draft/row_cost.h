/* SPDX-License-Identifier: Apache-2.0 */
/* What a step of r rows costs on this machine, learnt from the steps themselves: no warm-up sweep.
 *
 *     cost(r) = level * (1 + slope * (shape(r) / shape(1) - 1)) * local(r)
 *
 * The shape is the built-in curve or the caller's. The level is the machine's mood, which changes
 * from second to second when it is shared: it follows the last few steps. Slope and local
 * deviations are learnt slowly, from how steps differ from their neighbours in time, so that a busy
 * moment, which makes all steps dearer, doesn't pass for the price of rows. Only ratios are used, so
 * before the first measurement the unit is the shape's own. */
#ifndef SSI_DRAFT_ROW_COST_H
#define SSI_DRAFT_ROW_COST_H

#include "draft/tree.h"

#define SSI_ROW_COUNTS SSI_TREE_NODES

/* A robust running average of times: something else may have run meanwhile. */
typedef struct ssi_time {
    float average;
    float weight; /* samples, fading; 0: none yet */
} ssi_time;

/* Takes a sample, positive and finite. */
void ssi_time_observe(ssi_time *time, float sample);

typedef struct ssi_row_cost {
    float extra[SSI_ROW_COUNTS]; /* [r - 1]: shape(r) / shape(1) - 1 */
    float samples;               /* so far, up to the level's window */
    float mean_extra, mean_ms;   /* of the last steps */
    float level;                 /* milliseconds of one row */
    float slope, sum_xx, sum_xy; /* around those means, fading */
    ssi_time local[SSI_ROW_COUNTS];
    float cost[SSI_ROW_COUNTS]; /* the estimate, never falling with r; milliseconds once
                                  * a step was observed */
} ssi_row_cost;

/* shape: [SSI_ROW_COUNTS] costs of 1, 2, … rows, positive and finite; NULL: built in. */
void ssi_row_cost_init(ssi_row_cost *cost, const float *shape);

/* A step of row_count rows (1 to SSI_ROW_COUNTS) took that long. Times that are not positive and
 * finite are ignored. */
void ssi_row_cost_observe(ssi_row_cost *cost, uint32_t row_count, float milliseconds);

#endif
