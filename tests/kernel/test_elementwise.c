/* SPDX-License-Identifier: Apache-2.0 */
/* Every listed kernel but gemm, quantize and attention against the portable one: equal bytes of the
 * whole buffer, guards included, at every length up to 130 and some long ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "kernel_entries.h"

enum { GUARD = 16, MOST = 5000, BUFFER = MOST + 2 * GUARD };

static uint64_t seed = 1;

static uint64_t draw(void)
{
    return ssi_mix64(seed++ * 0x9e3779b97f4a7c15u);
}

/* Mostly ordinary numbers; also zeros, denormals, and some that make exp overflow or underflow. */
static float draw_float(void)
{
    uint64_t bits = draw();
    float value = (ssi_uniform(bits) - 0.5f) * 8.0f;
    switch (bits & 31) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return value * 0x1p-128f;
    case 3: return value * 100.0f;
    case 4: return value * 0x1p-60f;
    default: return value;
    }
}

static void fill(float *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = draw_float();
}

static uint32_t next_count(uint32_t count)
{
    return count < 130 ? count + 1 : count * 2 + 1;
}

/* Every length, then lengths that more than double. */
#define FOR_EACH_COUNT(count) for (uint32_t count = 1; count <= MOST; count = next_count(count))

static float first[BUFFER], second[BUFFER], want[BUFFER], got[BUFFER];

static void expect_equal(const kernel_entry *entry, uint32_t count)
{
    if (memcmp(want, got, sizeof want) != 0)
        fail_msg("%s differs at count %u", entry->name, count);
}

static void pattern(void)
{
    memset(want, 0xa5, sizeof want);
    memset(got, 0xa5, sizeof got);
}

static void rms_norm_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count) {
        fill(first, count);
        fill(second, count);
        FOR_EACH_KERNEL(entry, rms_norm) {
            pattern();
            ssi_rms_norm__ref(first, second, 1e-5f, count, want + GUARD);
            KERNEL_OF(entry, rms_norm)(first, second, 1e-5f, count, got + GUARD);
            expect_equal(entry, count);
            memcpy(got + GUARD, first, count * sizeof(float)); /* in place */
            KERNEL_OF(entry, rms_norm)(got + GUARD, second, 1e-5f, count, got + GUARD);
            expect_equal(entry, count);
        }
    }
}

static void rope_has_the_portable_bits(void **state)
{
    (void)state;
    for (uint32_t length = 2; length <= 256; length += 2)
        for (uint32_t pairs = 1; pairs <= length / 2; pairs += 1 + pairs / 4)
            for (int interleaved = 0; interleaved < 2; interleaved++) {
                float head[256];
                fill(head, length);
                fill(first, pairs);
                fill(second, pairs);
                FOR_EACH_KERNEL(entry, rope) {
                    pattern();
                    memcpy(want + GUARD, head, length * sizeof(float));
                    memcpy(got + GUARD, head, length * sizeof(float));
                    ssi_rope__ref(want + GUARD, first, second, pairs, length, interleaved);
                    KERNEL_OF(entry, rope)
                    (got + GUARD, first, second, pairs, length, interleaved);
                    expect_equal(entry, length);
                }
            }
}

static void add_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count) {
        fill(first, count);
        fill(second, count);
        FOR_EACH_KERNEL(entry, add) {
            pattern();
            memcpy(want + GUARD, first, count * sizeof(float));
            memcpy(got + GUARD, first, count * sizeof(float));
            ssi_add__ref(want + GUARD, second, count);
            KERNEL_OF(entry, add)(got + GUARD, second, count);
            expect_equal(entry, count);
        }
    }
}

static void silu_mul_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count) {
        fill(first, count);
        fill(second, count);
        FOR_EACH_KERNEL(entry, silu_mul) {
            pattern();
            ssi_silu_mul__ref(first, second, count, want + GUARD);
            KERNEL_OF(entry, silu_mul)(first, second, count, got + GUARD);
            expect_equal(entry, count);
            memcpy(got + GUARD, first, count * sizeof(float)); /* over the gate */
            KERNEL_OF(entry, silu_mul)(got + GUARD, second, count, got + GUARD);
            expect_equal(entry, count);
        }
    }
}

static void silu_is_near_zero_or_the_identity_far_out(void **state)
{
    (void)state;
    const float gate[4] = {-200.0f, 200.0f, 0.0f, 1.0f}, up[4] = {1.0f, 1.0f, 1.0f, 2.0f};
    ssi_silu_mul__ref(gate, up, 4, got);
    assert_true(got[0] == 0.0f && got[1] == 200.0f && got[2] == 0.0f);
    assert_true(fabs((double)got[3] - 2.0 / (1.0 + exp(-1.0))) < 1e-6);
}

/* Every finite float rounds as F16C rounds: all exponents, ties, denormals and the overflow. */
static void to_f16_has_the_portable_bits(void **state)
{
    (void)state;
    uint16_t expected[256 + 2 * GUARD], rounded[256 + 2 * GUARD];
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 256 * 911) {
        float values[256];
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t at = bits + i * 911;
            at = i % 4 == 0 ? (at & ~0x1fffu) | 0x1000u : at; /* halfway */
            at = at < 0x7f800000u ? at : 0x7f7fffffu;
            values[i] = ssi_float_from_bits(at | (i & 1 ? 0x80000000u : 0));
        }
        uint32_t count = bits % 5 ? 256 : 1 + (uint32_t)(draw() % 255);
        FOR_EACH_KERNEL(entry, to_f16) {
            memset(expected, 0xa5, sizeof expected);
            memset(rounded, 0xa5, sizeof rounded);
            ssi_to_f16__ref(values, count, expected + GUARD);
            KERNEL_OF(entry, to_f16)(values, count, rounded + GUARD);
            assert_memory_equal(expected, rounded, sizeof expected);
        }
    }
}

static void argmax_is_the_lowest_index_of_the_largest(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count)
        for (int kind = 0; kind < 6; kind++) {
            fill(first, count);
            uint32_t at = (uint32_t)(draw() % count), other = (uint32_t)(draw() % count);
            if (kind == 1)
                first[at] = first[other] = 1000.0f;
            if (kind == 2)
                first[at] = NAN;
            if (kind == 3)
                first[at] = draw() & 1 ? INFINITY : -INFINITY;
            for (uint32_t i = 0; kind >= 4 && i < count; i++)
                first[i] = kind == 4 ? -INFINITY : i & 1 ? 0.0f : -0.0f;
            uint32_t best = 0;
            bool all_finite = true;
            for (uint32_t i = 0; i < count; i++) {
                all_finite &= isfinite(first[i]) != 0;
                if (first[i] > first[best] || (isnan(first[best]) && !isnan(first[i])))
                    best = i;
            }
            if (first[best] == -INFINITY)
                best = 0;
            FOR_EACH_KERNEL(entry, argmax) {
                bool finite = !all_finite;
                uint32_t index = KERNEL_OF(entry, argmax)(first, count, &finite);
                if (index != best || finite != all_finite)
                    fail_msg("%s: count %u, kind %d: %u, not %u", entry->name, count, kind, index,
                             best);
            }
        }
}

static void exp_sum_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count) {
        fill(first, count);
        float largest = -INFINITY, inverse = count % 3 == 0 ? 1.0f : 1.0f / 0.7f;
        double sum = 0.0;
        for (uint32_t i = 0; i < count; i++)
            largest = first[i] > largest ? first[i] : largest;
        for (uint32_t i = 0; i < count; i++)
            sum += exp(((double)first[i] - (double)largest) * (double)inverse);
        float expected = ssi_exp_sum__ref(first, count, largest, inverse);
        assert_true(fabs((double)expected - sum) <= 1e-5 * sum);
        FOR_EACH_KERNEL(entry, exp_sum) {
            float value = KERNEL_OF(entry, exp_sum)(first, count, largest, inverse);
            assert_memory_equal(&value, &expected, sizeof value);
        }
    }
}

static void exp_each_has_the_portable_bits(void **state)
{
    (void)state;
    FOR_EACH_COUNT(count) {
        fill(first, count);
        float largest = -INFINITY;
        for (uint32_t i = 0; i < count; i++)
            largest = first[i] > largest ? first[i] : largest;
        FOR_EACH_KERNEL(entry, exp_each) {
            pattern();
            memcpy(want + GUARD, first, count * sizeof(float));
            memcpy(got + GUARD, first, count * sizeof(float));
            float expected = ssi_exp_each__ref(want + GUARD, count, largest);
            float value = KERNEL_OF(entry, exp_each)(got + GUARD, count, largest);
            expect_equal(entry, count);
            assert_memory_equal(&value, &expected, sizeof value);
            assert_true(expected == ssi_exp_sum__ref(first, count, largest, 1.0f));
        }
    }
}

/* A narrower table is filled by the narrower kernels, and no entry is ever missing. */
static void a_table_of_any_isa_is_complete(void **state)
{
    (void)state;
    for (ssi_isa isa = SSI_ISA_PORTABLE; isa <= ssi_cpu_best(); isa++) {
        ssi_kernels kernels;
        ssi_kernels_select(&kernels, isa);
        for (int type = 0; type < SSI_TYPE_COUNT; type++)
            assert_non_null(kernels.gemm[type]);
        assert_true(kernels.quantize && kernels.rms_norm && kernels.rope && kernels.add &&
                    kernels.silu_mul && kernels.attention && kernels.to_f16 && kernels.argmax &&
                    kernels.exp_sum && kernels.exp_each);
        assert_true(kernels.product_panel && kernels.softmax && kernels.softmax_backward &&
                    kernels.rms_norm_backward && kernels.silu_mul_backward);
        bool plain = kernels.attention == ssi_attention__ref;
#if defined(__x86_64__)
        plain |= kernels.attention == ssi_attention__fma;
#endif
        assert_true(plain == (isa == SSI_ISA_PORTABLE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rms_norm_has_the_portable_bits),
        cmocka_unit_test(rope_has_the_portable_bits),
        cmocka_unit_test(add_has_the_portable_bits),
        cmocka_unit_test(silu_mul_has_the_portable_bits),
        cmocka_unit_test(silu_is_near_zero_or_the_identity_far_out),
        cmocka_unit_test(to_f16_has_the_portable_bits),
        cmocka_unit_test(argmax_is_the_lowest_index_of_the_largest),
        cmocka_unit_test(exp_sum_has_the_portable_bits),
        cmocka_unit_test(exp_each_has_the_portable_bits),
        cmocka_unit_test(a_table_of_any_isa_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
