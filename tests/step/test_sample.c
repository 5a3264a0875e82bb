/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler against one that sorts the whole vocabulary and draws noise for every token, and
 * against the distribution it should have. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "step/sample.h"

typedef struct sample_fixture {
    ssi_kernels kernels;
    ssi_sampler sampler;
    void *block;
} sample_fixture;

static void open_fixture(sample_fixture *fixture, uint32_t vocabulary_size)
{
    ssi_arena arena = {NULL, 0, false};
    ssi_kernels_select(&fixture->kernels, ssi_cpu_best());
    memset(&fixture->sampler, 0, sizeof fixture->sampler);
    ssi_sampler_layout(&fixture->sampler, vocabulary_size, &arena);
    fixture->block = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    arena = (ssi_arena){fixture->block, 0, false};
    ssi_sampler_layout(&fixture->sampler, vocabulary_size, &arena);
    ssi_sampler_clear(&fixture->sampler);
    fixture->sampler.kernels = &fixture->kernels;
    fixture->sampler.params =
        (ss_sampler_params){.top_p = 1, .repetition_penalty = 1, .penalty_window = 64};
}

static float uniform(uint64_t seed, uint32_t index)
{
    return ssi_uniform(ssi_noise_bits(seed, index, 1));
}

typedef struct scored {
    float score;
    int32_t token;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

static uint32_t weight_of(float score)
{
    return (uint32_t)(ssi_expf(score) * 0x1p31f);
}

/* docs/exactness.md, step by step. */
static int32_t naive_sample(const ssi_sampler *sampler, const float *logits,
                            const int32_t *history, uint32_t history_count, uint32_t position)
{
    const ss_sampler_params *params = &sampler->params;
    uint32_t size = sampler->vocabulary_size, kept = size;
    float *adjusted = malloc(size * sizeof *adjusted), *scores = malloc(size * sizeof *scores);
    scored *list = malloc(size * sizeof *list);
    uint32_t window = history_count < params->penalty_window ? history_count
                                                             : params->penalty_window;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t times = 0;
        adjusted[i] = logits[i];
        for (size_t b = 0; b < params->bias_count; b++)
            if (params->bias_tokens[b] == (int32_t)i)
                adjusted[i] += params->bias_values[b];
        for (uint32_t h = history_count - window; h < history_count; h++)
            times += history[h] == (int32_t)i;
        if (times > 0) {
            adjusted[i] = adjusted[i] > 0 ? adjusted[i] / params->repetition_penalty
                                          : adjusted[i] * params->repetition_penalty;
            adjusted[i] -= (float)times * params->frequency_penalty;
            adjusted[i] -= params->presence_penalty;
        }
    }
    float largest = -INFINITY, best = -INFINITY;
    for (uint32_t i = 0; i < size; i++)
        largest = adjusted[i] > largest ? adjusted[i] : largest;
    for (uint32_t i = 0; i < size; i++) {
        scores[i] = (adjusted[i] - largest) * (1.0f / params->temperature);
        list[i] = (scored){scores[i], (int32_t)i};
    }
    qsort(list, size, sizeof *list, by_score);
    double total = (double)sampler->kernels->exp_sum(scores, size, 0.0f, 1.0f) * 0x1p31;
    if (params->top_k > 0 && params->top_k < size) {
        kept = params->top_k;
        total = 0;
        for (uint32_t i = 0; i < kept; i++)
            total += weight_of(list[i].score);
    }
    if (params->top_p < 1) {
        uint64_t target = (uint64_t)(total * (double)params->top_p), mass = 0;
        uint32_t i = 0;
        while (i < kept && weight_of(list[i].score) > 0 && (i == 0 || mass < target))
            mass += weight_of(list[i++].score);
        kept = i;
    }
    int32_t token = list[0].token;
    for (uint32_t i = 0; i < kept; i++) {
        if (params->min_p > 0 && list[i].score < ssi_logf(params->min_p))
            continue;
        uint64_t bits = ssi_noise_bits(params->seed, position, (uint32_t)list[i].token);
        float value = list[i].score - ssi_logf(-ssi_logf(ssi_uniform(bits)));
        if (value > best || (value == best && list[i].token < token)) {
            best = value;
            token = list[i].token;
        }
    }
    free(list);
    free(scores);
    free(adjusted);
    return token;
}

static void a_partial_selection_draws_what_a_full_sort_draws(void **state)
{
    static const uint32_t sizes[] = {3, 100, 5000};
    (void)state;
    for (uint32_t s = 0; s < 3; s++) {
        uint32_t size = sizes[s];
        sample_fixture fixture;
        open_fixture(&fixture, size);
        float *logits = malloc(size * sizeof *logits);
        int32_t history[40], bias_tokens[2] = {0, 2};
        float bias_values[2] = {-INFINITY, 1.5f};
        for (uint64_t seed = 0; seed < 300; seed++) {
            ss_sampler_params *params = &fixture.sampler.params;
            float spread = (float[]){0.0f, 0.5f, 4.0f, 30.0f}[seed % 4];
            for (uint32_t i = 0; i < size; i++) { /* coarse: ties are common */
                logits[i] = roundf(8 * spread * (uniform(seed, i) - 0.5f)) / 4;
                if (i < 40)
                    history[i] = (int32_t)(uniform(seed, 1000 + i) * (float)size);
            }
            params->seed = seed * 0x9e3779b97f4a7c15u;
            params->temperature = (float[]){0.3f, 1.0f, 2.0f}[seed % 3];
            params->top_k = (uint32_t[]){0, 1, 2, 40, 4000}[seed % 5];
            params->top_p = (float[]){1.0f, 0.5f, 0.95f, 0.0f, 0.9999f, 1.0f, 0.3f}[seed % 7];
            params->min_p = (float[]){0.0f, 0.0f, 0.1f, 1.0f}[seed / 4 % 4];
            params->repetition_penalty = seed % 2 ? 1.3f : 1.0f;
            params->frequency_penalty = seed % 11 == 0 ? 0.2f : 0.0f;
            params->presence_penalty = seed % 13 == 0 ? -0.3f : 0.0f;
            params->bias_count = seed % 5 == 0 ? 2 : 0;
            for (uint32_t b = 0; b < 2; b++) {
                fixture.sampler.bias_tokens[b] = bias_tokens[b];
                fixture.sampler.bias_values[b] = bias_values[b];
            }
            params->bias_tokens = fixture.sampler.bias_tokens;
            params->bias_values = fixture.sampler.bias_values;
            uint32_t history_count = size < 40 ? size : 40, position = (uint32_t)seed;
            int32_t token;
            assert_int_equal(ssi_sample(&fixture.sampler, logits, NULL, history, history_count,
                                        position, &token, NULL), SS_OK);
            int32_t want = naive_sample(&fixture.sampler, logits, history, history_count,
                                        position);
            if (token != want)
                fail_msg("size %u, seed %d: token %d, expected %d", size, (int)seed, token, want);
        }
        free(logits);
        free(fixture.block);
    }
}

/* Chi-square over many positions; the bound is the 0.1 % point at 7 degrees of freedom. */
static void draws_follow_the_distribution(void **state)
{
    static const float probability[8] = {0.4f,  0.2f,  0.15f, 0.1f,
                                         0.06f, 0.05f, 0.03f, 0.01f};
    enum { DRAWS = 100000 };
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        sample_fixture fixture;
        float logits[8];
        uint32_t seen[8] = {0};
        double chi_square = 0;
        open_fixture(&fixture, 8);
        fixture.sampler.params.temperature = 1.0f;
        fixture.sampler.params.seed = seed << 61 | seed;
        for (uint32_t i = 0; i < 8; i++)
            logits[i] = logf(probability[i]) + 3.0f;
        for (uint32_t position = 0; position < DRAWS; position++) {
            int32_t token;
            assert_int_equal(
                ssi_sample(&fixture.sampler, logits, NULL, NULL, 0, position, &token, NULL), SS_OK);
            seen[token]++;
        }
        for (uint32_t i = 0; i < 8; i++) {
            double want = DRAWS * (double)probability[i];
            chi_square += pow(seen[i] - want, 2) / want;
        }
        if (!(chi_square < 24.3))
            fail_msg("seed %d: chi-square %g", (int)seed, chi_square);
        free(fixture.block);
    }
}

static void greedy_takes_the_lowest_id_of_the_largest(void **state)
{
    sample_fixture fixture;
    float logits[40] = {0};
    int32_t token;
    (void)state;
    open_fixture(&fixture, 40);
    logits[17] = logits[33] = 2.0f;
    assert_int_equal(ssi_sample(&fixture.sampler, logits, NULL, NULL, 0, 0, &token, NULL), SS_OK);
    assert_int_equal(token, 17);
    logits[20] = NAN;
    assert_int_equal(ssi_sample(&fixture.sampler, logits, NULL, NULL, 0, 0, &token, NULL),
                     SS_ERROR_NUMERIC);
    logits[20] = -INFINITY;
    assert_int_equal(ssi_sample(&fixture.sampler, logits, NULL, NULL, 0, 0, &token, NULL),
                     SS_ERROR_NUMERIC);
    free(fixture.block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partial_selection_draws_what_a_full_sort_draws),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(greedy_takes_the_lowest_id_of_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
