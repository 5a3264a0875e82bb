/* SPDX-License-Identifier: Apache-2.0 */
/* How deep a session's calls go: a host may make them from threads with little stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "support/adapter_file.h"
#include "support/session_fixture.h"

enum { ROOM = 256, STACK = 1 << 20, MOST = 32 << 10, MOST_OF_A_LOAD = 8 << 10 };

static const adapter_recipe recipe = {.deviation = 0.05f, .seed = 1, .streams = 4,
                                      .msa_layers = 2, .stream_rank = 4, .root_rank = 4,
                                      .parent_rank = 4, .prune_rank = 4, .draft_count = 100};

typedef struct life {
    const ss_model *model;
    const ss_adapter *adapter;
    const int32_t *story;
    size_t count;
} life;

static void *do_nothing(void *context)
{
    return context;
}

static void *live(void *context)
{
    const life *is = context;
    ss_session *session = open_session(is->model);
    ss_stream_config config;
    int32_t said[40];
    size_t bytes = 0;
    ssi_stream_config_default(&config);
    config.tree_mode = SS_TREE_BEST;
    config.best_count = 20;
    config.prune = SS_PRUNE_ON;
    set_sampled(session, 0.8f, 1);
    assert_int_equal(ssi_session_set_adapter(session, is->adapter, NULL), SS_OK);
    assert_int_equal(ssi_session_set_streams(session, &config, NULL), SS_OK);
    prefill(session, is->story, is->count);
    generate(session, said, 20);
    assert_int_equal(ssi_session_save(session, NULL, 0, &bytes, NULL), SS_ERROR_CAPACITY);
    void *blob = malloc(bytes);
    assert_int_equal(ssi_session_save(session, blob, bytes, &bytes, NULL), SS_OK);
    assert_int_equal(ssi_session_restore(session, blob, bytes, NULL), SS_OK);
    generate(session, said, 20);
    ssi_session_free(session);
    free(blob);
    return context;
}

typedef struct load {
    const ss_model *model;
    adapter_file file;
    ss_adapter *adapter;
} load;

static void *load_adapter(void *context)
{
    load *is = context;
    ssi_memory memory = ssi_memory_from(NULL);
    assert_int_equal(
        try_adapter(is->model, is->file.bytes, is->file.count, &memory, &is->adapter, NULL), SS_OK);
    return context;
}

/* Bytes of stack that a thread has touched. */
static size_t depth_of(void *(*body)(void *context), void *context)
{
    pthread_attr_t attributes;
    pthread_t thread;
    unsigned char *stack = aligned_alloc(4096, STACK);
    size_t untouched = 0;
    memset(stack, 0xa5, STACK);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, body, context), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    while (untouched < STACK && stack[untouched] == 0xa5) /* it grows downwards */
        untouched++;
    pthread_attr_destroy(&attributes);
    free(stack);
    return STACK - untouched;
}

static void expect_depth(void *(*body)(void *context), void *context, size_t most)
{
    size_t own = depth_of(do_nothing, NULL), whole = depth_of(body, context);
    if (whole - own > most)
        fail_msg("%zu bytes of stack, at most %zu expected", whole - own, most);
}

static void a_session_is_content_with_a_small_stack(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_adapter *adapter = load_recipe(model, &recipe);
    int32_t story[ROOM];
    life is = {.model = model, .adapter = adapter, .story = story};
    is.count = story_tokens(model, story, ROOM);
    expect_depth(live, &is, MOST);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

static void so_is_the_load_of_an_adapter(void **state)
{
    (void)state;
    ss_model *model = open_model();
    load is = {.model = model, .file = make_adapter(model, &recipe)};
    expect_depth(load_adapter, &is, MOST_OF_A_LOAD);
    ssi_adapter_free(is.adapter);
    free_adapter_file(&is.file);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_content_with_a_small_stack),
        cmocka_unit_test(so_is_the_load_of_an_adapter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
