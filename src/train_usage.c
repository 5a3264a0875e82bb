/* SPDX-License-Identifier: Apache-2.0 */
#include "train_usage.h"
#include "report.h"

static bool tunes(const train_job *of)
{
    return of->params.mode != SS_TRAIN_LOSSLESS;
}

static bool has_streams_stage(const train_job *of)
{
    return of->parts[SS_STAGE_STREAMS] > 0;
}

static bool has_rate(const train_job *of)
{
    return of->parts[tunes(of) ? SS_STAGE_MAIN : SS_STAGE_STREAMS] > 0;
}

static bool has_dev(const train_job *of)
{
    return of->dev != NULL;
}

static bool measures_on_the_way(const train_job *of)
{
    return of->dev != NULL && of->parts[of->measure.stage] > 0;
}

static bool distils(const train_job *of)
{
    return of->distill;
}

/* Answers are what streams and pruner are trained on; the model is tuned on the data's. */
static bool has_use_of_answers(const train_job *of)
{
    return of->params.mode != SS_TRAIN_SHARED ||
           of->parts[SS_STAGE_STREAMS] + of->parts[SS_STAGE_PRUNE] > 0;
}

int train_usage_check(const train_job *of, const command_line *line, int count, char **arguments)
{
    static const struct {
        const char *option;
        bool (*applies)(const train_job *of);
        const char *where; /* it does */
    } rules[] = {
        {"--lr", has_rate, "a stage that tunes the model, or with lossless streams"},
        {"--stream-lr", has_streams_stage, "a stage of streams"},
        {"--teacher", has_streams_stage, "a stage of streams"},
        {"--distill", has_use_of_answers, "a stage of streams or pruner"},
        {"--distilled", distils, "--distill"},
        {"--distill-tokens", distils, "--distill"},
        {"--dev-prompts", has_dev, "--dev"},
        {"--eval-every", measures_on_the_way, "--dev and a stage that trains streams"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!rules[i].applies(of) && args_have(line, count, arguments, rules[i].option))
            return usage_error("train", "%s goes with %s", rules[i].option, rules[i].where);
    static const char *const same[][2] = {{"--lr", "--stream-lr"}, {"--rank", "--stream-rank"}};
    for (size_t i = 0; !tunes(of) && i < sizeof same / sizeof *same; i++)
        if (args_have(line, count, arguments, same[i][0]) &&
            args_have(line, count, arguments, same[i][1]))
            return usage_error("train", "%s and %s are the same in --mode lossless", same[i][0],
                               same[i][1]);
    return GO_ON;
}
