/* SPDX-License-Identifier: Apache-2.0 */
/* A line through the steps' times whose level is allowed to drift, and what each count of rows
 * departs from it. */
#include "draft/row_cost.h"

#include <string.h>

/* A row beyond the first, in steps of one row: weights are read once for all of them, so it is
 * arithmetic alone. What 4-bit weights cost with VNNI on a Zen 4; less is learnt soon, and a first
 * tree too small costs less than one too large. */
#define ROW_SHARE 0.12f
#define MOST_WEIGHT 8.0f
#define SETTLED 3.0f /* samples after which an outlier can be told */
#define CLIP 1.5f    /* what is further off is taken for an outlier */

#define LEVEL_WINDOW 12.0f
#define SLOPE_KEEP (1.0f - 1.0f / 200)
#define SLOPE_PRIOR                                                                            \
    0.2f /* how far steps must lie apart to say as much as the prior: a few steps
                          * of three and of six rows */
#define LEAST_SLOPE 0.15f
#define LOCAL_KEEP (1.0f - 1.0f / 200)
#define LOCAL_PRIOR 3.0f /* samples */
#define NEARNESS 0.1f    /* what one count says of its neighbour: about a tenth */
#define NEIGHBOURS 8u
#define FORGOTTEN 0.01f /* samples */

static float clipped(float value, float around)
{
    return value > around * CLIP   ? around * CLIP
           : value < around / CLIP ? around / CLIP
                                   : value;
}

/* Disturbances mostly lengthen: the first few samples give their least, later ones are averaged,
 * clipped. */
void ssi_time_observe(ssi_time *time, float sample)
{
    float old = time->average;

    if (time->weight == 0.0f || (time->weight < SETTLED && sample < old))
        time->average = sample;
    else if (time->weight >= SETTLED)
        time->average += (clipped(sample, old) - old) / MOST_WEIGHT;
    time->weight = time->weight + 1 < MOST_WEIGHT ? time->weight + 1 : MOST_WEIGHT;
}

static float line(const ssi_row_cost *cost, uint32_t row)
{
    return 1.0f + cost->slope * cost->extra[row];
}

/* Local deviations speak for their neighbours, the nearer and the oftener seen the louder. */
static void draw_curve(ssi_row_cost *cost)
{
    float sum[SSI_ROW_COUNTS], weights[SSI_ROW_COUNTS], least = 0;
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        sum[i] = weights[i] = LOCAL_PRIOR;
    for (uint32_t k = 0; k < SSI_ROW_COUNTS; k++) {
        uint32_t begin = k < NEIGHBOURS ? 0 : k - NEIGHBOURS;
        for (uint32_t i = begin; cost->local[k].weight > 0 && i <= k + NEIGHBOURS; i++) {
            if (i == SSI_ROW_COUNTS)
                break;
            float distance = (float)i - (float)k;
            float weight = cost->local[k].weight * NEARNESS / (NEARNESS + distance * distance);
            sum[i] += weight * cost->local[k].average;
            weights[i] += weight;
        }
    }
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++) {
        float estimate = cost->level * line(cost, i) * sum[i] / weights[i];
        least = estimate > least ? estimate : least;
        cost->cost[i] = least;
    }
}

void ssi_row_cost_init(ssi_row_cost *cost, const float *shape)
{
    memset(cost, 0, sizeof *cost);
    cost->level = shape ? shape[0] : 1.0f;
    cost->slope = 1.0f;
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++) {
        float own = shape ? shape[i] / shape[0] - 1.0f : ROW_SHARE * (float)i;
        cost->extra[i] = i > 0 && own < cost->extra[i - 1] ? cost->extra[i - 1] : own;
    }
    draw_curve(cost);
}

void ssi_row_cost_observe(ssi_row_cost *cost, uint32_t row_count, float milliseconds)
{
    if (!(milliseconds > 0.0f && milliseconds < 1e9f) || row_count < 1 ||
        row_count > SSI_ROW_COUNTS)
        return;
    uint32_t row = row_count - 1;
    float extra = cost->extra[row], ms = milliseconds;
    /* The first steps were disturbed, it seems: begin anew. */
    if (cost->samples < SETTLED && ms * CLIP < cost->cost[row])
        cost->samples = 0;
    if (cost->samples > 0)
        ms = clipped(ms, cost->cost[row]);
    if (cost->samples >= SETTLED) {
        float apart = extra - cost->mean_extra;
        cost->sum_xx = cost->sum_xx * SLOPE_KEEP + apart * apart;
        cost->sum_xy = cost->sum_xy * SLOPE_KEEP + apart * (ms - cost->mean_ms) / cost->level;
        cost->slope = (cost->sum_xy + SLOPE_PRIOR) / (cost->sum_xx + SLOPE_PRIOR);
        cost->slope = cost->slope > LEAST_SLOPE ? cost->slope : LEAST_SLOPE;
    }
    cost->samples += cost->samples < LEVEL_WINDOW ? 1.0f : 0.0f;
    cost->mean_extra += (extra - cost->mean_extra) / cost->samples;
    cost->mean_ms += (ms - cost->mean_ms) / cost->samples;
    cost->level = cost->mean_ms / (1.0f + cost->slope * cost->mean_extra);
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        cost->local[i].weight *= cost->local[i].weight > FORGOTTEN ? LOCAL_KEEP : 0;
    if (cost->samples >= SETTLED)
        ssi_time_observe(&cost->local[row], ms / (cost->level * line(cost, row)));
    draw_curve(cost);
}
