/* SPDX-License-Identifier: Apache-2.0 */
/* Times a training step's layers on the shapes of a 135M llama (576 wide, 9 heads over 3, 1,536 in
 * the feed-forward): forward and backward of stream rows in groups of 4 beside 300 given keys,
 * with trained pairs of rank 8 on every map.
 *
 * bench_train [-t THREADS] [-r ROWS] [-k KEYS] [-n REPEATS] [-b LIBRARY]
 * JSON lines, one for our own product and, if -b names a shared library with cblas_sgemm (such as
 * libopenblas.so.0), one through that: best and median milliseconds of a layer, the share of time
 * in products, their rate, and the rate of one large bare product between the repeats. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "train/train_layer.h"

enum {
    D = 576,
    FEED = 1536,
    HEADS = 9,
    HEADS_KV = 3,
    HEAD = 64,
    GROUP = 4,
    RANK = 8,
    SPANS = 4
};
enum { LAYERS = 4, BARE = 1000, REPEATS_MAX = 101 };

static uint64_t now_ns(void *context)
{
    struct timespec time;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static float *random_floats(size_t count, float size)
{
    float *values = aligned_alloc(64, (count * sizeof *values + 63) / 64 * 64);
    for (size_t i = 0; i < count; i++)
        values[i] = (ssi_uniform(ssi_mix64(i)) - 0.5f) * size;
    return values;
}

typedef struct bench {
    ssi_train_math math;
    ssi_hyper hyper;
    ssi_train_layer layers[LAYERS];
    ssi_train_saved *saved[LAYERS];
    ssi_train_scratch *scratch;
    ssi_train_rows rows;
    ssi_train_span spans[SPANS];
    float *hidden, *gradient, *bare[3];
} bench;

static void fill_layer(ssi_train_layer *layer)
{
    static const uint32_t shapes[SSI_LINEAR_COUNT][2] = {
        {D, D},   {HEADS_KV * HEAD, D}, {HEADS_KV * HEAD, D}, {D, D}, {FEED, D}, {FEED, D},
        {D, FEED}};
    layer->attention_norm = layer->feed_forward_norm = random_floats(D, 2.0f);
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
        uint32_t out = shapes[map][0], in = shapes[map][1];
        ssi_trained_pair *pair = &layer->maps[map].pairs[SSI_LORA_STREAM];
        layer->maps[map].out = out;
        layer->maps[map].in = in;
        layer->maps[map].weight = random_floats((size_t)out * in, 0.1f);
        *pair = (ssi_trained_pair){
            .rank = RANK,
            .scale = 1.0f,
            .a = {random_floats(RANK * in, 0.1f), random_floats(RANK * in, 0.0f)},
            .b = {random_floats(RANK * out, 0.1f), random_floats(RANK * out, 0.0f)}};
    }
}

static void lay_out(bench *b, uint32_t rows, uint32_t keys)
{
    ssi_train_capacity most = {rows, keys + GROUP};
    ssi_arena arena = {NULL, 0, false};
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            arena = (ssi_arena){aligned_alloc(64, (arena.used + 63) / 64 * 64), 0, false};
        for (uint32_t l = 0; l < LAYERS; l++)
            b->saved[l] = ssi_train_saved_layout(&b->hyper, &most, &arena);
        b->scratch = ssi_train_scratch_layout(&b->hyper, &most, RANK, &arena);
    }
}

static void fill_rows(bench *b, uint32_t rows, uint32_t keys)
{
    uint32_t *group_begin = calloc(rows, sizeof *group_begin);
    uint32_t *visible = calloc(rows, sizeof *visible);
    for (uint32_t row = 0; row < rows; row++) {
        group_begin[row] = row / GROUP * GROUP;
        visible[row] = keys;
    }
    for (uint32_t s = 0; s < SPANS; s++)
        b->spans[s] =
            (ssi_train_span){.row_begin = rows / GROUP * s / SPANS * GROUP,
                             .row_end = rows / GROUP * (s + 1) / SPANS * GROUP,
                             .key_count = keys,
                             .keys = random_floats((size_t)HEADS_KV * keys * HEAD, 2.0f),
                             .values = random_floats((size_t)HEADS_KV * keys * HEAD, 2.0f)};
    b->rows = (ssi_train_rows){.row_count = rows,
                               .span_count = SPANS,
                               .spans = b->spans,
                               .group_begin = group_begin,
                               .visible = visible,
                               .cosines = random_floats((size_t)rows * HEAD / 2, 2.0f),
                               .sines = random_floats((size_t)rows * HEAD / 2, 2.0f)};
}

static void run_layers(bench *b)
{
    size_t numbers = (size_t)b->rows.row_count * D;
    for (size_t i = 0; i < numbers; i++) {
        b->hidden[i] = (float)(i % 7) - 3.0f;
        b->gradient[i] = (float)(i % 5) * 0.01f - 0.02f;
    }
    for (uint32_t l = 0; l < LAYERS; l++)
        ssi_train_layer_forward(&b->math, &b->hyper, &b->layers[l], &b->rows, b->saved[l],
                                b->scratch, b->hidden);
    for (uint32_t l = LAYERS; l-- > 0;)
        ssi_train_layer_backward(&b->math, &b->hyper, &b->layers[l], &b->rows, b->saved[l],
                                 b->scratch, NULL, NULL, b->gradient);
}

static double bare_ns(bench *b)
{
    ssi_train_math math = b->math;
    math.product_ns = 0;
    ssi_train_product(&math, false, false, BARE, BARE, BARE, 1.0f, b->bare[0], BARE, b->bare[1],
                      BARE, 0.0f, b->bare[2], BARE);
    return (double)math.product_ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(bench *b, const char *name, uint32_t repeats)
{
    static double layer[REPEATS_MAX], product[REPEATS_MAX], bare[REPEATS_MAX];
    double flops = 0.0;
    run_layers(b);
    bare_ns(b);
    for (uint32_t i = 0; i < repeats; i++) {
        b->math.product_ns = 0;
        b->math.product_flops = 0.0;
        double begin = (double)now_ns(NULL);
        run_layers(b);
        layer[i] = ((double)now_ns(NULL) - begin) / LAYERS;
        product[i] = (double)b->math.product_ns / LAYERS;
        flops = b->math.product_flops / LAYERS;
        bare[i] = bare_ns(b);
    }
    qsort(layer, repeats, sizeof *layer, by_value);
    qsort(product, repeats, sizeof *product, by_value);
    qsort(bare, repeats, sizeof *bare, by_value);
    double middle = layer[repeats / 2], products = product[repeats / 2];
    double bare_rate = 2.0 * BARE * BARE * BARE / bare[repeats / 2];
    printf("{\"product\":\"%s\",\"threads\":%u,\"rows\":%u,\"layer_ms\":%.3f,"
           "\"layer_best_ms\":%.3f,\"outside_products\":%.3f,\"gflops_in_products\":%.1f,"
           "\"gflops_of_layer\":%.1f,\"gflops_bare\":%.1f,\"share_of_bare\":%.3f}\n",
           name, b->math.parallel->thread_count, b->rows.row_count, middle * 1e-6,
           layer[0] * 1e-6, 1.0 - products / middle, flops / products, flops / middle,
           bare_rate, flops / products / bare_rate);
}

int main(int argc, char **argv)
{
    static bench b;
    uint32_t threads = 2, rows = 512, keys = 300, repeats = 11;
    const char *library = NULL;
    for (int option; (option = getopt(argc, argv, "t:r:k:n:b:")) != -1;) {
        uint32_t value = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (option == 't' && value >= 1)
            threads = value;
        else if (option == 'r' && value >= SPANS * GROUP)
            rows = value / GROUP * GROUP;
        else if (option == 'k' && value >= 1)
            keys = value;
        else if (option == 'n' && value >= 1 && value <= REPEATS_MAX)
            repeats = value;
        else if (option == 'b')
            library = optarg;
        else
            return fputs("usage: bench_train [-t THREADS] [-r ROWS] [-k KEYS] [-n REPEATS] "
                         "[-b LIBRARY]\n",
                         stderr),
                   2;
    }
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    ssi_kernels kernels;
    if (ssi_parallel_create(NULL, threads, &memory, &parallel, NULL) != SS_OK)
        return fputs("no threads\n", stderr), 1;
    ssi_kernels_select(&kernels, ssi_cpu_best());
    b.math = (ssi_train_math){.parallel = &parallel, .kernels = &kernels, .clock = now_ns};
    b.hyper = (ssi_hyper){.layer_count = 30,
                          .embedding_length = D,
                          .feed_forward_length = FEED,
                          .head_count = HEADS,
                          .head_count_kv = HEADS_KV,
                          .head_length = HEAD,
                          .rope_length = HEAD,
                          .rope_interleaved = true,
                          .rms_epsilon = 1e-5f,
                          .attention_scale = 0.125f};
    for (uint32_t l = 0; l < LAYERS; l++)
        fill_layer(&b.layers[l]);
    lay_out(&b, rows, keys);
    fill_rows(&b, rows, keys);
    b.hidden = random_floats((size_t)rows * D, 1.0f);
    b.gradient = random_floats((size_t)rows * D, 1.0f);
    for (int i = 0; i < 3; i++)
        b.bare[i] = random_floats((size_t)BARE * BARE, 1.0f);
    report(&b, "our own", repeats);
    void *handle = library ? dlopen(library, RTLD_NOW) : NULL;
    void *symbol = handle ? dlsym(handle, "cblas_sgemm") : NULL;
    if (library && !symbol)
        return fprintf(stderr, "%s: no cblas_sgemm\n", library), 1;
    memcpy(&b.math.sgemm, &symbol, sizeof symbol);
    if (symbol)
        report(&b, library, repeats);
    ssi_parallel_free(&parallel, &memory);
    return 0;
}
