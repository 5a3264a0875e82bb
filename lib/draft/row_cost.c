/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses at the shape compete; what all of them miss is learnt count by count. */
#include "draft/row_cost.h"

#include <math.h>
#include <string.h>

/* Built-in shapes are of two kinds, as a CPU may be. On one a step waits for the weights, as long for
 * many rows as for one, or for arithmetic, whichever takes longer: a roofline (Williams, Waterman,
 * Patterson 2009), its corner rounded. On the other every row adds its arithmetic to the wait: a
 * straight line. Guesses are multiples of what 4-bit weights with VNNI ask of a Zen 4, which is the
 * first kind: a row as much arithmetic as a sixth of the wait for memory, and a tenth besides. */
#define ARITHMETIC_ROW 0.16f
#define ARITHMETIC_BESIDE 0.1f
#define LINE_ROW 0.12f
/* From a quarter to seven times that: CPUs whose first row is arithmetic alone. */
#define FIRST_GUESS 0.25f
#define GUESS_RATIO 1.35f

#define NOISE 0.08f /* of a step's time, relative */
#define OUTLIER (3 * NOISE)
#define ERROR_KEEP (1.0f - 1.0f / 200)
#define LEVEL_WINDOW 12.0f

#define MOST_WEIGHT 8.0f
#define SETTLED 3.0f /* samples after which an outlier can be told */
#define CLIP 1.5f    /* what is further off is taken for an outlier */

#define LOCAL_KEEP (1.0f - 1.0f / 200)
#define LOCAL_PRIOR 20.0f /* samples */
#define NEARNESS 0.1f     /* what one count says of its neighbour: about a tenth */
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

static float square(float value)
{
    return value * value;
}

/* How far a guess is believed: errors of the size of the noise leave it alive for a long time. */
static float belief(const ssi_row_guess *guess, float least_error)
{
    float behind = (guess->error - least_error) / (4 * NOISE * NOISE);
    return 1 / square(square(1 + behind));
}

static void draw_common(ssi_row_cost *cost)
{
    float least = cost->guesses[0].error, total = 0;

    for (uint32_t k = 1; k < SSI_ROW_COST_GUESSES; k++)
        least = cost->guesses[k].error < least ? cost->guesses[k].error : least;
    memset(cost->common, 0, sizeof cost->common);
    for (uint32_t k = 0; k < SSI_ROW_COST_GUESSES; k++) {
        const ssi_row_guess *guess = &cost->guesses[k];
        float weight = belief(guess, least);
        total += weight;
        for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
            cost->common[i] += weight * guess->level * guess->shape[i];
    }
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        cost->common[i] /= total;
}

/* Local departures speak for their neighbours, the nearer and the oftener seen the louder. */
static void draw_curve(ssi_row_cost *cost)
{
    float sum[SSI_ROW_COUNTS], weights[SSI_ROW_COUNTS], least = 0;
    draw_common(cost);
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
        float estimate = cost->common[i] * sum[i] / weights[i];
        least = estimate > least ? estimate : least;
        cost->cost[i] = least;
    }
}

static float roofline(float rows, float dearness)
{
    float arithmetic = ARITHMETIC_BESIDE + ARITHMETIC_ROW * dearness * rows;
    return sqrtf(sqrtf(1 + square(square(arithmetic))));
}

/* What r rows cost, over one row, if guess `k` is right. A caller's shape is believed but for how
 * steep it is. */
static float guessed(uint32_t k, float dearness, const float *shape, uint32_t r)
{
    if (shape)
        return 1 + dearness * (shape[r - 1] / shape[0] - 1);
    if (k % 2)
        return 1 + dearness * LINE_ROW * (float)(r - 1);
    return roofline((float)r, dearness) / roofline(1, dearness);
}

void ssi_row_cost_init(ssi_row_cost *cost, const float *shape)
{
    float dearness = FIRST_GUESS;

    memset(cost, 0, sizeof *cost);
    for (uint32_t k = 0; k < SSI_ROW_COST_GUESSES; k++) {
        ssi_row_guess *guess = &cost->guesses[k];
        float least = 1;
        for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++) {
            float own = guessed(k, dearness, shape, i + 1);
            least = own > least ? own : least;
            guess->shape[i] = least;
        }
        guess->level = shape ? shape[0] : 1;
        /* To be off by half or by double is as surprising as one step off by the noise. */
        guess->error = square(NOISE * (dearness < 1 ? 1 / dearness - 1 : dearness - 1));
        dearness *= k % 2 ? GUESS_RATIO : 1;
    }
    draw_curve(cost);
}

void ssi_row_cost_observe(ssi_row_cost *cost, uint32_t row_count, float milliseconds)
{
    if (!(milliseconds > 0.0f && milliseconds < 1e9f) || row_count < 1 ||
        row_count > SSI_ROW_COUNTS)
        return;
    uint32_t row = row_count - 1;
    float ms = milliseconds;
    /* The first steps were disturbed, it seems: begin anew. */
    if (cost->samples < SETTLED && ms * CLIP < cost->cost[row])
        cost->samples = 0;
    if (cost->samples > 0)
        ms = clipped(ms, cost->cost[row]);
    bool settled = cost->samples >= SETTLED;
    cost->samples += cost->samples < LEVEL_WINDOW ? 1.0f : 0.0f;
    for (uint32_t k = 0; k < SSI_ROW_COST_GUESSES; k++) {
        ssi_row_guess *guess = &cost->guesses[k];
        float level = ms / guess->shape[row], off = level / guess->level - 1;
        off = off > OUTLIER ? OUTLIER : off < -OUTLIER ? -OUTLIER : off;
        if (settled)
            guess->error = guess->error * ERROR_KEEP + off * off;
        guess->level += (level - guess->level) / cost->samples;
    }
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        cost->local[i].weight *= cost->local[i].weight > FORGOTTEN ? LOCAL_KEEP : 0;
    if (settled)
        ssi_time_observe(&cost->local[row], ms / cost->common[row]);
    draw_curve(cost);
}
