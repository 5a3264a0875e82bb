/* SPDX-License-Identifier: Apache-2.0 */
#include "train_plan.h"
#include "report.h"

#include <string.h>

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

/* What is measured may end the streams' training, and chooses the adapter: of all that `--resume` is
 * given again, it alone is in no checkpoint. */
static int check_dev(const train_job *of, const char *checkpoint, const ss_train_report *next,
                     const train_curves *before)
{
    const train_dev *asked = &of->measure;
    const dev_begun *begun = &before->dev_begun;
    char hash[DEV_HASH_BYTES];
    train_dev_hash_text(asked, hash);
    if (asked->prompts > 0 && next != NULL && before->step_count + 1 < next->total_step)
        return report("%s is at step %u, but its log ends after %zu: what was measured on dev "
                      "since is gone; without --resume training begins anew",
                      checkpoint, next->total_step - 1, before->step_count);
    if (begun->prompts_hash[0] == '\0')
        return GO_ON;
    if (strcmp(begun->prompts_hash, hash) != 0)
        return report("%s is of a training with other dev prompts (%.0f of them, here %u): "
                      "--resume goes on with the same --dev and --dev-prompts; without it "
                      "training begins anew",
                      checkpoint, begun->prompts, asked->prompts);
    if (asked->prompts > 0 && begun->every != (double)asked->every)
        return report("%s is of a training with --eval-every %.0f (0: a tenth), not %u: --resume "
                      "goes on with the same; without it training begins anew",
                      checkpoint, begun->every, asked->every);
    return GO_ON;
}

int train_plan_check(const train_job *of, const char *checkpoint, const ss_train_report *next,
                     const train_curves *before)
{
    const uint32_t *steps = of->params.steps;
    const uint32_t asked = steps[0] + steps[1] + steps[2];
    int status = check_dev(of, checkpoint, next, before);
    if (next == NULL && before->step_count > 0)
        next = &before->steps[before->step_count - 1];
    if (status != GO_ON || next == NULL)
        return status;
    if (of->minutes <= 0 && next->total_steps != asked)
        return differ(checkpoint, "", next->total_steps, asked);
    for (size_t i = 0; i < before->step_count && status == GO_ON; i++)
        status = check_stage(of, checkpoint, &before->steps[i]);
    return status == GO_ON ? check_stage(of, checkpoint, next) : status;
}
