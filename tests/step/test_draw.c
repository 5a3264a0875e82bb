/* SPDX-License-Identifier: Apache-2.0 */
/* What speculation draws follows the target's distribution, even where the drafts are chosen by the
 * very noise the sampler draws with, so that what is accepted is no fair sample of the drafts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "toy_model.h"

enum { VOCABULARY = 12, PREFIX = 9, DRAWS = 100000, CHILDREN = 3 };

/* The 0.01 % point of chi-square at 11 degrees of freedom. */
#define MOST_CHI_SQUARE 37.4

static const toy_shape shape = {32,
                                2,
                                1,
                                16,
                                32,
                                VOCABULARY,
                                {SSI_TYPE_Q8_0, SSI_TYPE_Q8_0, SSI_TYPE_Q8_0, SSI_TYPE_Q8_0,
                                 SSI_TYPE_Q8_0, SSI_TYPE_Q8_0, SSI_TYPE_Q8_0},
                                SSI_TYPE_Q8_0,
                                true,
                                false};

static bool take_two(void *context, int32_t token)
{
    ssi_sequence *sequence = context;
    sequence->tokens[sequence->count++] = token;
    return sequence->count < PREFIX + 2;
}

/* Children with the largest noise at that position: wrong by nature, right by luck. */
static void add_children(ssi_tree *tree, uint32_t parent, uint64_t seed, uint32_t position)
{
    for (uint32_t child = 0; child < CHILDREN; child++) {
        int32_t best = -1;
        for (int32_t token = 0; token < VOCABULARY; token++)
            if (ssi_tree_find(tree, parent, token) < 0 &&
                (best < 0 || ssi_sample_noise(seed, position, (uint32_t)token) >
                                 ssi_sample_noise(seed, position, (uint32_t)best)))
                best = token;
        (void)ssi_tree_add(tree, parent, best, 0.5f, SSI_SOURCE_CALLER, child);
    }
}

/* The distribution after PREFIX tokens and perhaps one more. */
static void find_target(toy_engine *engine, int32_t *tokens, uint32_t count,
                        float temperature, double *probability)
{
    double sum = 0;
    engine->work.cache.length = 0;
    toy_prefill(engine, tokens, count);
    for (uint32_t i = 0; i < VOCABULARY; i++)
        sum += probability[i] = exp((double)(engine->last_logits[i] / temperature));
    for (uint32_t i = 0; i < VOCABULARY; i++)
        probability[i] /= sum;
}

static void check(const char *what, const uint32_t *seen, const double *probability)
{
    double chi_square = 0, draws = 0;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        draws += seen[i];
    for (uint32_t i = 0; i < VOCABULARY; i++)
        chi_square += pow(seen[i] - draws * probability[i], 2) / (draws * probability[i]);
    if (!(chi_square < MOST_CHI_SQUARE))
        fail_msg("%s: chi-square %g over %g draws", what, chi_square, draws);
}

static void tokens_drawn_under_speculation_follow_the_distribution(void **state)
{
    static const ssi_plan plan = {SSI_SCHEDULE_NONE, false, 0};
    const float temperature = 3.0f;
    uint32_t first[VOCABULARY] = {0}, second[VOCABULARY] = {0}, accepted = 0;
    double probability[VOCABULARY];
    int32_t tokens[PREFIX + 2], likeliest = 0;
    (void)state;
    toy_model *toy = toy_create(&shape, ssi_cpu_best());
    toy_engine *engine = toy_engine_create(toy, 1, 64, false);
    for (uint32_t i = 0; i < PREFIX; i++)
        tokens[i] = toy_token(toy, 5, i);
    find_target(engine, tokens, PREFIX, temperature, probability);
    for (int32_t i = 1; i < VOCABULARY; i++)
        likeliest = probability[i] > probability[likeliest] ? i : likeliest;

    engine->sampler.params =
        (ss_sampler_params){.top_p = 1, .repetition_penalty = 1, .temperature = temperature};
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        ssi_sequence sequence = {tokens, PREFIX, 0};
        ssi_emitter emitter = {take_two, &sequence};
        ssi_walk walk;
        ssi_tree tree;
        engine->sampler.params.seed = ssi_mix64(seed);
        engine->work.cache.length = PREFIX - 1;
        ssi_tree_init(&tree, tokens[PREFIX - 1]);
        add_children(&tree, 0, engine->sampler.params.seed, PREFIX);
        add_children(&tree, 1, engine->sampler.params.seed, PREFIX + 1);
        assert_int_equal(ssi_step_run(&engine->work, &tree, &plan, &engine->sampler, &sequence,
                                      &emitter, &walk, NULL),
                         SS_OK);
        first[tokens[PREFIX]]++;
        if (sequence.count < PREFIX + 2) { /* no child held it: plain decoding's next pass */
            ssi_tree_init(&tree, tokens[PREFIX]);
            assert_int_equal(ssi_step_run(&engine->work, &tree, &plan, &engine->sampler,
                                          &sequence, &emitter, &walk, NULL),
                             SS_OK);
        } else {
            accepted++;
        }
        if (tokens[PREFIX] == likeliest)
            second[tokens[PREFIX + 1]]++;
    }
    check("first token", first, probability);
    tokens[PREFIX] = likeliest;
    find_target(engine, tokens, PREFIX + 1, temperature, probability);
    check("second token", second, probability);
    assert_in_range(accepted, DRAWS / 4, DRAWS - 1); /* the drafts were no accident */
    toy_engine_free(engine);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_drawn_under_speculation_follow_the_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
