/* SPDX-License-Identifier: Apache-2.0 */
/* One decoder layer over the rows of the batch, whatever kind they are. Five parallel regions:
 *
 *     norm │ query, key, value; rotate; write the cache │ attention │ output; add
 *     norm │ gate, up, silu                             │ down; add
 *
 * Everything that reads one task's own outputs runs in that task; only the norms, which need whole
 * rows, stand between the regions. */
#include "step/cut.h"
#include "step/rows.h"

typedef struct layer_work {
    ssi_workspace *work;
    const ssi_layer *layer;
    uint32_t layer_index;
    ssi_cut cut;
    bool quantise; /* gated: the 8-bit form for down */
    const ssi_lora *lora[SSI_LORA_KINDS]; /* [SSI_LINEAR_COUNT] of this layer, or NULL */
    uint32_t map_begin, map_end;          /* the maps whose A is being applied */
} layer_work;

static void run(layer_work *region, uint32_t unit_count, void (*body)(void *context, uint32_t task))
{
    ssi_workspace *work = region->work;
    region->cut = ssi_cut_make(unit_count, work->batch.row_count, work->parallel->thread_count);
    ssi_parallel_run(work->parallel, ssi_cut_tasks(&region->cut), body, region);
}

/* First row a LoRA of this kind acts on: main LoRA on all, stream LoRA on stream rows. */
static uint32_t lora_begin(const ssi_batch *batch, uint32_t kind)
{
    return kind == SSI_LORA_STREAM ? batch->main_count : 0;
}

/* A x for one map and kind, in 8 bits, for some rows. */
static void apply_a(const layer_work *region, uint32_t kind, uint32_t map, const ssi_part *part)
{
    const ssi_workspace *work = region->work;
    const ssi_streams *streams = &work->streams;
    const ssi_linear a = {region->lora[kind][map].a, NULL};
    float *t = streams->lora_t[kind][map - region->map_begin];
    uint32_t begin = lora_begin(&work->batch, kind), rank = region->lora[kind][map].b.rank;
    begin = begin > part->row_begin ? begin : part->row_begin;
    if (rank == 0 || begin >= part->row_end)
        return;
    ssi_rows_multiply(&work->model->kernels, &a, 0, a.weight.group_count,
                      map == SSI_DOWN     ? &work->gated
                      : map == SSI_OUTPUT ? &work->attended
                                          : &work->normed,
                      begin, part->row_end, t, streams->rank_stride);
    for (uint32_t row = begin; row < part->row_end; row++)
        ssi_lora_rank_quantize(t + row * streams->rank_stride, rank,
                               &streams->lora_rank[kind][map - region->map_begin][row]);
}

/* Units: the maps of one kind, then of the other; a kind that is absent has none. */
static void lora_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    uint32_t map_count = region->map_end - region->map_begin;
    uint32_t first_kind = region->lora[SSI_LORA_MAIN] ? SSI_LORA_MAIN : SSI_LORA_STREAM;
    ssi_part part = ssi_cut_part(&region->cut, task);
    for (uint32_t unit = part.unit_begin; unit < part.unit_end; unit++)
        apply_a(region, first_kind + unit / map_count, region->map_begin + unit % map_count,
                &part);
}

/* Before maps [map_begin, map_end) are applied to their input. */
static void run_lora(layer_work *region, uint32_t map_begin, uint32_t map_end)
{
    uint32_t kinds = 0;
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++)
        kinds += region->lora[kind] != NULL;
    region->map_begin = map_begin;
    region->map_end = map_end;
    if (kinds > 0)
        run(region, (map_end - map_begin) * kinds, lora_body);
}

/* y = W x + bias, + B (A x) where there is a LoRA, for a range of groups and rows. */
static void multiply(const layer_work *region, uint32_t map, uint32_t group_begin,
                     uint32_t group_end, const ssi_activation *x, uint32_t row_begin,
                     uint32_t row_end, float *y, size_t y_stride)
{
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_streams *streams = &work->streams;
    ssi_rows_multiply(kernels, &region->layer->linear[map], group_begin, group_end, x, row_begin,
                      row_end, y, y_stride);
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        uint32_t begin = lora_begin(&work->batch, kind);
        begin = begin > row_begin ? begin : row_begin;
        if (region->lora[kind] && begin < row_end)
            kernels->lora_add(&region->lora[kind][map].b, group_begin, group_end,
                              streams->lora_rank[kind][map - region->map_begin] + begin,
                              row_end - begin, y + begin * y_stride, y_stride);
    }
}

/* Query, key and value are cut into units of whole groups that are also whole heads. */
typedef struct head_units {
    uint32_t groups, heads;           /* of one unit */
    uint32_t query_count, key_count;  /* units of query; of key, and of value */
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
static void add_delta(const layer_work *region, uint32_t map, const ssi_activation *x, uint32_t task)
{
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    uint32_t columns = work->model->hyper.embedding_length;
    ssi_part part = ssi_cut_part(&region->cut, task);
    multiply(region, map, part.unit_begin, part.unit_end, x, part.row_begin, part.row_end,
             work->delta, work->hidden_stride);
    uint32_t begin = part.unit_begin * SSI_GROUP, end = least(part.unit_end * SSI_GROUP, columns);
    for (uint32_t row = part.row_begin; row < part.row_end; row++)
        kernels->add(work->hidden + row * work->hidden_stride + begin,
                     work->delta + row * work->hidden_stride + begin, end - begin);
}

static void output_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    add_delta(region, SSI_OUTPUT, &region->work->attended, task);
}

static void down_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    add_delta(region, SSI_DOWN, &region->work->gated, task);
}

/* Units of two groups: 32 columns, one block of down's input. */
static void gate_body(void *context, uint32_t task)
{
    const layer_work *region = context;
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_linear *gate = &region->layer->linear[SSI_GATE];
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t groups = gate->weight.group_count;
    uint32_t group_begin = 2 * part.unit_begin, group_end = least(2 * part.unit_end, groups);
    uint32_t begin = group_begin * SSI_GROUP, end = group_end * SSI_GROUP;

    multiply(region, SSI_GATE, group_begin, group_end, &work->normed, part.row_begin,
             part.row_end, work->gate, work->feed_stride);
    multiply(region, SSI_UP, group_begin, group_end, &work->normed, part.row_begin, part.row_end,
             work->up, work->feed_stride);
    for (uint32_t row = part.row_begin; row < part.row_end; row++) {
        size_t at = row * work->feed_stride + begin;
        kernels->silu_mul(work->gate + at, work->up + at, end - begin,
                          work->gated.values + row * work->gated.value_stride + begin);
        if (region->quantise)
            ssi_row_quantize_columns(kernels, &work->gated, row, begin, end);
    }
}

/* The adapter's pairs of one layer. Stream rows exist in MSA layers alone. */
static void find_lora(layer_work *region, uint32_t layer_index)
{
    const ssi_workspace *work = region->work;
    const ss_adapter *adapter = work->streams.adapter;
    if (!adapter)
        return;
    uint32_t skipped = work->model->hyper.layer_count - adapter->msa_layer_count;
    if (adapter->main_lora)
        region->lora[SSI_LORA_MAIN] = adapter->main_lora + layer_index * SSI_LINEAR_COUNT;
    if (adapter->stream_lora && layer_index >= skipped &&
        work->batch.main_count < work->batch.row_count)
        region->lora[SSI_LORA_STREAM] =
            adapter->stream_lora + (layer_index - skipped) * SSI_LINEAR_COUNT;
}

/* Whether the input of these maps is wanted in 8 bits: by their weights or by a LoRA's A. */
static bool takes_quants(const layer_work *region, uint32_t map_begin, uint32_t map_end)
{
    bool wanted = region->lora[SSI_LORA_MAIN] || region->lora[SSI_LORA_STREAM];
    for (uint32_t map = map_begin; map < map_end; map++)
        wanted |= ssi_takes_quants(&region->layer->linear[map]);
    return wanted;
}

void ssi_layer_run(ssi_workspace *work, uint32_t layer_index)
{
    const ssi_layer *layer = &work->model->layers[layer_index];
    const ssi_linear *linear = layer->linear;
    uint32_t row_count = work->batch.row_count;
    head_units units = units_of(&work->model->hyper);
    layer_work region = {.work = work, .layer = layer, .layer_index = layer_index};
    find_lora(&region, layer_index);
    region.quantise = takes_quants(&region, SSI_DOWN, SSI_LINEAR_COUNT);

    ssi_rows_norm(work, layer->attention_norm, 0, row_count,
                  takes_quants(&region, SSI_QUERY, SSI_OUTPUT));
    run_lora(&region, SSI_QUERY, SSI_OUTPUT);
    run(&region, units.query_count + 2 * units.key_count, project_body);
    ssi_attention_run(work, layer_index, takes_quants(&region, SSI_OUTPUT, SSI_GATE));
    run_lora(&region, SSI_OUTPUT, SSI_GATE);
    run(&region, linear[SSI_OUTPUT].weight.group_count, output_body);

    ssi_rows_norm(work, layer->feed_forward_norm, 0, row_count,
                  takes_quants(&region, SSI_GATE, SSI_DOWN));
    run_lora(&region, SSI_GATE, SSI_DOWN);
    run(&region, (linear[SSI_GATE].weight.group_count + 1) / 2, gate_body);
    run_lora(&region, SSI_DOWN, SSI_LINEAR_COUNT);
    run(&region, linear[SSI_DOWN].weight.group_count, down_body);
}
