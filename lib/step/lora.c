/* SPDX-License-Identifier: Apache-2.0 */
/* LoRA pairs are small and lie between large matrices: what they cost is waiting for their bytes.
 * So the tasks of one region ask for what the next one, or they themselves, will need. */
#include "step/lora.h"

#include "step/rows.h"

#define LINE_BYTES 64u

ssi_lora_layer ssi_lora_find(const ssi_workspace *work, uint32_t layer_index)
{
    const ss_adapter *adapter = work->streams.adapter;
    ssi_lora_layer lora = {{NULL}};
    if (!adapter)
        return lora;
    uint32_t skipped = ssi_msa_first_layer(work->model, &work->streams);
    if (adapter->main_lora)
        lora.pairs[SSI_LORA_MAIN] = adapter->main_lora + layer_index * SSI_LINEAR_COUNT;
    if (adapter->stream_lora && layer_index >= skipped &&
        work->batch.main_count < work->batch.row_count)
        lora.pairs[SSI_LORA_STREAM] =
            adapter->stream_lora + (layer_index - skipped) * SSI_LINEAR_COUNT;
    return lora;
}

/* The first of some rows that a LoRA of this kind acts on. */
static uint32_t first_row(const ssi_workspace *work, uint32_t kind, uint32_t row_begin)
{
    uint32_t first = kind == SSI_LORA_STREAM ? work->batch.main_count : 0;
    return first > row_begin ? first : row_begin;
}

void ssi_lora_reduce(const ssi_workspace *work, const ssi_lora_layer *lora, uint32_t map_begin,
                     uint32_t map_end, const ssi_activation *x, uint32_t row_begin,
                     uint32_t row_end)
{
    const ssi_streams *streams = &work->streams;
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        uint32_t begin = first_row(work, kind, row_begin);
        if (!lora->pairs[kind] || begin >= row_end)
            continue;
        for (uint32_t map = map_begin; map < map_end; map++) {
            const ssi_linear a = {lora->pairs[kind][map].a, NULL};
            float *t = streams->lora_t[kind][map - map_begin];
            ssi_lora_rank *rank = streams->lora_rank[kind][map - map_begin];
            if (a.weight.rows == 0)
                continue;
            ssi_rows_multiply(&work->model->kernels, &a, 0, a.weight.group_count, x, begin,
                              row_end, t, streams->rank_stride);
            for (uint32_t row = begin; row < row_end; row++)
                ssi_lora_rank_quantize(t + row * streams->rank_stride, a.weight.rows,
                                       &rank[row]);
        }
    }
}

void ssi_lora_expand(const ssi_workspace *work, const ssi_lora_layer *lora, uint32_t map,
                     uint32_t place, uint32_t group_begin, uint32_t group_end,
                     uint32_t row_begin, uint32_t row_end, float *y, size_t y_stride)
{
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        uint32_t begin = first_row(work, kind, row_begin);
        if (lora->pairs[kind] && begin < row_end)
            work->model->kernels.lora_add(&lora->pairs[kind][map].b, group_begin, group_end,
                                          work->streams.lora_rank[kind][place] + begin,
                                          row_end - begin, y + begin * y_stride, y_stride);
    }
}

static void ahead(const void *bytes, size_t begin, size_t end)
{
    for (size_t at = begin; at < end; at += LINE_BYTES)
        __builtin_prefetch((const char *)bytes + at, 0, 2);
}

void ssi_lora_reduce_ahead(const ssi_lora_layer *lora, uint32_t map_begin, uint32_t map_end,
                           uint32_t part, uint32_t part_count)
{
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++)
        for (uint32_t map = map_begin; lora->pairs[kind] && map < map_end; map++) {
            const ssi_matrix *a = &lora->pairs[kind][map].a;
            const uint32_t *block_bytes = ssi_type_get(a->type)->group_block_bytes;
            size_t blocks = (size_t)a->group_count * a->block_count;
            size_t begin = blocks * part / part_count, end = blocks * (part + 1) / part_count;
            for (uint32_t plane = 0; plane < 2; plane++)
                ahead(a->plane[plane], begin * block_bytes[plane], end * block_bytes[plane]);
        }
}

void ssi_lora_expand_ahead(const ssi_lora_layer *lora, uint32_t map, uint32_t group_begin,
                           uint32_t group_end)
{
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        if (!lora->pairs[kind] || lora->pairs[kind][map].b.rank == 0)
            continue;
        const ssi_lora_b *b = &lora->pairs[kind][map].b;
        size_t group_bytes = ssi_round_up(b->rank, 4) * SSI_GROUP;
        ahead(b->quants, group_begin * group_bytes, group_end * group_bytes);
        ahead(b->scales, group_begin * SSI_GROUP * sizeof(float),
              group_end * SSI_GROUP * sizeof(float));
    }
}
