/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker learns what sources are worth, and survives being saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "draft/acceptance.h"
#include "support/draw.h"

/* A source that claims `claimed` for its best and half the rest for the second, where the best
 * really comes with `true_rate` and the second half as often. */
static void run(ssi_acceptance *acceptance, float claimed, float true_rate, uint32_t count,
                uint64_t *random)
{
    const ssi_candidate candidates[] = {
        {.token = 1, .probability = claimed, .rank = 0, .group = 2},
        {.token = 2, .probability = (1 - claimed) / 2, .rank = 1, .group = 2},
    };
    for (uint32_t i = 0; i < count; i++) {
        float u = ssi_uniform(draw(random));
        int32_t token = u < true_rate ? 1 : u < true_rate * 1.5f ? 2 : 3;
        ssi_acceptance_observe(acceptance, SSI_SOURCE_STREAM, candidates, 2, token);
    }
}

static float corrected(const ssi_acceptance *acceptance, float claimed)
{
    const ssi_candidate candidate = {.probability = claimed, .group = 2};
    return ssi_acceptance_correct(acceptance, SSI_SOURCE_STREAM, &candidate);
}

static void corrected_rates_come_near_the_true_ones(void **state)
{
    (void)state;
    const float claims[] = {0.2f, 0.6f, 0.95f}, rates[] = {0.1f, 0.4f, 0.65f};
    float errors = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        float claimed = claims[seed % 3], rate = rates[seed / 3 % 3];
        ssi_acceptance acceptance;
        acceptance = (ssi_acceptance){0};
        assert_true(corrected(&acceptance, claimed) == claimed);
        run(&acceptance, claimed, rate, 1000, &random);
        float got = corrected(&acceptance, claimed), error = got > rate ? got - rate : rate - got;
        errors += error;
        if (error > 0.25f)
            fail_msg("seed %llu: %g claimed, %g true, %g learnt", (unsigned long long)seed,
                     (double)claimed, (double)rate, (double)got);
    }
    assert_true(errors / 200 < 0.06f); /* recent tokens count most: some noise is wanted */
}

static void a_source_gone_bad_is_noticed_within_a_few_tokens(void **state)
{
    (void)state;
    uint64_t random = 1;
    ssi_acceptance acceptance;
    acceptance = (ssi_acceptance){0};
    run(&acceptance, 0.9f, 0, 6, &random);
    assert_true(corrected(&acceptance, 0.9f) < 0.2f);
    /* Streams that were never looked at fall with it: they come from the same adapter. */
    const ssi_candidate other = {.probability = 0.9f, .group = 7};
    assert_true(ssi_acceptance_correct(&acceptance, SSI_SOURCE_STREAM, &other) < 0.4f);
    assert_true(ssi_acceptance_correct(&acceptance, SSI_SOURCE_NGRAM, &other) == 0.9f);

    acceptance = (ssi_acceptance){0};
    run(&acceptance, 0.9f, 0.9f, 500, &random);
    run(&acceptance, 0.9f, 0, 40, &random);
    assert_true(corrected(&acceptance, 0.9f) < 0.3f);
}

static void saved_and_loaded_it_says_the_same(void **state)
{
    (void)state;
    uint64_t random = 3;
    unsigned char bytes[SSI_ACCEPTANCE_BYTES];
    ssi_acceptance acceptance, loaded;
    acceptance = (ssi_acceptance){0};
    run(&acceptance, 0.7f, 0.5f, 100, &random);
    ssi_acceptance_save(&acceptance, bytes);
    assert_true(ssi_acceptance_load(&loaded, bytes));
    assert_memory_equal(&loaded, &acceptance, sizeof loaded);

    for (uint64_t seed = 1; seed <= 1000; seed++) { /* garbage never becomes a NaN in a plan */
        random = seed;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)draw(&random);
        assert_false(ssi_acceptance_load(&loaded, bytes));
        assert_memory_equal(&loaded, &acceptance, sizeof loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrected_rates_come_near_the_true_ones),
        cmocka_unit_test(a_source_gone_bad_is_noticed_within_a_few_tokens),
        cmocka_unit_test(saved_and_loaded_it_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
