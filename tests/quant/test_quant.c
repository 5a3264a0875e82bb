/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor types: encoding as the reference quantisers round, packing to the layout that quant.h
 * draws, and reading back the very numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "gguf/gguf.h"
#include "quant/quant.h"
#include "encode_vectors.inc"

enum { GUARD = 64, GUARD_BYTE = 0xa5 };

typedef struct packed { /* a matrix in its own memory, with bytes behind it that must not change */
    ssi_matrix matrix;
    unsigned char *block;
    size_t bytes;
} packed;

static packed make_packed(ssi_type type, uint32_t rows, uint32_t columns)
{
    packed made = { 0 };
    ssi_arena arena = { 0 };
    ssi_matrix_layout(&made.matrix, type, rows, columns, &arena);
    made.bytes = arena.used;
    made.block = aligned_alloc(SSI_ALIGN, (made.bytes + 2 * GUARD) / SSI_ALIGN * SSI_ALIGN);
    assert_non_null(made.block);
    memset(made.block, GUARD_BYTE, made.bytes + GUARD);
    arena = (ssi_arena){ .base = made.block };
    ssi_matrix_layout(&made.matrix, type, rows, columns, &arena);
    return made;
}

static void free_packed(packed *made)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_int_equal(made->block[made->bytes + i], GUARD_BYTE);
    free(made->block);
}

/* File rows of random numbers, every scale finite. */
static unsigned char *make_rows(const ssi_type_info *info, uint32_t rows, uint32_t columns,
                                uint64_t seed)
{
    size_t row_bytes = (size_t)columns / info->block_elements * info->block_bytes;
    unsigned char *file = malloc(rows * row_bytes);
    float *values = malloc(columns * sizeof *values);
    assert_true(file != NULL && values != NULL);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = 0; i < columns; i++)
            values[i] = ssi_uniform(ssi_noise_bits(seed, row, i)) - 0.5f;
        info->encode(values, columns, file + row * row_bytes);
    }
    free(values);
    return file;
}

static void check_type(const ssi_type_info *info, uint32_t rows, uint32_t columns)
{
    size_t row_bytes = (size_t)columns / info->block_elements * info->block_bytes;
    unsigned char *file = make_rows(info, rows, columns, rows * 7919u + columns);
    float *want = malloc(columns * sizeof *want), *got = malloc(columns * sizeof *got);
    packed whole = make_packed(info->type, rows, columns);
    packed parts = make_packed(info->type, rows, columns);
    uint32_t bad_row;
    assert_true(info->pack(&whole.matrix, 0, rows, file, row_bytes, &bad_row));
    for (uint32_t row = 0; row < rows; row += SSI_GROUP) {
        uint32_t count = rows - row < SSI_GROUP ? rows - row : SSI_GROUP;
        assert_true(info->pack(&parts.matrix, row, count, file + row * row_bytes, row_bytes,
                               &bad_row));
    }
    for (uint32_t row = 0; row < rows; row++) {
        info->decode(file + row * row_bytes, columns, want);
        info->unpack_row(&whole.matrix, row, got);
        assert_memory_equal(got, want, columns * sizeof *want);
        info->unpack_row(&parts.matrix, row, got);
        assert_memory_equal(got, want, columns * sizeof *want);
    }
    /* Rows of padding read as zeros. */
    for (uint32_t row = rows; row < whole.matrix.group_count * SSI_GROUP; row++) {
        info->unpack_row(&whole.matrix, row, got);
        for (uint32_t i = 0; i < columns; i++)
            assert_true(got[i] == 0);
    }
    free_packed(&whole);
    free_packed(&parts);
    free(want);
    free(got);
    free(file);
}

static void packed_rows_read_back_as_the_file_has_them(void **state)
{
    static const uint32_t shapes[][2] = { { 1, 32 }, { 15, 64 }, { 16, 32 }, { 17, 96 },
                                          { 48, 576 }, { 100, 160 } };
    (void)state;
    for (int type = 0; type < SSI_TYPE_COUNT; type++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            check_type(ssi_type_get((ssi_type)type), shapes[i][0], shapes[i][1]);
}

static void float_columns_may_be_any_number(void **state)
{
    (void)state;
    for (uint32_t columns = 1; columns < 40; columns += 3) {
        check_type(ssi_type_get(SSI_TYPE_F32), 20, columns);
        check_type(ssi_type_get(SSI_TYPE_F16), 20, columns);
        check_type(ssi_type_get(SSI_TYPE_BF16), 20, columns);
    }
}

/* The drawing in quant.h, spelled out element by element. */
static void the_layout_is_the_documented_one(void **state)
{
    const uint32_t rows = 32, columns = 96, blocks = 3;
    uint32_t bad_row;
    (void)state;
    for (int type = SSI_TYPE_Q8_0; type <= SSI_TYPE_Q4_1; type++) {
        const ssi_type_info *info = ssi_type_get((ssi_type)type);
        uint32_t scales = type == SSI_TYPE_Q4_1 ? 2 : 1;
        size_t row_bytes = (size_t)blocks * info->block_bytes;
        unsigned char *file = make_rows(info, rows, columns, 5);
        packed made = make_packed((ssi_type)type, rows, columns);
        assert_true(info->pack(&made.matrix, 0, rows, file, row_bytes, &bad_row));
        assert_int_equal(made.bytes, rows * row_bytes);
        for (uint32_t row = 0; row < rows; row++)
            for (uint32_t block = 0; block < blocks; block++) {
                const unsigned char *at = file + row * row_bytes + block * info->block_bytes;
                size_t unit = (size_t)(row / 16) * blocks + block, lane = row % 16;
                const unsigned char *quants = made.matrix.plane[0];
                for (uint32_t i = 0; i < scales; i++)
                    assert_int_equal(((const uint16_t *)made.matrix.plane[1 + i])[unit * 16 + lane],
                                     ssi_load_u16le(at + 2 * i));
                for (uint32_t c = 0; c < 32 && type == SSI_TYPE_Q8_0; c++)
                    assert_int_equal(quants[unit * 512 + c / 4 * 64 + lane * 4 + c % 4],
                                     (int8_t)at[2 + c] + 128);
                for (uint32_t c = 0; c < 16 && type != SSI_TYPE_Q8_0; c++)
                    assert_int_equal(quants[unit * 256 + c / 4 * 64 + lane * 4 + c % 4],
                                     at[2 * scales + c]);
            }
        free_packed(&made);
        free(file);
    }
}

static void encoding_gives_the_reference_bytes(void **state)
{
    static const struct {
        ssi_type type;
        const unsigned char *bytes;
        size_t count;
    } cases[] = {
        { SSI_TYPE_BF16, vector_bf16, sizeof vector_bf16 },
        { SSI_TYPE_Q8_0, vector_q8_0, sizeof vector_q8_0 },
        { SSI_TYPE_Q4_0, vector_q4_0, sizeof vector_q4_0 },
        { SSI_TYPE_Q4_1, vector_q4_1, sizeof vector_q4_1 },
    };
    float values[VECTOR_BLOCKS * 32];
    unsigned char got[VECTOR_BLOCKS * 64];
    (void)state;
    for (size_t i = 0; i < VECTOR_BLOCKS * 32; i++)
        values[i] = ssi_float_from_bits(vector_values[i]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ssi_type_get(cases[i].type)->encode(values, VECTOR_BLOCKS * 32, got);
        assert_memory_equal(got, cases[i].bytes, cases[i].count);
    }
}

static void an_infinite_or_nan_scale_is_told_with_its_row(void **state)
{
    static const uint16_t halves[] = { 0x7c00, 0xfc00, 0x7e00 };
    (void)state;
    for (int type = 0; type < SSI_TYPE_COUNT; type++) {
        const ssi_type_info *info = ssi_type_get((ssi_type)type);
        size_t row_bytes = 96u / info->block_elements * info->block_bytes;
        for (uint32_t row = 0; row < 37; row += 4)
            for (size_t i = 0; i < 3; i++) {
                unsigned char *file = make_rows(info, 37, 96, 11), *at = file + row * row_bytes;
                packed made = make_packed((ssi_type)type, 37, 96);
                uint32_t bad_row = 99;
                size_t block = type == SSI_TYPE_Q4_1 ? 2 * info->block_bytes + 2
                                                     : 2 * info->block_bytes;
                if (type == SSI_TYPE_F32)
                    ssi_store_u32le(at + block, (uint32_t)halves[i] << 16 | 0x7f800000u);
                else if (type == SSI_TYPE_BF16)
                    ssi_store_u16le(at + block, halves[i] | 0x7f80u);
                else
                    ssi_store_u16le(at + block, halves[i]);
                assert_false(info->pack(&made.matrix, 0, 37, file, row_bytes, &bad_row));
                assert_int_equal(bad_row, row);
                free_packed(&made);
                free(file);
            }
    }
}

static void types_agree_with_the_file_format(void **state)
{
    (void)state;
    for (int type = 0; type < SSI_TYPE_COUNT; type++) {
        const ssi_type_info *info = ssi_type_get((ssi_type)type);
        const ssi_gguf_type *format = ssi_gguf_type_get(info->ggml_type);
        assert_ptr_equal(ssi_type_from_ggml(info->ggml_type), info);
        assert_int_equal(info->type, type);
        assert_string_equal(info->name, format->name);
        assert_int_equal(info->block_elements, format->block_elements);
        assert_int_equal(info->block_bytes, format->block_bytes);
    }
    assert_null(ssi_type_from_ggml(13));
}

static void encoding_extremes_is_defined(void **state)
{
    static const uint32_t bits[] = { 1, 0x80000001, 0x7f7fffff, 0xff7fffff, 0x00800000, 0,
                                     0x7f800000, 0xff800000, 0x7fc00000 };
    float values[32], back[32];
    unsigned char block[64];
    (void)state;
    for (int type = SSI_TYPE_Q8_0; type < SSI_TYPE_COUNT; type++) {
        for (size_t first = 0; first < 2; first++) {
            float tiny[32] = { ssi_float_from_bits(bits[first]), 0, ssi_float_from_bits(7) };
            ssi_type_get((ssi_type)type)->encode(tiny, 32, block);
            ssi_type_get((ssi_type)type)->decode(block, 32, back);
            for (size_t i = 0; i < 32; i++)
                assert_true(back[i] > -1e-6f && back[i] < 1e-6f);
        }
        for (size_t kinds = 6; kinds <= 9; kinds++) { /* no result is promised, only an end */
            for (size_t i = 0; i < 32; i++)
                values[i] = ssi_float_from_bits(bits[i % kinds]);
            ssi_type_get((ssi_type)type)->encode(values, 32, block);
        }
    }
}

/* Weighted as the search weighs it. */
static double squared_error(const ssi_type_info *info, const float *values,
                            const unsigned char *blocks)
{
    float decoded[SSI_BLOCK];
    double sum = 0, size = 0;
    info->decode(blocks, SSI_BLOCK, decoded);
    for (uint32_t i = 0; i < SSI_BLOCK; i++)
        size += (double)values[i] * (double)values[i] / SSI_BLOCK;
    for (uint32_t i = 0; i < SSI_BLOCK; i++) {
        double error = (double)values[i] - (double)decoded[i];
        sum += error * error * (sqrt(size) + fabs((double)values[i]));
    }
    return sum;
}

/* Blocks of every kind, each by its number: near normal, one outlier, far from zero, few values,
 * all alike, zeros, tiny, huge. */
static void make_block(uint32_t number, float values[SSI_BLOCK])
{
    for (uint32_t i = 0; i < SSI_BLOCK; i++) {
        float uniform = ssi_uniform(ssi_noise_bits(11, number, i)), x = -2;
        for (uint32_t part = 0; part < 4; part++)
            x += ssi_uniform(ssi_noise_bits(12 + part, number, i));
        switch (number % 8) {
        case 1: x = i == number % SSI_BLOCK ? 30 : x; break;
        case 2: x = 50 + x; break;
        case 3: x = uniform < 0.3f ? -1 : uniform < 0.6f ? 0.1f : 1; break;
        case 4: x = -0.37f; break;
        case 5: x = 0; break;
        case 6: x *= 1e-7f; break;
        case 7: x *= 20000; break;
        }
        values[i] = x;
    }
}

static void a_search_for_scales_never_does_worse(void **state)
{
    (void)state;
    static const struct {
        ssi_type type;
        double most; /* of the error that is left of near normal values */
    } searched[] = {{SSI_TYPE_Q4_0, 0.92}, {SSI_TYPE_Q4_1, 0.82}};
    for (size_t t = 0; t < sizeof searched / sizeof *searched; t++) {
        const ssi_type_info *info = ssi_type_get(searched[t].type);
        double plain = 0, best = 0;
        for (uint32_t number = 0; number < 8000; number++) {
            float values[2 * SSI_BLOCK]; /* and a block beside it, which must not matter */
            unsigned char one[64], two[64];
            make_block(number, values);
            make_block(number + 1, values + SSI_BLOCK);
            info->encode(values, SSI_BLOCK, one);
            info->encode_best(values, 2 * SSI_BLOCK, two);
            double before = squared_error(info, values, one);
            double after = squared_error(info, values, two);
            if (!(after <= before * 1.0001))
                fail_msg("%s, block %u: error %g, without a search %g", info->name, number,
                         after, before);
            if (number % 8 == 0) {
                plain += before;
                best += after;
            }
            info->encode_best(values, SSI_BLOCK, one);
            assert_memory_equal(one, two, info->block_bytes);
        }
        if (!(best < searched[t].most * plain))
            fail_msg("%s: %g of the error is left", info->name, best / plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_rows_read_back_as_the_file_has_them),
        cmocka_unit_test(float_columns_may_be_any_number),
        cmocka_unit_test(the_layout_is_the_documented_one),
        cmocka_unit_test(encoding_gives_the_reference_bytes),
        cmocka_unit_test(an_infinite_or_nan_scale_is_told_with_its_row),
        cmocka_unit_test(types_agree_with_the_file_format),
        cmocka_unit_test(encoding_extremes_is_defined),
        cmocka_unit_test(a_search_for_scales_never_does_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
