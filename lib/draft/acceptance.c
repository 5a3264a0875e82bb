/* SPDX-License-Identifier: Apache-2.0 */
/* Ratios of decaying sums, the coarser level standing in where the finer one has seen little. */
#include "draft/acceptance.h"

#include <string.h>

#include "base/bytes.h"

/* What the prior and the level above count for, in promised hits; and how fast each level forgets.
 * Smaller weights chase noise, larger ones keep paying for a source that has gone bad. */
#define SOURCE_PRIOR 1.5f
#define LEVEL_PRIOR 4.0f
#define SOURCE_KEEP (1.0f - 1.0f / 32)
#define GROUP_KEEP (1.0f - 1.0f / 64)
#define CELL_KEEP (1.0f - 1.0f / 128)
/* Nothing is certain: a chain of certainties would be drafted to the end of the row budget. */
#define MOST_PROBABLE 0.985f

void ssi_acceptance_reset(ssi_acceptance *acceptance)
{
    memset(acceptance, 0, sizeof *acceptance);
}

void ssi_acceptance_reset_source(ssi_acceptance *acceptance, ssi_source_kind kind)
{
    memset(&acceptance->source[kind], 0, sizeof acceptance->source[kind]);
    memset(acceptance->group[kind], 0, sizeof acceptance->group[kind]);
    memset(acceptance->cell[kind], 0, sizeof acceptance->cell[kind]);
}

static uint32_t cell_of(const ssi_candidate *candidate)
{
    if (candidate->rank > 0)
        return candidate->rank + 2u;
    return candidate->probability < 0.5f ? 0 : candidate->probability < 0.9f ? 1 : 2;
}

static float factor(ssi_rate rate, float prior, float prior_weight)
{
    return (rate.accepted + prior_weight * prior) / (rate.predicted + prior_weight);
}

float ssi_acceptance_correct(const ssi_acceptance *acceptance, ssi_source_kind kind,
                             const ssi_candidate *candidate)
{
    float scale = factor(acceptance->source[kind], 1.0f, SOURCE_PRIOR);
    scale = factor(acceptance->group[kind][candidate->group], scale, LEVEL_PRIOR);
    scale = factor(acceptance->cell[kind][candidate->group][cell_of(candidate)], scale,
                   LEVEL_PRIOR);
    float probability = candidate->probability * scale;
    return probability < MOST_PROBABLE ? probability : MOST_PROBABLE;
}

static void add(ssi_rate *rate, float keep, float accepted, float predicted)
{
    rate->accepted = rate->accepted * keep + accepted;
    rate->predicted = rate->predicted * keep + predicted;
}

void ssi_acceptance_observe(ssi_acceptance *acceptance, ssi_source_kind kind,
                            const ssi_candidate *candidates, uint32_t count, int32_t token)
{
    float accepted = 0, predicted = 0;

    for (uint32_t i = 0; i < count; i++) {
        const ssi_candidate *candidate = &candidates[i];
        float hit = candidate->token == token;
        accepted += hit;
        predicted += candidate->probability;
        add(&acceptance->group[kind][candidate->group], GROUP_KEEP, hit,
            candidate->probability);
        add(&acceptance->cell[kind][candidate->group][cell_of(candidate)], CELL_KEEP, hit,
            candidate->probability);
    }
    if (count > 0)
        add(&acceptance->source[kind], SOURCE_KEEP, accepted, predicted);
}

/* Every rate in a fixed order, by address: save and load can't disagree. */
static ssi_rate *rate_at(ssi_acceptance *acceptance, uint32_t index)
{
    if (index < SSI_SOURCE_COUNT)
        return &acceptance->source[index];
    index -= SSI_SOURCE_COUNT;
    if (index < SSI_SOURCE_COUNT * SSI_ACCEPTANCE_GROUPS)
        return &acceptance->group[index / SSI_ACCEPTANCE_GROUPS][index % SSI_ACCEPTANCE_GROUPS];
    index -= SSI_SOURCE_COUNT * SSI_ACCEPTANCE_GROUPS;
    uint32_t cell = index % SSI_ACCEPTANCE_CELLS, group = index / SSI_ACCEPTANCE_CELLS;
    return &acceptance
                ->cell[group / SSI_ACCEPTANCE_GROUPS][group % SSI_ACCEPTANCE_GROUPS][cell];
}

static void store(unsigned char *at, float value)
{
    uint32_t bits = ssi_bits_from_float(value);
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(bits >> 8 * i);
}

void ssi_acceptance_save(const ssi_acceptance *acceptance,
                         unsigned char bytes[SSI_ACCEPTANCE_BYTES])
{
    ssi_acceptance copy = *acceptance;
    for (uint32_t i = 0; i < SSI_ACCEPTANCE_BYTES / 8; i++) {
        store(bytes + 8 * i, rate_at(&copy, i)->accepted);
        store(bytes + 8 * i + 4, rate_at(&copy, i)->predicted);
    }
}

bool ssi_acceptance_load(ssi_acceptance *acceptance,
                         const unsigned char bytes[SSI_ACCEPTANCE_BYTES])
{
    ssi_acceptance loaded;
    for (uint32_t i = 0; i < SSI_ACCEPTANCE_BYTES / 8; i++) {
        float accepted = ssi_float_from_bits(ssi_load_u32le(bytes + 8 * i));
        float predicted = ssi_float_from_bits(ssi_load_u32le(bytes + 8 * i + 4));
        if (!(accepted >= 0 && accepted < 1e6f && predicted >= 0 && predicted < 1e6f))
            return false;
        *rate_at(&loaded, i) = (ssi_rate){accepted, predicted};
    }
    *acceptance = loaded;
    return true;
}
