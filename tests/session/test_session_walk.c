/* SPDX-License-Identifier: Apache-2.0 */
/* Random walks through a session's life (session_walk.h): call after call in no order, refused,
 * cancelled and interrupted ones among them, and behind each the session holds what the calls say.
 * What a step says and caches is compared with plain decoding from scratch. A walk that goes wrong
 * is told call by call. SS_WALKS=n walks the seeds 0 to n - 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/adapter_file.h"
#include "support/session_walk.h"

enum { WALKS = 120, BLOB = 1 << 20, END_TOKEN = 2 };

static const struct {
    const char *name;
    uint32_t main; /* which main half; 0: none */
    adapter_recipe recipe;
} adapters[] = {
    {"none", 0, {.deviation = 0}},
    {"streams", 0, {.deviation = 0.05f, .seed = 1, .streams = 4, .msa_layers = 2,
                    .stream_rank = 4, .prune_rank = 4}},
    {"root terms", 0, {.deviation = 0.2f, .seed = 2, .streams = 8, .msa_layers = 5,
                       .root_rank = 4, .parent_rank = 5, .prune_rank = 3, .draft_count = 200}},
    {"main half", 1, {.deviation = 0.2f, .seed = 3, .streams = 5, .msa_layers = 1,
                      .main_rank = 4, .stream_rank = 4, .parent_rank = 5, .prune_rank = 3}},
    {"same main half, root terms", 1, {.deviation = 0.2f, .seed = 3, .streams = 2,
                                       .msa_layers = 3, .main_rank = 4, .root_rank = 4}},
    {"value rotation", 2, {.deviation = 0.2f, .seed = 4, .streams = 3, .msa_layers = 4,
                           .main_rank = 3, .rotation_step = 0.2f, .prune_rank = 2}},
    {"plain LoRA", 3, {.deviation = 0.1f, .seed = 5, .main_rank = 4}},
};
enum { ADAPTERS = sizeof adapters / sizeof *adapters };

static ss_adapter *loaded[ADAPTERS];

/* ── the sequence ── */

/* Cancelled, the session holds as much of a text as it has taken. */
static void take_text(walk *is, ss_status status, const int32_t *tokens, uint32_t count)
{
    expect_status(is, is->asked ? SS_ERROR_CANCELLED : SS_OK, status);
    if (status == SS_ERROR_CANCELLED && is->session->sequence.count < count)
        count = is->session->sequence.count;
    is->now.line = (token_line){.count = count};
    memcpy(is->now.line.tokens, tokens, count * sizeof *tokens);
    is->now.ended = false;
}

static void call_prefill(walk *is)
{
    int32_t tokens[WALK_ROOM];
    note(is, "prefill: ");
    uint32_t count = draw_text(is, tokens, 1);
    may_deny(is);
    take_text(is, ssi_session_prefill(is->session, tokens, count, &error), tokens, count);
}

static void call_score(walk *is)
{
    int32_t tokens[WALK_ROOM];
    float got[WALK_ROOM], want[WALK_ROOM];
    note(is, "score: ");
    uint32_t count = draw_text(is, tokens, 2), first = 1 + below(is, count - 1);
    may_deny(is);
    ss_status status = ssi_session_score(is->session, tokens, count, first, got, &error);
    take_text(is, status, tokens, count);
    if (status != SS_OK)
        return;
    expect(is, "status of a plain score", SS_OK,
           ssi_session_score(fresh_plain(is), tokens, count, first, want, &error));
    expect(is, "scores differ", 0, memcmp(got, want, (count - first) * sizeof *got) != 0);
}

static void call_rewind(walk *is)
{
    token_line *at = &is->now.line;
    note(is, "rewind");
    if (at->count == 0)
        return;
    at->count = one_in(is, 4) ? at->count : 1 + below(is, at->count);
    is->now.ended = false;
    note(is, " to %u", at->count);
    expect_status(is, SS_OK, ssi_session_rewind(is->session, at->count, &error));
}

static void take_step(walk *is, const ss_step *step, uint32_t most)
{
    token_line *after = &is->before;
    uint32_t rows = is->session->work.cache.length;
    assert_in_range(step->count, 1, most > 0 ? most : WALK_ROOM);
    for (uint32_t i = 0; i < step->count; i++) {
        expect(is, "token", truth(is, i), step->tokens[i]);
        after->tokens[after->count++] = step->tokens[i];
    }
    bool last = step->count == is->truth_count;
    expect(is, "stop", last ? is->truth_stop : SS_STOP_NONE, step->stop);
    expect(is, "cached rows", after->count - 1, rows);
    if (is->plain->sequence.dropped == after->dropped) /* guesses may have taken it further */
        expect(is, "hash of the cached rows", (int64_t)hash_rows(is->plain, rows).low,
               (int64_t)hash_rows(is->session, rows).low);
    is->sums->slides += after->dropped != is->now.line.dropped;
    is->sums->ended += step->stop != SS_STOP_NONE;
    is->now.line = *after;
    is->now.ended = step->stop != SS_STOP_NONE;
}

static void call_step(walk *is)
{
    const token_line *at = &is->now.line;
    ss_step step = {.struct_size = sizeof step};
    bool ready = at->count > 0 && !is->now.ended, full = at->count == is->params.context_length;
    bool slides = full && is->params.on_full == SS_ON_FULL_SLIDE;
    uint32_t most = one_in(is, 4) ? 1 : below(is, 12); /* 0: no bound */
    is->cancel_in_draft = one_in(is, 8);
    note(is, "step: at most %u%s", most, is->cancel_in_draft ? ", the draft cancels" : "");
    may_deny(is);
    is->before = *at;
    if (slides)
        slide(&is->before, is->params.keep_count);
    if (ready)
        begin_truth(is);
    ss_status status = ssi_session_step(is->session, most, &step, &error);
    ss_status want = full && !slides ? SS_ERROR_CONTEXT_FULL : SS_OK;
    expect_status(is, !ready ? SS_ERROR_STATE : is->asked ? SS_ERROR_CANCELLED : want, status);
    if (status == SS_OK)
        take_step(is, &step, most);
    else if (status == SS_ERROR_CANCELLED && is->session->sequence.count != at->count)
        is->now.line = is->before; /* a slide isn't undone */
}

/* Looks at what follows the sequence, which stays; the last row is compared. */
static void call_evaluate(walk *is)
{
    int32_t tokens[WALK_ROWS], parents[WALK_ROWS], path[WALK_ROOM];
    uint32_t depths[WALK_ROWS], deepest = 0, count = is->now.line.count;
    uint32_t rows = 1 + below(is, is->params.max_step_rows), last = rows - 1;
    bool pending = is->asked;
    const float *logits;
    note(is, "evaluate: %u rows", rows);
    may_deny(is);
    for (uint32_t i = 0; i < rows; i++) {
        tokens[i] = (int32_t)below(is, VOCABULARY);
        parents[i] = (int32_t)below(is, i + 1) - 1;
        depths[i] = parents[i] < 0 ? 1 : depths[parents[i]] + 1;
        deepest = depths[i] > deepest ? depths[i] : deepest;
    }
    ss_status status =
        ssi_session_evaluate(is->session, tokens, parents, rows, &logits, &error);
    bool fits = count + deepest <= is->params.context_length;
    bool stops = is->asked && !(pending && status == SS_OK); /* it may wait for a step */
    ss_status want = stops ? SS_ERROR_CANCELLED : SS_OK;
    expect_status(is, fits ? want : SS_ERROR_CONTEXT_FULL, status);
    if (status != SS_OK)
        return;
    memcpy(path, is->now.line.tokens, count * sizeof *path);
    for (int32_t row = (int32_t)last; row >= 0; row = parents[row])
        path[count + depths[row] - 1] = tokens[row];
    prefill(fresh_plain(is), path, count + depths[last]);
    expect(is, "logits differ", 0,
           memcmp(logits + last * VOCABULARY, is->plain->kept_logits,
                  VOCABULARY * sizeof *logits) != 0);
}

static void call_cancel(walk *is)
{
    note(is, "cancel");
    cancel(is);
}

/* ── the settings ── */

static ss_status goes_with(ss_schedule schedule, uint32_t adapter)
{
    bool goes = schedule != SS_SCHEDULE_PARALLEL || adapters[adapter].recipe.root_rank == 0;
    return goes ? SS_OK : SS_ERROR_UNSUPPORTED;
}

static void call_set_adapter(walk *is)
{
    uint32_t next = below(is, ADAPTERS);
    ss_status want = goes_with(is->schedule, next);
    note(is, "adapter: %s", adapters[next].name);
    expect_status(is, want, ssi_session_set_adapter(is->session, loaded[next], &error));
    if (want != SS_OK)
        return;
    is->adapter = next;
    expect_status(is, want, ssi_session_set_adapter(is->plain, loaded[next], &error));
}

static void call_set_streams(walk *is)
{
    uint32_t widths[6];
    float cost[WALK_ROWS];
    ss_stream_config config;
    ssi_stream_config_default(&config);
    config.sources = below(is, 8);
    config.tree_mode = (ss_tree_mode)below(is, 3);
    config.schedule = (ss_schedule)below(is, 3);
    config.prune = (ss_prune)below(is, 3);
    config.best_count = below(is, WALK_ROWS);
    config.widths = widths;
    config.width_count = 1 + below(is, 6);
    config.row_cost = one_in(is, 2) ? cost : NULL;
    config.row_cost_count = WALK_ROWS;
    config.draft = guess;
    config.draft_context = is;
    for (uint32_t i = 0; i < 6; i++)
        widths[i] = 1 + below(is, 5);
    for (uint32_t i = 0; i < WALK_ROWS; i++)
        cost[i] = powf(10.0f, (float)below(is, 76) - 37.0f);
    note(is, "streams: sources %u, tree %d, schedule %d, prune %d", config.sources,
         config.tree_mode, config.schedule, config.prune);
    ss_status want = goes_with(config.schedule, is->adapter);
    expect_status(is, want, ssi_session_set_streams(is->session, &config, &error));
    is->schedule = want == SS_OK ? config.schedule : is->schedule;
}

static void call_set_sampler(walk *is)
{
    sampling *sampler = &is->now.sampler;
    ss_sampler_params *params = &sampler->params;
    ssi_sampler_params_default(params);
    params->seed = ssi_noise_bits(is->seed, is->call, UINT32_MAX);
    params->temperature = one_in(is, 3) ? 0 : 0.8f;
    params->top_p = one_in(is, 2) ? 0.9f : 1;
    params->min_p = one_in(is, 4) ? 0.02f : 0;
    params->top_k = one_in(is, 2) ? 30 : 0;
    params->repetition_penalty = one_in(is, 2) ? 1.3f : 1;
    params->presence_penalty = one_in(is, 4) ? 0.4f : 0;
    params->penalty_window = below(is, 80);
    params->ignore_end = one_in(is, 2);
    params->bias_count = one_in(is, 3) ? 0 : BIASES;
    for (uint32_t i = 0; i < BIASES; i++) {
        sampler->bias_tokens[i] = i == 0 ? END_TOKEN : (int32_t)(i * 100 + below(is, 100));
        sampler->bias_values[i] = i == 1 ? -INFINITY : (float)below(is, i == 0 ? 24 : 8) - 2;
    }
    note(is, "sampler: temperature %g, %zu biased, ends %s", (double)params->temperature,
         params->bias_count, params->ignore_end ? "ignored" : "count");
    set_sampler(is, is->plain, sampler);
    is->host = *sampler;
    set_sampler(is, is->session, &is->host);
    for (uint32_t i = 0; i < BIASES; i++) { /* its arrays are the host's again */
        is->host.bias_tokens[i] = VOCABULARY - 1 - (int32_t)i;
        is->host.bias_values[i] = 9;
    }
}

static void call_save(walk *is)
{
    note(is, "save");
    expect_status(is, SS_OK,
                  ssi_session_save(is->session, is->blob, BLOB, &is->blob_bytes, &error));
    is->saved = is->now;
    is->saved_adapter = is->adapter;
}

static void call_restore(walk *is)
{
    bool same = adapters[is->saved_adapter].main == adapters[is->adapter].main;
    bool cut = one_in(is, 8);
    note(is, "restore%s", is->blob_bytes == 0 ? ", nothing was saved" : cut ? ", cut" : "");
    if (is->blob_bytes == 0)
        return;
    if (same && !cut && one_in(is, 2)) {
        note(is, " into a new session of ");
        close_walked(is);
        open_walked(is);
        expect_status(is, SS_OK,
                      ssi_session_set_adapter(is->session, loaded[is->adapter], &error));
    }
    ss_status want = cut ? SS_ERROR_FORMAT : same ? SS_OK : SS_ERROR_MISMATCH;
    size_t bytes = is->blob_bytes - cut;
    expect_status(is, want, ssi_session_restore(is->session, is->blob, bytes, &error));
    if (want != SS_OK)
        return;
    is->now = is->saved;
    set_sampler(is, is->plain, &is->now.sampler);
}

/* ── walks ── */

static void walk_on(walk *is)
{
    static void (*const calls[])(walk *) = {
        call_step,        call_step,        call_step,        call_step,
        call_step,        call_step,        call_step,        call_step,
        call_prefill,     call_prefill,     call_set_adapter, call_set_adapter,
        call_set_streams, call_set_streams, call_set_sampler, call_set_sampler,
        call_rewind,      call_save,        call_restore,     call_cancel,
        call_evaluate,    call_score,
    };
    const int32_t *tokens;
    size_t count;
    is->drawn = 0;
    calls[below(is, sizeof calls / sizeof *calls)](is);
    is->deny = 0;
    ssi_session_get_tokens(is->session, &tokens, &count);
    expect(is, "tokens held", is->now.line.count, (int64_t)count);
    for (uint32_t i = 0; i < count; i++)
        expect(is, "a token held", is->now.line.tokens[i], tokens[i]);
}

static void whatever_came_before_a_step_says_what_plain_decoding_says(void **state)
{
    static walk one;
    const char *asked = getenv("SS_WALKS");
    uint64_t walks = asked ? strtoull(asked, NULL, 10) : WALKS;
    ss_model *model = open_model();
    walk_totals sums = {0};
    (void)state;
    assert_int_equal(model->hyper.vocabulary_size, VOCABULARY);
    for (uint32_t i = 1; i < ADAPTERS; i++)
        loaded[i] = load_recipe(model, &adapters[i].recipe);
    one.blob = malloc(BLOB);
    for (uint64_t seed = 0; seed < walks; seed++) {
        open_walk(&one, model, &sums, seed);
        for (one.call = 1; one.call <= WALK_CALLS; one.call++)
            walk_on(&one);
        close_walk(&one);
    }
    free(one.blob);
    for (uint32_t i = 1; i < ADAPTERS; i++)
        ssi_adapter_free(loaded[i]);
    ssi_model_free(model);
    print_totals(&sums, walks);
    if (walks < WALKS)
        return;
    assert_true(sums.accepted > walks && sums.drafted > 2 * sums.accepted);
    assert_true(sums.pruned > 0 && sums.slides > 0 && sums.ended > 0 && sums.refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_came_before_a_step_says_what_plain_decoding_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
