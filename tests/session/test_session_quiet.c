/* SPDX-License-Identifier: Apache-2.0 */
/* Prefills and steps make no system call but futex and the clock, under a filter that kills the
 * process for any other, and leave the heap alone: plain ones, and those with everything that drafts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/adapter_file.h"
#include "session/session_state.h"
#include "support/session_fixture.h"

#if defined(__linux__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&             \
    !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAIN = -1, EARLIER_ANSWERS = -2, UNAVAILABLE = 77 };

#define ALLOW(number)                                                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                       \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* On every thread of the process. */
static bool forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_futex),
        ALLOW(SYS_clock_gettime),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) ==
               0;
}

/* Streams, n-grams and a host's guesses, pruned. */
static uint32_t guess(void *context, const int32_t *tokens, size_t count, ss_draft_node *nodes,
                      uint32_t capacity)
{
    (void)context;
    for (uint32_t i = 0; i < 4 && i < capacity; i++)
        nodes[i] = (ss_draft_node){tokens[(count + i) / 2], (int32_t)i - 1, 0.5f};
    return 4;
}

static bool set_drafting(ss_session *session, ss_schedule schedule)
{
    static const adapter_recipe recipe = {.deviation = 0.05f,
                                          .streams = 4,
                                          .msa_layers = 2,
                                          .main_rank = 4,
                                          .stream_rank = 4,
                                          .parent_rank = 4,
                                          .prune_rank = 4};
    ss_stream_config config;
    ssi_stream_config_default(&config);
    if (schedule == EARLIER_ANSWERS) /* n-grams of them are drafted from where no streams draft */
        return ssi_session_set_streams(session, &config, NULL) == SS_OK;
    config.sources = SS_DRAFT_STREAMS | SS_DRAFT_NGRAM | SS_DRAFT_CALLER;
    config.draft = guess;
    config.schedule = schedule;
    config.prune = SS_PRUNE_ON;
    config.tree_mode = schedule == SS_SCHEDULE_AUTO ? SS_TREE_AUTO : SS_TREE_BEST;
    config.best_count = 20;
    return ssi_session_set_streams(session, &config, NULL) == SS_OK &&
           ssi_session_set_adapter(session, load_recipe(session->work.model, &recipe), NULL) ==
               SS_OK;
}

/* In the child: 0 when all went well. */
static int decode_quietly(int32_t schedule)
{
    ss_model *model = open_model();
    ss_session_params params = small_params();
    ss_sampler_params sampler;
    const char *const stops[] = {"not in this story"};
    int32_t story[256];
    size_t count = story_tokens(model, story, 256);
    params.thread_count = 3;
    params.on_full = SS_ON_FULL_SLIDE;
    params.context_length = (uint32_t)count + 20;
    ss_session *session = open_session_with(model, &params);
    ssi_sampler_params_default(&sampler);
    sampler.temperature = 0.8f;
    sampler.top_p = 0.9f;
    sampler.repetition_penalty = 1.1f;
    sampler.ignore_end = true;
    if (ssi_session_set_sampler(session, &sampler, NULL) != SS_OK ||
        ssi_session_set_stops(session, stops, 1, NULL) != SS_OK ||
        (schedule != PLAIN && !set_drafting(session, schedule)))
        return 1;
    size_t held = mallinfo2().uordblks;
    if (!forbid_system_calls())
        return UNAVAILABLE;
    for (int again = 0; again < 2; again++) {
        if (ssi_session_prefill(session, story, count, NULL) != SS_OK)
            return 1;
        for (int i = 0; i < 50; i++) { /* slides on the way */
            ss_step step = {.struct_size = sizeof step};
            if (ssi_session_step(session, 0, &step, NULL) != SS_OK)
                return 1;
        }
    }
    if (schedule != PLAIN && session->stats.drafted == 0)
        return 2;
    if (schedule == EARLIER_ANSWERS && session->drafting->history.said.count == 0)
        return 4;
    return mallinfo2().uordblks == held ? 0 : 3;
}

static void check(int32_t schedule)
{
    int status;
    test_needs(SMALL_MODEL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(decode_quietly(schedule));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNAVAILABLE) {
        print_message("skipped: needs seccomp filters\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void steps_make_no_system_call_but_futex_and_clock(void **state)
{
    (void)state;
    check(PLAIN);
}

static void nor_do_drafting_steps(void **state)
{
    (void)state;
    check(SS_SCHEDULE_DEFERRED);
    check(SS_SCHEDULE_PARALLEL);
    check(SS_SCHEDULE_AUTO);
    check(EARLIER_ANSWERS);
}
#else
static void steps_make_no_system_call_but_futex_and_clock(void **state)
{
    (void)state;
    print_message("skipped: needs Linux on x86-64, without sanitizers\n");
    skip();
}

static void nor_do_drafting_steps(void **state)
{
    steps_make_no_system_call_but_futex_and_clock(state);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_make_no_system_call_but_futex_and_clock),
        cmocka_unit_test(nor_do_drafting_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
