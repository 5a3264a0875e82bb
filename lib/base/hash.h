/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3, compiled in (base/hash.c alone sees xxhash.h). */
#ifndef SSI_BASE_HASH_H
#define SSI_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssi_hash128 {
    uint64_t low, high;
} ssi_hash128;

static inline bool ssi_hash_equal(ssi_hash128 a, ssi_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

ssi_hash128 ssi_hash(const void *data, size_t bytes);

/* Streaming; the state is caller memory of ssi_hash_state_bytes(), 64-byte aligned. */
typedef struct ssi_hash_state ssi_hash_state;
size_t ssi_hash_state_bytes(void);
void ssi_hash_begin(ssi_hash_state *state);
void ssi_hash_update(ssi_hash_state *state, const void *data, size_t bytes);
ssi_hash128 ssi_hash_end(const ssi_hash_state *state);

void ssi_hash_to_hex(ssi_hash128 hash, char hex[33]); /* canonical, big-endian, NUL-terminated */

#endif
