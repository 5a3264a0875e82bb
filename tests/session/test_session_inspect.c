/* SPDX-License-Identifier: Apache-2.0 */
/* Looking through a session: logits of rows above it and scores of texts are those of plain
 * decoding, and leave no trace. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/session_fixture.h"

enum { ROOM = 256 };

/* Rows above the sequence see the logits of plain decoding, and leave no trace. */
static void evaluating_shows_and_changes_nothing(void **state)
{
    (void)state;
    ss_model *model = open_model();
    size_t size = model->hyper.vocabulary_size, count;
    int32_t story[ROOM], plain[40], rows[20], parents[20];
    const float *logits;
    count = story_tokens(model, story, ROOM);
    ss_session *session = open_session(model), *fresh = open_session(model);
    prefill(session, story, count);
    prefill(fresh, story, count);
    generate(fresh, plain, 40);
    for (size_t done = 0; done < 40; done += 10) { /* after a prefill, and between steps */
        int32_t got[10];
        for (int32_t i = 0; i < 20; i++) {
            rows[i] = i < 10 ? plain[done + (size_t)i] : 3 + i;
            parents[i] = i == 10 ? -1 : i - 1;
        }
        assert_int_equal(ssi_session_evaluate(session, rows, parents, 20, &logits, NULL), SS_OK);
        for (size_t i = 0; i < 10 && done + i + 1 < 40; i++) {
            size_t best = 0;
            for (size_t token = 1; token < size; token++)
                if (logits[i * size + token] > logits[i * size + best])
                    best = token;
            assert_int_equal(best, plain[done + i + 1]);
        }
        generate(session, got, 10);
        assert_memory_equal(got, plain + done, sizeof got);
    }
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

static double log_probability(const float *logits, size_t size, int32_t token)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += exp((double)(logits[i] - logits[token]));
    return -log(sum);
}

static void a_score_is_the_log_softmax_of_the_logits(void **state)
{
    (void)state;
    ss_model *model = open_model();
    size_t size = model->hyper.vocabulary_size, count;
    int32_t story[ROOM];
    float scores[ROOM], again[ROOM];
    count = story_tokens(model, story, ROOM);
    ss_session *session = open_session(model), *fresh = open_session(model);
    assert_int_equal(ssi_session_score(session, story, count, 1, scores, NULL), SS_OK);
    for (size_t i = 1; i < count; i += 9) {
        const float *logits;
        int32_t parent = -1;
        if (i > 1)
            prefill(fresh, story, i - 1);
        else
            continue;
        assert_int_equal(ssi_session_evaluate(fresh, &story[i - 1], &parent, 1, &logits, NULL),
                         SS_OK);
        double want = log_probability(logits, size, story[i]);
        assert_true(fabs((double)scores[i - 1] - want) < 1e-4);
    }
    /* Whatever is cached, the bits are the same; and the session goes on from the last token. */
    for (size_t first = 1; first < count; first += 17) {
        assert_int_equal(ssi_session_score(session, story, count, first, again, NULL), SS_OK);
        assert_memory_equal(again, scores + first - 1, (count - first) * sizeof *again);
    }
    prefill(fresh, story, count);
    expect_same(session, fresh, 20);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

/* A head whose first row is so large that its logit leaves the numbers after some tokens. */
static void a_score_that_is_no_number_is_not_given(void **state)
{
    (void)state;
    ss_model *model = open_model();
    uint32_t columns = model->head.weight.columns, groups = model->head.weight.group_count;
    size_t bytes = (size_t)groups * columns * SSI_GROUP * sizeof(float), count, bad, good;
    float *packed = memset(aligned_alloc(64, bytes), 0, bytes), scores[ROOM];
    for (uint32_t column = 0; column < 2; column++)
        packed[column * SSI_GROUP] = 2e38f;
    model->head.weight = (ssi_matrix){.type = SSI_TYPE_F32, .rows = model->head.weight.rows,
                                      .columns = columns, .group_count = groups,
                                      .plane = {packed}};
    ss_session *session = open_session(model);
    ss_error error = {.struct_size = sizeof error};
    int32_t story[ROOM];
    count = story_tokens(model, story, ROOM);
    for (bad = 1; bad < count; bad++)
        if (ssi_session_prefill(session, story, bad, NULL) == SS_ERROR_NUMERIC)
            break;
    for (good = bad + 1; good < count; good++)
        if (ssi_session_prefill(session, story, good, NULL) == SS_OK)
            break;
    assert_true(bad < good && good < count);
    assert_int_equal(ssi_session_score(session, story, good, 1, scores, &error),
                     SS_ERROR_NUMERIC);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "position %zu: the logits are not all finite", bad - 1);
    assert_string_equal(error.message, wanted);
    ssi_session_free(session);
    ssi_model_free(model);
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluating_shows_and_changes_nothing),
        cmocka_unit_test(a_score_is_the_log_softmax_of_the_logits),
        cmocka_unit_test(a_score_that_is_no_number_is_not_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
