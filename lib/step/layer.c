/* SPDX-License-Identifier: Apache-2.0 */
/* One decoder layer over the rows of the batch, whatever kind they are. Five parallel regions:
 *
 *     norm │ query, key, value; rotate; write the cache │ attention │ output; add
 *     norm │ gate, up, silu                             │ down; add
 *
 * Everything that reads one task's own outputs runs in that task; only what needs whole rows stands
 * between the regions: the norms, and the small half of a LoRA. */
#include "step/cut.h"
#include "step/lora.h"
#include "step/rows.h"

typedef struct layer_work {
    ssi_workspace *work;
    const ssi_layer *layer;
    uint32_t layer_index;
    ssi_cut cut;
    bool quantise_gated;             /* down takes 8 bits */
    ssi_lora_layer lora, lora_after; /* of this layer and of the next */
    const ssi_activation *x;         /* what follows is of the rows between two regions: */
    const float *norm;               /* makes x; NULL: x is there */
    bool quantise;                   /* the maps take x in 8 bits */
    uint32_t map_begin, map_end;     /* the maps that will take x */
} layer_work;

static void run(layer_work *region, uint32_t unit_count,
                void (*body)(void *context, uint32_t task))
{
    ssi_workspace *work = region->work;
    region->cut = ssi_cut_make(unit_count, work->batch.row_count, work->parallel->thread_count);
    ssi_parallel_run(work->parallel, ssi_cut_tasks(&region->cut), body, region);
}

/* Whether the input of these maps is wanted in 8 bits: by their weights or by a LoRA's A. */
static bool takes_quants(const layer_work *region, uint32_t map_begin, uint32_t map_end)
{
    bool wanted = ssi_lora_any(&region->lora);
    for (uint32_t map = map_begin; map < map_end; map++)
        wanted |= ssi_takes_quants(&region->layer->linear[map]);
    return wanted;
}

/* One task's share of asking for the A's of the maps after this region. The calling thread will
 * read them, and the first tasks are its own (base/pool.c). */
static void ask_ahead(const layer_work *region, uint32_t map_begin, uint32_t map_end,
                      uint32_t task)
{
    const ssi_lora_layer *lora = map_begin == SSI_QUERY ? &region->lora_after : &region->lora;
    uint32_t threads = region->work->parallel->thread_count;
    uint32_t own = (ssi_cut_tasks(&region->cut) + threads - 1) / threads;
    if (task < own)
        ssi_lora_reduce_ahead(lora, map_begin, map_end, task, own);
}

static void ready_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *region = context;
    if (region->norm)
        ssi_rows_norm_part(region->work, region->norm, 0, row_begin, row_end, region->quantise);
    ssi_lora_reduce(region->work, &region->lora, region->map_begin, region->map_end, region->x,
                    row_begin, row_end);
}

/* What maps [map_begin, map_end) need of whole rows of their input. */
static void make_ready(layer_work *region, uint32_t map_begin, uint32_t map_end,
                       const ssi_activation *x, const float *norm)
{
    region->map_begin = map_begin;
    region->map_end = map_end;
    region->x = x;
    region->norm = norm;
    region->quantise = takes_quants(region, map_begin, map_end);
    if (norm || ssi_lora_any(&region->lora))
        ssi_rows_spread(region->work, region->work->batch.row_count, ready_body, region);
}

/* y = W x + bias, + B (A x) where there is a LoRA, for a range of groups and rows. */
static void multiply(const layer_work *region, uint32_t map, uint32_t group_begin,
                     uint32_t group_end, const ssi_activation *x, uint32_t row_begin,
                     uint32_t row_end, float *y, size_t y_stride)
{
    const ssi_workspace *work = region->work;
    ssi_lora_expand_ahead(&region->lora, map, group_begin, group_end);
    ssi_rows_multiply(&work->model->kernels, &region->layer->linear[map], group_begin,
                      group_end, x, row_begin, row_end, y, y_stride);
    ssi_lora_expand(work, &region->lora, map, map - region->map_begin, group_begin, group_end,
                    row_begin, row_end, y, y_stride);
}

/* Query, key and value are cut into units of whole groups that are also whole heads. */
typedef struct head_units {
    uint32_t groups, heads;          /* of one unit */
    uint32_t query_count, key_count; /* units of query; of key, and of value */
} head_units;

static head_units units_of(const ssi_hyper *hyper)
{
    uint32_t common = SSI_GROUP; /* greatest common divisor with the head's length */
    while (hyper->head_length % common != 0)
        common /= 2;
    head_units units = {hyper->head_length / common, SSI_GROUP / common, 0, 0};
    units.query_count = (hyper->head_count + units.heads - 1) / units.heads;
    units.key_count = (hyper->head_count_kv + units.heads - 1) / units.heads;
    return units;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* stream_init = value_rotation: a stream's own values, all pairs by the same angle. */
static void rotate_value(const ssi_workspace *work, uint32_t row, float *value)
{
    const ssi_streams *streams = &work->streams;
    const ssi_hyper *hyper = &work->model->hyper;
    uint32_t pairs = hyper->head_length / 2;
    size_t at = (size_t)((row - work->batch.main_count) % streams->count) * pairs;
    work->model->kernels.rope(value, streams->rotation_cosine + at, streams->rotation_sine + at,
                              pairs, hyper->head_length, hyper->rope_interleaved);
}

/* One of the three maps for units [begin, end), then what is done to its heads. */
static void project(const layer_work *region, uint32_t map, uint32_t begin, uint32_t end,
                    const ssi_part *part)
{
    const ssi_workspace *work = region->work;
    const ssi_batch *batch = &work->batch;
    const ssi_hyper *hyper = &work->model->hyper;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_linear *linear = &region->layer->linear[map];
    head_units units = units_of(hyper);
    uint32_t head_count = map == SSI_QUERY ? hyper->head_count : hyper->head_count_kv;
    uint32_t head_begin = begin * units.heads, head_end = least(end * units.heads, head_count);
    uint32_t pair_count = hyper->rope_length / 2;
    float *y = map == SSI_QUERY ? work->query : map == SSI_KEY ? work->key : work->value;
    size_t y_stride = map == SSI_QUERY ? work->query_stride : work->key_stride;

    multiply(region, map, begin * units.groups,
             least(end * units.groups, linear->weight.group_count), &work->normed,
             part->row_begin, part->row_end, y, y_stride);
    for (uint32_t row = part->row_begin; row < part->row_end; row++)
        for (uint32_t head = head_begin; head < head_end; head++) {
            float *numbers = y + row * y_stride + (size_t)head * hyper->head_length;
            if (map != SSI_VALUE)
                kernels->rope(numbers, batch->cosines + (size_t)row * pair_count,
                              batch->sines + (size_t)row * pair_count, pair_count,
                              hyper->head_length, hyper->rope_interleaved);
            if (map == SSI_VALUE && work->streams.rotation_cosine && row >= batch->main_count)
                rotate_value(work, row, numbers);
            if (map == SSI_KEY)
                ssi_kv_write_key(&work->cache, region->layer_index, head, batch->slots[row],
                                 numbers);
            if (map == SSI_VALUE)
                ssi_kv_write_value(&work->cache, region->layer_index, head, batch->slots[row],
                                   numbers);
        }
}

static void project_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    head_units units = units_of(&region->work->model->hyper);
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t first = 0; /* unit where the map begins, the three in a row */
    ask_ahead(region, SSI_OUTPUT, SSI_GATE, task);
    for (uint32_t map = SSI_QUERY; map <= SSI_VALUE; map++) {
        uint32_t count = map == SSI_QUERY ? units.query_count : units.key_count;
        uint32_t begin = part.unit_begin > first ? part.unit_begin - first : 0;
        uint32_t end = part.unit_end > first ? least(part.unit_end - first, count) : 0;
        if (begin < end)
            project(region, map, begin, end, &part);
        first += count;
    }
}

/* delta = W x, added to the residual stream: the last map of both sublayers. */
static void add_delta(const layer_work *region, uint32_t map, const ssi_activation *x,
                      uint32_t task)
{
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    uint32_t columns = work->model->hyper.embedding_length;
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t groups = region->layer->linear[map].weight.group_count;
    uint32_t group_begin = part.unit_begin * SSI_GEMM_GROUPS,
             group_end = least(part.unit_end * SSI_GEMM_GROUPS, groups);
    multiply(region, map, group_begin, group_end, x, part.row_begin, part.row_end, work->delta,
             work->hidden_stride);
    uint32_t begin = group_begin * SSI_GROUP, end = least(group_end * SSI_GROUP, columns);
    for (uint32_t row = part.row_begin; row < part.row_end; row++)
        kernels->add(work->hidden + row * work->hidden_stride + begin,
                     work->delta + row * work->hidden_stride + begin, end - begin);
}

static void output_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    ask_ahead(region, SSI_GATE, SSI_DOWN, task);
    add_delta(region, SSI_OUTPUT, &region->work->attended, task);
}

static void down_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    ask_ahead(region, SSI_QUERY, SSI_OUTPUT, task);
    add_delta(region, SSI_DOWN, &region->work->gated, task);
}

_Static_assert(SSI_GEMM_GROUPS * SSI_GROUP % SSI_BLOCK == 0, "a unit quantises whole blocks");

/* A unit is whole blocks of down's input. */
static void gate_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_linear *gate = &region->layer->linear[SSI_GATE];
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t groups = gate->weight.group_count;
    uint32_t group_begin = part.unit_begin * SSI_GEMM_GROUPS,
             group_end = least(part.unit_end * SSI_GEMM_GROUPS, groups);
    uint32_t begin = group_begin * SSI_GROUP, end = group_end * SSI_GROUP;

    ask_ahead(region, SSI_DOWN, SSI_LINEAR_COUNT, task);
    multiply(region, SSI_GATE, group_begin, group_end, &work->normed, part.row_begin,
             part.row_end, work->gate, work->feed_stride);
    multiply(region, SSI_UP, group_begin, group_end, &work->normed, part.row_begin,
             part.row_end, work->up, work->feed_stride);
    for (uint32_t row = part.row_begin; row < part.row_end; row++) {
        size_t at = row * work->feed_stride + begin;
        kernels->silu_mul(work->gate + at, work->up + at, end - begin,
                          work->gated.values + row * work->gated.value_stride + begin);
        if (region->quantise_gated)
            ssi_row_quantize_columns(kernels, &work->gated, row, begin, end);
    }
}

static uint32_t pairs(const ssi_linear *linear)
{
    return (linear->weight.group_count + SSI_GEMM_GROUPS - 1) / SSI_GEMM_GROUPS;
}

void ssi_layer_run(ssi_workspace *work, uint32_t layer_index)
{
    const ssi_layer *layer = &work->model->layers[layer_index];
    const ssi_linear *linear = layer->linear;
    head_units units = units_of(&work->model->hyper);
    layer_work region = {.work = work,
                         .layer = layer,
                         .layer_index = layer_index,
                         .lora = ssi_lora_find(work, layer_index)};
    if (layer_index + 1 < work->model->hyper.layer_count)
        region.lora_after = ssi_lora_find(work, layer_index + 1);
    region.quantise_gated = takes_quants(&region, SSI_DOWN, SSI_LINEAR_COUNT);

    make_ready(&region, SSI_QUERY, SSI_OUTPUT, &work->normed, layer->attention_norm);
    run(&region, units.query_count + 2 * units.key_count, project_body);
    ssi_attention_run(work, layer_index, takes_quants(&region, SSI_OUTPUT, SSI_GATE));
    make_ready(&region, SSI_OUTPUT, SSI_GATE, &work->attended, NULL);
    run(&region, pairs(&linear[SSI_OUTPUT]), output_body);

    make_ready(&region, SSI_GATE, SSI_DOWN, &work->normed, layer->feed_forward_norm);
    run(&region, pairs(&linear[SSI_GATE]), gate_body);
    make_ready(&region, SSI_DOWN, SSI_LINEAR_COUNT, &work->gated, NULL);
    run(&region, pairs(&linear[SSI_DOWN]), down_body);
}
