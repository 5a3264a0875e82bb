/* SPDX-License-Identifier: Apache-2.0 */
/* From text to token id: a hash table with open addressing over texts that lie elsewhere. */
#ifndef SSI_TOKENIZER_TOKEN_MAP_H
#define SSI_TOKENIZER_TOKEN_MAP_H

#include "base/text.h"

#include <stdint.h>

typedef struct ssi_token_map {
    const ssi_text *texts; /* [token], not owned */
    uint32_t *slots; /* id + 1 in the low `bits`, 0: empty; above them bits of the text's hash,
                      * which tell most other texts apart without looking at them */
    uint32_t bits;   /* 1 << bits slots, at most half of them used */
} ssi_token_map;

uint32_t ssi_token_map_bits(uint32_t token_count);

/* Slots must be 1 << bits zeroed entries. */
void ssi_token_map_init(ssi_token_map *map, const ssi_text *texts, uint32_t *slots,
                        uint32_t bits);

#define SSI_TOKEN_MAP_FULL (-2)

/* Enters texts[token]; returns the token that already has this text, -1, or SSI_TOKEN_MAP_FULL where
 * too many texts share a place, as only texts made for it do. */
int32_t ssi_token_map_add(ssi_token_map *map, int32_t token);

int32_t ssi_token_map_find(const ssi_token_map *map, const char *bytes, size_t length); /* -1 */

#endif
