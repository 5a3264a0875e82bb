/* SPDX-License-Identifier: Apache-2.0 */
/* With moments m and v of the limited gradient g, bias-corrected by 1 - β^step:
 *     m = β1 m + (1 - β1) g,  v = β2 v + (1 - β2) g²,  value -= rate (m' / (sqrt(v') + ε) + decay value) */
#include "train/optimiser.h"

#include <math.h>
#include <string.h>

#define BETA_1 0.9f
#define BETA_2 0.999f
#define EPSILON 1e-8f

float ssi_optimiser_rate(const ssi_optimiser *optimiser, uint32_t step)
{
    float rising =
        step < optimiser->warmup_steps ? (float)step / (float)optimiser->warmup_steps : 1;
    return optimiser->peak_rate * rising * (1 - (float)(step - 1) / (float)optimiser->steps);
}

double ssi_optimiser_norm(const ssi_parameters *parameters, ss_train_stage stage)
{
    double sum = 0;
    for (uint32_t i = 0; i < parameters->count; i++) {
        const ssi_parameter *item = &parameters->items[i];
        const float *gradient = parameters->gradients + item->offset;
        size_t count = (size_t)item->rows * item->columns;
        for (size_t n = 0; item->stage == stage && n < count; n++)
            sum += (double)gradient[n] * (double)gradient[n];
    }
    return sqrt(sum);
}

void ssi_optimiser_update(const ssi_optimiser *optimiser, ssi_parameters *parameters,
                          ss_train_stage stage, uint32_t step, double norm)
{
    float stage_rate = ssi_optimiser_rate(optimiser, step);
    float limit = optimiser->gradient_limit;
    float shrink = norm > (double)limit ? (float)((double)limit / norm) : 1;
    float first_correction = (float)(1 / (1 - ssi_pow((double)BETA_1, step)));
    float second_correction = (float)(1 / (1 - ssi_pow((double)BETA_2, step)));
    for (uint32_t i = 0; i < parameters->count; i++) {
        const ssi_parameter *item = &parameters->items[i];
        size_t count = (size_t)item->rows * item->columns;
        float rate = stage_rate * item->rate;
        float kept = item->decays ? 1 - rate * optimiser->weight_decay : 1;
        float *value = parameters->values + item->offset;
        float *first = parameters->first + item->offset;
        float *second = parameters->second + item->offset;
        const float *gradient = parameters->gradients + item->offset;
        for (size_t n = 0; item->stage == stage && n < count; n++) {
            float g = gradient[n] * shrink;
            first[n] = BETA_1 * first[n] + (1 - BETA_1) * g;
            second[n] = BETA_2 * second[n] + (1 - BETA_2) * g * g;
            value[n] = value[n] * kept - rate * first[n] * first_correction /
                                             (sqrtf(second[n] * second_correction) + EPSILON);
        }
    }
}

void ssi_optimiser_clear(ssi_parameters *parameters, ss_train_stage stage)
{
    for (uint32_t i = 0; i < parameters->count; i++) {
        const ssi_parameter *item = &parameters->items[i];
        if (item->stage == stage)
            memset(parameters->gradients + item->offset, 0,
                   (size_t)item->rows * item->columns * sizeof(float));
    }
}
