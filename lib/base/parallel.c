/* SPDX-License-Identifier: Apache-2.0 */
/* One call to spread tasks, whoever owns the threads. The float environment is set around every
 * body that runs on a thread of the host's, and around the caller's own share. */
#include "base/parallel.h"

#include "base/float_env.h"
#include "base/os.h"
#include "base/params.h"
#include "base/pool.h"

static uint32_t or_one_per_core(uint32_t thread_count)
{
    uint32_t cores = ssi_os_cpu_count();
    if (thread_count > 0)
        return thread_count;
    return cores < SSI_THREADS_MAX ? cores : SSI_THREADS_MAX;
}

uint32_t ssi_parallel_threads(const ss_parallel *hook, uint32_t thread_count)
{
    return hook ? hook->thread_count : or_one_per_core(thread_count);
}

size_t ssi_parallel_bytes(const ss_parallel *hook, uint32_t thread_count)
{
    thread_count = or_one_per_core(thread_count);
    return !hook && thread_count > 1 ? ssi_pool_bytes(thread_count) : 0;
}

ss_status ssi_threads_check(uint32_t thread_count, ss_error *error)
{
    return ssi_params_check("thread_count", thread_count, 0, SSI_THREADS_MAX, error);
}

ss_status ssi_parallel_check(const ss_parallel *hook, ss_error *error)
{
    if (!hook->parallel_for)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "parallel: parallel_for is NULL");
    SSI_TRY(ssi_params_check("parallel: thread_count", hook->thread_count, 1, SSI_THREADS_MAX,
                             error));
    return ssi_params_check("parallel: reserved0", hook->reserved0, 0, 0, error);
}

ss_status ssi_parallel_create(const ss_parallel *hook, uint32_t thread_count,
                              const ssi_memory *memory, ssi_parallel *parallel,
                              ss_error *error)
{
    if (hook) {
        SSI_TRY(ssi_parallel_check(hook, error));
        *parallel = (ssi_parallel){.context = hook->context,
                                   .parallel_for = hook->parallel_for,
                                   .thread_count = hook->thread_count};
        return SS_OK;
    }
    SSI_TRY(ssi_threads_check(thread_count, error));
    thread_count = or_one_per_core(thread_count);
    ssi_pool *pool = NULL;
    if (thread_count > 1)
        SSI_TRY(ssi_pool_create(thread_count, memory, &pool, error));
    *parallel = (ssi_parallel){.thread_count = thread_count, .pool = pool};
    return SS_OK;
}

void ssi_parallel_free(ssi_parallel *parallel, const ssi_memory *memory)
{
    ssi_pool_free(parallel->pool, memory);
    *parallel = (ssi_parallel){.thread_count = 1};
}

typedef struct wrapped_body {
    void (*body)(void *context, uint32_t task);
    void *context;
} wrapped_body;

static void run_on_host_thread(void *context, uint32_t task)
{
    const wrapped_body *wrapped = context;
    ssi_float_env before = ssi_float_env_enter();
    wrapped->body(wrapped->context, task);
    ssi_float_env_leave(before);
}

void ssi_parallel_run(const ssi_parallel *parallel, uint32_t task_count,
                      void (*body)(void *context, uint32_t task), void *context)
{
    if (task_count > 1 && parallel->parallel_for) {
        wrapped_body wrapped = {body, context};
        parallel->parallel_for(parallel->context, task_count, run_on_host_thread, &wrapped);
        return;
    }
    ssi_float_env before = ssi_float_env_enter();
    if (task_count > 1 && parallel->pool)
        ssi_pool_run(parallel->pool, task_count, body, context);
    else
        for (uint32_t task = 0; task < task_count; task++)
            body(context, task);
    ssi_float_env_leave(before);
}

typedef struct ranges {
    void (*body)(void *context, uint32_t begin, uint32_t end);
    void *context;
    uint32_t count, parts;
} ranges;

static void run_range(void *context, uint32_t task)
{
    const ranges *of = context;
    of->body(of->context, ssi_cut_at(of->count, of->parts, task),
             ssi_cut_at(of->count, of->parts, task + 1));
}

void ssi_parallel_ranges(const ssi_parallel *parallel, uint32_t count, uint32_t parts,
                         void (*body)(void *context, uint32_t begin, uint32_t end),
                         void *context)
{
    ranges all = {body, context, count, parts};
    ssi_parallel_run(parallel, parts, run_range, &all);
}
