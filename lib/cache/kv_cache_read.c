/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of the context as plain rows of floats: what training reads. */
#include "base/bytes.h"
#include "cache/kv_cache.h"

static float number_at(const ssi_kv_cache *cache, const void *numbers, size_t index)
{
    return cache->number_bytes == sizeof(float)
               ? ((const float *)numbers)[index]
               : ssi_float_from_f16(((const uint16_t *)numbers)[index]);
}

void ssi_kv_read_head(const ssi_kv_cache *cache, uint32_t layer, uint32_t head, uint32_t count,
                      float *keys, float *values)
{
    const void *stored_keys = ssi_kv_keys(cache, SSI_KV_CONTEXT, layer, head);
    const void *stored_values = ssi_kv_values(cache, SSI_KV_CONTEXT, layer, head);
    size_t length = cache->head_length;
    for (size_t position = 0; position < count; position++)
        for (size_t i = 0; i < length; i++) {
            size_t at = position * length + i;
            size_t tile = position / SSI_GROUP * length + i;
            keys[at] = number_at(cache, stored_keys, tile * SSI_GROUP + position % SSI_GROUP);
            values[at] = number_at(cache, stored_values, at);
        }
}
