/* SPDX-License-Identifier: Apache-2.0 */
/* What a session said it can draft from when it says it again, however it came to let go of it; and
 * what it then says is what it would have said without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/session_fixture.h"

enum { ROOM = 192, LENGTH = 60, BLOB = 1 << 20 };

static ss_error error = {.struct_size = sizeof error};

static void expect_ok(ss_status status)
{
    if (status != SS_OK)
        fail_msg("%s", error.message);
}

typedef struct scene {
    ss_session *session;
    int32_t prompt[ROOM], other[ROOM];
    size_t count;
    unsigned char *blob;
    size_t blob_bytes;
} scene;

static void by_another_prompt(scene *in)
{
    prefill(in->session, in->other, in->count);
    prefill(in->session, in->prompt, in->count);
}

static void by_rewinding(scene *in)
{
    expect_ok(ssi_session_rewind(in->session, in->count, &error));
}

static void by_restoring(scene *in)
{
    expect_ok(ssi_session_restore(in->session, in->blob, in->blob_bytes, &error));
}

static void what_was_said_is_drafted_from(void **state)
{
    (void)state;
    static void (*const let_go[])(scene *in) = {by_another_prompt, by_rewinding, by_restoring};
    ss_model *model = open_model();
    scene in = {.blob = malloc(BLOB)};
    in.count = story_tokens(model, in.prompt, ROOM) / 2;
    for (size_t i = 0; i < in.count; i++) /* nothing in common, the first token neither */
        in.other[i] = in.prompt[in.count - 1 - i];

    for (size_t way = 0; way < sizeof let_go / sizeof *let_go; way++) {
        int32_t plain[LENGTH], first[LENGTH], again[LENGTH];
        ss_stream_config config;
        in.session = open_session(model);
        set_sampled(in.session, 1.0f, 5);
        prefill(in.session, in.prompt, in.count);
        assert_int_equal(generate(in.session, plain, LENGTH), LENGTH - 1);
        ssi_session_free(in.session);

        in.session = open_session(model);
        set_sampled(in.session, 1.0f, 5);
        ssi_stream_config_default(&config);
        config.sources = SS_DRAFT_NGRAM;
        config.tree_mode = SS_TREE_BEST;
        config.best_count = 8;
        expect_ok(ssi_session_set_streams(in.session, &config, &error));
        prefill(in.session, in.prompt, in.count);
        expect_ok(ssi_session_save(in.session, in.blob, BLOB, &in.blob_bytes, &error));
        uint32_t steps = generate(in.session, first, LENGTH), steps_again;
        let_go[way](&in);
        steps_again = generate(in.session, again, LENGTH);
        assert_memory_equal(first, plain, sizeof plain);
        assert_memory_equal(again, plain, sizeof plain);
        if (steps_again * 3 > steps) /* about eight tokens a step, once it knows */
            fail_msg("way %zu: %u steps, then %u", way, steps, steps_again);
        ssi_session_free(in.session);
    }
    free(in.blob);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_said_is_drafted_from)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
