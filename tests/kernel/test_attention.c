/* SPDX-License-Identifier: Apache-2.0 */
/* Attention: every listed kernel has the portable one's bits; a row is the same alone and among
 * others; a key is the same in the tree and in the cache; and the formula is the textbook's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "kernel_entries.h"

enum { MAX_ROWS = SSI_ATTENTION_ROWS, MAX_KEYS = 192, NODE_SLOTS = 48, STREAM_SLOTS = 32 };

typedef void attention_function(const ssi_attention_args *args);

/* One area: keys interleaved by 16, values row by row, in exactly the memory the contract names,
 * slots that were never set holding NaN. */
typedef struct area {
    void *keys, *values;
    uint32_t slots;
} area;

typedef struct problem {
    ssi_attention_args args;
    ssi_attention_row rows[MAX_ROWS];
    uint16_t nodes[MAX_ROWS][NODE_SLOTS];
    area cache, node, stream;
    float *query, *output;
    void *scratch;
} problem;

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
    return (uint32_t)(ssi_mix64(seed++ * 0x9e3779b97f4a7c15u) >> 33) % below;
}

static float draw_float(float range)
{
    return (ssi_uniform(ssi_mix64(seed++ * 0x9e3779b97f4a7c15u)) - 0.5f) * 2.0f * range;
}

static void write_number(void *array, bool f32, size_t index, float value)
{
    if (f32)
        ((float *)array)[index] = value;
    else
        ((uint16_t *)array)[index] = ssi_f16_from_float(value);
}

static float read_number(const void *array, bool f32, size_t index)
{
    return f32 ? ((const float *)array)[index]
               : ssi_float_from_f16(((const uint16_t *)array)[index]);
}

static size_t key_index(const ssi_attention_args *args, uint32_t slot, uint32_t d)
{
    return ((size_t)(slot / 16) * args->head_length + d) * 16 + slot % 16;
}

static area new_area(const ssi_attention_args *args, uint32_t slots)
{
    size_t number = args->f32 ? 4 : 2, tiles = (slots + 15) / 16;
    area a = {malloc(tiles * 16 * args->head_length * number + 1),
              malloc(slots * args->head_length * number + 1), slots};
    for (size_t i = 0; i < tiles * 16 * args->head_length; i++)
        write_number(a.keys, args->f32, i, NAN);
    for (size_t i = 0; i < (size_t)slots * args->head_length; i++)
        write_number(a.values, args->f32, i, NAN);
    return a;
}

static void set_slot(const ssi_attention_args *args, const area *a, uint32_t slot, float range)
{
    for (uint32_t d = 0; d < args->head_length; d++) {
        float key = draw_float(range), value = draw_float(range);
        write_number(a->keys, args->f32, key_index(args, slot, d), key);
        write_number(a->values, args->f32, (size_t)slot * args->head_length + d, value);
    }
}

static void copy_slot(const ssi_attention_args *args, const area *from, uint32_t from_slot,
                      const area *to, uint32_t to_slot)
{
    for (uint32_t d = 0; d < args->head_length; d++) {
        size_t old = (size_t)from_slot * args->head_length + d;
        size_t new = (size_t)to_slot * args->head_length + d;
        write_number(to->keys, args->f32, key_index(args, to_slot, d),
                     read_number(from->keys, args->f32, key_index(args, from_slot, d)));
        write_number(to->values, args->f32, new, read_number(from->values, args->f32, old));
    }
}

static void free_area(area *a)
{
    free(a->keys);
    free(a->values);
}

static void attach(problem *p)
{
    p->args.cache_keys = p->cache.keys;
    p->args.cache_values = p->cache.values;
    p->args.node_keys = p->node.keys;
    p->args.node_values = p->node.values;
    p->args.stream_keys = p->stream.keys;
    p->args.stream_values = p->stream.values;
    p->args.rows = p->rows;
    p->args.query = p->query;
    p->args.output = p->output;
    p->args.scratch = p->scratch;
}

/* range: keys, values and queries are in ±range. */
static void begin_problem(problem *p, uint32_t head_length, uint32_t heads, uint32_t row_count,
                          bool f32, float range)
{
    *p = (problem){.args = {.f32 = f32,
                            .head_length = head_length,
                            .heads_per_kv = heads,
                            .row_count = row_count,
                            .scale = 1.0f / sqrtf((float)head_length)}};
    p->args.query_stride = p->args.output_stride = (size_t)head_length * heads + 3;
    size_t count = p->args.query_stride * row_count;
    p->query = malloc(count * sizeof(float));
    p->output = malloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        p->query[i] = draw_float(range);
    size_t bytes = (ssi_attention_scratch_bytes(head_length, heads) + 63) / 64 * 64;
    p->scratch = aligned_alloc(64, bytes);
    p->node = new_area(&p->args, NODE_SLOTS);
    p->stream = new_area(&p->args, STREAM_SLOTS);
    for (uint32_t i = 0; i < NODE_SLOTS; i++)
        set_slot(&p->args, &p->node, i, range);
    for (uint32_t i = 0; i < STREAM_SLOTS; i++)
        set_slot(&p->args, &p->stream, i, range);
}

static void set_cache(problem *p, uint32_t count, float range)
{
    p->cache = new_area(&p->args, count);
    for (uint32_t i = 0; i < count; i++)
        set_slot(&p->args, &p->cache, i, range);
    attach(p);
}

/* Rows as prefill has them (each sees one key more), as a tree has them, and a mixture. */
static void draw_rows(problem *p, uint32_t cache_count, uint32_t kind, float range)
{
    uint32_t most = 1;
    for (uint32_t r = 0; r < p->args.row_count; r++) {
        ssi_attention_row *row = &p->rows[r];
        row->cache_count = cache_count;
        if (kind == 0)
            row->cache_count += r + 1;
        if (kind == 2)
            row->cache_count = draw(cache_count + 1);
        row->nodes = p->nodes[r];
        if (kind != 0) {
            row->node_count = 1 + draw(draw(4) == 0 ? NODE_SLOTS : 6);
            row->stream_count = draw(2) * draw(5);
            row->stream_first = draw(STREAM_SLOTS - 4);
            for (uint32_t i = 0; i < row->node_count; i++)
                p->nodes[r][i] = (uint16_t)(draw(3) ? draw(NODE_SLOTS) : i);
        }
        uint32_t count = row->cache_count + row->node_count + row->stream_count;
        row->window_start = draw(3) == 0 ? draw(count) : 0;
        most = row->cache_count > most ? row->cache_count : most;
    }
    set_cache(p, most, range);
}

static void end_problem(problem *p)
{
    free_area(&p->cache);
    free_area(&p->node);
    free_area(&p->stream);
    free(p->query);
    free(p->output);
    free(p->scratch);
}

/* Runs over a patterned output and returns it. */
static float *run(problem *p, attention_function *attention)
{
    size_t bytes = p->args.output_stride * p->args.row_count * sizeof(float);
    memset(p->output, 0xa5, bytes);
    memset(p->scratch, 0xff,
           ssi_attention_scratch_bytes(p->args.head_length, p->args.heads_per_kv));
    attention(&p->args);
    float *copy = malloc(bytes);
    memcpy(copy, p->output, bytes);
    return copy;
}

static void check_against_portable(problem *p)
{
    size_t bytes = p->args.output_stride * p->args.row_count * sizeof(float);
    float *want = run(p, ssi_attention__ref);
    FOR_EACH_KERNEL(entry, attention) {
        float *got = run(p, KERNEL_OF(entry, attention));
        if (memcmp(got, want, bytes) != 0)
            fail_msg("%s differs: head %u x %u, rows %u, f32 %d, cache %u", entry->name,
                     p->args.heads_per_kv, p->args.head_length, p->args.row_count, p->args.f32,
                     p->rows[0].cache_count);
        free(got);
    }
    free(want);
}

static void every_kernel_has_the_portable_bits(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {64, 8, 16, 20, 32, 48, 64, 80, 96, 128};
    static const float ranges[] = {1.0f, 8.0f, 1e-3f, 200.0f};
    for (uint32_t i = 0; i < 600; i++) {
        problem p;
        uint32_t length = lengths[draw(sizeof lengths / sizeof lengths[0])];
        float range = ranges[draw(4)];
        begin_problem(&p, length, 1 + draw(7), 1 + draw(MAX_ROWS), draw(2), range);
        draw_rows(&p, draw(draw(2) ? MAX_KEYS : 40), i % 3, range);
        check_against_portable(&p);
        end_problem(&p);
    }
}

/* Scores that underflow exp, equal scores, zeros of either sign and denormals. */
static void every_kernel_has_the_portable_bits_at_extremes(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 5; kind++) {
        problem p;
        begin_problem(&p, 64, 3, 8, true, 1.0f);
        draw_rows(&p, 100, 1, 1.0f);
        float *keys = p.cache.keys, *values = p.cache.values;
        for (size_t i = 0; i < (size_t)p.cache.slots * 64; i++) {
            uint32_t slot = (uint32_t)(i / 64);
            float *key = &keys[key_index(&p.args, slot, (uint32_t)i % 64)];
            if (kind == 0)
                *key *= slot % 7 == 3 ? 1e4f : -1e4f;
            if (kind == 1)
                *key = 0.25f;
            if (kind == 2)
                values[i] = draw(2) ? 0.0f : -0.0f;
            if (kind == 3)
                values[i] *= 0x1p-130f;
            if (kind == 4) {
                *key *= 1e-30f;
                values[i] *= 1e30f;
            }
        }
        check_against_portable(&p);
        end_problem(&p);
    }
}

static void a_row_alone_is_the_row_among_others(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        problem p;
        begin_problem(&p, i % 4 == 0 ? 8 : 64, 1 + draw(4), 2 + draw(MAX_ROWS - 1), draw(2), 2.0f);
        draw_rows(&p, draw(MAX_KEYS), i % 3, 2.0f);
        FOR_EACH_KERNEL(entry, attention) {
            float *all = run(&p, KERNEL_OF(entry, attention));
            problem one = p;
            one.args.row_count = 1;
            for (uint32_t r = 0; r < p.args.row_count; r++) {
                one.args.rows = p.rows + r;
                one.args.query = p.query + r * p.args.query_stride;
                float *alone = run(&one, KERNEL_OF(entry, attention));
                assert_memory_equal(alone, all + r * p.args.output_stride,
                                    (size_t)p.args.heads_per_kv * p.args.head_length * 4);
                free(alone);
            }
            free(all);
        }
        end_problem(&p);
    }
}

/* Drafted, a token's keys are in the tree's or the streams' area; accepted, in the cache. */
static void a_key_in_the_tree_is_the_key_in_the_cache(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 150; i++) {
        problem p;
        begin_problem(&p, i % 4 == 0 ? 8 : 64, 3, 1 + draw(MAX_ROWS), draw(2), 2.0f);
        draw_rows(&p, draw(MAX_KEYS), 1, 2.0f);
        float *drafted = run(&p, ssi_attention__ref);
        for (uint32_t r = 0; r < p.args.row_count; r++) {
            ssi_attention_row row = p.rows[r], plain = {0};
            plain.cache_count = row.cache_count + row.node_count + row.stream_count;
            plain.window_start = row.window_start;
            problem one = p;
            one.cache = new_area(&p.args, plain.cache_count);
            for (uint32_t k = 0; k < row.cache_count; k++)
                copy_slot(&p.args, &p.cache, k, &one.cache, k);
            for (uint32_t k = 0; k < row.node_count; k++)
                copy_slot(&p.args, &p.node, row.nodes[k], &one.cache, row.cache_count + k);
            for (uint32_t k = 0; k < row.stream_count; k++)
                copy_slot(&p.args, &p.stream, row.stream_first + k, &one.cache,
                          row.cache_count + row.node_count + k);
            attach(&one);
            one.args.row_count = 1;
            one.args.rows = &plain;
            one.args.query = p.query + r * p.args.query_stride;
            FOR_EACH_KERNEL(entry, attention) {
                float *decoded = run(&one, KERNEL_OF(entry, attention));
                assert_memory_equal(decoded, drafted + r * p.args.output_stride,
                                    (size_t)3 * p.args.head_length * 4);
                free(decoded);
            }
            free_area(&one.cache);
        }
        free(drafted);
        end_problem(&p);
    }
}

/* Softmax of scaled products in binary64, straight from the definition. */
static void the_portable_kernel_is_attention(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        problem p;
        begin_problem(&p, i % 2 ? 64 : 8, 2, 1, draw(2), 2.0f);
        draw_rows(&p, draw(MAX_KEYS), 0, 2.0f);
        float *got = run(&p, ssi_attention__ref);
        uint32_t length = p.args.head_length, first = p.rows[0].window_start;
        for (uint32_t h = 0; h < 2; h++) {
            double weight[MAX_KEYS + 1], sum = 0.0, largest = -INFINITY;
            const float *query = p.query + (size_t)h * length;
            for (uint32_t k = first; k < p.rows[0].cache_count; k++) {
                weight[k] = 0.0;
                for (uint32_t d = 0; d < length; d++)
                    weight[k] += (double)query[d] *
                                 (double)read_number(p.cache.keys, p.args.f32,
                                                     key_index(&p.args, k, d));
                weight[k] *= (double)p.args.scale;
                largest = weight[k] > largest ? weight[k] : largest;
            }
            for (uint32_t k = first; k < p.rows[0].cache_count; k++)
                sum += weight[k] = exp(weight[k] - largest);
            for (uint32_t d = 0; d < length; d++) {
                double want = 0.0;
                for (uint32_t k = first; k < p.rows[0].cache_count; k++)
                    want += weight[k] / sum *
                            (double)read_number(p.cache.values, p.args.f32,
                                                (size_t)k * length + d);
                assert_true(fabs(want - (double)got[h * length + d]) < 1e-5);
            }
        }
        free(got);
        end_problem(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_the_portable_bits),
        cmocka_unit_test(every_kernel_has_the_portable_bits_at_extremes),
        cmocka_unit_test(a_row_alone_is_the_row_among_others),
        cmocka_unit_test(a_key_in_the_tree_is_the_key_in_the_cache),
        cmocka_unit_test(the_portable_kernel_is_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
