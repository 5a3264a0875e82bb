/* SPDX-License-Identifier: Apache-2.0 */
/* Laying one block out, and taking blocks from the host's allocator or the system's. */
#include "base/arena.h"

#include "base/checked.h"
#include "base/os.h"

void *ssi_arena_take(ssi_arena *arena, size_t count, size_t element_bytes)
{
    size_t bytes, start = ssi_round_up(arena->used, SSI_ALIGN);
    arena->overflow |= start < arena->used || ssi_mul(count, element_bytes, &bytes) ||
                       ssi_add(start, bytes, &arena->used);
    return arena->base && !arena->overflow ? arena->base + start : NULL;
}

static void *system_allocate(void *context, size_t bytes, size_t alignment)
{
    (void)context;
    return ssi_os_allocate(bytes, alignment);
}

static void system_release(void *context, void *memory, size_t bytes)
{
    (void)context;
    (void)bytes;
    ssi_os_release(memory);
}

ssi_memory ssi_memory_from(const ss_allocator *allocator)
{
    if (allocator && allocator->allocate)
        return (ssi_memory){allocator->context, allocator->allocate, allocator->release};
    return (ssi_memory){NULL, system_allocate, system_release};
}

void *ssi_allocate(const ssi_memory *memory, size_t bytes, size_t alignment)
{
    return bytes == 0 ? NULL : memory->allocate(memory->context, bytes, alignment);
}

void ssi_release(const ssi_memory *memory, void *block, size_t bytes)
{
    if (block)
        memory->release(memory->context, block, bytes);
}
