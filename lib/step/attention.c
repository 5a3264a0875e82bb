/* SPDX-License-Identifier: Apache-2.0 */
/* Attention of the batch's rows over context, tree and streams: jobs of one key/value head and at
 * most SSI_ATTENTION_ROWS rows, spread over the threads. */
#include "step/cut.h"
#include "step/rows.h"

typedef struct attention_work {
    const ssi_workspace *work;
    uint32_t layer;
    uint32_t chunk_rows, chunk_count; /* of rows, per key/value head */
    uint32_t job_count, part_count;
    bool quantise;        /* each job its own columns */
} attention_work;

static void run_job(const attention_work *region, uint32_t job, void *scratch)
{
    const ssi_workspace *work = region->work;
    const ssi_hyper *hyper = &work->model->hyper;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_kv_cache *cache = &work->cache;
    uint32_t head = job / region->chunk_count;
    uint32_t first = job % region->chunk_count * region->chunk_rows;
    uint32_t rest = work->batch.row_count - first;
    uint32_t heads_per_kv = hyper->head_count / hyper->head_count_kv;
    uint32_t width = heads_per_kv * hyper->head_length, column = head * width;
    ssi_attention_args args = {
        .cache_keys = ssi_kv_keys(cache, SSI_KV_CONTEXT, region->layer, head),
        .cache_values = ssi_kv_values(cache, SSI_KV_CONTEXT, region->layer, head),
        .node_keys = ssi_kv_keys(cache, SSI_KV_NODES, region->layer, head),
        .node_values = ssi_kv_values(cache, SSI_KV_NODES, region->layer, head),
        .stream_keys = ssi_kv_keys(cache, SSI_KV_STREAMS, region->layer, head),
        .stream_values = ssi_kv_values(cache, SSI_KV_STREAMS, region->layer, head),
        .f32 = cache->number_bytes == sizeof(float),
        .head_length = hyper->head_length,
        .heads_per_kv = heads_per_kv,
        .scale = hyper->attention_scale,
        .row_count = rest < region->chunk_rows ? rest : region->chunk_rows,
        .rows = work->batch.attention + first,
        .query = work->query + first * work->query_stride + column,
        .query_stride = work->query_stride,
        .output = work->attended.values + first * work->attended.value_stride + column,
        .output_stride = work->attended.value_stride,
        .scratch = scratch,
    };
    kernels->attention(&args);
    if (region->quantise)
        for (uint32_t row = first; row < first + args.row_count; row++)
            ssi_row_quantize_columns(kernels, &work->attended, row, column, column + width);
}

static void attention_body(void *context, uint32_t task)
{
    const attention_work *region = context;
    uint32_t end = ssi_cut_at(region->job_count, region->part_count, task + 1);
    void *scratch = region->work->attention_scratch + task * region->work->attention_scratch_bytes;
    for (uint32_t job = ssi_cut_at(region->job_count, region->part_count, task); job < end; job++)
        run_job(region, job, scratch);
}

void ssi_attention_run(ssi_workspace *work, uint32_t layer, bool quantise)
{
    const ssi_hyper *hyper = &work->model->hyper;
    uint32_t row_count = work->batch.row_count, threads = work->parallel->thread_count;
    uint32_t width = hyper->head_count / hyper->head_count_kv * hyper->head_length;
    bool whole_blocks = width % SSI_BLOCK == 0;
    attention_work region = {.work = work, .layer = layer, .quantise = quantise && whole_blocks};
    uint32_t parts = threads > 1 ? threads * SSI_TASKS_PER_THREAD : 1;
    region.chunk_count = (row_count + SSI_ATTENTION_ROWS - 1) / SSI_ATTENTION_ROWS;
    /* 3 heads are no fair share for 2 threads: half the rows make 6 jobs. */
    if (row_count >= 4 && region.chunk_count == 1 && hyper->head_count_kv % threads != 0)
        region.chunk_count = 2;
    /* As even as can be: 9 rows are 5 and 4, not 8 and 1. */
    region.chunk_rows = (row_count + region.chunk_count - 1) / region.chunk_count;
    region.chunk_count = (row_count + region.chunk_rows - 1) / region.chunk_rows;
    region.job_count = hyper->head_count_kv * region.chunk_count;
    region.part_count = parts < region.job_count ? parts : region.job_count;
    ssi_parallel_run(work->parallel, region.part_count, attention_body, &region);
    if (quantise && !whole_blocks)
        ssi_rows_quantize(work, &work->attended, row_count);
}
