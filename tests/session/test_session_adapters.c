/* SPDX-License-Identifier: Apache-2.0 */
/* A session that drafts, over its life: adapters swapped while others use them too, its state
 * carried into another process, steps that take no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/adapter_file.h"
#include "support/counting_memory.h"
#include "support/session_fixture.h"
#include "support/session_look.h"

enum {
    ADAPTERS = 5,
    SWAPS = 200,
    CHECK_EVERY = 8,
    AFTER = 4,
    PROMPT = 40,
    ROOM = 200,
    LENGTH = 40
};

static const adapter_recipe recipes[ADAPTERS] = {
    {.deviation = 0}, /* none */
    {.deviation = 0.05f,
     .seed = 1,
     .streams = 4,
     .msa_layers = 2,
     .stream_rank = 4,
     .parent_rank = 4,
     .prune_rank = 4},
    {.deviation = 0.1f,
     .seed = 2,
     .streams = 6,
     .msa_layers = 3,
     .main_rank = 5,
     .stream_rank = 4,
     .root_rank = 4,
     .prune_rank = 8,
     .draft_count = 200},
    {.deviation = 0.2f,
     .seed = 3,
     .streams = 2,
     .msa_layers = 1,
     .main_rank = 3,
     .rotation_step = 0.2f},
    {.deviation = 0.1f, .seed = 4, .main_rank = 4}, /* a plain LoRA */
};

typedef struct world {
    ss_model *model;
    ss_adapter *adapters[ADAPTERS];
    ssi_memory adapter_memory;
    counting_memory adapters_held;
    ss_allocator adapter_allocator;
} world;

static ss_error error = {.struct_size = sizeof error};

static void expect_ok(ss_status status)
{
    if (status != SS_OK)
        fail_msg("%s", error.message);
}

static ss_session *open_drafting(const ss_model *model, const ss_allocator *allocator,
                                 uint32_t threads, const ss_adapter *adapter)
{
    ss_session_params params = small_params();
    ss_stream_config config;
    params.thread_count = threads;
    params.allocator = allocator;
    ss_session *session = open_session_with(model, &params);
    set_sampled(session, 0.8f, 11);
    ssi_stream_config_default(&config);
    config.tree_mode = SS_TREE_BEST;
    config.best_count = 12;
    config.prune = SS_PRUNE_ON;
    expect_ok(ssi_session_set_streams(session, &config, &error));
    expect_ok(ssi_session_set_adapter(session, adapter, &error));
    return session;
}

static void open_world(world *in)
{
    memset(in, 0, sizeof *in);
    in->model = open_model();
    in->adapter_allocator = counting_allocator(&in->adapters_held);
    in->adapter_memory = ssi_memory_from(&in->adapter_allocator);
    for (uint32_t i = 1; i < ADAPTERS; i++) {
        adapter_file file = make_adapter(in->model, &recipes[i]);
        expect_ok(try_adapter(in->model, file.bytes, file.count, &in->adapter_memory,
                              &in->adapters[i], &error));
        free_adapter_file(&file);
    }
}

static void close_world(world *in)
{
    for (uint32_t i = 0; i < ADAPTERS; i++)
        ssi_adapter_free(in->adapters[i]);
    assert_int_equal(in->adapters_held.held_blocks, 0);
    ssi_model_free(in->model);
}

/* Another user of the same model and adapters, in a thread of its own, till told to stop. */
typedef struct neighbour {
    const world *in;
    atomic_bool stop;
    uint32_t tokens;
} neighbour;

static void *live_beside(void *context)
{
    neighbour *is = context;
    ss_error own = {.struct_size = sizeof own};
    int32_t story[ROOM];
    (void)story_tokens(is->in->model, story, ROOM);
    ss_session *session = open_drafting(is->in->model, NULL, 1, NULL);
    for (uint32_t i = 0; i < SWAPS / 4 && !atomic_load(&is->stop); i++) {
        ss_step step = {.struct_size = sizeof step};
        if (ssi_session_set_adapter(session, is->in->adapters[i % ADAPTERS], &own) != SS_OK ||
            ssi_session_prefill(session, story, PROMPT, &own) != SS_OK ||
            ssi_session_step(session, 0, &step, &own) != SS_OK)
            break;
        is->tokens += step.count;
    }
    ssi_session_free(session);
    return NULL;
}

/* `session` has just said `got` after these tokens: so does a fresh one, and with the same rows. */
static void compare_with_fresh(const ss_session *session, const ss_adapter *adapter,
                               const int32_t *tokens, size_t count, const int32_t *got)
{
    int32_t want[AFTER];
    ss_session *fresh = open_drafting(session->work.model, NULL, 1, adapter);
    prefill(fresh, tokens, count);
    generate(fresh, want, AFTER);
    if (memcmp(got, want, sizeof want) != 0) {
        print_tree(session);
        fail_msg("after %zu tokens: others than a fresh session's", count);
    }
    assert_int_equal(session->work.cache.length, fresh->work.cache.length);
    ssi_hash128 rows = hash_rows(session, session->work.cache.length);
    ssi_hash128 fresh_rows = hash_rows(fresh, session->work.cache.length);
    assert_memory_equal(&rows, &fresh_rows, sizeof rows);
    ssi_session_free(fresh);
}

static void swapped_adapters_leave_nothing_behind(void **state)
{
    world in;
    counting_memory held = {0};
    ss_allocator allocator = counting_allocator(&held);
    size_t bytes_with[ADAPTERS] = {0};
    int32_t tokens[ROOM], got[AFTER];
    (void)state;
    open_world(&in);
    neighbour beside = {.in = &in};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, live_beside, &beside), 0);
    size_t count = PROMPT;
    assert_true(story_tokens(in.model, tokens, ROOM) >= PROMPT);
    ss_session *session = open_drafting(in.model, &allocator, 2, NULL);
    prefill(session, tokens, count);
    for (uint32_t swap = 0; swap < SWAPS; swap++) {
        uint32_t next = (uint32_t)(ssi_mix64(swap) % ADAPTERS);
        expect_ok(ssi_session_set_adapter(session, in.adapters[next], &error));
        assert_int_equal(held.held_blocks, 3); /* session, threads, drafting */
        if (bytes_with[next] == 0)
            bytes_with[next] = held.held_bytes;
        assert_int_equal(held.held_bytes, bytes_with[next]);
        generate(session, got, AFTER);

        if (swap % CHECK_EVERY == 0)
            compare_with_fresh(session, in.adapters[next], tokens, count, got);
        memcpy(tokens + count, got, sizeof got);
        count += AFTER;
        if (count + AFTER >= ROOM) {
            count = PROMPT + swap % 7; /* back, at another place each time */
            expect_ok(ssi_session_rewind(session, count, &error));
        }
    }
    atomic_store(&beside.stop, true);
    pthread_join(thread, NULL);
    assert_true(beside.tokens > 0);
    ssi_session_free(session);
    assert_int_equal(held.held_blocks, 0);
    close_world(&in);
}

/* In the other process: 0 when all went well. */
static int go_on(const char *path, const int32_t *want)
{
    int32_t got[LENGTH];
    world in;
    open_world(&in);
    ss_session *session = open_drafting(in.model, NULL, 2, in.adapters[2]);
    if (ssi_session_restore_file(session, path, &error) != SS_OK) {
        print_error("%s\n", error.message);
        return 1;
    }
    generate(session, got, LENGTH);
    return memcmp(got, want, sizeof got) == 0 ? 0 : 2;
}

static void a_saved_state_goes_on_in_another_process(void **state)
{
    char path[] = "/tmp/specstream-state-XXXXXX";
    int32_t story[ROOM], said[LENGTH], want[LENGTH];
    world in;
    int status;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    open_world(&in);
    size_t count = story_tokens(in.model, story, ROOM);
    for (uint32_t steps = 0; steps < 2; steps++) { /* saved after a prefill; in the middle */
        ss_session *session = open_drafting(in.model, NULL, 1, in.adapters[2]);
        prefill(session, story, count);
        if (steps)
            generate(session, said, 17);
        expect_ok(ssi_session_save_file(session, path, &error));
        generate(session, want, LENGTH);
        ssi_session_free(session);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(go_on(path, want));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    unlink(path);
    close_world(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapped_adapters_leave_nothing_behind),
        cmocka_unit_test(a_saved_state_goes_on_in_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
