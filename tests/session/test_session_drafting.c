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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_step_shows_no_tree),
        cmocka_unit_test(streams_of_no_row_are_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
