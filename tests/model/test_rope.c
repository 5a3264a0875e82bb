/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary frequencies, against the formulas in binary64 with libm, which the library may not use. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/load.h"

enum { LENGTH = 64, PAIRS = LENGTH / 2 };

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= fabs(want) * relative))
        fail_msg("%.17g, expected %.17g", got, want);
}

static void linear_divides_all(void **state)
{
    ssi_rope rope = { .base = 10000, .factor = 4 };
    double got[PAIRS];
    (void)state;
    assert_int_equal(ssi_rope_frequencies(&rope, LENGTH, NULL, got, NULL), SS_OK);
    for (int i = 0; i < PAIRS; i++)
        near(got[i], pow(10000, -2.0 * i / LENGTH) / 4, 1e-15);
}

static void divisors_apply_pair_by_pair(void **state)
{
    ssi_rope rope = { .base = 500000, .factor = 1 };
    float divisors[PAIRS];
    double got[PAIRS];
    (void)state;
    for (int i = 0; i < PAIRS; i++)
        divisors[i] = i < 10 ? 1 : i < 20 ? (float)i / 7 : 32;
    assert_int_equal(ssi_rope_frequencies(&rope, LENGTH, divisors, got, NULL), SS_OK);
    for (int i = 0; i < PAIRS; i++)
        near(got[i], pow(500000, -2.0 * i / LENGTH) / divisors[i], 1e-15);
}

/* The paper's ramp between the pairs that turn 32 times and once in the original context. */
static void yarn_keeps_the_fast_and_stretches_the_slow(void **state)
{
    ssi_rope rope = { .yarn = true, .base = 10000, .factor = 8, .extension_factor = 1,
                      .beta_fast = 32, .beta_slow = 1, .original_context = 4096 };
    double got[PAIRS], low, high;
    (void)state;
    assert_int_equal(ssi_rope_frequencies(&rope, LENGTH, NULL, got, NULL), SS_OK);
    low = floor(LENGTH * log(4096 / (32 * 2 * M_PI)) / (2 * log(10000)));
    high = ceil(LENGTH * log(4096 / (2 * M_PI)) / (2 * log(10000)));
    assert_true(low > 0 && high < PAIRS); /* or the test shows little */
    for (int i = 0; i < PAIRS; i++) {
        double own = pow(10000, -2.0 * i / LENGTH);
        double kept = 1 - fmin(1, fmax(0, (i - low) / (high - low)));
        near(got[i], own / 8 * (1 - kept) + own * kept, 1e-6); /* the ramp is in binary32 */
        if (i <= low)
            near(got[i], own, 1e-15);
        if (i >= high)
            near(got[i], own / 8, 1e-15);
    }
}

static void yarn_magnitude_grows_with_the_logarithm(void **state)
{
    static const unsigned char beta[] = { 0, 0, 0, 0x42 }; /* 32 */
    static const unsigned char factor[] = { 0, 0, 0, 0x41 }; /* 8 */
    static const unsigned char attention[] = { 0, 0, 0, 0x3f }; /* 0.5 */
    static const unsigned char yarn[] = "\4\0\0\0\0\0\0\0yarn";
    ssi_gguf_key keys[] = {
        { .name = { "llama.rope.scaling.attn_factor", 30 }, .type = SSI_GGUF_F32, .count = 1,
          .data = attention },
        { .name = { "llama.rope.scaling.factor", 25 }, .type = SSI_GGUF_F32, .count = 1,
          .data = factor },
        { .name = { "llama.rope.scaling.type", 23 }, .type = SSI_GGUF_STRING, .count = 1,
          .data = yarn },
        { .name = { "llama.rope.scaling.yarn_beta_fast", 33 }, .type = SSI_GGUF_F32, .count = 1,
          .data = beta },
    };
    uint32_t order[] = { 0, 1, 2, 3 };
    ssi_gguf gguf = { .keys = keys, .key_count = 4, .key_order = order };
    ssi_rope rope;
    (void)state;
    assert_int_equal(ssi_rope_read(&gguf, ssi_arch_find((ssi_text){ "llama", 5 }), 2048, &rope,
                                   NULL), SS_OK);
    assert_true(rope.yarn && rope.factor == 8 && rope.original_context == 2048);
    assert_true(rope.beta_fast == 32 && rope.beta_slow == 1 && rope.extension_factor == 1);
    near(rope.magnitude, 0.5 * (1 + 0.1 * log(8)), 1e-6);

    keys[2].data = (const unsigned char *)"\6\0\0\0\0\0\0\0linear";
    assert_int_equal(ssi_rope_read(&gguf, ssi_arch_find((ssi_text){ "llama", 5 }), 2048, &rope,
                                   NULL), SS_OK);
    assert_true(!rope.yarn && rope.factor == 8 && rope.magnitude == 0.5f);

    keys[2].data = (const unsigned char *)"\4\0\0\0\0\0\0\0none";
    assert_int_equal(ssi_rope_read(&gguf, ssi_arch_find((ssi_text){ "llama", 5 }), 2048, &rope,
                                   NULL), SS_OK);
    assert_true(!rope.yarn && rope.factor == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_divides_all),
        cmocka_unit_test(divisors_apply_pair_by_pair),
        cmocka_unit_test(yarn_keeps_the_fast_and_stretches_the_slow),
        cmocka_unit_test(yarn_magnitude_grows_with_the_logarithm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
