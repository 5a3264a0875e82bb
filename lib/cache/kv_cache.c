/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of the key/value areas, writing rows, moving accepted nodes. */
#include "cache/kv_cache.h"

#include <string.h>

#include "base/checked.h"

#define KEYS_INTERLEAVED 16u /* keys side by side, one SIMD lane each (kernel.h) */

static void layout_area(ssi_kv_cache *cache, ssi_kv_place place, uint32_t slots, bool layered,
                        ssi_arena *arena)
{
    ssi_kv_area *area = &cache->areas[place];
    size_t padded = ssi_round_up(slots, SSI_ATTENTION_BLOCK);
    size_t heads = (size_t)cache->head_count * (layered ? cache->layer_count : 1u);
    size_t number_bytes = (size_t)cache->head_length * cache->number_bytes;
    arena->overflow |= ssi_mul(padded, number_bytes, &area->head_bytes);
    area->slot_count = (uint32_t)padded;
    area->layer_bytes = layered ? area->head_bytes * cache->head_count : 0;
    area->keys = ssi_arena_take(arena, heads, area->head_bytes);
    area->values = ssi_arena_take(arena, heads, area->head_bytes);
}

void ssi_kv_layout(ssi_kv_cache *cache, const ssi_kv_shape *shape, const ssi_kernels *kernels,
                   ssi_arena *arena)
{
    cache->length = 0;
    cache->layer_count = shape->layer_count;
    cache->head_count = shape->head_count;
    cache->head_length = shape->head_length;
    cache->number_bytes = shape->f32 ? sizeof(float) : sizeof(uint16_t);
    cache->to_f16 = kernels->to_f16;
    layout_area(cache, SSI_KV_CONTEXT, shape->positions, true, arena);
    layout_area(cache, SSI_KV_NODES, shape->nodes, true, arena);
    layout_area(cache, SSI_KV_STREAMS, shape->streams, false, arena);
}

size_t ssi_kv_bytes(const ssi_kv_cache *cache)
{
    size_t bytes = 0;
    for (uint32_t place = 0; place < SSI_KV_PLACES; place++) {
        const ssi_kv_area *area = &cache->areas[place];
        size_t layers = area->layer_bytes ? cache->layer_count : 1u;
        bytes += 2 * layers * cache->head_count * area->head_bytes;
    }
    return bytes;
}

static size_t head_offset(const ssi_kv_area *area, uint32_t layer, uint32_t head)
{
    return layer * area->layer_bytes + head * area->head_bytes;
}

const void *ssi_kv_keys(const ssi_kv_cache *cache, ssi_kv_place place, uint32_t layer,
                        uint32_t head)
{
    const ssi_kv_area *area = &cache->areas[place];
    return area->keys + head_offset(area, layer, head);
}

const void *ssi_kv_values(const ssi_kv_cache *cache, ssi_kv_place place, uint32_t layer,
                          uint32_t head)
{
    const ssi_kv_area *area = &cache->areas[place];
    return area->values + head_offset(area, layer, head);
}

/* Number of the first element of a slot's key; its next ones follow every KEYS_INTERLEAVED. */
static size_t key_start(const ssi_kv_cache *cache, uint32_t slot)
{
    return (size_t)(slot / KEYS_INTERLEAVED) * cache->head_length * KEYS_INTERLEAVED +
           slot % KEYS_INTERLEAVED;
}

void ssi_kv_write_key(const ssi_kv_cache *cache, uint32_t layer, uint32_t head, ssi_kv_slot slot,
                      const float *key)
{
    const ssi_kv_area *area = &cache->areas[slot.place];
    unsigned char *base = area->keys + head_offset(area, layer, head);
    size_t start = key_start(cache, slot.index);
    uint16_t halves[64];
    if (cache->number_bytes == sizeof(float)) {
        float *to = (float *)(void *)base + start;
        for (uint32_t i = 0; i < cache->head_length; i++)
            to[(size_t)i * KEYS_INTERLEAVED] = key[i];
        return;
    }
    uint16_t *to = (uint16_t *)(void *)base + start;
    for (uint32_t first = 0; first < cache->head_length; first += 64) {
        uint32_t rest = cache->head_length - first, count = rest < 64 ? rest : 64;
        cache->to_f16(key + first, count, halves);
        for (uint32_t i = 0; i < count; i++)
            to[(size_t)(first + i) * KEYS_INTERLEAVED] = halves[i];
    }
}

void ssi_kv_write_value(const ssi_kv_cache *cache, uint32_t layer, uint32_t head,
                        ssi_kv_slot slot, const float *value)
{
    const ssi_kv_area *area = &cache->areas[slot.place];
    unsigned char *base = area->values + head_offset(area, layer, head);
    size_t start = (size_t)slot.index * cache->head_length;
    if (cache->number_bytes == sizeof(float))
        memcpy((float *)(void *)base + start, value, cache->head_length * sizeof(float));
    else
        cache->to_f16(value, cache->head_length, (uint16_t *)(void *)base + start);
}

/* Keys of one head: element by element for all nodes, since neighbours share cache lines. */
static void move_keys(const ssi_kv_cache *cache, const unsigned char *from, unsigned char *to,
                      const size_t *from_start, const size_t *to_start, uint32_t count)
{
    const uint32_t *words = (const uint32_t *)(const void *)from;
    const uint16_t *halves = (const uint16_t *)(const void *)from;
    bool wide = cache->number_bytes == sizeof(float);
    for (size_t i = 0; i < (size_t)cache->head_length * KEYS_INTERLEAVED; i += KEYS_INTERLEAVED)
        for (uint32_t node = 0; node < count; node++)
            if (wide)
                ((uint32_t *)(void *)to)[to_start[node] + i] = words[from_start[node] + i];
            else
                ((uint16_t *)(void *)to)[to_start[node] + i] = halves[from_start[node] + i];
}

void ssi_kv_move_nodes(const ssi_kv_cache *cache, const uint16_t *slots, uint32_t count,
                       uint32_t layer_begin, uint32_t layer_end)
{
    const ssi_kv_area *nodes = &cache->areas[SSI_KV_NODES];
    const ssi_kv_area *context = &cache->areas[SSI_KV_CONTEXT];
    size_t row_bytes = (size_t)cache->head_length * cache->number_bytes;
    size_t from_start[SSI_KV_MOVES], to_start[SSI_KV_MOVES];
    for (uint32_t node = 0; node < count; node++) {
        from_start[node] = key_start(cache, slots[node]);
        to_start[node] = key_start(cache, cache->length + node);
    }
    for (uint32_t layer = layer_begin; layer < layer_end; layer++)
        for (uint32_t head = 0; head < cache->head_count; head++) {
            size_t from = head_offset(nodes, layer, head);
            size_t to = head_offset(context, layer, head);
            move_keys(cache, nodes->keys + from, context->keys + to, from_start, to_start,
                      count);
            for (uint32_t node = 0; node < count; node++)
                memcpy(context->values + to + (cache->length + node) * row_bytes,
                       nodes->values + from + slots[node] * row_bytes, row_bytes);
        }
}
