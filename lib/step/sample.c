/* SPDX-License-Identifier: Apache-2.0 */
/* Bias, penalties, then greedy or: temperature, top-k, top-p, min-p, Gumbel-max.
 *
 * Weights that decide how many tokens top-p keeps are integers, so their sums do not depend on the
 * order in which a partial selection visits them, and nothing needs a full sort. */
#include "step/sample.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "step/strip.h"

/* -31 ln 2: a candidate has a weight above 0 if, and only if, it is no further down. */
#define SCORE_FLOOR -0x1.57cd0ep+4f
/* The largest noise: u = 1 - 2^-24 gives 24 log 2 = 16.64; rounded up. */
#define NOISE_MAX 16.7f

void ssi_sampler_layout(ssi_sampler *sampler, uint32_t vocabulary_size, ssi_arena *arena)
{
    sampler->vocabulary_size = vocabulary_size;
    sampler->bias_tokens = ssi_arena_take(arena, SSI_BIAS_MAX, sizeof *sampler->bias_tokens);
    sampler->bias_values = ssi_arena_take(arena, SSI_BIAS_MAX, sizeof *sampler->bias_values);
    sampler->adjusted = ssi_arena_take(arena, vocabulary_size, sizeof *sampler->adjusted);
    sampler->occurrences = ssi_arena_take(arena, vocabulary_size, sizeof *sampler->occurrences);
    sampler->candidates = ssi_arena_take(arena, vocabulary_size, sizeof *sampler->candidates);
}

void ssi_sampler_clear(ssi_sampler *sampler)
{
    memset(sampler->occurrences, 0, sampler->vocabulary_size * sizeof *sampler->occurrences);
}

static bool has_penalties(const ss_sampler_params *params)
{
    return params->penalty_window > 0 &&
           (params->repetition_penalty != 1.0f || params->frequency_penalty != 0.0f ||
            params->presence_penalty != 0.0f);
}

static void apply_bias(const ssi_sampler *sampler)
{
    for (size_t i = 0; i < sampler->params.bias_count; i++)
        sampler->adjusted[sampler->bias_tokens[i]] += sampler->bias_values[i];
}

static void apply_penalties(const ssi_sampler *sampler, const int32_t *history, uint32_t count)
{
    const ss_sampler_params *params = &sampler->params;
    uint32_t window = count < params->penalty_window ? count : params->penalty_window;
    const int32_t *recent = history + count - window;
    uint16_t *occurrences = sampler->occurrences;
    for (uint32_t i = 0; i < window; i++)
        occurrences[recent[i]]++;
    for (uint32_t i = 0; i < window; i++) {
        uint16_t times = occurrences[recent[i]];
        if (times == 0)
            continue; /* done at an earlier place */
        float logit = sampler->adjusted[recent[i]];
        logit = logit > 0 ? logit / params->repetition_penalty
                          : logit * params->repetition_penalty;
        logit -= (float)times * params->frequency_penalty;
        logit -= params->presence_penalty;
        sampler->adjusted[recent[i]] = logit;
        occurrences[recent[i]] = 0;
    }
}

/* The likelier first; of equals the lower id. A total order: selections have one answer. */
static bool precedes(const ssi_contender *a, const ssi_contender *b)
{
    return a->score > b->score || (a->score == b->score && a->token < b->token);
}

static void swap(ssi_contender *a, ssi_contender *b)
{
    ssi_contender held = *a;
    *a = *b;
    *b = held;
}

/* Moves those that precede list[pivot] to the front; returns its place. */
static uint32_t partition(ssi_contender *list, uint32_t count, uint32_t pivot)
{
    uint32_t front = 0;
    swap(&list[pivot], &list[count - 1]);
    for (uint32_t i = 0; i + 1 < count; i++)
        if (precedes(&list[i], &list[count - 1]))
            swap(&list[i], &list[front++]);
    swap(&list[front], &list[count - 1]);
    return front;
}

/* Median of first, middle and last. Which pivot is taken changes the time, never the answer. */
static uint32_t choose_pivot(const ssi_contender *list, uint32_t count)
{
    uint32_t a = 0, b = count / 2, c = count - 1;
    if (precedes(&list[a], &list[b]))
        return precedes(&list[b], &list[c]) ? b : precedes(&list[a], &list[c]) ? c : a;
    return precedes(&list[a], &list[c]) ? a : precedes(&list[b], &list[c]) ? c : b;
}

/* Brings the shortest beginning of the ordered list whose mass reaches `target` to the front (in
 * any order) and returns its length; all of it when the mass never does. Every candidate has mass
 * 1 when `unit`, else its weight. */
static uint32_t select_mass(ssi_contender *list, uint32_t count, uint64_t target, bool unit)
{
    uint32_t kept = 0;
    while (count > 0) {
        uint32_t front = partition(list, count, choose_pivot(list, count));
        uint64_t mass = 0;
        for (uint32_t i = 0; i < front; i++)
            mass += unit ? 1u : list[i].weight;
        if (mass >= target) {
            count = front;
            continue;
        }
        mass += unit ? 1u : list[front].weight;
        kept += front + 1;
        if (mass >= target)
            break;
        target -= mass;
        list += front + 1;
        count -= front + 1;
    }
    return kept;
}

/* What is drawn from: a token's score is (logit - largest) / temperature. Scores are made where they
 * are needed: most strips are passed by with a look at their logits. */
typedef struct scores {
    const ssi_sampler *sampler;
    const float *logits;
    float largest, temperature, inverse;
} scores;

static float score_of(const scores *from, uint32_t token)
{
    return (from->logits[token] - from->largest) * from->inverse;
}

/* No larger than any logit whose score is at least `floor`: the slack covers every rounding. */
static float least_logit(const scores *from, float floor)
{
    float below = floor * from->temperature;
    return from->largest + below - 1e-5f * (fabsf(from->largest) + fabsf(below));
}

/* All tokens whose score is at least `floor`; their weights too. */
static uint32_t gather(const scores *from, float floor)
{
    const ssi_sampler *sampler = from->sampler;
    const uint32_t size = sampler->vocabulary_size;
    const float least = least_logit(from, floor);
    uint32_t count = 0;
    for (uint32_t strip = 0; strip < size; strip += SSI_STRIP) {
        uint32_t end = ssi_strip_end(from->logits, strip, size, least);
        for (uint32_t token = strip; token < end; token++) {
            float score = score_of(from, token);
            if (score >= floor) {
                float weight = ssi_expf(score) * 0x1p31f;
                sampler->candidates[count++] = (ssi_contender){score, token, (uint32_t)weight};
            }
        }
    }
    return count;
}

static uint64_t total_weight(const ssi_contender *list, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += list[i].weight;
    return total;
}

/* Candidates that hold the `top_k` first: a floor that falls until enough are above it. */
static uint32_t keep_top_k(const scores *from, uint32_t top_k)
{
    uint32_t count = 0;
    for (float floor = -4.0f; floor > -100.0f && count < top_k; floor *= 2.0f)
        count = gather(from, floor);
    if (count < top_k)
        count = gather(from, -INFINITY);
    return select_mass(from->sampler->candidates, count, top_k, true);
}

static uint64_t mass_target(double total, float top_p)
{
    uint64_t target = (uint64_t)(total * (double)top_p);
    return target > 0 ? target : 1;
}

/* The same for top-p over the whole vocabulary: weights above the floor that reach the target
 * contain the answer. */
static uint32_t keep_top_p(const scores *from, float top_p)
{
    const ssi_sampler *sampler = from->sampler;
    float sum = sampler->kernels->exp_sum(from->logits, sampler->vocabulary_size,
                                          from->largest, from->inverse);
    uint64_t target = mass_target((double)sum * 0x1p31, top_p);
    uint32_t count = gather(from, -3.0f);
    for (float floor = -6.0f; total_weight(sampler->candidates, count) < target; floor *= 2.0f) {
        count = gather(from, floor > SCORE_FLOOR ? floor : SCORE_FLOOR);
        if (floor <= SCORE_FLOOR)
            break;
    }
    return select_mass(sampler->candidates, count, target, false);
}

static float noise_from(uint64_t bits)
{
    return -ssi_logf(-ssi_logf(ssi_uniform(bits)));
}

float ssi_sample_noise(uint64_t seed, uint32_t position, uint32_t token)
{
    return noise_from(ssi_noise_bits(seed, position, token));
}

/* No less than the noise, without logarithms: -log(-log u) <= -log(1 - u), and 1 - u =
 * (r + 1/2) / 2^23 >= 2^(floor(log2 r) - 23). */
static float noise_bound(uint64_t bits)
{
    uint32_t rest = 0x7fffffu - (uint32_t)(bits >> 41);
    int leading = rest ? __builtin_clz(rest) - 8 : 24; /* zeros above r in 24 bits */
    return (float)leading * 0.6931472f + 0.01f;
}

typedef struct draw {
    const scores *from;
    uint32_t position;
    float best;
    uint32_t token;
} draw;

static void offer(draw *state, float score, uint32_t token)
{
    if (score + NOISE_MAX < state->best)
        return;
    uint64_t bits = ssi_noise_bits(state->from->sampler->params.seed, state->position, token);
    if (score + noise_bound(bits) < state->best)
        return;
    float value = score + noise_from(bits);
    if (value > state->best || (value == state->best && token < state->token)) {
        state->best = value;
        state->token = token;
    }
}

/* The whole vocabulary, from `floor` up. */
static void offer_all(draw *state, float floor)
{
    const scores *from = state->from;
    const uint32_t size = from->sampler->vocabulary_size;
    for (uint32_t strip = 0; strip < size; strip += SSI_STRIP) {
        float reach = state->best - NOISE_MAX > floor ? state->best - NOISE_MAX : floor;
        uint32_t end = ssi_strip_end(from->logits, strip, size, least_logit(from, reach));
        for (uint32_t token = strip; token < end; token++) {
            float score = score_of(from, token);
            if (score >= floor)
                offer(state, score, token);
        }
    }
}

static int32_t draw_token(const scores *from, uint32_t position, uint32_t likeliest)
{
    const ssi_sampler *sampler = from->sampler;
    const ss_sampler_params *params = &sampler->params;
    float floor = params->min_p > 0 ? ssi_logf(params->min_p) : -INFINITY;
    bool some_k = params->top_k > 0 && params->top_k < sampler->vocabulary_size;
    bool some_p = params->top_p < 1.0f;
    draw state = {from, position, -INFINITY, likeliest};
    offer(&state, 0.0f, likeliest); /* never cut, and a good bound for the others */

    if (!some_k && !some_p) {
        offer_all(&state, floor);
        return (int32_t)state.token;
    }
    ssi_contender *list = sampler->candidates;
    uint32_t count;
    if (some_k) {
        count = keep_top_k(from, params->top_k);
        if (some_p) {
            double total = (double)total_weight(list, count);
            count = select_mass(list, count, mass_target(total, params->top_p), false);
        }
    } else
        count = keep_top_p(from, params->top_p);
    for (uint32_t i = 0; i < count; i++)
        if (list[i].score >= floor)
            offer(&state, list[i].score, list[i].token);
    return (int32_t)state.token;
}

ss_status ssi_peak_check(const ssi_peak *peak, uint32_t position, ss_error *error)
{
    if (peak->finite)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_NUMERIC, "position %u: the logits are not all finite",
                    position);
}

ss_status ssi_sample(const ssi_sampler *sampler, const float *logits, const ssi_peak *peak,
                     const int32_t *history, uint32_t history_count, uint32_t position,
                     int32_t *token, ss_error *error)
{
    const ss_sampler_params *params = &sampler->params;
    uint32_t count = sampler->vocabulary_size;
    ssi_peak found;
    bool all;
    if (peak == NULL) {
        found.token = sampler->kernels->argmax(logits, count, &found.finite);
        peak = &found;
    }
    SSI_TRY(ssi_peak_check(peak, position - 1, error));
    uint32_t likeliest = peak->token;
    bool penalties = has_penalties(params);
    if (params->bias_count > 0 || penalties) {
        memcpy(sampler->adjusted, logits, count * sizeof *logits);
        apply_bias(sampler);
        if (penalties)
            apply_penalties(sampler, history, history_count);
        logits = sampler->adjusted;
        likeliest = sampler->kernels->argmax(logits, count, &all); /* bans are not finite */
        if (!(fabsf(logits[likeliest]) < INFINITY))
            return ssi_fail(error, SS_ERROR_NUMERIC, "position %u: %s", position - 1,
                            logits[likeliest] > 0
                                ? "bias and penalties leave a logit that is not finite"
                                : "every token is banned");
    }
    if (params->temperature == 0.0f) {
        *token = (int32_t)likeliest;
        return SS_OK;
    }
    const scores from = {sampler, logits, logits[likeliest], params->temperature,
                         1.0f / params->temperature};
    *token = draw_token(&from, position, likeliest);
    return SS_OK;
}
