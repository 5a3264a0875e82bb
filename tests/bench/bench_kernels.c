/* SPDX-License-Identifier: Apache-2.0 */
/* Times every gemm kernel of the list over the matrices of a 135M-parameter llama (30 layers and
 * head), read in order as a step does, so that weights come from memory and not from a cache.
 *
 * bench_kernels [-t THREADS] [-n REPEATS] [-r ROWS]... [PART-OF-NAME]
 * One line per kernel and row count: median and best milliseconds for one pass over all weights,
 * GB/s of weights, billions of products a second, cost against 1 row. Row counts are interleaved,
 * so that a noisy neighbour hits all alike. Beyond 64 rows the head is left out, as in prefill. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "kernel/kernel_list.h"

#define LAYERS 30u
#define HEAD_ROWS_MAX 64u
#define ROWS_MAX 512u
#define THREADS_MAX 16u
#define REPEATS_MAX 101u

static const uint32_t shapes[][2] = {
    /* rows, columns */
    {576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536},
};
#define SHAPES (sizeof shapes / sizeof *shapes)
#define MATRICES (LAYERS * SHAPES + 1)

typedef struct pass {
    ssi_gemm_function *gemm;
    const ssi_matrix *matrices;
    ssi_activation x[2]; /* 576 and 1536 columns */
    float *y;
    uint32_t row_count, thread_count, thread;
    double ms; /* result: processor time of this thread */
} pass;

static uint64_t state = 1;

static void fill_random(void *memory, size_t bytes)
{
    unsigned char *to = memory;
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t bits = ssi_mix64(state++);
        memcpy(to + i, &bits, 8);
    }
}

static void *take(size_t bytes)
{
    void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    memset(memory, 0, bytes);
    return memory;
}

static uint64_t lay_out_matrices(ssi_matrix *matrices, ssi_type type, ssi_arena *arena)
{
    uint64_t products = 0;
    for (uint32_t i = 0; i < MATRICES; i++) {
        bool head = i == MATRICES - 1;
        uint32_t rows = head ? 49152 : shapes[i % SHAPES][0];
        uint32_t columns = head ? 576 : shapes[i % SHAPES][1];
        ssi_matrix_layout(&matrices[i], type, rows, columns, arena);
        products += (uint64_t)rows * columns;
    }
    return products;
}

/* Any bits do for integers; halves and floats are kept small and finite. */
static void fill_matrices(ssi_matrix *matrices, ssi_type type, unsigned char *base,
                          size_t bytes)
{
    fill_random(base, bytes);
    for (uint32_t i = 0; i < MATRICES; i++) {
        bool quantised = ssi_type_get(type)->quantised;
        for (uint32_t plane = quantised ? 1 : 0; plane < SSI_PLANES; plane++) {
            unsigned char *at = base + ((const unsigned char *)matrices[i].plane[plane] - base);
            size_t count = (size_t)matrices[i].group_count *
                           ssi_type_get(type)->group_block_bytes[plane] *
                           (quantised ? matrices[i].block_count : matrices[i].columns);
            size_t step = type == SSI_TYPE_F32 ? 4 : 2;
            for (size_t k = step - 1; matrices[i].plane[plane] && k < count; k += step)
                at[k] = (unsigned char)((at[k] & 0x80) | 0x20);
        }
    }
}

/* Processor time, not wall time: neighbours on a shared machine count less. */
static double thread_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void *run_pass(void *context)
{
    pass *work = context;
    double start = thread_ms();
    uint32_t matrices = MATRICES - (work->row_count > HEAD_ROWS_MAX);
    for (uint32_t i = 0; i < matrices; i++) {
        const ssi_matrix *weight = &work->matrices[i];
        uint32_t groups = weight->group_count;
        work->gemm(weight, groups * work->thread / work->thread_count,
                   groups * (work->thread + 1) / work->thread_count,
                   &work->x[weight->columns == 1536], work->row_count, work->y, weight->rows);
    }
    work->ms = thread_ms() - start;
    return NULL;
}

static double time_pass(const pass *model, uint32_t row_count, uint32_t thread_count)
{
    pass works[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    double slowest = 0;
    for (uint32_t t = 0; t < thread_count; t++) {
        works[t] = *model;
        works[t].row_count = row_count;
        works[t].thread = t;
        works[t].thread_count = thread_count;
    }
    for (uint32_t t = 1; t < thread_count; t++)
        if (pthread_create(&threads[t], NULL, run_pass, &works[t]))
            exit(1);
    run_pass(&works[0]);
    for (uint32_t t = 1; t < thread_count; t++)
        pthread_join(threads[t], NULL);
    for (uint32_t t = 0; t < thread_count; t++)
        slowest = works[t].ms > slowest ? works[t].ms : slowest;
    return slowest;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fill_activation(ssi_activation *x, uint32_t columns)
{
    size_t blocks = (columns + 31) / 32;
    *x = (ssi_activation){.columns = columns, .block_count = (uint32_t)blocks};
    x->value_stride = columns;
    x->values = take(ROWS_MAX * x->value_stride * 4);
    x->blocks = take(ROWS_MAX * blocks * sizeof *x->blocks);
    for (size_t i = 0; i < ROWS_MAX * x->value_stride; i++)
        x->values[i] = ssi_uniform(ssi_mix64(state++)) - 0.5f;
    ssi_kernels kernels;
    ssi_kernels_select(&kernels, ssi_cpu_best());
    kernels.quantize(x, 0, ROWS_MAX);
}

static void bench(const char *name, ssi_gemm_function *gemm, ssi_type type,
                  const uint32_t *rows, uint32_t rows_count, uint32_t thread_count,
                  uint32_t repeats)
{
    static double times[16][REPEATS_MAX];
    ssi_matrix matrices[MATRICES];
    ssi_arena arena = {0};
    lay_out_matrices(matrices, type, &arena);
    size_t bytes = arena.used;
    arena = (ssi_arena){.base = take(bytes)};
    uint64_t products = lay_out_matrices(matrices, type, &arena);
    fill_matrices(matrices, type, arena.base, bytes);

    pass model = {.gemm = gemm, .matrices = matrices};
    fill_activation(&model.x[0], 576);
    fill_activation(&model.x[1], 1536);
    model.y = take((size_t)HEAD_ROWS_MAX * 49152 * 4);

    for (uint32_t repeat = 0; repeat < repeats; repeat++)
        for (uint32_t i = 0; i < rows_count; i++)
            times[i][repeat] = time_pass(&model, rows[i], thread_count);
    double one = 0, share = 1.0 - 49152.0 * 576 / (double)products;
    for (uint32_t i = 0; i < rows_count; i++) {
        qsort(times[i], repeats, sizeof(double), by_value);
        double median = times[i][repeats / 2], part = rows[i] > HEAD_ROWS_MAX ? share : 1;
        one = i == 0 ? median : one;
        printf("%-42s threads %u rows %3u  %8.3f ms (best %8.3f)  %6.1f GB/s  %7.1f Gmac/s  "
               "x%.2f\n",
               name, thread_count, rows[i], median, times[i][0],
               part * (double)bytes / median * 1e-6,
               part * (double)products * rows[i] / median * 1e-6, median / one);
    }
    fflush(stdout);
    free(arena.base);
    free(model.y);
    for (int i = 0; i < 2; i++) {
        free(model.x[i].values);
        free(model.x[i].blocks);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t member;
        void (*function)(void);
        ssi_kernel_needs needs;
    } kernels[] = {
#define SSI_KERNEL(function, member, needs)                                                    \
    {#function, offsetof(ssi_kernels, member), (void (*)(void))function, needs},
#include "kernel/kernel_list.inc"
#undef SSI_KERNEL
    };
    uint32_t rows[16] = {1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 512}, rows_count = 11;
    uint32_t thread_count = 2, repeats = 11, rows_given = 0;
    for (int option; (option = getopt(argc, argv, "t:n:r:")) != -1;) {
        uint32_t value = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (option == 't' && value >= 1 && value <= THREADS_MAX)
            thread_count = value;
        else if (option == 'n' && value >= 1 && value <= REPEATS_MAX)
            repeats = value;
        else if (option == 'r' && value >= 1 && value <= ROWS_MAX && rows_given < 16)
            rows[rows_given++] = value, rows_count = rows_given;
        else
            return fputs("usage: bench_kernels [-t THREADS] [-n REPEATS] [-r ROWS]... "
                         "[PART-OF-NAME]\n",
                         stderr),
                   2;
    }
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        for (uint32_t type = 0; type < SSI_TYPE_COUNT; type++)
            if (kernels[i].member ==
                    offsetof(ssi_kernels, gemm) + type * sizeof(ssi_gemm_function *) &&
                ssi_kernel_fits(kernels[i].needs, ssi_cpu_best()) &&
                (optind >= argc || strstr(kernels[i].name, argv[optind])))
                bench(kernels[i].name, (ssi_gemm_function *)kernels[i].function, (ssi_type)type,
                      rows, rows_count, thread_count, repeats);
    return 0;
}
