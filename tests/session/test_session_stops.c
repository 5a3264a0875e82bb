/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings and slides: the text generated since the prefill is one text, whatever a slide has
 * dropped of its tokens, and whatever has made the session read it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session_state.h"
#include "support/session_fixture.h"

enum { CONTEXT = 12, MADE = 40, TEXT = 1024 };

typedef struct answer {
    int32_t tokens[MADE];
    char text[TEXT];
    size_t ends[MADE]; /* of each token in the text */
} answer;

static ss_session *open_sliding(const ss_model *model, uint32_t keep)
{
    ss_session_params params = small_params();
    int32_t bos = ssi_tokenizer_bos(model->tokenizer);
    params.context_length = CONTEXT;
    params.on_full = SS_ON_FULL_SLIDE;
    params.keep_count = keep;
    ss_session *session = open_session_with(model, &params);
    set_sampled(session, 0.9f, 5);
    prefill(session, &bos, 1);
    return session;
}

static void read_answer(const ss_model *model, uint32_t keep, answer *read)
{
    ss_session *session = open_sliding(model, keep);
    size_t length = 0;
    generate(session, read->tokens, MADE);
    for (uint32_t i = 0; i < MADE; i++) {
        ssi_text piece = ssi_tokenizer_piece(model->tokenizer, read->tokens[i], false);
        assert_true(length + piece.length < TEXT);
        memcpy(read->text + length, piece.bytes, piece.length);
        read->ends[i] = length += piece.length;
    }
    read->text[length] = 0;
    ssi_session_free(session);
}

static void cancelled_step(ss_session *session)
{
    ss_step step = {.struct_size = sizeof step};
    ssi_session_cancel(session);
    assert_int_equal(ssi_session_step(session, 1, &step, NULL), SS_ERROR_CANCELLED);
}

/* Whether the session says the stop string at this token (MADE: at none); between any two tokens it
 * reads its text again. */
static void expect_stop(ss_session *session, const answer *said, uint32_t last, const char *stop)
{
    for (uint32_t i = 0; i <= last && i < MADE; i++) {
        ss_step step = {.struct_size = sizeof step};
        if (i > 0) {
            cancelled_step(session);
            assert_int_equal(ssi_session_rewind(session, session->sequence.count, NULL), SS_OK);
        }
        assert_int_equal(ssi_session_step(session, 1, &step, NULL), SS_OK);
        assert_int_equal(step.tokens[0], said->tokens[i]);
        if ((step.stop == SS_STOP_STRING) != (i == last))
            fail_msg("stop string \"%s\" at token %u, not %u", stop, i, last);
    }
}

static uint32_t first_end(const answer *said, const char *stop)
{
    const char *at = strstr(said->text, stop);
    uint32_t last = 0;
    assert_non_null(at);
    while (said->ends[last] < (size_t)(at - said->text) + strlen(stop))
        last++;
    return last;
}

static void a_stop_string_may_begin_before_a_slide(void **state)
{
    ss_model *model = open_model();
    answer said;
    (void)state;
    for (uint32_t keep = 0; keep <= 6; keep += 3) {
        read_answer(model, keep, &said);
        for (uint32_t count = 2; count < 30; count += 3)
            for (uint32_t begin = 0; begin + count < MADE; begin += 4) {
                char stop[TEXT] = "";
                const char *stops[] = {"xyzzy", stop};
                strncat(stop, said.text + said.ends[begin], said.ends[begin + count] - said.ends[begin]);
                ss_session *session = open_sliding(model, keep);
                assert_int_equal(ssi_session_set_stops(session, stops, 2, NULL), SS_OK);
                expect_stop(session, &said, first_end(&said, stop), stop);
                ssi_session_free(session);
            }
    }
    ssi_model_free(model);
}

/* Two texts that only a slide has brought together. */
static void what_a_slide_has_joined_is_no_stop_string(void **state)
{
    enum { KEEP = 4, DROP = (CONTEXT - KEEP) / 2 };
    ss_model *model = open_model();
    answer said;
    char stop[TEXT] = "";
    const char *stops[] = {stop};
    (void)state;
    read_answer(model, KEEP, &said);
    size_t seam = said.ends[KEEP - 2], behind = said.ends[KEEP + DROP - 2];
    strncat(stop, said.text, seam); /* the last kept ones, and what comes after the slide */
    strncat(stop, said.text + behind, said.ends[CONTEXT] - behind);
    assert_null(strstr(said.text, stop));
    ss_session *session = open_sliding(model, KEEP);
    assert_int_equal(ssi_session_set_stops(session, stops, 1, NULL), SS_OK);
    expect_stop(session, &said, MADE, stop);
    ssi_session_free(session);
    ssi_model_free(model);
}

static void a_prefill_or_rewind_leaves_slid_text_behind(void **state)
{
    enum { KEEP = 3 };
    ss_model *model = open_model();
    answer said;
    (void)state;
    read_answer(model, KEEP, &said);
    for (uint32_t rewound = 0; rewound < 2; rewound++) {
        const char *stops[] = {said.text};
        ss_session *session = open_sliding(model, KEEP);
        int32_t bos = ssi_tokenizer_bos(model->tokenizer);
        ss_step step = {.struct_size = sizeof step};
        int32_t made[MADE];
        generate(session, made, 20); /* slides on the way */
        assert_true(session->sequence.dropped > 0);
        if (rewound)
            assert_int_equal(ssi_session_rewind(session, KEEP, NULL), SS_OK);
        else
            prefill(session, &bos, 1);
        said.text[said.ends[4]] = 0;
        assert_int_equal(ssi_session_set_stops(session, stops, 1, NULL), SS_OK);
        for (uint32_t i = rewound ? KEEP - 1 : 0; i < 5; i++) {
            float only = 1000.0f;
            ss_sampler_params params;
            ssi_sampler_params_default(&params);
            params.bias_tokens = &said.tokens[i];
            params.bias_values = &only;
            params.bias_count = 1;
            assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
            assert_int_equal(step.stop, SS_STOP_NONE);
            assert_int_equal(ssi_session_step(session, 1, &step, NULL), SS_OK);
            assert_int_equal(step.tokens[0], said.tokens[i]);
            assert_int_equal(ssi_session_rewind(session, session->sequence.count, NULL), SS_OK);
        }
        assert_int_equal(step.stop, SS_STOP_STRING);
        ssi_session_free(session);
    }
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_string_may_begin_before_a_slide),
        cmocka_unit_test(what_a_slide_has_joined_is_no_stop_string),
        cmocka_unit_test(a_prefill_or_rewind_leaves_slid_text_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
