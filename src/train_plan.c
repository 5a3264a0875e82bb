/* SPDX-License-Identifier: Apache-2.0 */
#include "train_plan.h"
#include "report.h"

static int differ(const char *checkpoint, const char *stage, uint32_t planned, uint32_t asked)
{
    return report("%s is of a training of %u step%s%s%s, not of %u: --resume goes on with the "
                  "same --steps, --epochs and --shares; without it training begins anew",
                  checkpoint, planned, planned != 1 ? "s" : "",
                  *stage != '\0' ? " in stage " : "", stage, asked);
}

static int check_stage(const train_job *of, const char *checkpoint, const ss_train_report *step)
{
    const uint32_t asked = of->params.steps[step->stage];
    const bool same = of->minutes > 0 ? asked > 0 : asked == step->stage_steps;
    return same ? GO_ON
                : differ(checkpoint, train_stage_name(step->stage), step->stage_steps, asked);
}

int train_plan_check(const train_job *of, const char *checkpoint, const ss_train_report *next,
                     const train_curves *before)
{
    const uint32_t *steps = of->params.steps;
    const uint32_t asked = steps[0] + steps[1] + steps[2];
    if (next == NULL && before->step_count > 0)
        next = &before->steps[before->step_count - 1];
    if (next == NULL)
        return GO_ON;
    if (of->minutes <= 0 && next->total_steps != asked)
        return differ(checkpoint, "", next->total_steps, asked);
    int status = GO_ON;
    for (size_t i = 0; i < before->step_count && status == GO_ON; i++)
        status = check_stage(of, checkpoint, &before->steps[i]);
    return status == GO_ON ? check_stage(of, checkpoint, next) : status;
}
