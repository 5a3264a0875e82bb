/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values, and the one place that knows how they lie in memory. Three areas share a
 * layout (kernel.h, attention): the context, [layer][key/value head][position]; the nodes of one
 * step's tree, likewise by slot; the streams of one layer of one step, [key/value head][slot],
 * used again by every layer. Numbers are rounded to the cache's type when they are written, before
 * anything reads them, so that a row reads the same keys wherever they lie. */
#ifndef SSI_CACHE_KV_CACHE_H
#define SSI_CACHE_KV_CACHE_H

#include "base/arena.h"
#include "kernel/kernel.h"

typedef enum ssi_kv_place { SSI_KV_CONTEXT, SSI_KV_NODES, SSI_KV_STREAMS, SSI_KV_PLACES } ssi_kv_place;

typedef struct ssi_kv_slot { /* where one row's keys and values go, in every layer */
    ssi_kv_place place;
    uint32_t index; /* in SSI_KV_CONTEXT: the position */
} ssi_kv_slot;

typedef struct ssi_kv_area {
    unsigned char *keys, *values;
    uint32_t slot_count; /* a multiple of SSI_ATTENTION_BLOCK */
    size_t head_bytes;   /* keys, or values, of one layer's one head */
    size_t layer_bytes;  /* 0 for the streams: all layers share them */
} ssi_kv_area;

typedef struct ssi_kv_cache {
    ssi_kv_area areas[SSI_KV_PLACES];
    uint32_t length; /* positions 0 .. length - 1 are committed */
    uint32_t layer_count, head_count, head_length;
    size_t number_bytes; /* 2 or 4 */
    void (*to_f16)(const float *values, uint32_t count, uint16_t *halves);
} ssi_kv_cache;

typedef struct ssi_kv_shape {
    uint32_t layer_count, head_count, head_length;
    uint32_t positions, nodes, streams; /* least slots of each area */
    bool f32;
} ssi_kv_shape;

/* Takes the areas from an arena (runs twice, see base/arena.h). The memory stays uninitialised:
 * attention reads no slot that was not written, or discards what it read. */
void ssi_kv_layout(ssi_kv_cache *cache, const ssi_kv_shape *shape, const ssi_kernels *kernels,
                   ssi_arena *arena);

size_t ssi_kv_bytes(const ssi_kv_cache *cache); /* of all areas */

/* One head's key (already rotated) or value, head_length numbers. */
void ssi_kv_write_key(const ssi_kv_cache *cache, uint32_t layer, uint32_t head, ssi_kv_slot slot,
                      const float *key);
void ssi_kv_write_value(const ssi_kv_cache *cache, uint32_t layer, uint32_t head,
                        ssi_kv_slot slot, const float *value);

/* Base addresses of one layer's one head in an area, as the attention kernel takes them. */
const void *ssi_kv_keys(const ssi_kv_cache *cache, ssi_kv_place place, uint32_t layer,
                        uint32_t head);
const void *ssi_kv_values(const ssi_kv_cache *cache, ssi_kv_place place, uint32_t layer,
                          uint32_t head);

/* Moves the keys and values of some nodes, at most SSI_KV_MOVES, to positions `length` and up, in
 * layers [layer_begin, layer_end); `length` stays. Nothing is computed: a node's rotation depends on
 * its depth alone, which is what it was run with. */
#define SSI_KV_MOVES 64u
void ssi_kv_move_nodes(const ssi_kv_cache *cache, const uint16_t *slots, uint32_t count,
                       uint32_t layer_begin, uint32_t layer_end);

/* kv_cache_save.c: all keys and values of one position, [layer][head][key, value][head_length], in
 * ssi_kv_row_bytes() bytes. Loading doesn't change `length`. */
size_t ssi_kv_row_bytes(const ssi_kv_cache *cache);
void ssi_kv_save_row(const ssi_kv_cache *cache, uint32_t position, unsigned char *bytes);
void ssi_kv_load_row(const ssi_kv_cache *cache, uint32_t position, const unsigned char *bytes);

/* kv_cache_read.c: the first `count` keys and values of one head, [count][head_length]. */
void ssi_kv_read_head(const ssi_kv_cache *cache, uint32_t layer, uint32_t head, uint32_t count,
                      float *keys, float *values);

#endif
