/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens are short, so the hash is a multiplication or two over overlapping loads: a vocabulary
 * is entered and its merges looked up at every start of a program. Whoever makes a file knows the hash,
 * so a search is given up after more slots than texts of any other kind ever need. */
#include "tokenizer/token_map.h"

#define MOST_SLOTS 512u

static uint64_t load(const char *bytes, size_t count)
{
    uint64_t value = 0;
    memcpy(&value, bytes, count);
    return value;
}

static uint64_t hash_text(const char *bytes, size_t length)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
    uint64_t hash = length * odd;
    while (length >= 8) {
        hash = (hash ^ load(bytes, 8)) * odd;
        hash ^= hash >> 29;
        bytes += 8;
        length -= 8;
    }
    uint64_t tail = 0;
    if (length >= 4)
        tail = load(bytes, 4) | load(bytes + length - 4, 4) << 32;
    else if (length > 0)
        tail = load(bytes, 1) | load(bytes + length / 2, 1) << 8 |
               load(bytes + length - 1, 1) << 16;
    hash = (hash ^ tail) * odd;
    return hash ^ hash >> 32;
}

uint32_t ssi_token_map_bits(uint32_t token_count)
{
    uint32_t bits = 4;
    while (bits < 31 && (uint64_t)1 << bits < 2 * (uint64_t)token_count)
        bits++;
    return bits;
}

void ssi_token_map_init(ssi_token_map *map, const ssi_text *texts, uint32_t *slots,
                        uint32_t bits)
{
    *map = (ssi_token_map){.texts = texts, .slots = slots, .bits = bits};
}

/* The slot that holds this text, or the empty one where it belongs, or NULL; *tag is what it would
 * hold above the id. */
static uint32_t *find_slot(const ssi_token_map *map, const char *bytes, size_t length,
                           uint32_t *tag)
{
    uint64_t hash = hash_text(bytes, length);
    uint32_t mask = ((uint32_t)1 << map->bits) - 1;
    *tag = (uint32_t)hash & ~mask;
    uint32_t home = (uint32_t)(hash >> (64 - map->bits));
    for (uint32_t i = 0; i < MOST_SLOTS; i++) {
        uint32_t *slot = &map->slots[(home + i) & mask];
        if (*slot == 0)
            return slot;
        if ((*slot & ~mask) != *tag)
            continue;
        const ssi_text *text = &map->texts[(*slot & mask) - 1];
        if (text->length == length && memcmp(text->bytes, bytes, length) == 0)
            return slot;
    }
    return NULL;
}

static int32_t token_in(const ssi_token_map *map, uint32_t slot)
{
    return (int32_t)(slot & (((uint32_t)1 << map->bits) - 1)) - 1;
}

int32_t ssi_token_map_add(ssi_token_map *map, int32_t token)
{
    uint32_t tag;
    uint32_t *slot = find_slot(map, map->texts[token].bytes, map->texts[token].length, &tag);
    if (slot == NULL)
        return SSI_TOKEN_MAP_FULL;
    if (*slot != 0)
        return token_in(map, *slot);
    *slot = tag | ((uint32_t)token + 1);
    return -1;
}

int32_t ssi_token_map_find(const ssi_token_map *map, const char *bytes, size_t length)
{
    uint32_t tag;
    const uint32_t *slot = find_slot(map, bytes, length, &tag);
    return slot == NULL ? -1 : token_in(map, *slot);
}
