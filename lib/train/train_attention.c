/* SPDX-License-Identifier: Apache-2.0 */
/* softmax(Q K^T) V over given keys and the rows' own, forward and backward. A chunk of rows of one
 * span makes its scores for one head in a block
 *
 *     [row][ given keys, padded to 16 | own keys of the chunk's groups, padded to 16 ]
 *
 * by products with panels of 16 keys; what a row may not see is set to -inf before the softmax, and
 * has probability 0 in everything after. The backward pass makes the probabilities again.
 *
 * Given are a span's keys, or the rows of a prefix that all others see. Its gradients come from
 * every task: each sums its own, and the sums are added in the order of the tasks. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "step/cut.h"
#include "train/train_saved.h"

#define PARTS 16u /* tasks of all key/value heads together, unless those are more */

typedef struct attention_work {
    const ssi_kernels *kernels;
    const ssi_hyper *hyper;
    const ssi_train_rows *rows;
    const ssi_train_saved *saved;
    ssi_train_scratch *scratch;
    uint32_t job_count, slice_count; /* a task: a slice of the jobs, for one key/value head */
} attention_work;

typedef struct row_chunk {
    const ssi_train_span *span;
    uint32_t head; /* key/value head */
    uint32_t row_begin, row_end;
    uint32_t given;                     /* given keys: the most that any row sees */
    uint32_t own_begin, own_count;      /* rows whose keys are seen */
    uint32_t own_column, width;         /* of the block of scores */
    float *key_panels, *value_panels;   /* [width / 16][d_h][16] */
    float *scores, *gradients;          /* [row][width] */
    float *prefix_keys, *prefix_values; /* [prefix_rows][d_h]: the task's gradients */
} row_chunk;

/* [count][d_h], rows `stride` apart, to [count / 16][d_h][16], zeros where keys end. */
static void fill_panels(const float *from, size_t stride, uint32_t count, uint32_t length,
                        float *panels)
{
    for (uint32_t first = 0; first < count; first += SSI_GROUP, panels += SSI_GROUP * length)
        for (uint32_t lane = 0; lane < SSI_GROUP; lane++) {
            const float *numbers = from + (size_t)(first + lane) * stride;
            bool there = first + lane < count;
            for (uint32_t i = 0; i < length; i++)
                panels[i * SSI_GROUP + lane] = there ? numbers[i] : 0.0f;
        }
}

/* Given keys that a row sees, the first ones. */
static uint32_t visible_to(const ssi_train_rows *rows, uint32_t row)
{
    if (rows->visible)
        return rows->visible[row];
    return row < rows->prefix_rows ? 0 : rows->prefix_rows;
}

/* The two stretches of keys (or values) of a chunk, wherever they lie. */
typedef struct stretch {
    const float *numbers; /* [count] rows of d_h */
    size_t stride;
    uint32_t count, column; /* first column of its scores */
} stretch;

static stretch given_of(const attention_work *work, const row_chunk *chunk, const float *given,
                        const float *own)
{
    size_t length = work->hyper->head_length;
    if (chunk->given == 0)
        return (stretch){NULL, length, 0, 0};
    if (work->rows->prefix_rows > 0)
        return (stretch){own + chunk->head * length, work->hyper->head_count_kv * length,
                         chunk->given, 0};
    return (stretch){given + chunk->head * chunk->span->key_count * length, length,
                     chunk->given, 0};
}

static stretch own_of(const attention_work *work, const row_chunk *chunk, const float *numbers)
{
    size_t length = work->hyper->head_length, stride = work->hyper->head_count_kv * length;
    return (stretch){numbers + chunk->own_begin * stride + chunk->head * length, stride,
                     chunk->own_count, chunk->own_column};
}

static void measure(const attention_work *work, row_chunk *chunk)
{
    const ssi_train_rows *rows = work->rows;
    chunk->given = 0;
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row++) {
        uint32_t visible = visible_to(rows, row);
        chunk->given = visible > chunk->given ? visible : chunk->given;
    }
    chunk->own_begin = rows->group_begin[chunk->row_begin];
    chunk->own_count = chunk->row_end - chunk->own_begin;
    chunk->own_column = (uint32_t)ssi_round_up(chunk->given, SSI_GROUP);
    chunk->width = chunk->own_column + (uint32_t)ssi_round_up(chunk->own_count, SSI_GROUP);
    assert(chunk->width <= work->scratch->width_max);
}

static void pack(const attention_work *work, const row_chunk *chunk, const float *given,
                 const float *own, float *panels)
{
    uint32_t length = work->hyper->head_length;
    stretch parts[2] = {given_of(work, chunk, given, own), own_of(work, chunk, own)};
    for (int i = 0; i < 2; i++)
        fill_panels(parts[i].numbers, parts[i].stride, parts[i].count, length,
                    panels + (size_t)parts[i].column * length);
}

/* block[row][key] = rows[row] . key, for one query head: `rows` points to its first row. */
static void times_panels(const attention_work *work, const row_chunk *chunk, const float *rows,
                         const float *panels, float *block)
{
    const ssi_hyper *hyper = work->hyper;
    ssi_product_args args = {
        .a = rows,
        .a_row = (size_t)hyper->head_count * hyper->head_length,
        .a_step = 1,
        .b_stride = SSI_GROUP,
        .c_stride = chunk->width,
        .row_count = chunk->row_end - chunk->row_begin,
        .columns = SSI_GROUP,
        .depth = hyper->head_length,
    };
    for (uint32_t column = 0; column < chunk->width; column += SSI_GROUP) {
        args.b = panels + (size_t)column * hyper->head_length;
        args.c = block + column;
        work->kernels->product_panel(&args);
    }
}

/* All d_h columns of a product, 16 at a time; args has those of the first. */
static void run_columns(const attention_work *work, ssi_product_args args)
{
    uint32_t length = work->hyper->head_length;
    for (uint32_t column = 0; column < length; column += SSI_GROUP) {
        args.columns = length - column < SSI_GROUP ? length - column : SSI_GROUP;
        work->kernels->product_panel(&args);
        args.b += SSI_GROUP;
        args.c += SSI_GROUP;
    }
}

/* out[row] = sum over keys of block[row][key] numbers[key]. */
static void times_numbers(const attention_work *work, const row_chunk *chunk,
                          const float *block, const float *given, const float *own, float *out)
{
    const ssi_hyper *hyper = work->hyper;
    stretch parts[2] = {given_of(work, chunk, given, own), own_of(work, chunk, own)};
    for (int i = chunk->given == 0; i < 2; i++)
        run_columns(work, (ssi_product_args){
                              .a = block + parts[i].column,
                              .a_row = chunk->width,
                              .a_step = 1,
                              .b = parts[i].numbers,
                              .b_stride = parts[i].stride,
                              .c = out,
                              .c_stride = (size_t)hyper->head_count * hyper->head_length,
                              .row_count = chunk->row_end - chunk->row_begin,
                              .depth = parts[i].count,
                              .add = i > 0 && chunk->given > 0,
                          });
}

/* Where gradients of the chunk's given keys (or values) go: [given][d_h]; NULL: nowhere. */
static float *given_gradient_of(const attention_work *work, const row_chunk *chunk,
                                float *of_span, float *of_prefix)
{
    size_t head_floats = (size_t)chunk->span->key_count * work->hyper->head_length;
    if (chunk->given == 0)
        return NULL;
    if (work->rows->prefix_rows > 0)
        return of_prefix;
    return of_span ? of_span + chunk->head * head_floats : NULL;
}

/* numbers[key] += sum over rows of block[row][key] rows[row]; given may be NULL. */
static void add_to_numbers(const attention_work *work, const row_chunk *chunk,
                           const float *block, const float *rows, float *given, float *own)
{
    const ssi_hyper *hyper = work->hyper;
    size_t length = hyper->head_length, own_stride = hyper->head_count_kv * length;
    ssi_product_args args = {
        .a_row = 1,
        .a_step = chunk->width,
        .b = rows,
        .b_stride = (size_t)hyper->head_count * length,
        .depth = chunk->row_end - chunk->row_begin,
        .add = true,
    };
    if (given) {
        args.a = block;
        args.c = given;
        args.c_stride = length;
        args.row_count = chunk->given;
        run_columns(work, args);
    }
    args.a = block + chunk->own_column;
    args.c = own + chunk->own_begin * own_stride + chunk->head * length;
    args.c_stride = own_stride;
    args.row_count = chunk->own_count;
    run_columns(work, args);
}

static void hide(float *scores, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++)
        scores[i] = -INFINITY;
}

/* Probabilities of one query head into chunk->scores. */
static void weigh(const attention_work *work, const row_chunk *chunk, const float *query)
{
    const ssi_train_rows *rows = work->rows;
    times_panels(work, chunk, query, chunk->key_panels, chunk->scores);
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row++) {
        float *scores = chunk->scores + (size_t)(row - chunk->row_begin) * chunk->width;
        uint32_t own = chunk->own_column;
        hide(scores, visible_to(rows, row), own);
        hide(scores, own, own + rows->group_begin[row] - chunk->own_begin);
        hide(scores, own + row + 1 - chunk->own_begin, chunk->width);
        work->kernels->softmax(scores, chunk->width, work->hyper->attention_scale);
    }
}

static void forward_chunk(const attention_work *work, row_chunk *chunk)
{
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_saved *saved = work->saved;
    size_t length = hyper->head_length, stride = hyper->head_count * length;
    uint32_t heads = hyper->head_count / hyper->head_count_kv;
    measure(work, chunk);
    pack(work, chunk, chunk->span->keys, saved->key, chunk->key_panels);
    for (uint32_t head = chunk->head * heads; head < (chunk->head + 1) * heads; head++) {
        size_t at = chunk->row_begin * stride + head * length;
        weigh(work, chunk, saved->query + at);
        times_numbers(work, chunk, chunk->scores, chunk->span->values, saved->value,
                      saved->attended + at);
    }
}

static void backward_chunk(const attention_work *work, row_chunk *chunk)
{
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_saved *saved = work->saved;
    const ssi_train_span *span = chunk->span;
    ssi_train_scratch *scratch = work->scratch;
    size_t length = hyper->head_length, stride = hyper->head_count * length;
    uint32_t heads = hyper->head_count / hyper->head_count_kv;
    measure(work, chunk);
    float *given_keys = given_gradient_of(work, chunk, span->key_gradient, chunk->prefix_keys);
    float *given_values =
        given_gradient_of(work, chunk, span->value_gradient, chunk->prefix_values);
    pack(work, chunk, span->keys, saved->key, chunk->key_panels);
    pack(work, chunk, span->values, saved->value, chunk->value_panels);
    for (uint32_t head = chunk->head * heads; head < (chunk->head + 1) * heads; head++) {
        size_t at = chunk->row_begin * stride + head * length;
        const float *out_gradient = scratch->attended_gradient + at;
        weigh(work, chunk, saved->query + at);
        add_to_numbers(work, chunk, chunk->scores, out_gradient, given_values,
                       scratch->value_gradient);
        times_panels(work, chunk, out_gradient, chunk->value_panels, chunk->gradients);
        for (uint32_t row = 0; row < chunk->row_end - chunk->row_begin; row++)
            work->kernels->softmax_backward(chunk->scores + (size_t)row * chunk->width,
                                            chunk->gradients + (size_t)row * chunk->width,
                                            chunk->width, hyper->attention_scale);
        times_numbers(work, chunk, chunk->gradients, span->keys, saved->key,
                      scratch->query_gradient + at);
        add_to_numbers(work, chunk, chunk->gradients, saved->query + at, given_keys,
                       scratch->key_gradient);
    }
}

uint32_t ssi_train_slices(const ssi_hyper *hyper)
{
    return hyper->head_count_kv < PARTS ? PARTS / hyper->head_count_kv : 1;
}

/* A task's memory:
 *
 *     key panels │ value panels │ scores │ their gradients │ the prefix's keys │ and values */
size_t ssi_train_part_floats(const ssi_hyper *hyper, const ssi_train_capacity *most,
                             uint32_t width_max)
{
    return 2 * (size_t)width_max * (hyper->head_length + SSI_TRAIN_CHUNK_ROWS) +
           2 * (size_t)most->seen * hyper->head_length;
}

static row_chunk chunk_of(const attention_work *work, uint32_t task)
{
    const ssi_train_scratch *scratch = work->scratch;
    size_t panel_floats = (size_t)scratch->width_max * work->hyper->head_length;
    size_t block_floats = (size_t)scratch->width_max * SSI_TRAIN_CHUNK_ROWS;
    size_t prefix_floats = (size_t)work->rows->prefix_rows * work->hyper->head_length;
    float *panels = scratch->parts + task * scratch->part_floats;
    float *blocks = panels + 2 * panel_floats, *prefix = blocks + 2 * block_floats;
    return (row_chunk){.head = task / work->slice_count,
                       .key_panels = panels,
                       .value_panels = panels + panel_floats,
                       .scores = blocks,
                       .gradients = blocks + block_floats,
                       .prefix_keys = prefix,
                       .prefix_values = prefix + prefix_floats};
}

/* One task's jobs, chunk by chunk; `run` is what is done to each. */
static void run_jobs(const attention_work *work, row_chunk *chunk, uint32_t slice,
                     void (*run)(const attention_work *work, row_chunk *chunk))
{
    uint32_t end = ssi_cut_at(work->job_count, work->slice_count, slice + 1);
    for (uint32_t i = ssi_cut_at(work->job_count, work->slice_count, slice); i < end; i++) {
        const ssi_train_job *job = &work->scratch->jobs[i];
        chunk->span = &work->rows->spans[job->span];
        for (uint32_t row = job->row_begin; row < job->row_end; row = chunk->row_end) {
            uint32_t rest = job->row_end - row;
            chunk->row_begin = row;
            chunk->row_end = row + (rest < SSI_TRAIN_CHUNK_ROWS ? rest : SSI_TRAIN_CHUNK_ROWS);
            run(work, chunk);
        }
    }
}

static void forward_body(void *context, uint32_t task)
{
    const attention_work *work = context;
    row_chunk chunk = chunk_of(work, task);
    run_jobs(work, &chunk, task % work->slice_count, forward_chunk);
}

static void backward_body(void *context, uint32_t task)
{
    const attention_work *work = context;
    row_chunk chunk = chunk_of(work, task);
    size_t prefix_floats = (size_t)work->rows->prefix_rows * work->hyper->head_length;
    memset(chunk.prefix_keys, 0, 2 * prefix_floats * sizeof(float)); /* values lie behind */
    run_jobs(work, &chunk, task % work->slice_count, backward_chunk);
}

/* What all tasks of the row's key/value heads found for a row of the prefix. */
static void prefix_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    const attention_work *work = context;
    const ssi_hyper *hyper = work->hyper;
    uint32_t length = hyper->head_length;
    for (uint32_t task = 0; task < hyper->head_count_kv * work->slice_count; task++) {
        row_chunk chunk = chunk_of(work, task);
        for (size_t row = row_begin; row < row_end; row++) {
            size_t own = (row * hyper->head_count_kv + chunk.head) * length;
            work->kernels->add(work->scratch->key_gradient + own,
                               chunk.prefix_keys + row * length, length);
            work->kernels->add(work->scratch->value_gradient + own,
                               chunk.prefix_values + row * length, length);
        }
    }
}

/* Jobs of about a chunk's rows. Backward, what is added to keys allows a cut only between groups,
 * and none where the given keys want gradients. */
static uint32_t cut_jobs(const ssi_train_rows *rows, bool backward, ssi_train_job *jobs)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < rows->span_count; s++) {
        const ssi_train_span *span = &rows->spans[s];
        bool given_gradient = span->key_gradient || span->value_gradient;
        uint32_t begin = span->row_begin;
        for (uint32_t row = begin + 1; row <= span->row_end; row++) {
            bool full = row - begin >= SSI_TRAIN_CHUNK_ROWS;
            if (row == span->row_end ||
                (full && (!backward || (!given_gradient && rows->group_begin[row] == row)))) {
                jobs[count++] = (ssi_train_job){s, begin, row};
                begin = row;
            }
        }
    }
    return count;
}

static attention_work prepare(const ssi_train_math *math, const ssi_hyper *hyper,
                              const ssi_train_rows *rows, const ssi_train_saved *saved,
                              ssi_train_scratch *scratch, bool backward)
{
    attention_work work = {math->kernels, hyper, rows, saved, scratch, 0, 0};
    uint32_t most = ssi_train_slices(hyper);
    work.job_count = cut_jobs(rows, backward, scratch->jobs);
    work.slice_count = work.job_count < most ? work.job_count : most;
    return work;
}

void ssi_train_attention_forward(const ssi_train_math *math, const ssi_hyper *hyper,
                                 const ssi_train_rows *rows, ssi_train_saved *saved,
                                 ssi_train_scratch *scratch)
{
    attention_work work = prepare(math, hyper, rows, saved, scratch, false);
    ssi_parallel_run(math->parallel, hyper->head_count_kv * work.slice_count, forward_body,
                     &work);
}

void ssi_train_attention_backward(const ssi_train_math *math, const ssi_hyper *hyper,
                                  const ssi_train_rows *rows, const ssi_train_saved *saved,
                                  ssi_train_scratch *scratch)
{
    attention_work work = prepare(math, hyper, rows, saved, scratch, true);
    ssi_parallel_run(math->parallel, hyper->head_count_kv * work.slice_count, backward_body,
                     &work);
    ssi_train_rows_run(math, rows->prefix_rows, prefix_body, &work);
}
