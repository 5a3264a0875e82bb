/* SPDX-License-Identifier: Apache-2.0 */
/* One head's key and value at one position as plain rows: the form in which saved sessions hold
 * them, whatever the layout in memory. Numbers are little-endian, as every CPU with kernels is. */
#include "cache/kv_cache.h"

#include <string.h>

/* The key's numbers lie apart by a group of positions. */
static unsigned char *number_at(const ssi_kv_cache *cache, uint32_t layer, uint32_t head,
                                uint32_t position, uint32_t i)
{
    unsigned char *keys = (unsigned char *)ssi_kv_keys(cache, SSI_KV_CONTEXT, layer, head);
    size_t tile = (size_t)(position / SSI_GROUP) * cache->head_length + i;
    return keys + (tile * SSI_GROUP + position % SSI_GROUP) * cache->number_bytes;
}

static unsigned char *value_at(const ssi_kv_cache *cache, uint32_t layer, uint32_t head,
                               uint32_t position)
{
    unsigned char *values = (unsigned char *)ssi_kv_values(cache, SSI_KV_CONTEXT, layer, head);
    return values + (size_t)position * cache->head_length * cache->number_bytes;
}

size_t ssi_kv_row_bytes(const ssi_kv_cache *cache)
{
    return (size_t)2 * cache->layer_count * cache->head_count * cache->head_length *
           cache->number_bytes;
}

void ssi_kv_save_row(const ssi_kv_cache *cache, uint32_t position, unsigned char *bytes)
{
    size_t row = cache->head_length * cache->number_bytes;
    for (uint32_t layer = 0; layer < cache->layer_count; layer++)
        for (uint32_t head = 0; head < cache->head_count; head++, bytes += 2 * row) {
            for (uint32_t i = 0; i < cache->head_length; i++)
                memcpy(bytes + i * cache->number_bytes,
                       number_at(cache, layer, head, position, i), cache->number_bytes);
            memcpy(bytes + row, value_at(cache, layer, head, position), row);
        }
}

void ssi_kv_load_row(const ssi_kv_cache *cache, uint32_t position, const unsigned char *bytes)
{
    size_t row = cache->head_length * cache->number_bytes;
    for (uint32_t layer = 0; layer < cache->layer_count; layer++)
        for (uint32_t head = 0; head < cache->head_count; head++, bytes += 2 * row) {
            for (uint32_t i = 0; i < cache->head_length; i++)
                memcpy(number_at(cache, layer, head, position, i),
                       bytes + i * cache->number_bytes, cache->number_bytes);
            memcpy(value_at(cache, layer, head, position), bytes + row, row);
        }
}
