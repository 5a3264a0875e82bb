/* SPDX-License-Identifier: Apache-2.0 */
/* Averages per row count, and the curve drawn through them. */
#include "draft/row_cost.h"

#include <string.h>

/* A row beyond the first, in steps of one row: weights are read once for all of them, so it is
 * arithmetic alone. Between what 4-bit weights cost with VNNI and without. */
#define ROW_SHARE 0.06f
#define MOST_WEIGHT 8.0f
#define FADE (1.0f - 1.0f / 200) /* a step: the machine's mood and the context's length change */
#define SETTLED 3.0f             /* samples after which an outlier can be told */
#define NEARNESS 0.05f           /* what one count says of its neighbour: a twentieth */
#define CLIP 1.5f                /* what is further above is taken for an outlier */

/* Disturbances only lengthen: the first few samples give their least, later ones are averaged,
 * clipped from above. */
void ssi_time_observe(ssi_time *time, float sample)
{
    float old = time->average;

    if (time->weight == 0.0f || (time->weight < SETTLED && sample < old))
        time->average = sample;
    else if (time->weight >= SETTLED)
        time->average += ((sample < old * CLIP ? sample : old * CLIP) - old) / MOST_WEIGHT;
    time->weight = time->weight + 1 < MOST_WEIGHT ? time->weight + 1 : MOST_WEIGHT;
}

void ssi_row_cost_init(ssi_row_cost *cost, const float *shape)
{
    memset(cost, 0, sizeof *cost);
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++) {
        float own = shape ? shape[i] : 1.0f + ROW_SHARE * (float)i;
        cost->shape[i] = i > 0 && own < cost->shape[i - 1] ? cost->shape[i - 1] : own;
    }
    memcpy(cost->cost, cost->shape, sizeof cost->cost);
}

void ssi_row_cost_observe(ssi_row_cost *cost, uint32_t row_count, float milliseconds)
{
    uint32_t seen[SSI_ROW_COUNTS], seen_count = 0;
    float level[SSI_ROW_COUNTS], lowest = 1e30f, least = 0;

    if (!(milliseconds > 0.0f && milliseconds < 1e9f) || row_count < 1
        || row_count > SSI_ROW_COUNTS)
        return;
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        cost->time[i].weight = cost->time[i].weight < 1e-3f ? 0 : cost->time[i].weight * FADE;
    ssi_time_observe(&cost->time[row_count - 1], milliseconds);

    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        if (cost->time[i].weight > 0) {
            level[seen_count] = cost->time[i].average / cost->shape[i];
            if (level[seen_count] < lowest)
                lowest = level[seen_count];
            seen[seen_count++] = i;
        }
    /* A count whose few samples were disturbed would look dear, and never be tried again: until
     * it is settled the doubt is in its favour. */
    for (uint32_t k = 0; k < seen_count; k++)
        if (cost->time[seen[k]].weight < SETTLED - 0.5f && level[k] > lowest * CLIP)
            level[k] = lowest * CLIP;
    /* The level at r: the mean of those seen, the nearer and the oftener seen the heavier. */
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++) {
        float sum = 0, weights = 0;
        for (uint32_t k = 0; k < seen_count; k++) {
            float distance = (float)i - (float)seen[k];
            float weight = cost->time[seen[k]].weight / (NEARNESS + distance * distance);
            sum += weight * level[k];
            weights += weight;
        }
        float estimate = cost->shape[i] * (sum / weights);
        least = estimate > least ? estimate : least;
        cost->cost[i] = least;
    }
}
