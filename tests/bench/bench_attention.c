/* SPDX-License-Identifier: Apache-2.0 */
/* Times every listed kernel of attention and of the vector operations, one thread, in the shapes of
 * a 135M llama (head 64, 3 query heads per key/value head, 576 wide, vocabulary 49,152). JSON
 * lines: microseconds a call (the best of several rounds, kernels taking turns), and for attention
 * the billions of multiply-adds a second that its two products make. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../kernel/kernel_entries.h"
#include "base/bytes.h"
#include "base/random.h"

enum { HEAD = 64, HEADS = 3, MOST_CONTEXT = 8192, ROUNDS = 7, MOST_ENTRIES = 8, ROWS = 512 };

typedef struct workload {
    const char *name;
    uint32_t row_count, context, node_count;
    bool prefill; /* row r sees r + 1 keys; else `context` cached ones and a tree's path */
    bool f32;
} workload;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static float *random_floats(size_t count)
{
    float *values = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; i < count; i++)
        values[i] = ssi_uniform(ssi_mix64(i)) * 2.0f - 1.0f;
    return values;
}

static void *random_area(size_t count, bool f32)
{
    float *values = random_floats(count);
    if (!f32)
        ssi_to_f16__ref(values, (uint32_t)count,
                        (uint16_t *)values); /* in place: never overtakes */
    return values;
}

/* One key/value head's share of one layer. */
typedef struct attention_case {
    workload load;
    ssi_attention_args args;
    ssi_attention_row rows[ROWS];
    uint16_t nodes[64];
} attention_case;

static void run_attention(void (*function)(void), void *context)
{
    attention_case *c = context;
    ssi_attention_args args = c->args;
    for (uint32_t row = 0; row < c->load.row_count; row += SSI_ATTENTION_ROWS) {
        uint32_t rest = c->load.row_count - row;
        args.row_count = rest < SSI_ATTENTION_ROWS ? rest : SSI_ATTENTION_ROWS;
        args.rows = c->rows + row;
        args.query = c->args.query + row * args.query_stride;
        args.output = c->args.output + row * args.output_stride;
        ((void (*)(const ssi_attention_args *))function)(&args);
    }
}

static float *first, *second, *third;
static volatile float sink; /* keeps results alive */

static void run_rms_norm(void (*function)(void), void *context)
{
    (void)context;
    ((__typeof__(&ssi_rms_norm__ref))function)(first, second, 1e-5f, 576, third);
}

static void run_quantize(void (*function)(void), void *context)
{
    ((__typeof__(&ssi_quantize__ref))function)(context, 0, 1);
}

static void run_silu_mul(void (*function)(void), void *context)
{
    (void)context;
    ((__typeof__(&ssi_silu_mul__ref))function)(first, second, 1536, third);
}

static void run_argmax(void (*function)(void), void *context)
{
    (void)context;
    bool finite;
    sink = (float)((__typeof__(&ssi_argmax__ref))function)(first, 49152, &finite);
}

static void run_exp_sum(void (*function)(void), void *context)
{
    (void)context;
    sink = ((__typeof__(&ssi_exp_sum__ref))function)(first, 49152, 1.0f, 1.0f);
}

static void run_exp_each(void (*function)(void), void *context)
{
    (void)context;
    memcpy(third, first, 8192 * sizeof *third);
    sink = ((__typeof__(&ssi_exp_each__ref))function)(third, 8192, 1.0f);
}

static void run_to_f16(void (*function)(void), void *context)
{
    (void)context;
    ((__typeof__(&ssi_to_f16__ref))function)(first, 192, (uint16_t *)third);
}

static void bench(const char *name, size_t member, void (*run)(void (*)(void), void *),
                  void *context, double multiply_adds)
{
    const kernel_entry *entries[MOST_ENTRIES];
    double best[MOST_ENTRIES];
    uint32_t count = 0;
    for (const kernel_entry *e = next_kernel(NULL, member); e && count < MOST_ENTRIES;
         e = next_kernel(e, member)) {
        entries[count] = e;
        best[count++] = INFINITY;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < count; i++) {
            double begin = now(), end;
            uint32_t calls = 0;
            do {
                run(entries[i]->run, context);
                calls++;
                end = now();
            } while (end - begin < 5e3);
            double each = (end - begin) / calls;
            best[i] = each < best[i] ? each : best[i];
        }
    for (uint32_t i = 0; i < count; i++) {
        printf("{\"case\":\"%s\",\"kernel\":\"%s\",\"us\":%.3f", name, entries[i]->name,
               best[i]);
        if (multiply_adds > 0.0)
            printf(",\"gfma_per_s\":%.1f", multiply_adds / best[i] * 1e-3);
        printf("}\n");
    }
}

static void bench_attention(const workload *load, const float *queries, float *outputs)
{
    static attention_case c;
    size_t keys = MOST_CONTEXT + 64;
    c = (attention_case){.load = *load};
    c.args = (ssi_attention_args){.f32 = load->f32,
                                  .head_length = HEAD,
                                  .heads_per_kv = HEADS,
                                  .scale = 0.125f,
                                  .cache_keys = random_area(keys * HEAD, load->f32),
                                  .cache_values = random_area(keys * HEAD, load->f32),
                                  .node_keys = random_area(64 * HEAD, load->f32),
                                  .node_values = random_area(64 * HEAD, load->f32),
                                  .query = queries,
                                  .query_stride = HEAD * HEADS,
                                  .output = outputs,
                                  .output_stride = HEAD * HEADS};
    c.args.scratch =
        aligned_alloc(64, (ssi_attention_scratch_bytes(HEAD, HEADS) + 63) / 64 * 64);
    for (uint32_t i = 0; i < 64; i++)
        c.nodes[i] = (uint16_t)i;
    double pairs = 0.0;
    for (uint32_t r = 0; r < load->row_count; r++) {
        c.rows[r] = (ssi_attention_row){.cache_count = load->prefill ? r + 1 : load->context,
                                        .nodes = c.nodes + r % 8,
                                        .node_count = load->node_count};
        pairs += c.rows[r].cache_count + c.rows[r].node_count;
    }
    bench(load->name, offsetof(ssi_kernels, attention), run_attention, &c,
          pairs * HEADS * HEAD * 2.0);
    free((void *)c.args.cache_keys);
    free((void *)c.args.cache_values);
    free((void *)c.args.node_keys);
    free((void *)c.args.node_values);
    free(c.args.scratch);
}

int main(void)
{
    static const workload loads[] = {
        {"decode, 1 row, context 128", 1, 128, 1, false, false},
        {"decode, 1 row, context 1000", 1, 1000, 1, false, false},
        {"decode, 1 row, context 8000", 1, 8000, 1, false, false},
        {"tree, 8 rows, context 128", 8, 128, 4, false, false},
        {"tree, 8 rows, context 150", 8, 150, 4, false, false},
        {"tree, 8 rows, context 1000", 8, 1000, 4, false, false},
        {"tree, 8 rows, context 8000", 8, 8000, 4, false, false},
        {"tree, 8 rows, context 1000, f32", 8, 1000, 4, false, true},
        {"prefill, 512 rows", 512, 0, 0, true, false},
    };
    first = random_floats(49152);
    second = random_floats(49152);
    third = random_floats(49152);
    float *queries = random_floats((size_t)ROWS * HEAD * HEADS);
    float *outputs = random_floats((size_t)ROWS * HEAD * HEADS);
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
        bench_attention(&loads[i], queries, outputs);
    bench("rms_norm 576", offsetof(ssi_kernels, rms_norm), run_rms_norm, NULL, 0.0);
    ssi_activation_block blocks[18];
    ssi_activation x = {.columns = 576, .block_count = 18, .value_stride = 576, .values = first,
                        .blocks = blocks};
    bench("quantize 576", offsetof(ssi_kernels, quantize), run_quantize, &x, 0.0);
    bench("silu_mul 1536", offsetof(ssi_kernels, silu_mul), run_silu_mul, NULL, 0.0);
    bench("to_f16 192", offsetof(ssi_kernels, to_f16), run_to_f16, NULL, 0.0);
    bench("argmax 49152", offsetof(ssi_kernels, argmax), run_argmax, NULL, 0.0);
    bench("exp_sum 49152", offsetof(ssi_kernels, exp_sum), run_exp_sum, NULL, 0.0);
    bench("exp_each 8192", offsetof(ssi_kernels, exp_each), run_exp_each, NULL, 0.0);
    free(first);
    free(second);
    free(third);
    free(queries);
    free(outputs);
    return 0;
}
