/* SPDX-License-Identifier: Apache-2.0 */
/* A pool for regions of some ten microseconds, hundreds of them a step: starting and ending one
 * costs a few cache misses, no lock, no memory and, while the workers still spin, no system call.
 *
 * Every thread has a share of the tasks, side by side, so that what it reads next lies behind what
 * it read last; who is done with his own helps the others. `unclaimed` of a share is the word they
 * meet at. The caller writes body, context and count, then stores every share's number of tasks; a
 * thread claims a task by taking one off. A claim that succeeds proves that the region isn't over,
 * for it ends only when every task has been reported to `unfinished`: so what a claim's thread
 * then reads of the region is the present region's, even if the thread slept through ten others
 * between looking and claiming.
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
    PAUSES_PER_LOOK =
        4, /* between two looks at the word: lets the other side's write through */
    LOOKS_PER_CLOCK = 16,
    LINE_BYTES = 64
};

typedef struct share {
    _Alignas(LINE_BYTES) atomic_uint unclaimed;
    uint32_t end; /* one past its last task */
    pthread_t thread;
    ssi_pool *pool;
} share;

struct ssi_pool {
    /* The region, written by the caller only while no task is unfinished. */
    void (*body)(void *context, uint32_t task);
    void *context;
    uint32_t thread_count; /* the caller included: share 0 is his */
    uint64_t spin_ns;
    size_t bytes; /* of this block */

    _Alignas(LINE_BYTES) atomic_uint unfinished;
    _Alignas(LINE_BYTES) atomic_uint sleeping_workers;
    atomic_bool sleeping_caller;
    atomic_bool stopping;

    _Alignas(LINE_BYTES) pthread_mutex_t lock; /* for sleeping and waking alone */
    pthread_cond_t work, done;
    share shares[];
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

/* Takes tasks of one share until none is left; returns how many it ran. */
static uint32_t run_share(const ssi_pool *pool, share *of)
{
    uint32_t ran = 0;
    unsigned left = atomic_load_explicit(&of->unclaimed, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&of->unclaimed, &left, left - 1,
                                                   memory_order_acquire, memory_order_relaxed))
            continue;
        pool->body(pool->context, of->end - left);
        ran++;
        left = atomic_load_explicit(&of->unclaimed, memory_order_relaxed);
    }
    return ran;
}

/* A thread's own share, then what is left of the others'. */
static uint32_t run_tasks(ssi_pool *pool, uint32_t thread)
{
    uint32_t ran = 0;
    for (uint32_t i = thread; i < thread + pool->thread_count; i++)
        ran += run_share(pool, &pool->shares[i % pool->thread_count]);
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

static void sleep_until_work(ssi_pool *pool, share *own)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping_workers, 1);
    while (atomic_load(&own->unclaimed) == 0 && !atomic_load(&pool->stopping))
        pthread_cond_wait(&pool->work, &pool->lock);
    atomic_fetch_sub(&pool->sleeping_workers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument)
{
    share *own = argument;
    ssi_pool *pool = own->pool;
    uint32_t thread = (uint32_t)(own - pool->shares);
    (void)ssi_float_env_enter(); /* a thread inherits its creator's mode */
    report(pool, 1);
    for (;;) {
        if (!spin_until(&own->unclaimed, false, &pool->stopping, pool->spin_ns))
            sleep_until_work(pool, own);
        if (atomic_load_explicit(&pool->stopping, memory_order_relaxed))
            return NULL;
        report(pool, run_tasks(pool, thread));
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
    atomic_store_explicit(&pool->unfinished, task_count, memory_order_relaxed);
    for (uint32_t i = pool->thread_count, end = task_count; i-- > 0;) {
        uint32_t begin = (uint32_t)(((uint64_t)task_count * i + pool->thread_count - 1) /
                                    pool->thread_count);
        pool->shares[i].end = end;
        atomic_store(&pool->shares[i].unclaimed, end - begin);
        end = begin;
    }
    if (atomic_load(&pool->sleeping_workers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->work); /* whose share is empty sleeps on */
        pthread_mutex_unlock(&pool->lock);
    }

    report(pool, run_tasks(pool, 0));
    wait_for_reports(pool);
}

/* Stops the pool and joins the threads below `count`; the caller is thread 0. */
static void stop(ssi_pool *pool, uint32_t count)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 1; i < count; i++)
        pthread_join(pool->shares[i].thread, NULL);
}

static void release(ssi_pool *pool, const ssi_memory *memory)
{
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    ssi_release(memory, pool, pool->bytes);
}

/* Starts the workers with every signal blocked: signals belong to the host's threads. Returns how
 * many threads there are now, the caller included. */
static uint32_t start_workers(ssi_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    uint32_t started = 1;
    while (started < pool->thread_count && pthread_create(&pool->shares[started].thread, NULL,
                                                          work, &pool->shares[started]) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

size_t ssi_pool_bytes(uint32_t thread_count)
{
    return sizeof(ssi_pool) + thread_count * sizeof(share);
}

ss_status ssi_pool_create(uint32_t thread_count, const ssi_memory *memory, ssi_pool **pool,
                          ss_error *error)
{
    size_t bytes = ssi_pool_bytes(thread_count);
    ssi_pool *made = ssi_allocate(memory, bytes, LINE_BYTES);
    if (!made)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for %u threads: %zu bytes",
                        thread_count, bytes);
    made->thread_count = thread_count;
    made->spin_ns = thread_count > ssi_os_cpu_count() ? SPIN_CROWDED_NS : SPIN_NS;
    made->bytes = bytes;
    for (uint32_t i = 0; i < thread_count; i++) {
        made->shares[i].pool = made;
        atomic_init(&made->shares[i].unclaimed, 0);
    }
    atomic_init(&made->unfinished, thread_count - 1);
    atomic_init(&made->sleeping_workers, 0);
    atomic_init(&made->sleeping_caller, false);
    atomic_init(&made->stopping, false);
    /* With default attributes these three can't fail on any system with futexes. */
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->done, NULL);

    uint32_t started = start_workers(made);
    if (started < thread_count) {
        stop(made, started);
        release(made, memory);
        return ssi_fail(error, SS_ERROR_MEMORY, "thread %u of %u could not be started",
                        started + 1, thread_count);
    }
    wait_for_reports(made); /* a thread's first moments make system calls: not in a step */
    *pool = made;
    return SS_OK;
}

void ssi_pool_free(ssi_pool *pool, const ssi_memory *memory)
{
    if (!pool)
        return;
    stop(pool, pool->thread_count);
    release(pool, memory);
}
