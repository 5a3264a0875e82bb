/* SPDX-License-Identifier: Apache-2.0 */
/* The small pieces everything stands on: errors, params across header versions, layouts, checked
 * sizes, half floats, hashes, the cursor, CPU names. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/os.h"
#include "base/params.h"
#include "base/random.h"

static void messages_are_safe_to_print(void **state)
{
    ss_error error = {.struct_size = sizeof error};
    (void)state;
    assert_int_equal(ssi_fail(&error, SS_ERROR_FORMAT, "key %s: %d", "a\x1b[2J\nb", 7),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a?[2J?b: 7");
    assert_int_equal(error.status, SS_ERROR_FORMAT);

    ssi_fail(&error, SS_ERROR_IO, "%s", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_string_equal(error.message, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    /* lone tail, overlong, surrogate, past U+10FFFF, C1 control, cut short */
    ssi_fail(&error, SS_ERROR_IO, "%s",
             "\x80|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xc2\x9b|\xe2\x82");
    assert_string_equal(error.message, "?|??|???|????|??|??");
}

static void errors_stay_inside_the_callers_struct(void **state)
{
    char text[400];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';

    ss_error error = {.struct_size = sizeof error};
    ssi_fail(&error, SS_ERROR_IO, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);

    memset(&error, 0x55, sizeof error);
    error.struct_size = offsetof(ss_error, message) + 10; /* an older, smaller one */
    ssi_fail(&error, SS_ERROR_IO, "%s", text);
    assert_string_equal(error.message, "xxxxxxxxx");
    assert_int_equal(error.message[10], 0x55);

    memset(&error, 0x55, sizeof error);
    error.struct_size = 0; /* never initialised: left alone */
    assert_int_equal(ssi_fail(&error, SS_ERROR_IO, "x"), SS_ERROR_IO);
    assert_int_equal(error.message[0], 0x55);
    assert_int_equal(ssi_fail(NULL, SS_ERROR_MEMORY, "x"), SS_ERROR_MEMORY);
}

typedef struct params_old {
    size_t struct_size;
    uint32_t threads, rows;
} params_old;

typedef struct params_new {
    size_t struct_size;
    uint32_t threads, rows;
    uint64_t depth;
} params_new;

static void either_header_may_be_newer(void **state)
{
    ss_error error = {.struct_size = sizeof error};
    (void)state;

    params_new ours = {sizeof ours, 1, 2, 77};
    params_old older = {sizeof older, 5, 6};
    assert_int_equal(ssi_params_read(&ours, sizeof ours, &older, "p", &error), SS_OK);
    assert_int_equal(ours.threads, 5);
    assert_int_equal(ours.depth, 77); /* what they lack keeps its default */
    assert_int_equal(ours.struct_size, sizeof ours);

    params_old ours_old = {sizeof ours_old, 1, 2};
    params_new newer = {sizeof newer, 3, 4, 0};
    assert_int_equal(ssi_params_read(&ours_old, sizeof ours_old, &newer, "p", &error), SS_OK);
    assert_int_equal(ours_old.rows, 4);
    newer.depth = 1; /* we would ignore a wish */
    assert_int_equal(ssi_params_read(&ours_old, sizeof ours_old, &newer, "p", &error),
                     SS_ERROR_UNSUPPORTED);

    newer.struct_size = 3;
    assert_int_equal(ssi_params_read(&ours, sizeof ours, &newer, "p", &error),
                     SS_ERROR_ARGUMENT);
    newer.struct_size = SSI_PARAMS_MAX_BYTES + 1;
    assert_int_equal(ssi_params_read(&ours, sizeof ours, &newer, "p", &error),
                     SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_params_read(&ours, sizeof ours, NULL, "p", &error), SS_ERROR_ARGUMENT);
}

static void results_stay_inside_the_callers_struct(void **state)
{
    (void)state;
    struct {
        params_old result;
        unsigned char guard[16];
    } older;
    params_new ours = {sizeof ours, 8, 9, 10};
    memset(&older, 0x55, sizeof older);
    older.result.struct_size = sizeof older.result;
    assert_int_equal(ssi_result_write(&older.result, &ours, sizeof ours, "r", NULL), SS_OK);
    assert_int_equal(older.result.rows, 9);
    assert_int_equal(older.result.struct_size, sizeof older.result);
    for (size_t i = 0; i < sizeof older.guard; i++)
        assert_int_equal(older.guard[i], 0x55);

    params_new newer = {sizeof newer, 1, 1, 1};
    params_old ours_old = {sizeof ours_old, 6, 7};
    assert_int_equal(ssi_result_write(&newer, &ours_old, sizeof ours_old, "r", NULL), SS_OK);
    assert_int_equal(newer.threads, 6);
    assert_int_equal(newer.depth, 0); /* what we don't know is zero */
}

static size_t lay_out(ssi_arena *arena, unsigned char *pieces[3])
{
    pieces[0] = ssi_arena_take(arena, 3, 7);
    pieces[1] = ssi_arena_take(arena, 0, 8);
    pieces[2] = ssi_arena_take(arena, 5, 8);
    return arena->used;
}

static void counting_and_laying_out_agree(void **state)
{
    unsigned char *pieces[3], *block;
    ssi_arena counting = {0};
    ssi_memory memory = ssi_memory_from(NULL);
    (void)state;
    size_t bytes = lay_out(&counting, pieces);
    assert_null(pieces[0]);
    assert_non_null(block = ssi_allocate(&memory, bytes, 64));
    ssi_arena arena = {.base = block};
    assert_int_equal(lay_out(&arena, pieces), bytes);
    assert_ptr_equal(pieces[0], block);
    assert_ptr_equal(pieces[2], block + 64);
    assert_int_equal(bytes, 64 + 40);

    assert_null(ssi_arena_take(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.overflow);
    assert_null(ssi_arena_take(&arena, 1, 1)); /* sticky */
    ssi_release(&memory, block, bytes);
    ssi_release(&memory, NULL, 0);
    assert_null(ssi_allocate(&memory, 0, 64));
}

static void big_blocks_are_aligned_to_huge_pages(void **state)
{
    ssi_memory memory = ssi_memory_from(NULL);
    (void)state;
    unsigned char *block = ssi_allocate(&memory, (8u << 20) + 5, 4096);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % (2u << 20), 0);
    block[0] = block[(8u << 20) + 4] = 1;
    ssi_release(&memory, block, (8u << 20) + 5);
    assert_null(ssi_allocate(&memory, SIZE_MAX / 2, 64));
}

static void half_floats_convert_exactly_and_round_to_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        float value = ssi_float_from_f16((uint16_t)half);
        if ((half & 0x7fff) > 0x7c00) {
            assert_true(isnan(value));
            continue;
        }
        assert_int_equal(ssi_f16_from_float(value), half);
        if ((half & 0x7fff) >= 0x7bff)
            continue;
        /* Half way to the next one: the even of the two; a hair beside it: the nearer. */
        float next = ssi_float_from_f16((uint16_t)(half + 1)), middle = (value + next) / 2;
        assert_int_equal(ssi_f16_from_float(middle), half + (half & 1));
        assert_int_equal(ssi_f16_from_float(nextafterf(middle, value)), half);
        assert_int_equal(ssi_f16_from_float(nextafterf(middle, next)), half + 1);
    }
    assert_int_equal(ssi_f16_from_float(65519.99f), 0x7bff);
    assert_int_equal(ssi_f16_from_float(65520.0f), 0x7c00);
    assert_int_equal(ssi_f16_from_float(-INFINITY), 0xfc00);
    assert_true(ssi_float_from_bf16(0xc040) == -3.0f);
}

static void hashes_are_xxh3(void **state)
{
    char hex[33];
    unsigned char data[5000];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 131 >> 3);
    ssi_hash_to_hex(ssi_hash("", 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); /* xxHash's own test vector */

    ssi_hash_state *streaming = aligned_alloc(64, (ssi_hash_state_bytes() + 63) / 64 * 64);
    assert_non_null(streaming);
    for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
        ssi_hash_begin(streaming);
        for (size_t at = 0; at < sizeof data; at += piece)
            ssi_hash_update(streaming, data + at,
                            piece < sizeof data - at ? piece : sizeof data - at);
        ssi_hash128 pieces = ssi_hash_end(streaming), whole = ssi_hash(data, sizeof data);
        assert_true(pieces.low == whole.low && pieces.high == whole.high);
    }
    free(streaming);
}

static void a_cursor_never_leaves_its_bytes(void **state)
{
    static const unsigned char bytes[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9};
    ssi_cursor in = {.data = bytes, .size = sizeof bytes};
    (void)state;
    assert_int_equal(ssi_cursor_u8(&in), 1);
    assert_int_equal(ssi_cursor_u16le(&in), 2);
    assert_int_equal(ssi_cursor_u32le(&in), 3);
    assert_int_equal(ssi_cursor_u64le(&in), 4);
    assert_false(in.failed);
    assert_null(ssi_cursor_take(&in, UINT64_MAX));
    assert_true(in.failed);
    assert_int_equal(ssi_cursor_u8(&in), 0); /* sticky, though a byte is left */
}

static void overflow_is_told(void **state)
{
    size_t result;
    (void)state;
    assert_false(ssi_mul(3, 4, &result));
    assert_int_equal(result, 12);
    assert_true(ssi_mul(SIZE_MAX / 2, 3, &result));
    assert_true(ssi_add(SIZE_MAX, 1, &result));
}

static void noise_depends_on_every_bit(void **state)
{
    uint64_t first = ssi_noise_bits(1, 2, 3);
    (void)state;
    for (int bit = 0; bit < 64; bit++)
        assert_true(ssi_noise_bits(1 ^ (uint64_t)1 << bit, 2, 3) != first);
    for (int bit = 0; bit < 32; bit++) {
        assert_true(ssi_noise_bits(1, 2 ^ 1u << bit, 3) != first);
        assert_true(ssi_noise_bits(1, 2, 3 ^ 1u << bit) != first);
    }
    assert_true(ssi_uniform(0) > 0 && ssi_uniform(UINT64_MAX) < 1);
}

static void the_cpu_is_known(void **state)
{
    (void)state;
    assert_true(ssi_cpu_best() >= SSI_ISA_PORTABLE && ssi_cpu_best() < SSI_ISA_COUNT);
    assert_true(ssi_cpu_best() == SSI_ISA_PORTABLE || ssi_cpu_has_fma());
    assert_true(ssi_os_cpu_count() >= 1);
    assert_string_equal(ssi_isa_name(SSI_ISA_PORTABLE), "portable");
    assert_string_equal(ssi_isa_name(SSI_ISA_AVX2), "avx2");
    assert_string_equal(ssi_isa_name(SSI_ISA_AVX512), "avx512");
#if defined(__x86_64__)
    /* The compiler's own runtime asks the same questions. */
    assert_int_equal(ssi_cpu_best() >= SSI_ISA_AVX2,
                     __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    assert_int_equal(ssi_cpu_best() >= SSI_ISA_AVX512,
                     __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512vl"));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_safe_to_print),
        cmocka_unit_test(errors_stay_inside_the_callers_struct),
        cmocka_unit_test(either_header_may_be_newer),
        cmocka_unit_test(results_stay_inside_the_callers_struct),
        cmocka_unit_test(counting_and_laying_out_agree),
        cmocka_unit_test(big_blocks_are_aligned_to_huge_pages),
        cmocka_unit_test(half_floats_convert_exactly_and_round_to_even),
        cmocka_unit_test(hashes_are_xxh3),
        cmocka_unit_test(a_cursor_never_leaves_its_bytes),
        cmocka_unit_test(overflow_is_told),
        cmocka_unit_test(noise_depends_on_every_bit),
        cmocka_unit_test(the_cpu_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
