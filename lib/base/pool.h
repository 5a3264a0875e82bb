/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of our own. The caller of ssi_pool_run() is one of them. */
#ifndef SSI_BASE_POOL_H
#define SSI_BASE_POOL_H

#include "base/arena.h"

typedef struct ssi_pool ssi_pool;

/* thread_count: 2 or more, the calling thread included. */
ss_status ssi_pool_create(uint32_t thread_count, const ssi_memory *memory, ssi_pool **pool,
                          ss_error *error) SSI_MUST_CHECK;
size_t ssi_pool_bytes(uint32_t thread_count); /* that creation takes */
void ssi_pool_free(ssi_pool *pool, const ssi_memory *memory); /* NULL is allowed */

/* Runs body(context, task) for every task and returns when all have run. One caller at a time,
 * and never from within a body. */
void ssi_pool_run(ssi_pool *pool, uint32_t task_count,
                  void (*body)(void *context, uint32_t task), void *context);

#endif
