/* SPDX-License-Identifier: Apache-2.0 */
/* A pool for regions of some ten microseconds, hundreds of them a step: starting and ending one
 * costs a few cache misses, no lock, no memory and, while the workers still spin, no system call.
 *
 * `unclaimed` is the one word everybody meets at. The caller writes body, context and count, then
 * stores the number of tasks there; a thread claims a task by taking one off. A claim that
 * succeeds proves that the region isn't over, for it ends only when every claimed task has been
 * reported to `unfinished`: so what a claim's thread then reads of the region is the present
 * region's, even if the thread slept through ten others between looking and claiming.
 *
 * Ordering. Region to thread: the store of `unclaimed` releases, the claim acquires (claims in
 * between continue the release sequence). Thread to caller: taking off `unfinished` releases, the
 * caller's last look acquires. Falling asleep: both sides of "publish work, then look for
 * sleepers" and "announce sleep, then look for work" are sequentially consistent, so that at least
 * one sees the other; the sleeper looks again under the lock that the waker takes. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/float_env.h"
#include "base/os.h"

enum {
    /* Longer than the serial stretch between two regions of a step, so that workers stay awake
     * through it; waking one costs the caller 3 to 5 us and the region tens. */
    SPIN_NS = 60000,
    /* With more threads than cores a spinning thread keeps a working one off its core. */
    SPIN_CROWDED_NS = 1000,
    PAUSES_PER_LOOK = 4,   /* between two looks at the word: lets the other side's write through */
    LOOKS_PER_CLOCK = 16,
    LINE_BYTES = 64
};

struct ssi_pool {
    /* The region, written by the caller only while no task is unfinished. */
    void (*body)(void *context, uint32_t task);
    void *context;
    uint32_t task_count;
    uint32_t worker_count;
    uint64_t spin_ns;
    size_t bytes; /* of this block */

    _Alignas(LINE_BYTES) atomic_uint unclaimed;
    _Alignas(LINE_BYTES) atomic_uint unfinished;
    _Alignas(LINE_BYTES) atomic_uint sleeping_workers;
    atomic_bool sleeping_caller;
    atomic_bool stopping;

    _Alignas(LINE_BYTES) pthread_mutex_t lock; /* for sleeping and waking alone */
    pthread_cond_t work, done;
    pthread_t workers[];
};

static inline void relax(void)
{
    for (int i = 0; i < PAUSES_PER_LOOK; i++)
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#else
        atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Waits a while for *word to become zero, or not zero; false when the time is over. */
static bool spin_until(atomic_uint *word, bool zero, const atomic_bool *stopping,
                       uint64_t limit_ns)
{
    uint64_t start = 0;
    for (uint32_t looks = 1;; looks++) {
        if ((atomic_load_explicit(word, memory_order_acquire) == 0) == zero ||
            (stopping && atomic_load_explicit(stopping, memory_order_relaxed)))
            return true;
        relax();
        if (looks % LOOKS_PER_CLOCK == 0) {
            uint64_t now = ssi_clock_ns(NULL);
            if (start == 0)
                start = now;
            else if (now - start > limit_ns)
                return false;
        }
    }
}

/* Takes tasks until none is left; returns how many it ran. */
static uint32_t run_tasks(ssi_pool *pool)
{
    uint32_t ran = 0;
    unsigned left = atomic_load_explicit(&pool->unclaimed, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->unclaimed, &left, left - 1,
                                                   memory_order_acquire, memory_order_relaxed))
            continue;
        pool->body(pool->context, pool->task_count - left);
        ran++;
        left = atomic_load_explicit(&pool->unclaimed, memory_order_relaxed);
    }
    return ran;
}

static void report(ssi_pool *pool, uint32_t ran)
{
    if (ran == 0 || atomic_fetch_sub(&pool->unfinished, ran) != ran)
        return;
    if (atomic_load(&pool->sleeping_caller)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void sleep_until_work(ssi_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping_workers, 1);
    while (atomic_load(&pool->unclaimed) == 0 && !atomic_load(&pool->stopping))
        pthread_cond_wait(&pool->work, &pool->lock);
    atomic_fetch_sub(&pool->sleeping_workers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument)
{
    ssi_pool *pool = argument;
    (void)ssi_float_env_enter(); /* a thread inherits its creator's mode */
    report(pool, 1);
    for (;;) {
        if (!spin_until(&pool->unclaimed, false, &pool->stopping, pool->spin_ns))
            sleep_until_work(pool);
        if (atomic_load_explicit(&pool->stopping, memory_order_relaxed))
            return NULL;
        report(pool, run_tasks(pool));
    }
}

static void wait_for_reports(ssi_pool *pool)
{
    if (spin_until(&pool->unfinished, true, NULL, pool->spin_ns))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->sleeping_caller, true);
    while (atomic_load(&pool->unfinished) != 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->sleeping_caller, false);
    pthread_mutex_unlock(&pool->lock);
}

void ssi_pool_run(ssi_pool *pool, uint32_t task_count,
                  void (*body)(void *context, uint32_t task), void *context)
{
    if (task_count == 0)
        return;
    pool->body = body;
    pool->context = context;
    pool->task_count = task_count;
    atomic_store_explicit(&pool->unfinished, task_count, memory_order_relaxed);
    atomic_store(&pool->unclaimed, task_count);

    uint32_t sleepers = atomic_load(&pool->sleeping_workers);
    if (sleepers > 0) {
        uint32_t wanted = task_count - 1 < sleepers ? task_count - 1 : sleepers;
        pthread_mutex_lock(&pool->lock);
        for (uint32_t i = 0; i < wanted; i++)
            pthread_cond_signal(&pool->work);
        pthread_mutex_unlock(&pool->lock);
    }

    report(pool, run_tasks(pool));
    wait_for_reports(pool);
}

/* Stops and joins the first `count` workers. */
static void stop(ssi_pool *pool, uint32_t count)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < count; i++)
        pthread_join(pool->workers[i], NULL);
}

static void release(ssi_pool *pool, const ssi_memory *memory)
{
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    ssi_release(memory, pool, pool->bytes);
}

/* Starts the workers with every signal blocked: signals belong to the host's threads. Returns how
 * many could be started. */
static uint32_t start_workers(ssi_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    uint32_t started = 0;
    while (started < pool->worker_count &&
           pthread_create(&pool->workers[started], NULL, work, pool) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

size_t ssi_pool_bytes(uint32_t thread_count)
{
    return sizeof(ssi_pool) + (thread_count - 1) * sizeof(pthread_t);
}

ss_status ssi_pool_create(uint32_t thread_count, const ssi_memory *memory, ssi_pool **pool,
                          ss_error *error)
{
    uint32_t worker_count = thread_count - 1;
    size_t bytes = ssi_pool_bytes(thread_count);
    ssi_pool *made = ssi_allocate(memory, bytes, LINE_BYTES);
    if (!made)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for %u threads: %zu bytes",
                        thread_count, bytes);
    made->worker_count = worker_count;
    made->spin_ns = thread_count > ssi_os_cpu_count() ? SPIN_CROWDED_NS : SPIN_NS;
    made->bytes = bytes;
    atomic_init(&made->unclaimed, 0);
    atomic_init(&made->unfinished, worker_count);
    atomic_init(&made->sleeping_workers, 0);
    atomic_init(&made->sleeping_caller, false);
    atomic_init(&made->stopping, false);
    /* With default attributes these three can't fail on any system with futexes. */
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->done, NULL);

    uint32_t started = start_workers(made);
    if (started < worker_count) {
        stop(made, started);
        release(made, memory);
        return ssi_fail(error, SS_ERROR_MEMORY, "thread %u of %u could not be started",
                        started + 2, thread_count);
    }
    wait_for_reports(made); /* a thread's first moments make system calls: not in a step */
    *pool = made;
    return SS_OK;
}

void ssi_pool_free(ssi_pool *pool, const ssi_memory *memory)
{
    if (!pool)
        return;
    stop(pool, pool->worker_count);
    release(pool, memory);
}
