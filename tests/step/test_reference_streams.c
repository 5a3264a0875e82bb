/* SPDX-License-Identifier: Apache-2.0 */
/* Streams against another implementation: logits that torch got from the reference adapter in exact
 * arithmetic, where ours has 8-bit activations. For three prompts: what the model says next, what
 * every stream says given the root, and stream 1 with its parent term. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "session/session_state.h"
#include "support/session_fixture.h"
#include "support/whole_file.h"

#define REFERENCE SHARED_FOLDER "adapters/sql-reference"
#define SURE_MARGIN 0.5
#define LEAST_CORRELATION 0.998

enum { BEST = 8, PROMPT_MOST = 512, ROWS = 3 };

typedef struct sums { /* of pairs of logits, theirs and ours */
    double count, x, y, xx, yy, xy;
} sums;

static double correlation(const sums *of)
{
    double n = of->count;
    return (n * of->xy - of->x * of->y) /
           sqrt((n * of->xx - of->x * of->x) * (n * of->yy - of->y * of->y));
}

/* Moves *at behind the next occurrence of "key". */
static void seek_key(const char **at, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *found = strstr(*at, quoted);
    if (!found)
        fail_msg("no key %s", key);
    *at = found + strlen(quoted);
}

/* The next list of numbers. */
static uint32_t read_list(const char **at, const char *key, double *numbers, uint32_t most)
{
    uint32_t count = 0;
    seek_key(at, key);
    *at = strchr(*at, '[') + 1;
    while (**at != ']') {
        char *end;
        assert_true(count < most);
        numbers[count++] = strtod(*at, &end);
        *at = end + strspn(end, ", \n");
    }
    return count;
}

/* The next {"ids", "logits"}, best first, against ours of the same tokens. */
static void compare(const char **at, const char *what, const float *logits, uint32_t count,
                    const int32_t *index_of_token, const int32_t *token_of_index, sums *to)
{
    double ids[BEST], theirs[BEST];
    uint32_t best = 0;
    assert_int_equal(read_list(at, "ids", ids, BEST), BEST);
    assert_int_equal(read_list(at, "logits", theirs, BEST), BEST);
    for (uint32_t i = 0; i < BEST; i++) {
        int32_t token = (int32_t)ids[i], index = index_of_token ? index_of_token[token] : token;
        assert_true(index >= 0);
        double x = theirs[i], y = (double)logits[index];
        *to = (sums){to->count + 1,  to->x + x,      to->y + y,
                     to->xx + x * x, to->yy + y * y, to->xy + x * y};
    }
    for (uint32_t i = 1; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    int32_t ours = token_of_index ? token_of_index[best] : (int32_t)best;
    if (theirs[0] - theirs[1] > SURE_MARGIN && ours != (int32_t)ids[0])
        fail_msg("%s: likeliest is %d, expected %d by a margin of %g", what, ours, (int)ids[0],
                 theirs[0] - theirs[1]);
}

static void compare_row(const char **at, ss_session *session, sums *main, sums *streams)
{
    double numbers[PROMPT_MOST], root;
    int32_t tokens[PROMPT_MOST];
    ssi_candidate candidates[SSI_CANDIDATES];
    ssi_workspace *work = &session->work;
    const ss_adapter *adapter = work->streams.adapter;
    uint32_t count = read_list(at, "tokens", numbers, PROMPT_MOST);
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = (int32_t)numbers[i];
    seek_key(at, "root");
    root = strtod(*at, NULL);
    prefill(session, tokens, count);
    seek_key(at, "main");
    compare(at, "main", session->kept_logits, work->model->hyper.vocabulary_size, NULL, NULL,
            main);

    ssi_step_defer(work, (int32_t)root);
    seek_key(at, "streams_without_parent_term");
    for (uint32_t j = 0; j < adapter->stream_count; j++) {
        char name[20];
        snprintf(name, sizeof name, "stream %u", j + 1);
        compare(at, name, work->streams.logits + j * work->streams.logit_stride,
                adapter->draft_count, adapter->draft_of_token, adapter->draft_tokens, streams);
    }
    ssi_draft_view view = {work, &session->sampler.params, count + 1};
    assert_int_equal(ssi_draft_expand(&view, 0, (int32_t)root, candidates), SSI_CANDIDATES);
    seek_key(at, "stream_1_given_root");
    compare(at, "stream 1 given the root", work->streams.conditioned, adapter->draft_count,
            adapter->draft_of_token, adapter->draft_tokens, streams);
}

static void streams_are_those_of_the_reference(void **state)
{
    ss_error error = {.struct_size = sizeof error};
    ssi_memory memory = ssi_memory_from(NULL);
    sums main = {0}, streams = {0};
    ss_session_params params;
    ssi_source source;
    ss_adapter *adapter;
    (void)state;
    test_needs(DEFAULT_MODEL);
    test_needs(REFERENCE ".gguf");
    test_needs(REFERENCE ".json");
    ss_model *model = open_model_of(DEFAULT_MODEL, SS_CPU_AUTO);
    if (ssi_source_open(&source, REFERENCE ".gguf", &error) != SS_OK ||
        ssi_adapter_load(model, &source, &memory, &adapter, &error) != SS_OK)
        fail_msg("%s", error.message);
    ssi_source_close(&source);
    ssi_session_params_default(&params);
    params.thread_count = 2;
    params.context_length = PROMPT_MOST;
    ss_session *session = open_session_with(model, &params);
    assert_int_equal(ssi_session_set_adapter(session, adapter, &error), SS_OK);

    size_t bytes;
    char *text = read_file(REFERENCE ".json", &bytes);
    const char *at = text;
    seek_key(&at, "vectors");
    for (uint32_t row = 0; row < ROWS; row++)
        compare_row(&at, session, &main, &streams);
    print_message("correlation of main logits %.5f, of the streams' %.5f\n", correlation(&main),
                  correlation(&streams));
    assert_true(correlation(&main) >= LEAST_CORRELATION);
    assert_true(correlation(&streams) >= LEAST_CORRELATION);
    free(text);
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
