/* SPDX-License-Identifier: Apache-2.0 */
/* Speculation never changes a token: runs over a covering design of samplers, adapters, sources,
 * schedules, trees, pruning, threads, kernels and interruptions, each against plain decoding with
 * the same main half on portable kernels and one thread. The cached rows must be plain decoding's
 * too, byte for byte. A difference is told with the step it came from and that step's tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "support/adapter_file.h"
#include "support/covering.h"
#include "support/session_fixture.h"
#include "support/session_look.h"

enum { ROOM = 200, EMITTED = 160, PROMPT = 24 };

/* ── the axes ── */

enum { SAMPLER, ADAPTER, SOURCES, SCHEDULE, TREE, PRUNE, THREADS, CPU, EVENT, KV, AXES };

enum { GREEDY, SAMPLED, PENALISED, SAMPLERS };

static const struct {
    const char *name;
    adapter_recipe recipe;
} adapters[] = {
    {"none", {.deviation = 0}},
    {"std 0.02", {.deviation = 0.02f, .streams = 4, .msa_layers = 2, .stream_rank = 4,
                  .prune_rank = 4}},
    {"std 1", {.deviation = 1, .streams = 4, .msa_layers = 3, .stream_rank = 8, .prune_rank = 8}},
    {"std 30", {.deviation = 30, .streams = 6, .msa_layers = 2, .stream_rank = 8,
                .parent_rank = 4, .prune_rank = 8}},
    {"root and parent terms", {.deviation = 0.1f, .streams = 5, .msa_layers = 2,
                               .stream_rank = 4, .root_rank = 6, .parent_rank = 6,
                               .prune_rank = 8, .draft_count = 200}},
    {"main half", {.deviation = 0.1f, .streams = 4, .msa_layers = 2, .main_rank = 5,
                   .stream_rank = 4, .parent_rank = 4, .prune_rank = 8, .draft_count = 300,
                   .f16 = true}},
    {"value rotation", {.deviation = 0.02f, .streams = 3, .msa_layers = 1, .init_rank = 4,
                        .rotation_step = 0.3f, .draft_count = 100}},
    {"all layers, bare", {.deviation = 0.01f, .streams = 8, .msa_layers = 5, .prune_rank = 8,
                          .idle_prune = true}},
    {"plain LoRA", {.deviation = 0.1f, .main_rank = 4}},
};
enum { ADAPTERS = sizeof adapters / sizeof *adapters };

static const struct {
    const char *name;
    ss_draft_sources sources;
    uint32_t right; /* of 8 caller's guesses */
} sources[] = {
    {"streams", SS_DRAFT_STREAMS, 0},
    {"n-grams", SS_DRAFT_NGRAM, 0},
    {"streams and n-grams", SS_DRAFT_STREAMS | SS_DRAFT_NGRAM, 0},
    {"liar", SS_DRAFT_CALLER, 0},
    {"oracle of 5 in 8", SS_DRAFT_CALLER, 5},
    {"all, the host always right", SS_DRAFT_STREAMS | SS_DRAFT_NGRAM | SS_DRAFT_CALLER, 8},
};
enum { SOURCE_SETS = sizeof sources / sizeof *sources };

static const struct {
    const char *name;
    ss_tree_mode mode;
    uint32_t best, width_count, widths[8];
} trees[] = {
    {"auto", SS_TREE_AUTO, 0, 0, {0}},
    {"1", SS_TREE_WIDTHS, 0, 1, {1}},
    {"4,2,1", SS_TREE_WIDTHS, 0, 3, {4, 2, 1}},
    {"8,8,8,8", SS_TREE_WIDTHS, 0, 4, {8, 8, 8, 8}},
    {"best:1", SS_TREE_BEST, 1, 0, {0}},
    {"best:9", SS_TREE_BEST, 9, 0, {0}},
    {"best:31", SS_TREE_BEST, 31, 0, {0}},
    {"best:63 of 64 rows", SS_TREE_BEST, 63, 0, {0}},
};
enum { TREES = sizeof trees / sizeof *trees };

enum { NO_EVENT, BOUNDS, STOPS, ENDS, REWINDS, SAVES, SWAPS, FULL, SLIDES, LOOKS, CANCELS, EVENTS };
static const char *const events[EVENTS] = {
    "undisturbed", "bounded steps", "stop strings", "end tokens", "rewinds", "save and restore",
    "swaps", "context end", "slides", "evaluations", "cancellations"};

static const uint32_t axis_sizes[AXES] = {
    SAMPLERS, ADAPTERS, SOURCE_SETS, 2, TREES, 3, 3, 3, EVENTS, 2,
};

static const char *describe(const uint32_t *run)
{
    static char text[300];
    static const char *const samplers[] = {"greedy", "sampled", "penalised"};
    static const char *const prunes[] = {"auto", "on", "off"};
    static const char *const cpus[] = {"portable", "AVX2", "AVX-512"};
    snprintf(text, sizeof text,
             "%s, adapter %s, drafts of %s, %s, tree %s, prune %s, %u threads, %s, %s, %s",
             samplers[run[SAMPLER]], adapters[run[ADAPTER]].name, sources[run[SOURCES]].name,
             run[SCHEDULE] ? "parallel" : "deferred", trees[run[TREE]].name, prunes[run[PRUNE]],
             run[THREADS] + 1, cpus[run[CPU]], events[run[EVENT]], run[KV] ? "F32" : "F16");
    return text;
}

/* ── one run, plain or drafting ── */

typedef struct script { /* what plain decoding did, or what is being compared with it */
    int32_t tokens[EMITTED];
    uint32_t count;
    ssi_hash128 rows; /* of the cache at the end */
    uint32_t row_count;
} script;

typedef struct player {
    const uint32_t *run;
    const script *want;     /* NULL: this is the plain run */
    script *got;
    ss_session *session, *spare;
    const ss_adapter *adapter, *other; /* the run's; one with the same main half */
    uint32_t bound;         /* of a step; 0: none */
    uint64_t ended;         /* generations that ended by themselves */
    uint32_t seen;          /* tokens of the session when the step began */
} player;

static ss_error error = {.struct_size = sizeof error};

static void expect_ok(const player *is, ss_status status)
{
    if (status != SS_OK)
        fail_msg("%s: %s", describe(is->run), error.message);
}

static void take(player *is, const ss_step *step)
{
    for (uint32_t i = 0; i < step->count; i++) {
        assert_true(is->got->count < EMITTED);
        if (is->want && (is->got->count >= is->want->count ||
                         is->want->tokens[is->got->count] != step->tokens[i])) {
            print_error("%s: token %u, the %u. of a step of %u, is %d, expected %d\n",
                        describe(is->run), is->got->count, i + 1, step->count, step->tokens[i],
                        is->got->count < is->want->count ? is->want->tokens[is->got->count] : -1);
            print_tree(is->session);
            fail();
        }
        is->got->tokens[is->got->count++] = step->tokens[i];
    }
}

/* Emits `count` tokens, going on after each end of a generation; returns SS_ERROR_CONTEXT_FULL
 * when there is no more room. */
static ss_status go(player *is, uint32_t count)
{
    static const uint32_t bounds[] = {1, 4, 2, 3, 1, 7};
    const int32_t *tokens;
    size_t length;
    for (uint32_t done = 0, steps = 0; done < count; steps++) {
        ss_step step = {.struct_size = sizeof step};
        uint32_t most = count - done, bound = is->bound ? bounds[steps % 6] : most;
        ssi_session_get_tokens(is->session, &tokens, &length);
        is->seen = (uint32_t)length;
        ss_status status =
            ssi_session_step(is->session, bound < most ? bound : most, &step, &error);
        if (status == SS_ERROR_CONTEXT_FULL)
            return status;
        expect_ok(is, status);
        assert_in_range(step.count, 1, bound < most ? bound : most);
        take(is, &step);
        done += step.count;
        if (step.stop != SS_STOP_NONE) {
            is->ended++;
            assert_int_equal(ssi_session_step(is->session, 0, &step, &error), SS_ERROR_STATE);
            ssi_session_get_tokens(is->session, &tokens, &length);
            expect_ok(is, ssi_session_prefill(is->session, tokens, length, &error));
        }
    }
    return SS_OK;
}

static void play_events(player *is)
{
    ss_session *session = is->session;
    const int32_t *tokens;
    size_t count, bytes;
    switch (is->run[EVENT]) {
    case REWINDS:
        go(is, 20);
        ssi_session_get_tokens(session, &tokens, &count);
        expect_ok(is, ssi_session_rewind(session, count - 7, &error));
        go(is, 16);
        expect_ok(is, ssi_session_rewind(session, PROMPT - 3, &error));
        break;
    case SAVES: {
        void *blob;
        go(is, 15);
        assert_int_equal(ssi_session_save(session, NULL, 0, &bytes, &error), SS_ERROR_CAPACITY);
        blob = malloc(bytes);
        expect_ok(is, ssi_session_save(session, blob, bytes, &bytes, &error));
        go(is, 9);
        expect_ok(is, ssi_session_restore(session, blob, bytes, &error));
        go(is, 13);
        expect_ok(is, ssi_session_restore(is->spare, blob, bytes, &error));
        is->session = is->spare; /* which goes on where the blob was made */
        is->spare = session;
        free(blob);
        break;
    }
    case SWAPS:
        for (uint32_t i = 0; i < 4; i++) {
            expect_ok(is, ssi_session_set_adapter(session, i % 2 ? is->adapter : is->other,
                                                  &error));
            go(is, 5);
        }
        expect_ok(is, ssi_session_set_adapter(session, NULL, &error)); /* no main half at all */
        go(is, 6);
        expect_ok(is, ssi_session_set_adapter(session, is->adapter, &error));
        break;
    case LOOKS:
        for (uint32_t i = 0; i < 5; i++) {
            static const int32_t rows[] = {9, 8, 7, 5}, parents[] = {-1, 0, 0, -1};
            const float *logits;
            expect_ok(is, ssi_session_evaluate(session, rows, parents, 4, &logits, &error));
            go(is, 5);
        }
        break;
    case CANCELS:
        for (uint32_t i = 0; i < 5; i++) {
            ss_step step = {.struct_size = sizeof step};
            ssi_session_cancel(session);
            assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_ERROR_CANCELLED);
            go(is, 5);
        }
        break;
    default: break;
    }
}

/* The truth with lies beside it: as many true tokens in a row as the run's share allows. */
static uint32_t guess(void *context, const int32_t *tokens, size_t count, ss_draft_node *nodes,
                      uint32_t capacity)
{
    const player *is = context;
    uint32_t right = sources[is->run[SOURCES]].right, made = 0;
    uint32_t at = is->got->count;
    int32_t parent = -1;
    (void)tokens;
    at += (uint32_t)count - is->seen; /* what the step under way has drawn already */
    for (uint32_t depth = 0; depth < 6 && made + 2 < capacity; depth++) {
        uint64_t bits = ssi_noise_bits(77, (uint32_t)count + depth, depth);
        bool true_one = at + depth < is->want->count && bits % 8 < right;
        int32_t vocabulary = (int32_t)is->session->work.model->hyper.vocabulary_size;
        int32_t lie = (int32_t)(bits >> 8) & 0xff, next = lie;
        if (true_one)
            next = is->want->tokens[at + depth];
        nodes[made++] = (ss_draft_node){(lie + 1) % vocabulary, parent,
                                        depth % 2 ? 0.0f : 0.4f};
        nodes[made++] = (ss_draft_node){next, parent, 0.8f};
        parent = (int32_t)made - 1;
    }
    return made;
}

static ss_session *open_player(const player *is, const ss_model *model, bool slow)
{
    static const char *const stops[] = {" the", "was a", "."};
    const uint32_t *run = is->run;
    ss_session_params params = small_params();
    ss_sampler_params sampler;
    ss_stream_config config;
    int32_t end = 2;
    const float lift = 7.0f;
    params.thread_count = is->want ? run[THREADS] + 1 : 1;
    params.kv_type = run[KV] ? SS_KV_F32 : SS_KV_F16;
    params.context_length = run[EVENT] == FULL ? PROMPT + 41 : run[EVENT] == SLIDES ? 48 : ROOM;
    params.on_full = run[EVENT] == SLIDES ? SS_ON_FULL_SLIDE : SS_ON_FULL_ERROR;
    params.keep_count = 3;
    params.max_step_rows = !is->want ? 32 : run[TREE] == 2 ? 5 : trees[run[TREE]].best == 63 ? 64 : 32;
    ss_session *session = open_session_with(model, &params);

    ssi_sampler_params_default(&sampler);
    sampler.ignore_end = run[EVENT] != ENDS;
    if (run[SAMPLER] != GREEDY) {
        sampler.temperature = 0.8f;
        sampler.top_p = run[SAMPLER] == PENALISED ? 0.9f : 1.0f;
        sampler.seed = UINT64_C(0xfedcba9876543210);
    }
    if (run[SAMPLER] == PENALISED) {
        sampler.repetition_penalty = 1.2f;
        sampler.presence_penalty = 0.3f;
        sampler.top_k = 40;
    }
    if (run[EVENT] == ENDS && !slow) {
        sampler.bias_tokens = &end;
        sampler.bias_values = &lift;
        sampler.bias_count = 1;
    }
    expect_ok(is, ssi_session_set_sampler(session, &sampler, &error));
    if (run[EVENT] == STOPS)
        expect_ok(is, ssi_session_set_stops(session, stops, 3, &error));

    ssi_stream_config_default(&config);
    config.sources = SS_DRAFT_NONE;
    if (is->want) {
        config.sources = sources[run[SOURCES]].sources;
        config.draft = guess;
        config.draft_context = (void *)is;
        config.tree_mode = trees[run[TREE]].mode;
        config.best_count = trees[run[TREE]].best;
        config.widths = trees[run[TREE]].widths;
        config.width_count = trees[run[TREE]].width_count;
        config.prune = (ss_prune)run[PRUNE];
        config.schedule = run[SCHEDULE] && adapters[run[ADAPTER]].recipe.root_rank == 0
                              ? SS_SCHEDULE_PARALLEL
                              : SS_SCHEDULE_DEFERRED;
    }
    expect_ok(is, ssi_session_set_streams(session, &config, &error));
    expect_ok(is, ssi_session_set_adapter(session, is->adapter, &error));
    return session;
}

typedef struct totals {
    uint64_t drafted, accepted, pruned, ended;
} totals;

static void play(const ss_model *model, const uint32_t *run, const ss_adapter *adapter,
                 const ss_adapter *other, bool slow, const script *want, script *got,
                 totals *sums)
{
    player is = {.run = run, .want = want, .got = got, .adapter = adapter, .other = other};
    int32_t story[ROOM];
    assert_true(story_tokens(model, story, ROOM) >= PROMPT);
    *got = (script){.count = 0};
    is.bound = want && run[EVENT] == BOUNDS;
    is.session = open_player(&is, model, slow);
    is.spare = open_player(&is, model, slow);
    prefill(is.session, story, PROMPT);
    play_events(&is);
    ss_status status = go(&is, run[EVENT] == FULL ? 60 : run[EVENT] == SLIDES && !slow ? 70 : 20);
    assert_int_equal(status, run[EVENT] == FULL ? SS_ERROR_CONTEXT_FULL : SS_OK);
    got->row_count = is.session->work.cache.length;
    got->rows = hash_rows(is.session, got->row_count);
    if (want && (got->count != want->count || got->row_count != want->row_count ||
                 memcmp(&got->rows, &want->rows, sizeof got->rows) != 0))
        fail_msg("%s: %u tokens and %u cached rows, other than plain decoding's %u and %u",
                 describe(run), got->count, got->row_count, want->count, want->row_count);
    sums->drafted += is.session->stats.drafted + is.spare->stats.drafted;
    sums->accepted += is.session->stats.accepted + is.spare->stats.accepted;
    sums->pruned += is.session->stats.pruned + is.spare->stats.pruned;
    sums->ended += is.ended;
    ssi_session_free(is.session);
    ssi_session_free(is.spare);
}

/* ── the design ── */

typedef struct world { /* a model on each kind of kernels, and on each its adapters */
    ss_model *models[3];
    ss_adapter *loaded[3][ADAPTERS], *others[3][ADAPTERS];
} world;

/* What the plain run depends on. */
static void plain_key(const uint32_t *run, uint32_t *key)
{
    memcpy(key, run, AXES * sizeof *key);
    key[SOURCES] = key[SCHEDULE] = key[TREE] = key[PRUNE] = key[THREADS] = key[CPU] = 0;
    if (run[EVENT] == BOUNDS)
        key[EVENT] = NO_EVENT;
    if (adapters[run[ADAPTER]].recipe.main_rank == 0)
        key[ADAPTER] = 0;
}

static void open_world(world *in, const char *path, bool slow)
{
    memset(in, 0, sizeof *in);
    for (ss_cpu cpu = SS_CPU_PORTABLE; cpu <= SS_CPU_PORTABLE + (ss_cpu)ssi_cpu_best(); cpu++) {
        uint32_t i = (uint32_t)(cpu - SS_CPU_PORTABLE);
        if (slow && i == 0)
            continue;
        in->models[i] = open_model_of(path, cpu);
        for (uint32_t a = 1; a < ADAPTERS; a++) {
            adapter_recipe recipe = adapters[a].recipe;
            in->loaded[i][a] = load_recipe(in->models[i], &recipe);
            recipe.seed = recipe.main_rank > 0 ? 0 : 5; /* main pairs are drawn first */
            recipe.prune_rank = 0;
            in->others[i][a] = load_recipe(in->models[i], &recipe);
        }
    }
}

static void close_world(world *in)
{
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t a = 0; a < ADAPTERS; a++) {
            ssi_adapter_free(in->loaded[i][a]);
            ssi_adapter_free(in->others[i][a]);
        }
        if (in->models[i])
            ssi_model_free(in->models[i]);
    }
}

/* `most` runs of the design; a slow model's yardstick is the fastest kernels it has. */
static void check_model(const char *path, bool slow, uint32_t most)
{
    enum { PLAIN_MAX = 256 };
    static covering design;
    static script plain[PLAIN_MAX], got;
    static uint32_t keys[PLAIN_MAX][AXES];
    uint32_t run[AXES_MAX], key[AXES], runs = 0, plains = 0, present = 0;
    totals plain_sums = {0}, sums = {0};
    world in;
    test_needs(path);
    open_world(&in, path, slow);
    for (uint32_t i = 0; i < 3; i++)
        present = in.models[i] ? i : present;
    covering_begin(&design, axis_sizes, AXES, 20240607);
    while (runs < most && covering_next(&design, run)) {
        uint32_t k = 0, base = slow ? present : 0, a = run[ADAPTER];
        run[CPU] = run[CPU] > present ? present : run[CPU];
        run[CPU] = slow && run[CPU] == 0 ? present : run[CPU];
        plain_key(run, key);
        while (k < plains && memcmp(keys[k], key, sizeof key) != 0)
            k++;
        if (k == plains) {
            assert_true(plains < PLAIN_MAX);
            memcpy(keys[plains++], key, sizeof key);
            /* Without a main half it is the base model's output, whatever swaps there are. */
            play(in.models[base], key, in.loaded[base][key[ADAPTER]],
                 in.loaded[base][key[ADAPTER]], slow, NULL, &plain[k], &plain_sums);
        }
        play(in.models[run[CPU]], run, in.loaded[run[CPU]][a], in.others[run[CPU]][a], slow,
             &plain[k], &got, &sums);
        runs++;
    }
    print_message("%s: %u runs against %u of plain decoding: %llu drafted, %llu accepted, %llu "
                  "pruned, %llu ended\n", path, runs, plains, (unsigned long long)sums.drafted,
                  (unsigned long long)sums.accepted, (unsigned long long)sums.pruned,
                  (unsigned long long)sums.ended);
    assert_int_equal(plain_sums.drafted, 0);
    assert_true(sums.accepted > runs && sums.drafted > 2 * sums.accepted && sums.pruned > 0);
    close_world(&in);
}

static void drafting_changes_no_token_and_no_row(void **state)
{
    (void)state;
    check_model(SMALL_MODEL, false, UINT32_MAX);
}

static void drafting_changes_nothing_on_the_default_model(void **state)
{
    (void)state;
    check_model(DEFAULT_MODEL, true, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafting_changes_no_token_and_no_row),
        cmocka_unit_test(drafting_changes_nothing_on_the_default_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
