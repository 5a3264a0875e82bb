/* SPDX-License-Identifier: Apache-2.0 */
/* Every listed gemm and quantize gives the bytes of the portable one, guards included, and doesn't
 * care which rows share a call or which groups are asked for. The portable one is held against
 * plain arithmetic in double on the decoded weights. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "kernel/kernel_list.h"

typedef struct listed {
    const char *name;
    size_t member;
    void (*function)(void);
    ssi_kernel_needs needs;
} listed;

static const listed kernels[] = {
#define SSI_KERNEL(function, member, needs)                                                    \
    {#function, offsetof(ssi_kernels, member), (void (*)(void))function, needs},
#include "kernel/kernel_list.inc"
#undef SSI_KERNEL
};
#define KERNELS (sizeof kernels / sizeof *kernels)
#define ROWS_MAX 100u

typedef struct problem {
    ssi_matrix weight;
    ssi_activation x;
    unsigned char *file; /* the weights as a GGUF file has them */
    size_t file_row_bytes;
    uint32_t row_count;
    void *planes;
    size_t y_stride, y_floats;
} problem;

static uint64_t seed = 1;

static uint32_t draw(uint32_t bound)
{
    return (uint32_t)(ssi_mix64(seed++) % bound);
}

static void *take(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    return memory;
}

/* Finite, of every size: zeros, denormals, huge ones and ordinary ones. */
static uint16_t draw_half(void)
{
    uint32_t bits = draw(0x10000);
    switch (draw(8)) {
    case 0: return (uint16_t)(bits & 0x8000u);
    case 1: return (uint16_t)(bits & 0x83ffu);
    case 2: return (uint16_t)((bits & 0x83ffu) | 0x7800u);
    default: return (uint16_t)((bits & 0x87ffu) | 0x2000u);
    }
}

static float draw_float(uint32_t kind)
{
    float value = 2 * ssi_uniform(ssi_mix64(seed++)) - 1;
    switch (kind) {
    case 0: return 0;
    case 1: return draw(2) ? 1 : -1; /* every quant is 127 or -127 */
    case 2: return 0.75f;            /* all equal */
    case 3: return value * 1e-39f;   /* denormal */
    case 4: return value * 1e30f;
    case 5: return value * 1e-30f;
    default: return value;
    }
}

static void draw_weights(problem *p, ssi_type type, uint32_t rows, uint32_t columns, bool plain)
{
    const ssi_type_info *info = ssi_type_get(type);
    uint32_t blocks = columns / info->block_elements;
    p->file_row_bytes = (size_t)blocks * info->block_bytes;
    p->file = take(rows * p->file_row_bytes);
    for (size_t i = 0; i < rows * p->file_row_bytes; i++)
        p->file[i] = (unsigned char)draw(256);
    for (size_t block = 0; block < (size_t)rows * blocks; block++) {
        unsigned char *at = p->file + block * info->block_bytes;
        uint32_t extreme = draw(8);
        if (type == SSI_TYPE_F32) {
            float value = draw_float(plain ? 9 : draw(9));
            memcpy(at, &value, 4);
            continue;
        }
        if (type == SSI_TYPE_BF16) {
            uint16_t half =
                (uint16_t)(ssi_bits_from_float(draw_float(plain ? 9 : draw(9))) >> 16);
            memcpy(at, &half, 2);
            continue;
        }
        if (extreme < 2 && info->quantised) /* all quants at an end of their range */
            memset(at, extreme ? 0x80 : 0xff, info->block_bytes);
        uint16_t scale = plain ? ssi_f16_from_float(draw_float(9)) : draw_half();
        memcpy(at, &scale, 2);
        if (type == SSI_TYPE_Q4_1) {
            scale = plain ? ssi_f16_from_float(draw_float(9)) : draw_half();
            memcpy(at + 2, &scale, 2);
        }
    }
    ssi_arena arena = {0};
    ssi_matrix_layout(&p->weight, type, rows, columns, &arena);
    p->planes = take(arena.used);
    arena = (ssi_arena){.base = p->planes};
    ssi_matrix_layout(&p->weight, type, rows, columns, &arena);
    uint32_t bad_row = 0;
    assert_true(info->pack(&p->weight, 0, rows, p->file, p->file_row_bytes, &bad_row));
}

static void new_activation(ssi_activation *x, uint32_t row_count, uint32_t columns)
{
    size_t blocks = (columns + 31) / 32;
    *x = (ssi_activation){.columns = columns, .block_count = (uint32_t)blocks};
    x->value_stride = (columns + 15) / 16 * 16;
    x->values = take(row_count * x->value_stride * sizeof(float));
    x->blocks = take(row_count * blocks * sizeof *x->blocks);
}

static void free_activation(ssi_activation *x)
{
    free(x->values);
    free(x->blocks);
}

static void draw_values(ssi_activation *x, uint32_t row_count, bool plain)
{
    for (uint32_t row = 0; row < row_count; row++)
        for (uint32_t column = 0, kind = 9; column < x->columns; column++) {
            if (column % 32 == 0)
                kind = plain ? 9 : draw(9);
            x->values[row * x->value_stride + column] = draw_float(kind);
        }
}

static problem draw_problem(ssi_type type, uint32_t row_count, uint32_t rows, uint32_t columns,
                            bool plain)
{
    problem p = {.row_count = row_count};
    draw_weights(&p, type, rows, columns, plain);
    new_activation(&p.x, row_count, columns);
    draw_values(&p.x, row_count, plain);
    ssi_quantize__ref(&p.x, 0, row_count);
    p.y_stride = p.weight.group_count * 16 + 16;
    p.y_floats = 16 + row_count * p.y_stride;
    return p;
}

static void free_problem(problem *p)
{
    free(p->file);
    free(p->planes);
    free_activation(&p->x);
}

static float *run(const problem *p, ssi_gemm_function *gemm, uint32_t group_begin,
                  uint32_t group_end)
{
    float *y = take(p->y_floats * sizeof(float));
    memset(y, 0x5a, p->y_floats * sizeof(float));
    gemm(&p->weight, group_begin, group_end, &p->x, p->row_count, y + 16, p->y_stride);
    return y;
}

/* Groups one call each, rows one call each, from the last to the first. */
static float *run_in_pieces(const problem *p, ssi_gemm_function *gemm, uint32_t group_begin,
                            uint32_t group_end)
{
    float *y = take(p->y_floats * sizeof(float));
    memset(y, 0x5a, p->y_floats * sizeof(float));
    for (uint32_t group = group_end; group-- > group_begin;)
        for (uint32_t row = p->row_count; row-- > 0;) {
            ssi_activation one = p->x;
            one.values += row * one.value_stride;
            one.blocks += (size_t)row * one.block_count;
            gemm(&p->weight, group, group + 1, &one, 1, y + 16 + row * p->y_stride,
                 p->y_stride);
        }
    return y;
}

static ssi_gemm_function *reference(ssi_type type)
{
    ssi_gemm_function *const all[SSI_TYPE_COUNT] = {
        [SSI_TYPE_F32] = ssi_gemm_f32_f32__ref,   [SSI_TYPE_F16] = ssi_gemm_f32_f16__ref,
        [SSI_TYPE_BF16] = ssi_gemm_f32_bf16__ref, [SSI_TYPE_Q8_0] = ssi_gemm_q8_q8_0__ref,
        [SSI_TYPE_Q4_0] = ssi_gemm_q8_q4_0__ref,  [SSI_TYPE_Q4_1] = ssi_gemm_q8_q4_1__ref,
    };
    return all[type];
}

static void check_gemms(ssi_type type, uint32_t row_count, uint32_t rows, uint32_t columns)
{
    problem p = draw_problem(type, row_count, rows, columns, false);
    uint32_t begin = draw(p.weight.group_count), end = p.weight.group_count;
    float *want = run(&p, reference(type), begin, end);
    for (size_t i = 0; i < KERNELS; i++) {
        if (kernels[i].member !=
                offsetof(ssi_kernels, gemm) + type * sizeof(ssi_gemm_function *) ||
            !ssi_kernel_fits(kernels[i].needs, ssi_cpu_best()))
            continue;
        ssi_gemm_function *gemm = (ssi_gemm_function *)kernels[i].function;
        float *got = run(&p, gemm, begin, end), *pieces = run_in_pieces(&p, gemm, begin, end);
        if (memcmp(got, want, p.y_floats * sizeof(float)))
            fail_msg("%s: %u rows of %u x %u differ from the portable kernel", kernels[i].name,
                     row_count, rows, columns);
        if (memcmp(pieces, want, p.y_floats * sizeof(float)))
            fail_msg("%s: %u rows of %u x %u differ when taken one by one", kernels[i].name,
                     row_count, rows, columns);
        free(got);
        free(pieces);
    }
    free(want);
    free_problem(&p);
}

static void every_gemm_has_the_bits_of_the_portable_one(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < SSI_TYPE_COUNT; type++) {
        bool quantised = ssi_type_get((ssi_type)type)->quantised;
        for (uint32_t row_count = 1; row_count <= 40; row_count++)
            check_gemms((ssi_type)type, row_count, 1 + draw(70),
                        quantised ? 32 * (1 + draw(8)) : 1 + draw(200));
        check_gemms((ssi_type)type, ROWS_MAX, 33, 64);
        check_gemms((ssi_type)type, 17, 192, 576);
        check_gemms((ssi_type)type, 3, 40, 1536);
        if (!quantised) {
            check_gemms((ssi_type)type, 5, 16, 8);
            check_gemms((ssi_type)type, 9, 64, 172);
        }
    }
}

/* |y - exact| is at most what the activations' rounding to 8 bits and binary32 sums allow. */
static void check_against_double(ssi_type type, uint32_t row_count, uint32_t rows,
                                 uint32_t columns)
{
    problem p = draw_problem(type, row_count, rows, columns, true);
    float *y = run(&p, reference(type), 0, p.weight.group_count);
    float *w = take(columns * sizeof(float));
    for (uint32_t out = 0; out < rows; out++) {
        ssi_type_get(type)->decode(p.file + out * p.file_row_bytes, columns, w);
        for (uint32_t row = 0; row < row_count; row++) {
            const float *x = p.x.values + row * p.x.value_stride;
            double exact = 0, magnitude = 0, bound = 0;
            for (uint32_t i = 0; i < columns; i++) {
                exact += (double)w[i] * x[i];
                magnitude += fabs((double)w[i] * x[i]);
                if (ssi_type_get(type)->quantised)
                    bound += fabs(w[i]) *
                             p.x.blocks[(size_t)row * p.x.block_count + i / 32].scale * 0.501;
            }
            bound += magnitude * (columns + 8) * 0x1p-23;
            /* Q4_1 adds dot * d and m * sum, each larger than their sum */
            bound += type == SSI_TYPE_Q4_1 ? columns * 16 * 0x1p-20 : 0;
            double got = y[16 + row * p.y_stride + out];
            if (!(fabs(got - exact) <= bound))
                fail_msg("%s: row %u, output %u: %g, exact %g, bound %g",
                         ssi_type_get(type)->name, row, out, got, exact, bound);
        }
    }
    free(w);
    free(y);
    free_problem(&p);
}

static void portable_gemm_is_the_product_of_decoded_weights(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < SSI_TYPE_COUNT; type++) {
        check_against_double((ssi_type)type, 3, 33, 96);
        check_against_double((ssi_type)type, 2, 48, 576);
    }
    check_against_double(SSI_TYPE_F16, 2, 20, 172);
    check_against_double(SSI_TYPE_F32, 2, 20, 8);
}

static void check_quantizers(uint32_t row_count, uint32_t columns, bool finite)
{
    ssi_activation want, got;
    new_activation(&want, row_count, columns);
    new_activation(&got, row_count, columns);
    draw_values(&want, row_count, false);
    for (uint32_t i = 0; !finite && i < 3; i++) {
        const uint32_t odd[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xff801234u,
                                0x00000001u};
        want.values[draw(row_count) * want.value_stride + draw(columns)] =
            ssi_float_from_bits(odd[draw(5)]);
    }
    size_t value_floats = row_count * want.value_stride;
    for (uint32_t row = 0; row < row_count; row++) /* what lies beyond a row must not matter */
        for (size_t i = columns; i < want.value_stride; i++)
            want.values[row * want.value_stride + i] = 1e9f;
    memcpy(got.values, want.values, value_floats * sizeof(float));
    ssi_quantize__ref(&want, 0, row_count);
    size_t blocks = (size_t)row_count * want.block_count;
    for (size_t i = 0; i < KERNELS; i++) {
        if (kernels[i].member != offsetof(ssi_kernels, quantize) ||
            !ssi_kernel_fits(kernels[i].needs, ssi_cpu_best()))
            continue;
        memset(got.blocks, 0x5a, blocks * sizeof *got.blocks);
        void (*quantize)(ssi_activation *, uint32_t, uint32_t) =
            (void (*)(ssi_activation *, uint32_t, uint32_t))kernels[i].function;
        uint32_t middle = draw(row_count + 1);
        quantize(&got, middle, row_count);
        quantize(&got, 0, middle);
        for (size_t k = 0; k < blocks; k++) {
            const ssi_activation_block *g = &got.blocks[k], *w = &want.blocks[k];
            assert_memory_equal(g->quants, w->quants, sizeof g->quants);
            assert_int_equal(g->sum8, w->sum8);
            bool both_nan = isnan(g->scale) && isnan(w->scale) && isnan(g->scaled_sum) &&
                            isnan(w->scaled_sum);
            if (!both_nan) {
                assert_memory_equal(&g->scale, &w->scale, sizeof g->scale);
                assert_memory_equal(&g->scaled_sum, &w->scaled_sum, sizeof g->scaled_sum);
            }
        }
    }
    free_activation(&want);
    free_activation(&got);
}

static void every_quantize_has_the_bits_of_the_portable_one(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        check_quantizers(1 + draw(9), 1 + draw(300), i % 2);
    check_quantizers(33, 576, true);
}

static void quantize_keeps_its_word(void **state)
{
    (void)state;
    ssi_activation x;
    new_activation(&x, 6, 40);
    for (uint32_t i = 0; i < 40; i++) {
        x.values[i] = 127.0f - (float)i; /* scale 1: quants as they are */
        x.values[x.value_stride + i] = 0.0f;
        x.values[2 * x.value_stride + i] =
            i == 3 ? INFINITY : 1.0f;                            /* damage in block 0 only */
        x.values[3 * x.value_stride + i] = i == 35 ? NAN : 1.0f; /* damage in block 1 only */
        x.values[4 * x.value_stride + i] = i % 2 ? 1e-44f : -1e-44f; /* too small to invert */
        x.values[5 * x.value_stride + i] = i == 0 ? 254.0f : i % 4 == 1 ? 1.0f : 3.0f;
    }
    ssi_quantize__ref(&x, 0, 6);
    const ssi_activation_block *const b = x.blocks; /* two a row */
    int32_t sum = 0;
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(b[0].quants[i], 127 - (int)i);
        sum += b[0].quants[i];
        assert_int_equal(b[2].quants[i], 0);
        assert_int_equal(b[4].quants[i], 0);
        assert_int_equal(b[8].quants[i], 0);
    }
    assert_true(b[0].scale == 1.0f && b[0].sum8 == -8 * sum && b[0].scaled_sum == (float)sum);
    for (uint32_t i = 8; i < 32; i++)
        assert_int_equal(b[1].quants[i], 0); /* the tail is zeros */
    assert_true(b[2].scale == 0 && b[2].scaled_sum == 0 && b[2].sum8 == 0);
    assert_true(isnan(b[4].scale) && isnan(b[4].scaled_sum) && b[4].sum8 == 0);
    assert_true(b[5].scale == 1.0f / 127.0f);
    assert_true(b[6].scale == 1.0f / 127.0f && isnan(b[7].scale));
    assert_true(b[8].scale == 0 && b[9].scale == 0);
    assert_int_equal(b[10].quants[1], 0); /* 0.5 and 1.5 go to the even neighbour */
    assert_int_equal(b[10].quants[2], 2);
    free_activation(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_keeps_its_word),
        cmocka_unit_test(every_quantize_has_the_bits_of_the_portable_one),
        cmocka_unit_test(portable_gemm_is_the_product_of_decoded_weights),
        cmocka_unit_test(every_gemm_has_the_bits_of_the_portable_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
