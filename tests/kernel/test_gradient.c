/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of training: the bits of the portable ones at every length, and the portable ones
 * against the formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "kernel_entries.h"

enum { GUARD = 16, MOST = 700, BUFFER = MOST + 2 * GUARD };

static uint64_t seed = 1;

static void fill(float *values, uint32_t count, float size)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = ssi_mix64(seed++ * 0x9e3779b97f4a7c15u);
        values[i] = (ssi_uniform(bits) - 0.5f) * size * ((bits & 15) == 0 ? 40.0f : 1.0f);
    }
}

static float a[BUFFER], b[BUFFER], c[BUFFER], want[2][BUFFER], got[2][BUFFER];

static void pattern(const float *first, uint32_t count)
{
    memset(want, 0xa5, sizeof want);
    memcpy(want[0] + GUARD, first, count * sizeof *first);
    memcpy(got, want, sizeof got);
}

static void expect_equal(const kernel_entry *entry, uint32_t count)
{
    if (memcmp(want, got, sizeof want) != 0)
        fail_msg("%s differs at count %u", entry->name, count);
}

#define FOR_EACH_COUNT(count)                                                                  \
    for (uint32_t count = 1; count <= MOST; count += count < 70 ? 1 : 113)

static void softmax_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count)
    {
        fill(a, count, 8.0f);
        for (uint32_t i = 0; i < count / 3; i++)
            a[ssi_mix64(seed++) % count] = -INFINITY;
        a[count / 2] = 0.5f;
        FOR_EACH_KERNEL(entry, softmax)
        {
            pattern(a, count);
            ssi_softmax__ref(want[0] + GUARD, count, 0.3f);
            KERNEL_OF(entry, softmax)(got[0] + GUARD, count, 0.3f);
            expect_equal(entry, count);
        }
        double sum = 0.0;
        for (uint32_t i = 0; i < count; i++)
            sum += exp(0.3 * (double)a[i]);
        for (uint32_t i = 0; i < count; i++)
            assert_true(fabs((double)want[0][GUARD + i] - exp(0.3 * (double)a[i]) / sum) <
                        2e-6);
    }
}

static void softmax_backward_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count)
    {
        fill(a, count, 4.0f);
        fill(b, count, 2.0f);
        ssi_softmax__ref(a, count, 1.0f);
        double mean = 0.0;
        for (uint32_t i = 0; i < count; i++)
            mean += (double)a[i] * (double)b[i];
        FOR_EACH_KERNEL(entry, softmax_backward)
        {
            pattern(b, count);
            ssi_softmax_backward__ref(a, want[0] + GUARD, count, 0.3f);
            KERNEL_OF(entry, softmax_backward)(a, got[0] + GUARD, count, 0.3f);
            expect_equal(entry, count);
        }
        for (uint32_t i = 0; i < count; i++) {
            double expected = 0.3 * (double)a[i] * ((double)b[i] - mean);
            assert_true(fabs((double)want[0][GUARD + i] - expected) < 1e-5);
        }
    }
}

static void rms_norm_backward_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count)
    for (int add = 0; add < 2; add++) {
        fill(a, count, 4.0f);
        fill(b, count, 2.0f);
        fill(c, count, 2.0f);
        float before[BUFFER];
        fill(before, count, 1.0f);
        FOR_EACH_KERNEL(entry, rms_norm_backward)
        {
            pattern(before, count);
            ssi_rms_norm_backward__ref(a, b, c, 1e-5f, count, add, want[0] + GUARD);
            KERNEL_OF(entry, rms_norm_backward)
            (a, b, c, 1e-5f, count, add, got[0] + GUARD);
            expect_equal(entry, count);
        }
        double squares = 0.0, dots = 0.0;
        for (uint32_t i = 0; i < count; i++) {
            squares += (double)a[i] * (double)a[i];
            dots += (double)a[i] * (double)b[i] * (double)c[i];
        }
        double factor = 1.0 / sqrt(squares / count + 1e-5);
        for (uint32_t i = 0; i < count; i++) {
            double own = factor * ((double)b[i] * (double)c[i] -
                                   (double)a[i] * factor * factor * dots / count);
            double expected = own + (add ? (double)before[i] : 0.0);
            assert_true(fabs((double)want[0][GUARD + i] - expected) <
                        1e-5 * (1.0 + factor * (fabs((double)b[i] * (double)c[i]) + 40.0)));
        }
    }
}

static void silu_mul_backward_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count)
    {
        fill(a, count, 8.0f);
        fill(b, count, 2.0f);
        fill(c, count, 2.0f);
        a[0] = count % 2 ? -200.0f : 200.0f;
        FOR_EACH_KERNEL(entry, silu_mul_backward)
        {
            pattern(c, count); /* over the output's gradient */
            ssi_silu_mul_backward__ref(a, b, want[0] + GUARD, count, want[0] + GUARD,
                                       want[1] + GUARD);
            KERNEL_OF(entry, silu_mul_backward)
            (a, b, got[0] + GUARD, count, got[0] + GUARD, got[1] + GUARD);
            expect_equal(entry, count);
        }
        for (uint32_t i = 0; i < count; i++) {
            double g = (double)a[i], s = 1.0 / (1.0 + exp(-g)), dy = (double)c[i];
            double dg = dy * (double)b[i] * (s + g * s * (1.0 - s)), du = dy * g * s;
            assert_true(fabs((double)want[0][GUARD + i] - dg) < 1e-5 * (1.0 + fabs(dg)));
            assert_true(fabs((double)want[1][GUARD + i] - du) < 1e-5 * (1.0 + fabs(du)));
        }
    }
}

enum { ROWS = 40, DEPTH = 21, STRIDE = 29 };

/* Every tile and tail: rows 0 to 40, columns 1 to 16, a by rows and by columns. */
static void product_panel_has_the_portable_bits(void **state)
{
    static float left[ROWS * STRIDE + DEPTH * 64], right[DEPTH * STRIDE];
    static float expected[ROWS * STRIDE], result[ROWS * STRIDE];
    (void)state;
    for (size_t i = 0; i < sizeof left / sizeof *left; i += MOST)
        fill(left + i,
             (uint32_t)(sizeof left / sizeof *left - i < MOST ? sizeof left / sizeof *left - i
                                                              : MOST),
             2.0f);
    fill(right, DEPTH * STRIDE, 2.0f);
    for (uint32_t rows = 0; rows <= ROWS; rows++)
        for (uint32_t kind = 0; kind < 64; kind++) {
            bool by_columns = kind & 16, add = kind & 32;
            ssi_product_args args = {.a = left,
                                     .a_row = by_columns ? 1 : STRIDE,
                                     .a_step = by_columns ? 64 : 1,
                                     .b = right,
                                     .b_stride = STRIDE,
                                     .c = expected,
                                     .c_stride = STRIDE,
                                     .row_count = rows,
                                     .columns = 1 + kind % 16,
                                     .depth = rows == 7 ? 0 : DEPTH,
                                     .add = add};
            FOR_EACH_KERNEL(entry, product_panel)
            {
                for (size_t i = 0; i < ROWS * STRIDE; i++)
                    expected[i] = result[i] = (float)(i % 13) - 6.0f;
                args.c = expected;
                ssi_product_panel__ref(&args);
                args.c = result;
                KERNEL_OF(entry, product_panel)(&args);
                if (memcmp(expected, result, sizeof expected) != 0)
                    fail_msg("%s: %u rows, kind %u", entry->name, rows, kind);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_has_the_portable_bits),
        cmocka_unit_test(softmax_backward_has_the_portable_bits),
        cmocka_unit_test(rms_norm_backward_has_the_portable_bits),
        cmocka_unit_test(silu_mul_backward_has_the_portable_bits),
        cmocka_unit_test(product_panel_has_the_portable_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
