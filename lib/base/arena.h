/* SPDX-License-Identifier: Apache-2.0 */
/* One block of memory, laid out by a routine that runs twice: with a null base it only counts,
 * with memory it hands out pointers, so size and layout can't drift apart. */
#ifndef SSI_BASE_ARENA_H
#define SSI_BASE_ARENA_H

#include "base/status.h"

#define SSI_ALIGN 64u /* every piece begins on a cache line */

typedef struct ssi_arena {
    unsigned char *base; /* NULL: counting only */
    size_t used;
    bool overflow; /* sticky: checked once, after the whole layout */
} ssi_arena;

/* The next multiple of `multiple`, or `count` if it is one. */
static inline size_t ssi_round_up(size_t count, size_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

/* `count` elements, 64-byte aligned, uninitialised; NULL while counting or after overflow. */
void *ssi_arena_take(ssi_arena *arena, size_t count, size_t element_bytes);

/* The host's allocator, or malloc and free where params had none. */
typedef struct ssi_memory {
    void *context;
    void *(*allocate)(void *context, size_t bytes, size_t alignment);
    void (*release)(void *context, void *memory, size_t bytes);
} ssi_memory;

ssi_memory ssi_memory_from(const ss_allocator *allocator); /* NULL: malloc and free */

/* NULL when out of memory or bytes is 0. `alignment` 64 or 4096. */
void *ssi_allocate(const ssi_memory *memory, size_t bytes, size_t alignment);
void ssi_release(const ssi_memory *memory, void *block, size_t bytes); /* NULL is allowed */

#endif
