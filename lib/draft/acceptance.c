/* SPDX-License-Identifier: Apache-2.0 */
/* Three correction factors, each learnt on what the coarser ones have left over. */
#include "draft/acceptance.h"

#include "base/bytes.h"

/* In promised hits: over how many a level averages. The source's own factor follows quickly, the
 * finer ones settle. Forgetting goes by promised hits, not by tokens: candidates of one percent say
 * little each time. */
enum { SOURCE, GROUP, CELL, LEVELS };
static const float window[LEVELS] = {24, 64, 96};
/* In promised hits, too: what the assumption counts for that no correction is needed. */
#define FINE_PRIOR_WEIGHT 6.0f
/* Streams were trained to know what they say: two unlucky guesses are no reason to drop them. N-grams
 * repeat little where a text begins, and it is the text that begins, not they that are bad: doubted
 * as soon as a host's drafts, they cost short answers a twelfth of their speed. */
static const float source_prior_weight[SSI_SOURCE_COUNT] = {
    [SSI_SOURCE_STREAM] = 3,
    [SSI_SOURCE_NGRAM] = 24,
    [SSI_SOURCE_CALLER] = 1.5f,
    [SSI_SOURCE_HISTORY] = 6,
};
/* Nothing is certain: a chain of certainties would be drafted to the end of the row budget. */
#define MOST_PROBABLE 0.96f

static uint32_t cell_of(const ssi_candidate *candidate)
{
    if (candidate->rank > 0)
        return candidate->rank + 2u;
    return candidate->probability < 0.5f ? 0 : candidate->probability < 0.9f ? 1 : 2;
}

static float shrunk(const ssi_rate *rate, float prior)
{
    return (rate->accepted + prior) / (rate->predicted + prior);
}

static float fine_factor(const ssi_rate *rate)
{
    return shrunk(rate, FINE_PRIOR_WEIGHT);
}

static float source_factor(const ssi_acceptance *acceptance, ssi_source_kind kind)
{
    return shrunk(&acceptance->source[kind], source_prior_weight[kind]);
}

float ssi_acceptance_correct(const ssi_acceptance *acceptance, ssi_source_kind kind,
                             const ssi_candidate *candidate)
{
    uint32_t group = candidate->group;
    float probability = candidate->probability * source_factor(acceptance, kind) *
                        fine_factor(&acceptance->group[kind][group]) *
                        fine_factor(&acceptance->cell[kind][group][cell_of(candidate)]);
    return probability < MOST_PROBABLE ? probability : MOST_PROBABLE;
}

static void add(ssi_rate *rate, int level, float accepted, float predicted)
{
    float keep = 1.0f - (predicted < 1.0f ? predicted : 1.0f) / window[level];
    rate->accepted = rate->accepted * keep + accepted;
    rate->predicted = rate->predicted * keep + predicted;
}

void ssi_acceptance_observe(ssi_acceptance *acceptance, ssi_source_kind kind,
                            const ssi_candidate *candidates, uint32_t count, int32_t token)
{
    float scale = source_factor(acceptance, kind), accepted = 0, predicted = 0;

    for (uint32_t i = 0; i < count; i++) {
        const ssi_candidate *candidate = &candidates[i];
        ssi_rate *group = &acceptance->group[kind][candidate->group];
        ssi_rate *cell = &acceptance->cell[kind][candidate->group][cell_of(candidate)];
        float hit = candidate->token == token, promised = candidate->probability;
        accepted += hit;
        predicted += promised;
        promised *= scale;
        add(cell, CELL, hit, promised * fine_factor(group));
        add(group, GROUP, hit, promised);
    }
    add(&acceptance->source[kind], SOURCE, accepted, predicted);
}

/* Every rate in a fixed order, by address: save and load can't disagree. */
static const ssi_rate *rate_at(const ssi_acceptance *acceptance, uint32_t index)
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

void ssi_acceptance_save(const ssi_acceptance *acceptance,
                         unsigned char bytes[SSI_ACCEPTANCE_BYTES])
{
    for (uint32_t i = 0; i < SSI_ACCEPTANCE_BYTES / 8; i++) {
        const ssi_rate *rate = rate_at(acceptance, i);
        ssi_store_u32le(bytes + 8 * i, ssi_bits_from_float(rate->accepted));
        ssi_store_u32le(bytes + 8 * i + 4, ssi_bits_from_float(rate->predicted));
    }
}

static float number_at(const unsigned char *bytes, uint32_t index)
{
    return ssi_float_from_bits(ssi_load_u32le(bytes + 4 * (size_t)index));
}

bool ssi_acceptance_load(ssi_acceptance *acceptance,
                         const unsigned char bytes[SSI_ACCEPTANCE_BYTES])
{
    for (uint32_t i = 0; i < SSI_ACCEPTANCE_BYTES / 4; i++) {
        float number = number_at(bytes, i);
        if (!(number >= 0 && number < 1e6f))
            return false;
    }
    for (uint32_t i = 0; i < SSI_ACCEPTANCE_BYTES / 8; i++)
        *(ssi_rate *)rate_at(acceptance, i) =
            (ssi_rate){number_at(bytes, 2 * i), number_at(bytes, 2 * i + 1)};
    return true;
}
