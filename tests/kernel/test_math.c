/* SPDX-License-Identifier: Apache-2.0 */
/* The elementary functions against the C library's in binary64: every 1009th float, the edges, and
 * exp as the SIMD kernels compute it. Bounds are in units of the last place. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "kernel_entries.h"

enum { STEP = 1009 }; /* odd, so that all low bits are met */

static double ulps(float got, double want)
{
    float nearest = (float)want;
    if (got == nearest)
        return fabs((double)got - want) / (double)(nextafterf(fabsf(got), INFINITY) - fabsf(got));
    if (!isfinite(got) || !isfinite(nearest))
        return INFINITY;
    float size = fabsf(nearest);
    return fabs((double)got - want) / (double)(nextafterf(size, INFINITY) - size);
}

static void exp_is_within_one_ulp(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < 1ull << 32; bits += STEP) {
        float x = ssi_float_from_bits((uint32_t)bits), got = ssi_expf(x);
        if (isnan(x)) {
            assert_true(isnan(got));
            continue;
        }
        double want = exp((double)x);
        if (want < 0x1p-126)
            assert_true(got == 0.0f);
        else if (isinf((float)want))
            assert_true(got == INFINITY);
        else if (!(ulps(got, want) < 1.0))
            fail_msg("exp(%a) = %a", (double)x, (double)got);
    }
    assert_true(ssi_expf(0.0f) == 1.0f && ssi_expf(-0.0f) == 1.0f);
    assert_true(ssi_expf(-INFINITY) == 0.0f && ssi_expf(INFINITY) == INFINITY);
}

/* exp(x) is silu_mul's and exp_sum's business; one value at a time through exp_sum shows it. */
static void every_exp_has_the_same_bits(void **state)
{
    (void)state;
    float x[16];
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 16 * 60013) {
        for (uint32_t i = 0; i < 16; i++)
            x[i] = ssi_float_from_bits((uint32_t)bits + i * 60013);
        for (uint32_t i = 0; i < 16; i++) {
            if (isnan(x[i]))
                continue;
            float one[16], want = ssi_expf(x[i]); /* lane 0: the sum is the value itself */
            for (uint32_t k = 1; k < 16; k++)
                one[k] = -INFINITY;
            one[0] = x[i];
            FOR_EACH_KERNEL(entry, exp_sum)
                assert_true(KERNEL_OF(entry, exp_sum)(one, 16, 0.0f, 1.0f) == want);
        }
    }
}

static void log_is_within_one_ulp(void **state)
{
    (void)state;
    for (uint64_t bits = 1; bits < 0x7f800000u; bits += STEP) {
        float x = ssi_float_from_bits((uint32_t)bits);
        if (!(ulps(ssi_logf(x), log((double)x)) < 1.0))
            fail_msg("log(%a) = %a", (double)x, (double)ssi_logf(x));
    }
    assert_true(ssi_logf(1.0f) == 0.0f && ssi_logf(0.0f) == -INFINITY);
    assert_true(ssi_logf(INFINITY) == INFINITY && isnan(ssi_logf(-1.0f)));
}

static void sine_and_cosine_are_correctly_rounded_or_next_to_it(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        double range[] = {1.0, 100.0, 131072.0, 1e9}; /* the third: a long context's radians */
        double unit = (double)(int64_t)ssi_mix64(i) * 0x1p-63, angle = unit * range[i % 4], s, c;
        float sine, cosine;
        ssi_sincosf(angle, &sine, &cosine);
        s = sin(angle);
        c = cos(angle);
        if (!(ulps(sine, s) < 0.51 && ulps(cosine, c) < 0.51))
            fail_msg("sincos(%a) = %a, %a", angle, (double)sine, (double)cosine);
    }
    float sine, cosine;
    ssi_sincosf(0.0, &sine, &cosine);
    assert_true(sine == 0.0f && cosine == 1.0f);
}

static void pow_is_within_one_ulp(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50000; i++) {
        double unit = (double)(ssi_mix64(2 * i) >> 11) * 0x1p-53;
        double base = exp(unit * 20.0 - 4.0);
        double exponent = (double)(int64_t)ssi_mix64(2 * i + 1) * 0x1p-63 * (i % 2 ? 1.0 : 20.0);
        long double want = powl((long double)base, (long double)exponent);
        double got = ssi_pow(base, exponent);
        double ulp = nextafter((double)want, INFINITY) - (double)want;
        if (!(fabsl(((long double)got - want) / (long double)ulp) < 1.0L))
            fail_msg("pow(%a, %a) = %a", base, exponent, got);
    }
    assert_true(ssi_pow(10000.0, 0.0) == 1.0 && ssi_pow(2.0, 10.0) == 1024.0);
    assert_true(ssi_pow(2.0, -2000.0) == 0.0 && ssi_pow(2.0, 2000.0) == INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_one_ulp),
        cmocka_unit_test(every_exp_has_the_same_bits),
        cmocka_unit_test(log_is_within_one_ulp),
        cmocka_unit_test(sine_and_cosine_are_correctly_rounded_or_next_to_it),
        cmocka_unit_test(pow_is_within_one_ulp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
