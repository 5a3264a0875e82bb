/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what a file of so many bytes may take: what asks for more than the bytes justify is a
 * finding. Rows are padded to 16 and tables to cache lines, so small tensors grow; large ones don't. */
#ifndef FUZZ_BOUNDED_MEMORY_H
#define FUZZ_BOUNDED_MEMORY_H

#include <stdlib.h>

#include "specstream/specstream.h"

enum { MOST_GROWTH = 64 };

static inline void *bounded_allocate(void *context, size_t bytes, size_t alignment)
{
    const size_t *limit = context;
    void *memory;
    if (bytes > *limit)
        abort();
    return posix_memalign(&memory, alignment < sizeof memory ? sizeof memory : alignment,
                          bytes) == 0
               ? memory
               : NULL;
}

static inline void bounded_release(void *context, void *memory, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(memory);
}

/* No allocation above *limit, which has to outlive what is allocated. */
static inline ss_allocator bounded_allocator(size_t *limit)
{
    return (ss_allocator){.struct_size = sizeof(ss_allocator),
                          .context = limit,
                          .allocate = bounded_allocate,
                          .release = bounded_release};
}

#endif
