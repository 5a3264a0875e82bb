/* SPDX-License-Identifier: Apache-2.0 */
/* Every task runs once and before the call returns, on whatever threads, whether the workers were
 * awake or asleep; memory is taken at creation alone; the float mode is ours in every body. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/float_env.h"
#include "base/parallel.h"
#include "support/counting_memory.h"

enum { MOST_TASKS = 300 };

typedef struct tally {
    uint32_t runs[MOST_TASKS]; /* not atomic: a task that ran twice, or late, is a data race too */
    float tiny[MOST_TASKS];
} tally;

static void count_run(void *context, uint32_t task)
{
    tally *all = context;
    volatile float denormal = 1e-39f;
    all->runs[task]++;
    all->tiny[task] = denormal * 0.5f;
}

static void check_region(const ssi_parallel *parallel, tally *all, uint32_t task_count)
{
    memset(all, 0, sizeof *all);
    ssi_parallel_run(parallel, task_count, count_run, all);
    for (uint32_t task = 0; task < MOST_TASKS; task++) {
        assert_int_equal(all->runs[task], task < task_count);
        assert_true(task >= task_count || all->tiny[task] > 0);
    }
}

static void sleep_ms(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void each_task_runs_once(void **state)
{
    static const uint32_t thread_counts[] = {1, 2, 3, 7, 0};
    static tally all;
    ssi_memory memory = ssi_memory_from(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
        ssi_parallel parallel;
        assert_int_equal(
            ssi_parallel_create(NULL, thread_counts[i], &memory, &parallel, NULL), SS_OK);
        for (uint32_t task_count = 0; task_count < MOST_TASKS; task_count += 1 + task_count / 4)
            check_region(&parallel, &all, task_count);
        for (int region = 0; region < 2000; region++)
            check_region(&parallel, &all, 1 + (uint32_t)region % 9);
        for (int nap = 0; nap < 20; nap++) { /* long enough for the workers to fall asleep */
            sleep_ms(1);
            check_region(&parallel, &all, 2 + (uint32_t)nap);
        }
        ssi_parallel_free(&parallel, &memory);
    }
}

static void late_body(void *context, uint32_t task)
{
    if (task == 0) /* whoever has it, the caller waits for it, past its own spinning */
        sleep_ms(3);
    count_run(context, task);
}

static void the_caller_waits_for_a_slow_task(void **state)
{
    static tally all;
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    (void)state;
    assert_int_equal(ssi_parallel_create(NULL, 3, &memory, &parallel, NULL), SS_OK);
    for (int region = 0; region < 20; region++) {
        memset(&all, 0, sizeof all);
        ssi_parallel_run(&parallel, 5, late_body, &all);
        for (uint32_t task = 0; task < 5; task++)
            assert_int_equal(all.runs[task], 1);
    }
    ssi_parallel_free(&parallel, &memory);
}

static void *own_a_pool(void *failed)
{
    static const uint32_t rounds = 500;
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    tally *all = malloc(sizeof *all);
    if (!all || ssi_parallel_create(NULL, 2, &memory, &parallel, NULL) != SS_OK) {
        *(int *)failed = 1;
        free(all);
        return NULL;
    }
    for (uint32_t round = 0; round < rounds; round++) {
        memset(all, 0, sizeof *all);
        ssi_parallel_run(&parallel, 7, count_run, all);
        for (uint32_t task = 0; task < 7; task++)
            *(int *)failed |= all->runs[task] != 1;
    }
    ssi_parallel_free(&parallel, &memory);
    free(all);
    return NULL;
}

static void pools_know_nothing_of_each_other(void **state)
{
    pthread_t hosts[3];
    int failed[3] = {0};
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&hosts[i], NULL, own_a_pool, &failed[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(hosts[i], NULL);
        assert_int_equal(failed[i], 0);
    }
}

static void leave_float_mode(void)
{
#if defined(__x86_64__)
    ssi_float_env_leave(0x1f80 | 0x8000 | 0x0040 | 0x6000); /* FTZ, DAZ, towards zero */
#endif
}

static void the_host_keeps_its_float_mode(void **state)
{
    static tally all;
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    (void)state;
    ssi_float_env before = ssi_float_env_enter();
    leave_float_mode(); /* new threads inherit it */
    ss_status status = ssi_parallel_create(NULL, 2, &memory, &parallel, NULL);
    if (status == SS_OK)
        for (int region = 0; region < 50; region++)
            ssi_parallel_run(&parallel, 1 + (uint32_t)region % 20, count_run, &all);
    volatile float denormal = 1e-39f, product = denormal * 0.5f;
    ssi_float_env_leave(before);

    assert_int_equal(status, SS_OK);
    for (uint32_t task = 0; task < 20; task++)
        assert_true(all.tiny[task] > 0);
#if defined(__x86_64__)
    assert_true(product == 0);
#else
    (void)product;
#endif
    ssi_parallel_free(&parallel, &memory);
}

static void backwards_with_odd_mode(void *context, uint32_t task_count,
                                    void (*body)(void *body_context, uint32_t task),
                                    void *body_context)
{
    ssi_float_env before = ssi_float_env_enter();
    leave_float_mode();
    while (task_count-- > 0)
        body(body_context, task_count);
    ssi_float_env_leave(before);
    ++*(uint32_t *)context;
}

static void the_hosts_threads_are_used(void **state)
{
    static tally all;
    uint32_t calls = 0;
    ss_parallel hook = {.struct_size = sizeof hook,
                        .context = &calls,
                        .parallel_for = backwards_with_odd_mode,
                        .thread_count = 4};
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    (void)state;
    assert_int_equal(ssi_parallel_create(&hook, 9, &memory, &parallel, NULL), SS_OK);
    assert_int_equal(parallel.thread_count, 4);
    check_region(&parallel, &all, 12);
    assert_int_equal(calls, 1);
    check_region(&parallel, &all, 1); /* in place */
    assert_int_equal(calls, 1);
    ssi_parallel_free(&parallel, &memory);
}

static void wrong_hooks_are_named(void **state)
{
    ss_error error = {.struct_size = sizeof error};
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    uint32_t calls = 0;
    const ss_parallel right = {.struct_size = sizeof right,
                               .context = &calls,
                               .parallel_for = backwards_with_odd_mode,
                               .thread_count = 4};
    ss_parallel wrong = right;
    (void)state;

    wrong.parallel_for = NULL;
    assert_int_equal(ssi_parallel_create(&wrong, 0, &memory, &parallel, &error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "parallel_for"));
    wrong = right;
    wrong.thread_count = 257;
    assert_int_equal(ssi_parallel_create(&wrong, 0, &memory, &parallel, &error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "257"));
    wrong = right;
    wrong.reserved0 = 1;
    assert_int_equal(ssi_parallel_create(&wrong, 0, &memory, &parallel, &error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "reserved0"));
    assert_int_equal(ssi_parallel_create(NULL, 257, &memory, &parallel, &error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "257"));
}

static void running_takes_no_memory(void **state)
{
    static tally all;
    counting_memory count = {.fail_call = 1};
    ss_allocator allocator = counting_allocator(&count);
    ssi_memory memory = ssi_memory_from(&allocator);
    ssi_parallel parallel;
    (void)state;

    assert_int_equal(ssi_parallel_create(NULL, 3, &memory, &parallel, NULL), SS_ERROR_MEMORY);
    assert_int_equal(ssi_parallel_create(NULL, 3, &memory, &parallel, NULL), SS_OK);
    const size_t calls = count.calls;
    for (int region = 0; region < 100; region++)
        check_region(&parallel, &all, 10);
    assert_int_equal(count.calls, calls);
    ssi_parallel_free(&parallel, &memory);
    assert_int_equal(count.held_bytes, 0);
}

static void note_mask(void *context, uint32_t task)
{
    sigset_t mask;
    bool *blocked = context;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked[task] = sigismember(&mask, SIGINT) == 1;
    sleep_ms(1); /* so that each thread gets one */
}

static void signals_stay_with_the_host(void **state)
{
    bool blocked[2];
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_parallel parallel;
    (void)state;
    assert_int_equal(ssi_parallel_create(NULL, 2, &memory, &parallel, NULL), SS_OK);
    bool once_blocked = false;
    for (int attempt = 0; attempt < 100 && !once_blocked; attempt++) {
        ssi_parallel_run(&parallel, 2, note_mask, blocked);
        once_blocked = blocked[0] != blocked[1]; /* the worker's, not the caller's */
    }
    assert_true(once_blocked);
    ssi_parallel_free(&parallel, &memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once),
        cmocka_unit_test(the_caller_waits_for_a_slow_task),
        cmocka_unit_test(pools_know_nothing_of_each_other),
        cmocka_unit_test(the_host_keeps_its_float_mode),
        cmocka_unit_test(the_hosts_threads_are_used),
        cmocka_unit_test(wrong_hooks_are_named),
        cmocka_unit_test(running_takes_no_memory),
        cmocka_unit_test(signals_stay_with_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
