/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-128, seed 0, inlined from the header: no symbol and no library of xxHash's. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct ssi_hash_state {
    XXH3_state_t xxh3;
};

ssi_hash128 ssi_hash(const void *data, size_t bytes)
{
    XXH128_hash_t hash = XXH3_128bits(data, bytes);
    return (ssi_hash128){hash.low64, hash.high64};
}

size_t ssi_hash_state_bytes(void)
{
    return sizeof(ssi_hash_state);
}

void ssi_hash_begin(ssi_hash_state *state)
{
    XXH3_INITSTATE(&state->xxh3);
    (void)XXH3_128bits_reset(&state->xxh3);
}

void ssi_hash_update(ssi_hash_state *state, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update(&state->xxh3, data, bytes);
}

ssi_hash128 ssi_hash_end(const ssi_hash_state *state)
{
    XXH128_hash_t hash = XXH3_128bits_digest(&state->xxh3);
    return (ssi_hash128){hash.low64, hash.high64};
}

void ssi_hash_to_hex(ssi_hash128 hash, char hex[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        hex[i] = digits[hash.high >> (60 - 4 * i) & 15];
        hex[16 + i] = digits[hash.low >> (60 - 4 * i) & 15];
    }
    hex[32] = '\0';
}
