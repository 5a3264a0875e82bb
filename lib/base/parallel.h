/* SPDX-License-Identifier: Apache-2.0 */
/* Running tasks on threads: the session's own pool or the host's hook, behind one call. */
#ifndef SSI_BASE_PARALLEL_H
#define SSI_BASE_PARALLEL_H

#include "base/arena.h"

#define SSI_THREADS_MAX 256u

typedef struct ssi_pool ssi_pool; /* our own threads: spin briefly, then sleep (base/pool.c) */

typedef struct ssi_parallel {
    void *context;
    void (*parallel_for)(void *context, uint32_t task_count,
                         void (*body)(void *body_context, uint32_t task), void *body_context);
    uint32_t thread_count; /* how finely to cut work; at least 1 */
    ssi_pool *pool;        /* owned; NULL with a host's hook or one thread */
} ssi_parallel;

/* What a caller may ask for; the message names the field. The hook is whole (api/api.h). */
ss_status ssi_threads_check(uint32_t thread_count, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_parallel_check(const ss_parallel *hook, ss_error *error) SSI_MUST_CHECK;

/* Checks that, and sets *parallel up from a host's hook (may be NULL) or thread_count threads of our
 * own (0: one per core available to the process; the calling thread is one of them). */
ss_status ssi_parallel_create(const ss_parallel *hook, uint32_t thread_count,
                              const ssi_memory *memory, ssi_parallel *parallel,
                              ss_error *error) SSI_MUST_CHECK;
uint32_t ssi_parallel_threads(const ss_parallel *hook, uint32_t thread_count); /* that it runs on */
size_t ssi_parallel_bytes(const ss_parallel *hook, uint32_t thread_count); /* that it takes */
void ssi_parallel_free(ssi_parallel *parallel, const ssi_memory *memory);

/* Runs body(context, task) for all tasks; every body runs in the library's float environment.
 * One task, or one thread, runs in place without touching the pool. */
void ssi_parallel_run(const ssi_parallel *parallel, uint32_t task_count,
                      void (*body)(void *context, uint32_t task), void *context);

/* Where part `part` of [0, count) begins, cut into `parts` as even as can be. */
static inline uint32_t ssi_cut_at(uint32_t count, uint32_t parts, uint32_t part)
{
    return (uint32_t)((uint64_t)count * part / parts);
}

/* Runs body(context, begin, end) for each of these parts. */
void ssi_parallel_ranges(const ssi_parallel *parallel, uint32_t count, uint32_t parts,
                         void (*body)(void *context, uint32_t begin, uint32_t end),
                         void *context);

#endif
