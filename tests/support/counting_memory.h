/* SPDX-License-Identifier: Apache-2.0 */
/* An allocator for tests: counts what is held and its peak, fails the n-th call when told, and
 * checks that what comes back is what was given. Include after cmocka.h. */
#ifndef TEST_COUNTING_MEMORY_H
#define TEST_COUNTING_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "specstream/status.h"

typedef struct counting_memory {
    size_t held_bytes, peak_bytes, held_blocks, calls;
    size_t fail_call; /* the call that fails, from 1; 0: none */
} counting_memory;

/* In front of each block, which is aligned to 4096 at most. */
#define COUNTING_HEADER 4096u

static inline void *counting_allocate(void *context, size_t bytes, size_t alignment)
{
    counting_memory *memory = context;
    assert_true(alignment <= COUNTING_HEADER && (alignment & (alignment - 1)) == 0);
    if (++memory->calls == memory->fail_call || bytes > (size_t)1 << 40)
        return NULL;
    /* The block ends where the allocation ends, so that sanitizers see a byte too far. */
    unsigned char *block;
    if (posix_memalign((void **)&block, COUNTING_HEADER, COUNTING_HEADER + bytes) != 0)
        return NULL;
    *(size_t *)(void *)block = bytes;
    memset(block + COUNTING_HEADER, 0xa5, bytes); /* the library may count on nothing */
    memory->held_bytes += bytes;
    memory->held_blocks++;
    if (memory->held_bytes > memory->peak_bytes)
        memory->peak_bytes = memory->held_bytes;
    return block + COUNTING_HEADER;
}

static inline void counting_release(void *context, void *at, size_t bytes)
{
    counting_memory *memory = context;
    unsigned char *block = (unsigned char *)at - COUNTING_HEADER;
    assert_int_equal(*(size_t *)(void *)block, bytes);
    memory->held_bytes -= bytes;
    memory->held_blocks--;
    free(block);
}

static inline ss_allocator counting_allocator(counting_memory *memory)
{
    return (ss_allocator){.struct_size = sizeof(ss_allocator),
                          .context = memory,
                          .allocate = counting_allocate,
                          .release = counting_release};
}

#endif
