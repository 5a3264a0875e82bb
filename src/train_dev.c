/* SPDX-License-Identifier: Apache-2.0 */
#include "train_dev.h"

#include <inttypes.h>
#include <stdio.h>

void train_dev_hash_text(const train_dev *of, char text[DEV_HASH_BYTES])
{
    snprintf(text, DEV_HASH_BYTES, "%016" PRIx64, of->prompts_hash);
}

bool train_dev_due(const train_dev *how, const ss_train_report *step)
{
    if (how->prompts == 0)
        return false;
    if (step->done)
        return true;
    uint32_t every = how->every > 0 ? how->every : (step->stage_steps + 9) / 10;
    return step->stage == how->stage &&
           (step->step % every == 0 || step->step == step->stage_steps);
}

const dev_point *train_dev_best(const train_curves *of)
{
    const dev_point *best = NULL;
    for (size_t i = 0; i < of->dev_count; i++)
        if (best == NULL || of->devs[i].of.tokens_per_step > best->of.tokens_per_step)
            best = &of->devs[i];
    return best;
}

bool train_dev_should_stop(const train_curves *of, const train_dev *how)
{
    const dev_point *best = train_dev_best(of);
    if (best == NULL || of->step_count == 0)
        return false;
    const ss_train_report *last = &of->steps[of->step_count - 1];
    const bool over = last->step == last->stage_steps;
    const size_t patience = over ? 1 : DEV_PATIENCE;
    const double least = best->of.tokens_per_step * (1 - (over ? DEV_NOISE : DEV_HARM));
    if (last->stage != how->stage || of->dev_count <= patience ||
        of->devs[of->dev_count - 1].total_step != last->total_step)
        return false;
    for (size_t i = of->dev_count - patience; i < of->dev_count; i++)
        if (of->devs[i].of.tokens_per_step >= least)
            return false;
    return true;
}
