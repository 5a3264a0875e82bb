/* SPDX-License-Identifier: Apache-2.0 */
/* What the streams guess: their logits over the draft vocabulary, and, for the draft room, the best
 * tokens after a given parent. A stream doesn't see the tokens drawn before its own; the parent
 * term, a product of small rank, tells it the last of them (method 6.1). Under sampling candidates
 * are ranked with the noise the sampler will draw with (method 6.12). */
#include "step/best_logits.h"
#include "step/cut.h"
#include "step/rows.h"

#include <math.h>

/* Candidates that noise may reorder: what lies below has too little mass to be drawn often. */
#define RANKED 48u

void ssi_draft_head_run(ssi_workspace *work, uint32_t first_row)
{
    ssi_streams *streams = &work->streams;
    ssi_head_run(work, &streams->adapter->draft_head, first_row, streams->count, streams->logits,
                 streams->logit_stride);
    streams->finite = 0;
    for (uint32_t j = 0; j < streams->count; j++)
        streams->finite |= (uint64_t)work->peaks[j].finite << j;
}

typedef struct condition_work {
    const ssi_workspace *work;
    const float *logits; /* of the stream */
    ssi_cut cut;
} condition_work;

static void condition_body(void *context, uint32_t task)
{
    const condition_work *region = context;
    const ssi_workspace *work = region->work;
    const ssi_streams *streams = &work->streams;
    const ssi_kernels *kernels = &work->model->kernels;
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t begin = part.unit_begin * SSI_GROUP, end = part.unit_end * SSI_GROUP;
    kernels->gemm[SSI_TYPE_Q8_0](&streams->adapter->parent_u, part.unit_begin, part.unit_end,
                                 &streams->parent, 1, streams->conditioned,
                                 streams->logit_stride);
    kernels->add(streams->conditioned + begin, region->logits + begin, end - begin);
}

/* The stream's logits given the parent: head . norm(S_j) + U (A embedding(parent)). */
static const float *condition(ssi_workspace *work, uint32_t stream, int32_t parent)
{
    ssi_streams *streams = &work->streams;
    const ss_adapter *adapter = streams->adapter;
    const ss_model *model = work->model;
    const float *logits = streams->logits + stream * streams->logit_stride;
    if (adapter->parent_rank == 0)
        return logits;
    ssi_type_get(model->embedding.type)
        ->unpack_row(&model->embedding, (uint32_t)parent, streams->parent_embedding.values);
    model->kernels.quantize(&streams->parent_embedding, 0, 1);
    model->kernels.gemm[SSI_TYPE_Q8_0](&adapter->parent_a, 0, adapter->parent_a.group_count,
                                       &streams->parent_embedding, 1, streams->parent.values,
                                       streams->parent.value_stride);
    model->kernels.quantize(&streams->parent, 0, 1);
    condition_work region = {.work = work, .logits = logits};
    region.cut = ssi_cut_make(adapter->parent_u.group_count, 1, work->parallel->thread_count);
    ssi_parallel_run(work->parallel, ssi_cut_tasks(&region.cut), condition_body, &region);
    return streams->conditioned;
}

/* The sampler's cuts, on what the stream believes; returns how many are left and their mass. */
static uint32_t cut(const ss_sampler_params *sampler, const float *probability, uint32_t count,
                    float *mass)
{
    uint32_t kept = 0;
    *mass = 0;
    if (sampler->top_k > 0 && sampler->top_k < count)
        count = sampler->top_k;
    while (kept < count && (kept == 0 || (*mass < sampler->top_p &&
                                          probability[kept] >= sampler->min_p * probability[0])))
        *mass += probability[kept++];
    return kept;
}

/* Adds the noise to the log probabilities and orders by the sum; probability[i] becomes the share
 * of exp(sum): how sure it is that the sampler picks that one. */
static void rank_with_noise(const ssi_draft_view *view, uint32_t position, ssi_ranked_logit *best,
                            float *probability, uint32_t count)
{
    const int32_t *tokens = view->work->streams.adapter->draft_tokens;
    float total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = tokens ? (uint32_t)tokens[best[i].index] : best[i].index;
        ssi_ranked_logit taken = {ssi_logf(probability[i]) +
                            ssi_sample_noise(view->sampler->seed, position, token),
                        best[i].index};
        uint32_t at = i;
        for (; at > 0 && taken.logit > best[at - 1].logit; at--)
            best[at] = best[at - 1];
        best[at] = taken;
    }
    for (uint32_t i = 0; i < count; i++)
        total += probability[i] = ssi_expf(best[i].logit - best[0].logit);
    for (uint32_t i = 0; i < count; i++)
        probability[i] /= total;
}

uint32_t ssi_draft_expand(void *context, uint32_t stream, int32_t parent_token,
                          ssi_candidate candidates[SSI_CANDIDATES])
{
    const ssi_draft_view *view = context;
    const ssi_streams *streams = &view->work->streams;
    const ssi_kernels *kernels = &view->work->model->kernels;
    const ss_sampler_params *sampler = view->sampler;
    uint32_t count = streams->adapter->draft_count;
    bool sampled = sampler->temperature > 0;
    float scale = sampled ? 1.0f / sampler->temperature : 1.0f;
    ssi_ranked_logit best[RANKED]; /* indices in the draft vocabulary */
    float probability[RANKED], mass;
    if (!(streams->finite >> stream & 1))
        return 0;

    const float *logits = condition(view->work, stream, parent_token);
    uint32_t found = ssi_best_logits(logits, count, sampled ? RANKED : SSI_CANDIDATES, best);
    if (found == 0)
        return 0;
    float largest = best[0].logit;
    float sum = kernels->exp_sum(logits, count, largest, scale);
    if (!(sum < INFINITY))
        return 0;
    for (uint32_t i = 0; i < found; i++)
        probability[i] = ssi_expf((best[i].logit - largest) * scale) / sum;
    if (sampled) {
        found = cut(sampler, probability, found, &mass);
        for (uint32_t i = 0; i < found && probability[i] > 0; i++)
            probability[i] /= mass;
        while (found > 1 && !(probability[found - 1] > 0))
            found--;
        rank_with_noise(view, view->position + stream, best, probability, found);
    }
    found = found < SSI_CANDIDATES ? found : SSI_CANDIDATES;
    for (uint32_t i = 0; i < found; i++) {
        const int32_t *tokens = streams->adapter->draft_tokens;
        candidates[i] = (ssi_candidate){
            .token = tokens ? tokens[best[i].index] : (int32_t)best[i].index,
            .probability = probability[i],
        };
    }
    return found;
}
