/* SPDX-License-Identifier: Apache-2.0 */
/* lora_add: every listed kernel has the portable one's bits, touches nothing outside its groups,
 * treats a row the same alone and among others, and is B t within 8-bit rounding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernel_entries.h"

enum { ROWS = 5, GROUPS = 6, RANK_MAX = 64, T_STRIDE = 64, Y_STRIDE = GROUPS * 16 };

static _Alignas(64) uint8_t quants[GROUPS * 16 * RANK_MAX];
static _Alignas(64) float scales[GROUPS * 16];
static float t[ROWS * T_STRIDE];
static ssi_lora_rank quantised[ROWS];
static _Alignas(64) float start[ROWS * Y_STRIDE], want[ROWS * Y_STRIDE], got[ROWS * Y_STRIDE];

static float draw(uint64_t *seed)
{
    return ssi_uniform(ssi_mix64((*seed)++ * 0x9e3779b97f4a7c15u)) * 2.0f - 1.0f;
}

static ssi_lora_b make_problem(uint32_t rank, float range, uint64_t seed)
{
    uint32_t chunks = (rank + 3) / 4;
    for (uint32_t i = 0; i < GROUPS * chunks * 64; i++) {
        uint32_t column = i / 64 % chunks * 4 + i % 4;
        quants[i] = column < rank ? (uint8_t)(128 + (int)(draw(&seed) * 128.0f)) : 128;
    }
    for (uint32_t i = 0; i < GROUPS * 16; i++)
        scales[i] = draw(&seed) * 0.01f;
    for (uint32_t i = 0; i < ROWS * T_STRIDE; i++)
        t[i] = draw(&seed) * range;
    for (uint32_t i = 0; i < 3 && range < 1; i++)
        t[i * 7] = 0; /* and whole rows of zeros with range 0 */
    for (uint32_t row = 0; row < ROWS; row++)
        ssi_lora_rank_quantize(t + row * T_STRIDE, rank, &quantised[row]);
    for (uint32_t i = 0; i < ROWS * Y_STRIDE; i++)
        start[i] = draw(&seed);
    return (ssi_lora_b){GROUPS * 16, rank, quants, scales};
}

static void run(ssi_lora_add_function *kernel, const ssi_lora_b *b, uint32_t begin, uint32_t end,
                uint32_t rows, float *y)
{
    memcpy(y, start, sizeof start);
    kernel(b, begin, end, quantised, rows, y, Y_STRIDE);
}

static void every_kernel_has_the_portable_bits(void **state)
{
    static const uint32_t ranks[] = {0, 1, 3, 4, 8, 15, 16, 32, 61, 64};
    static const float ranges[] = {0.0f, 1e-41f, 1e-3f, 1.0f, 1e30f};
    (void)state;
    FOR_EACH_KERNEL(entry, lora_add)
        for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
            for (size_t j = 0; j < sizeof ranges / sizeof *ranges; j++) {
                ssi_lora_b b = make_problem(ranks[i], ranges[j], i * 8 + j);
                ssi_lora_add_function *kernel = KERNEL_OF(entry, lora_add);
                run(ssi_lora_add__ref, &b, 1, 5, ROWS, want);
                run(kernel, &b, 1, 5, ROWS, got);
                assert_memory_equal(got, want, sizeof want);
                assert_memory_equal(got, start, 16 * sizeof *got); /* group 0 */
                for (uint32_t row = 0; row < ROWS; row++) {
                    _Alignas(64) float alone[Y_STRIDE];
                    memcpy(alone, start + row * Y_STRIDE, sizeof alone);
                    kernel(&b, 1, 5, &quantised[row], 1, alone, Y_STRIDE);
                    assert_memory_equal(alone, want + row * Y_STRIDE, sizeof alone);
                }
            }
}

static void it_is_the_product_within_8_bits(void **state)
{
    ssi_lora_b b = make_problem(16, 1.0f, 99);
    (void)state;
    run(ssi_lora_add__ref, &b, 0, GROUPS, ROWS, got);
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t i = 0; i < GROUPS * 16; i++) {
            double sum = 0, bound = 1e-6, largest = 0;
            for (uint32_t r = 0; r < 16; r++) {
                double weight = (quants[(i / 16 * 4 + r / 4) * 64 + i % 16 * 4 + r % 4] - 128.0) *
                                (double)scales[i];
                double x = (double)t[row * T_STRIDE + r];
                sum += weight * x;
                bound += fabs(weight);
                largest = fabs(x) > largest ? fabs(x) : largest;
            }
            double difference = (double)got[row * Y_STRIDE + i] -
                                (double)start[row * Y_STRIDE + i] - sum;
            assert_true(fabs(difference) <= bound * largest / 254 + 1e-6);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_the_portable_bits),
        cmocka_unit_test(it_is_the_product_within_8_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
