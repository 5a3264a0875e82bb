/* SPDX-License-Identifier: Apache-2.0 */
/* What a session drafts from, and what it tells of it: the tree of a step, and where its time went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/adapter_file.h"
#include "support/session_fixture.h"

enum { ROOM = 256 };

static const adapter_recipe streams = {.deviation = 0.05f, .seed = 1, .streams = 4,
                                       .msa_layers = 2, .stream_rank = 4, .prune_rank = 4};

/* A tree of eight nodes a step, wherever there is something to draft from. */
static void draft_eight(ss_session *session, ss_draft_sources sources)
{
    ss_stream_config config;
    ssi_stream_config_default(&config);
    config.sources = sources;
    config.tree_mode = SS_TREE_BEST;
    config.best_count = 8;
    config.schedule = SS_SCHEDULE_DEFERRED;
    assert_int_equal(ssi_session_set_streams(session, &config, NULL), SS_OK);
}

static size_t tree_size(const ss_session *session)
{
    const ss_tree_node *nodes;
    size_t count;
    ssi_session_get_tree(session, &nodes, &count);
    return count;
}

static void a_cancelled_step_shows_no_tree(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_adapter *adapter = load_recipe(model, &streams);
    ss_session *session = open_session(model);
    ss_step step = {.struct_size = sizeof step};
    int32_t story[ROOM];
    assert_int_equal(ssi_session_set_adapter(session, adapter, NULL), SS_OK);
    draft_eight(session, SS_DRAFT_STREAMS);
    prefill(session, story, story_tokens(model, story, ROOM));
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
    assert_int_equal(tree_size(session), 9);
    ssi_session_cancel(session);
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_CANCELLED);
    assert_int_equal(tree_size(session), 0);
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

static void plain_decoding_shows_no_tree(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    ss_step step = {.struct_size = sizeof step};
    int32_t story[ROOM];
    draft_eight(session, SS_DRAFT_NONE);
    prefill(session, story, story_tokens(model, story, ROOM));
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
    assert_int_equal(tree_size(session), 0);
    ssi_session_free(session);
    ssi_model_free(model);
}

/* Streams begin with the state of the row before the root's. Where the root is all there is, and
 * where what drafts was set since, there is none. */
static void streams_of_no_row_are_not_run(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_adapter *adapter = load_recipe(model, &streams);
    ss_session *session = open_session(model);
    ss_step step = {.struct_size = sizeof step};
    int32_t story[ROOM];
    prefill(session, story, story_tokens(model, story, ROOM));
    assert_int_equal(ssi_session_rewind(session, 1, NULL), SS_OK);
    assert_int_equal(ssi_session_set_adapter(session, adapter, NULL), SS_OK);
    draft_eight(session, SS_DRAFT_STREAMS);
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
    assert_int_equal(step.drafted, 0);
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
    assert_int_equal(step.drafted, 8);
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

/* Stands still, but now and then a machine was asleep for some minutes. */
static uint64_t read_clock(void *context)
{
    uint64_t *calls = context, now = 0;
    ++*calls;
    for (uint64_t call = 5; call <= *calls; call += 5)
        now += (ssi_mix64(call) >> 26) | 1;
    return now;
}

/* Cancels in the midst of a pass, one of seven that it is asked to draft for. */
typedef struct canceller {
    ss_session *session;
    uint32_t passes;
} canceller;

static uint32_t cancel_some(void *context, const int32_t *tokens, size_t count,
                            ss_draft_node *nodes, uint32_t capacity)
{
    canceller *with = context;
    (void)tokens, (void)count, (void)nodes, (void)capacity;
    if (++with->passes % 7 == 0)
        ssi_session_cancel(with->session);
    return 0;
}

static void the_times_of_the_stages_are_part_of_the_steps_time(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_adapter *adapter = load_recipe(model, &streams);
    ss_session_params params = small_params();
    uint64_t clock_calls = 0;
    params.clock = read_clock;
    params.clock_context = &clock_calls;
    ss_session *session = open_session_with(model, &params);
    canceller with = {.session = session};
    ss_stream_config config;
    ss_stats stats;
    ssi_stream_config_default(&config);
    config.sources = SS_DRAFT_STREAMS | SS_DRAFT_CALLER;
    config.draft = cancel_some;
    config.draft_context = &with;
    config.tree_mode = SS_TREE_BEST;
    config.best_count = 8;
    config.schedule = SS_SCHEDULE_DEFERRED;
    int32_t story[ROOM];
    assert_int_equal(ssi_session_set_adapter(session, adapter, NULL), SS_OK);
    assert_int_equal(ssi_session_set_streams(session, &config, NULL), SS_OK);
    story_tokens(model, story, ROOM);
    prefill(session, story, 20);
    for (uint32_t i = 0; i < 60; i++) {
        ss_step step = {.struct_size = sizeof step};
        ssi_session_reset_stats(session);
        ss_status status = ssi_session_step(session, 2, &step, NULL);
        assert_int_equal(status, with.passes % 7 == 0 ? SS_ERROR_CANCELLED : SS_OK);
        ssi_session_get_stats(session, &stats);
        uint64_t parts = stats.lower_ns + stats.prune_ns + stats.msa_ns + stats.head_ns +
                         stats.verify_ns;
        assert_true(stats.plan_ns <= stats.step_ns);
        assert_true(parts <= stats.step_ns - stats.plan_ns);
    }
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_step_shows_no_tree),
        cmocka_unit_test(plain_decoding_shows_no_tree),
        cmocka_unit_test(streams_of_no_row_are_not_run),
        cmocka_unit_test(the_times_of_the_stages_are_part_of_the_steps_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
