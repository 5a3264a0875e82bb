/* SPDX-License-Identifier: Apache-2.0 */
/* The default model on real prompts: every prompt is answered plainly and, under the next run of a
 * covering design, drafting; tokens and cached rows must be the same. `make check` takes the first
 * few prompts, `make check-exact` a thousand (SS_EXACT_PROMPTS). All differences are counted, each
 * told with its prompt, its first differing step and that step's tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "support/adapter_file.h"
#include "support/covering.h"
#include "support/prompt_lines.h"
#include "support/session_fixture.h"
#include "support/session_look.h"

enum {
    SLICE = 4,         /* prompts under `make check` */
    LENGTH = 24,       /* tokens drawn, unless the answer ends */
    PROMPT_MOST = 192, /* longer prompts are passed over */
    SHORT_PROMPT = 48, /* where portable kernels answer: the prompt's last tokens */
    SHORT_LENGTH = 12,
    PORTABLE_EVERY = 8, /* designs */
};

static const char *const files[] = {
    SHARED_FOLDER "data/sql.dev.jsonl.xz",      SHARED_FOLDER "data/dialogsum.dev.jsonl.xz",
    SHARED_FOLDER "data/e2e.dev.jsonl.xz",      SHARED_FOLDER "data/gsm8k.dev.jsonl.xz",
    SHARED_FOLDER "data/instruct.dev.jsonl.xz", SHARED_FOLDER "data/mts.dev.jsonl.xz",
    SHARED_FOLDER "data/prompts.jsonl",
};
enum { FILES = sizeof files / sizeof *files };

/* ── the axes ── */

enum { SAMPLER, ADAPTER, SCHEDULE, TREE, PRUNE, THREADS, ROWS, CPU, AXES };

static const struct {
    const char *name;
    ss_draft_sources sources;
    bool reference;
    adapter_recipe recipe;
} adapters[] = {
    {"none", SS_DRAFT_STREAMS, false, {.deviation = 0}},
    {"none, n-grams", SS_DRAFT_NGRAM, false, {.deviation = 0}},
    {"the reference", SS_DRAFT_STREAMS | SS_DRAFT_NGRAM, true, {.deviation = 0}},
    {"the reference, n-grams alone", SS_DRAFT_NGRAM, true, {.deviation = 0}},
    {"of noise, 0.02",
     SS_DRAFT_STREAMS,
     false,
     {.deviation = 0.02f,
      .seed = 1,
      .streams = 4,
      .msa_layers = 4,
      .stream_rank = 8,
      .parent_rank = 8,
      .prune_rank = 8}},
    {"of noise, 1",
     SS_DRAFT_STREAMS | SS_DRAFT_NGRAM,
     false,
     {.deviation = 1,
      .seed = 2,
      .streams = 8,
      .msa_layers = 2,
      .stream_rank = 8,
      .init_rank = 4,
      .prune_rank = 8,
      .draft_count = 2000}},
    {"of noise, 30",
     SS_DRAFT_STREAMS | SS_DRAFT_NGRAM,
     false,
     {.deviation = 30,
      .seed = 3,
      .streams = 4,
      .msa_layers = 8,
      .stream_rank = 4,
      .prune_rank = 8,
      .draft_count = 8192,
      .f16 = true}},
};
enum { ADAPTERS = sizeof adapters / sizeof *adapters };

static const struct {
    const char *name;
    ss_tree_mode mode;
    uint32_t best, width_count, widths[4];
} trees[] = {
    {"auto", SS_TREE_AUTO, 0, 0, {0}},          {"1", SS_TREE_WIDTHS, 0, 1, {1}},
    {"4,2,1", SS_TREE_WIDTHS, 0, 3, {4, 2, 1}}, {"8,8,8,8", SS_TREE_WIDTHS, 0, 4, {8, 8, 8, 8}},
    {"best:63", SS_TREE_BEST, 63, 0, {0}},
};
enum { TREES = sizeof trees / sizeof *trees };

static const uint32_t row_limits[] = {32, 64, 5};
static const ss_cpu cpus[] = {SS_CPU_AVX512, SS_CPU_AVX2, SS_CPU_PORTABLE};
enum { CPUS = sizeof cpus / sizeof *cpus };

static const uint32_t axis_sizes[AXES] = {2, ADAPTERS, 2, TREES, 3, 2, 3, CPUS};

static const char *describe(const uint32_t *run)
{
    static char text[300];
    static const char *const prunes[] = {"auto", "on", "off"};
    static const char *const names[] = {"AVX-512", "AVX2", "portable"};
    snprintf(text, sizeof text,
             "%s, adapter %s, %s, tree %s of %u rows, prune %s, %u threads, %s",
             run[SAMPLER] ? "sampled" : "greedy", adapters[run[ADAPTER]].name,
             run[SCHEDULE] ? "parallel" : "deferred", trees[run[TREE]].name,
             row_limits[run[ROWS]], prunes[run[PRUNE]], run[THREADS] + 1, names[run[CPU]]);
    return text;
}

/* ── models and adapters, loaded when first used ── */

typedef struct world {
    ss_model *models[CPUS];
    ss_adapter *loaded[CPUS][ADAPTERS];
    covering design;
    uint32_t designs;
    uint64_t drafted, accepted, pruned, tokens, failures, parallels, portables;
} world;

static ss_error error = {.struct_size = sizeof error};

static void expect_ok(ss_status status)
{
    if (status != SS_OK)
        fail_msg("%s", error.message);
}

static const ss_model *model_on(world *in, uint32_t cpu)
{
    if (!in->models[cpu])
        in->models[cpu] = open_model_of(DEFAULT_MODEL, cpus[cpu]);
    return in->models[cpu];
}

static const ss_adapter *adapter_on(world *in, uint32_t cpu, uint32_t adapter)
{
    ss_adapter **place = &in->loaded[cpu][adapter];
    const ss_model *model = model_on(in, cpu);
    if (*place || (!adapters[adapter].reference && adapters[adapter].recipe.streams == 0))
        return *place;
    if (!adapters[adapter].reference) {
        *place = load_recipe(model, &adapters[adapter].recipe);
        return *place;
    }
    ssi_source source;
    ssi_memory memory = ssi_memory_from(NULL);
    expect_ok(ssi_source_open(&source, SHARED_FOLDER "adapters/sql-reference.gguf", &error));
    expect_ok(ssi_adapter_load(model, &source, &memory, place, &error));
    ssi_source_close(&source);
    return *place;
}

static void close_world(world *in)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        for (uint32_t adapter = 0; adapter < ADAPTERS; adapter++)
            ssi_adapter_free(in->loaded[cpu][adapter]);
        if (in->models[cpu])
            ssi_model_free(in->models[cpu]);
    }
}

static uint32_t best_cpu(void)
{
    return 2 - (uint32_t)ssi_cpu_best();
}

/* The next run of the design; after its last another design begins. Few have portable kernels. */
static void next_run(world *in, uint32_t run[AXES_MAX])
{
    while (in->design.left == 0 || !covering_next(&in->design, run)) {
        uint32_t sizes[AXES];
        memcpy(sizes, axis_sizes, sizeof sizes);
        sizes[CPU] = in->designs % PORTABLE_EVERY == PORTABLE_EVERY - 1 ? 3 : 2;
        covering_begin(&in->design, sizes, AXES, 20261127 + 1000003 * (uint64_t)in->designs++);
    }
    if (run[CPU] < best_cpu())
        run[CPU] = best_cpu();
}

/* ── one prompt ── */

typedef struct answer {
    int32_t tokens[LENGTH];
    uint32_t count;
    ss_status end; /* SS_ERROR_CONTEXT_FULL, or SS_OK: the answer ended by itself */
    uint32_t row_count;
    ssi_hash128 rows;
} answer;

static ss_session *open_answer(world *in, const uint32_t *run, bool drafting, uint32_t context)
{
    uint32_t cpu = drafting ? run[CPU] : best_cpu();
    const ss_adapter *adapter = adapter_on(in, cpu, run[ADAPTER]);
    ss_session_params params;
    ss_sampler_params sampler;
    ss_stream_config config;
    ssi_session_params_default(&params);
    params.context_length = context;
    params.thread_count = drafting ? run[THREADS] + 1 : 1;
    params.max_step_rows = drafting ? row_limits[run[ROWS]] : 1;
    ss_session *session = open_session_with(model_on(in, cpu), &params);
    ssi_sampler_params_default(&sampler);
    if (run[SAMPLER]) {
        sampler.temperature = 0.8f;
        sampler.seed = in->tokens * 0x9e3779b97f4a7c15u; /* the same for both of a prompt */
        sampler.top_p = sampler.seed >> 63 ? 0.95f : 1.0f;
    }
    expect_ok(ssi_session_set_sampler(session, &sampler, &error));
    ssi_stream_config_default(&config);
    config.sources = SS_DRAFT_NONE;
    if (drafting) {
        config.sources = adapters[run[ADAPTER]].sources;
        config.tree_mode = trees[run[TREE]].mode;
        config.best_count = trees[run[TREE]].best;
        config.widths = trees[run[TREE]].widths;
        config.width_count = trees[run[TREE]].width_count;
        config.prune = (ss_prune)run[PRUNE];
        config.schedule = run[SCHEDULE] ? SS_SCHEDULE_PARALLEL : SS_SCHEDULE_DEFERRED;
    }
    expect_ok(ssi_session_set_streams(session, &config, &error));
    ss_status status = ssi_session_set_adapter(session, adapter, &error);
    if (drafting && run[SCHEDULE] && adapters[run[ADAPTER]].reference) {
        assert_int_equal(status, SS_ERROR_UNSUPPORTED); /* it has root terms */
        config.schedule = SS_SCHEDULE_AUTO;
        expect_ok(ssi_session_set_streams(session, &config, &error));
        status = ssi_session_set_adapter(session, adapter, &error);
    }
    expect_ok(status);
    return session;
}

/* Draws to the end of the answer or of the context; false at the first token unlike `want`'s. */
static bool draw(ss_session *session, const answer *want, answer *got)
{
    *got = (answer){.end = SS_OK};
    for (ss_step step = {.struct_size = sizeof step}; step.stop == SS_STOP_NONE;) {
        got->end = ssi_session_step(session, 0, &step, &error);
        if (got->end != SS_OK)
            return got->end == SS_ERROR_CONTEXT_FULL;
        for (uint32_t i = 0; i < step.count; i++, got->count++) {
            if (got->count >= (want ? want->count : LENGTH) ||
                (want && want->tokens[got->count] != step.tokens[i])) {
                print_error("token %u, the %u. of a step of %u, is %d, expected %d\n",
                            got->count, i + 1, step.count, step.tokens[i],
                            want && got->count < want->count ? want->tokens[got->count] : -1);
                return false;
            }
            got->tokens[got->count] = step.tokens[i];
        }
    }
    return true;
}

static void finish(ss_session *session, answer *got)
{
    got->row_count = session->work.cache.length;
    got->rows = hash_rows(session, got->row_count);
    ssi_session_free(session);
}

static void answer_both_ways(world *in, const uint32_t *run, const char *name,
                             const int32_t *prompt, uint32_t count)
{
    bool slow = cpus[run[CPU]] == SS_CPU_PORTABLE;
    uint32_t skipped = slow && count > SHORT_PROMPT ? count - SHORT_PROMPT : 0;
    uint32_t context = count - skipped + (slow ? SHORT_LENGTH : LENGTH);
    answer want, got;
    ss_session *session = open_answer(in, run, false, context);
    prefill(session, prompt + skipped, count - skipped);
    assert_true(draw(session, NULL, &want));
    finish(session, &want);
    session = open_answer(in, run, true, context);
    prefill(session, prompt + skipped, count - skipped);
    bool same = draw(session, &want, &got) && got.count == want.count && got.end == want.end;
    if (!same) {
        print_error("%s: %s: %u tokens, expected %u; the tree of its last step:\n", name,
                    describe(run), got.count, want.count);
        print_tree(session);
    }
    in->drafted += session->stats.drafted;
    in->accepted += session->stats.accepted;
    in->pruned += session->stats.pruned;
    in->parallels += run[SCHEDULE] && adapters[run[ADAPTER]].recipe.streams > 0;
    in->portables += slow;
    finish(session, &got);
    if (same && (got.row_count != want.row_count ||
                 memcmp(&got.rows, &want.rows, sizeof got.rows) != 0)) {
        print_error("%s: %s: same tokens, but other cached rows\n", name, describe(run));
        same = false;
    }
    in->failures += !same;
    in->tokens += want.count;
}

/* ── all prompts, from the files in turn ── */

typedef struct reader {
    FILE *lines;
    char *line;
    size_t capacity;
    uint32_t number;
} reader;

/* The next prompt that isn't too long, in the chat template; 0 when the file has ended. */
static uint32_t read_prompt(world *in, reader *from, int32_t tokens[PROMPT_MOST])
{
    const ss_model *model = model_on(in, best_cpu());
    for (size_t length, count; from->lines;) {
        char *text = next_prompt(from->lines, &from->line, &from->capacity, &length);
        if (!text)
            return 0;
        from->number++;
        const ss_chat_message message = {"user", text, length};
        if (ssi_tokenizer_chat(model->tokenizer, &message, 1, true, tokens, PROMPT_MOST, &count,
                               &error) == SS_OK)
            return (uint32_t)count;
    }
    return 0;
}

static void answers_on_real_prompts_are_those_of_plain_decoding(void **state)
{
    static world in;
    static int32_t tokens[PROMPT_MOST];
    const char *asked = getenv("SS_EXACT_PROMPTS");
    uint32_t most = asked ? (uint32_t)strtoul(asked, NULL, 10) : SLICE, done = 0, ended = 0;
    uint32_t run[AXES_MAX];
    reader readers[FILES] = {0};
    (void)state;
    test_needs(DEFAULT_MODEL);
    test_needs(SHARED_FOLDER "adapters/sql-reference.gguf");
    for (uint32_t file = 0; file < FILES; file++)
        readers[file].lines = open_prompt_lines(files[file]);
    for (uint32_t turn = 0; done < most && ended < FILES; turn++) {
        reader *from = &readers[turn % FILES];
        char name[120];
        uint32_t count = read_prompt(&in, from, tokens);
        ended = count > 0 ? 0 : ended + 1;
        if (count == 0)
            continue;
        snprintf(name, sizeof name, "%s, prompt %u", files[turn % FILES], from->number);
        next_run(&in, run);
        answer_both_ways(&in, run, name, tokens, count);
        done++;
        if (asked && (done % 25 == 0 || done == most))
            fprintf(stderr,
                    "%u of %u prompts, %llu of them differ: %llu tokens, %llu drafted, "
                    "%llu accepted, %llu pruned\n",
                    done, most, (unsigned long long)in.failures, (unsigned long long)in.tokens,
                    (unsigned long long)in.drafted, (unsigned long long)in.accepted,
                    (unsigned long long)in.pruned);
    }
    for (uint32_t file = 0; file < FILES; file++) {
        pclose(readers[file].lines);
        free(readers[file].line);
    }
    close_world(&in);
    print_message(
        "%u prompts in %u designs, %llu with parallel streams, %llu on portable kernels: "
        "%llu tokens, %llu drafted, %llu accepted, %llu pruned, %llu differ\n",
        done, in.designs, (unsigned long long)in.parallels, (unsigned long long)in.portables,
        (unsigned long long)in.tokens, (unsigned long long)in.drafted,
        (unsigned long long)in.accepted, (unsigned long long)in.pruned,
        (unsigned long long)in.failures);
    assert_int_equal(done, most);
    assert_int_equal(in.failures, 0);
    assert_true(in.accepted > 0 && in.drafted > in.accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_on_real_prompts_are_those_of_plain_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
