/* SPDX-License-Identifier: Apache-2.0 */
/* bench: how fast a model runs here. Every figure is a median; whole steps of r rows are timed in
 * turns over all r, so that a busy moment falls on all of them alike. With --prompts it is what
 * speculation gains on them that is measured (bench_prompts.c). */
#include "bench_prompts.h"
#include "commands.h"
#include "json_write.h"
#include "output.h"
#include "report.h"
#include "settings.h"
#include "stopwatch.h"
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_LENGTH 128u /* tokens to draw from each of --prompts */
#define FIRST_PROMPT 32u  /* tokens before the first one drawn */
#define DEPTH 128u        /* tokens in the context when steps are timed */
#define PREFILL 512u      /* tokens of the prefill that is timed */
#define LOADS 5u
#define PREFILLS 5u
#define PLAIN_STEPS 96u
#define MOST_ROUNDS 31u   /* of the cost curve */
#define FEWEST 3u
#define PHASE_MS 6000.0   /* of any figure no more repetitions than fit here, but FEWEST */

static const uint32_t row_counts[] = {1, 2, 4, 6, 8, 12, 16, 24, 32};
#define CURVE (sizeof row_counts / sizeof *row_counts)
#define MOST_ROWS 32u

typedef struct figures {
    double load_ms, first_token_ms;
    double plain_tokens_per_s, prefill_tokens_per_s;
    double cost_ms[CURVE];
    uint64_t peak_rss_bytes, kv_bytes;
    char cpu[32];
} figures;

static const char prose[] =
    "The harbour lay still in the first light. Two fishermen were mending a net on the quay and "
    "spoke of the weather, of prices in the town, and of a ship that had not come home. A dog "
    "slept between the ropes; now and then it raised its head when a gull cried. Further out, "
    "where the water turned from green to grey, somebody was rowing towards the island with "
    "slow, even strokes, and the sound of the oars came over the bay a little later than the "
    "eye expected it. ";

/* `count` ids of plain prose, repeated as often as needed, from the `shift`-th on. */
static ss_status make_tokens(const ss_model *model, size_t count, size_t shift, token_list *to,
                             ss_error *error)
{
    token_list once = {0};
    buffer text = {0};
    buffer_text(&text, prose);
    ss_status status = tokens_from_text(model, &text, false, &once, error);
    to->count = 0;
    for (size_t i = 0; status == SS_OK && i < count; i++)
        tokens_add(to, &once.ids[(i + shift) % once.count], 1);
    tokens_free(&once);
    buffer_free(&text);
    return status;
}

/* Loads a model and draws the first token of a prompt. */
static int time_start(const settings *from, ss_model **model, double *load_ms,
                      double *first_token_ms)
{
    ss_session *session = NULL;
    token_list prompt = {0};
    ss_step step = {.struct_size = sizeof step};
    ss_error error;
    ss_error_init(&error, sizeof error);
    double begin = now_ms();
    int status = settings_load(from, model);
    *load_ms = now_ms() - begin;
    if (status == GO_ON)
        status = settings_session(from, *model, DEPTH, &session);
    if (status != GO_ON)
        return status;
    ss_status run = make_tokens(*model, FIRST_PROMPT, 0, &prompt, &error);
    if (run == SS_OK)
        run = ss_session_prefill(session, prompt.ids, prompt.count, &error);
    if (run == SS_OK)
        run = ss_session_step(session, 1, &step, &error);
    *first_token_ms = now_ms() - begin;
    ss_session_free(session);
    tokens_free(&prompt);
    return run == SS_OK ? GO_ON : report_error(from->model, &error);
}

static bool goes_on(size_t repetitions, size_t most, double end)
{
    return repetitions < most && (repetitions < FEWEST || now_ms() < end);
}

static ss_status time_prefill(const ss_model *model, ss_session *session, size_t count,
                              figures *to, ss_error *error)
{
    double times[PREFILLS];
    token_list tokens = {0};
    ss_status status = SS_OK;
    double end = now_ms() + PHASE_MS;
    size_t runs = 0;
    for (; status == SS_OK && goes_on(runs, PREFILLS, end); runs++) {
        /* Another beginning every time: nothing is found in the cache. */
        status = make_tokens(model, count, runs + 1, &tokens, error);
        double begin = now_ms();
        if (status == SS_OK)
            status = ss_session_prefill(session, tokens.ids, tokens.count, error);
        times[runs] = now_ms() - begin;
    }
    tokens_free(&tokens);
    if (status == SS_OK)
        to->prefill_tokens_per_s = (double)count * 1e3 / median(times, runs);
    return status;
}

static ss_status time_plain(ss_session *session, const token_list *context, size_t room,
                            figures *to, ss_error *error)
{
    double times[PLAIN_STEPS];
    size_t most = room - context->count - 1, steps = 0;
    ss_step step = {.struct_size = sizeof step};
    ss_status status = ss_session_prefill(session, context->ids, context->count, error);
    if (status == SS_OK) /* drawn from the prefill's logits: not a step like the others */
        status = ss_session_step(session, 1, &step, error);
    double end = now_ms() + PHASE_MS;
    most = most < PLAIN_STEPS ? most : PLAIN_STEPS;
    for (; status == SS_OK && goes_on(steps, most, end); steps++) {
        double begin = now_ms();
        status = ss_session_step(session, 1, &step, error);
        times[steps] = now_ms() - begin;
    }
    if (status == SS_OK)
        to->plain_tokens_per_s = 1e3 / median(times, steps);
    return status;
}

static ss_status time_rows(ss_session *session, const token_list *context, figures *to,
                           ss_error *error)
{
    static double times[CURVE][MOST_ROUNDS];
    int32_t parents[MOST_ROWS];
    size_t rounds = 0;
    for (uint32_t row = 0; row < MOST_ROWS; row++)
        parents[row] = (int32_t)row - 1;
    ss_status status = ss_session_prefill(session, context->ids, context->count, error);
    double end = now_ms() + PHASE_MS;
    for (; status == SS_OK && goes_on(rounds, MOST_ROUNDS, end); rounds++) {
        for (size_t i = 0; i < CURVE && status == SS_OK; i++) {
            const float *logits;
            double begin = now_ms();
            status = ss_session_evaluate(session, context->ids, parents, row_counts[i], &logits,
                                         error);
            times[i][rounds] = now_ms() - begin;
        }
    }
    for (size_t i = 0; i < CURVE && status == SS_OK; i++)
        to->cost_ms[i] = median(times[i], rounds);
    return status;
}

static int time_session(const settings *from, const ss_model *model, figures *to)
{
    ss_session *session = NULL;
    token_list context = {0};
    ss_model_info info = {.struct_size = sizeof info};
    ss_stats stats = {.struct_size = sizeof stats};
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_model_get_info(model, &info, NULL);
    snprintf(to->cpu, sizeof to->cpu, "%s", info.cpu);
    size_t room = PREFILL + DEPTH < info.context_length ? PREFILL + DEPTH : info.context_length;
    if (room < DEPTH + MOST_ROWS)
        return report("%s: a context of %u tokens is too short to measure", from->model,
                      info.context_length);
    int status = settings_session(from, model, room, &session);
    if (status != GO_ON)
        return status;
    ss_status run = make_tokens(model, DEPTH, 0, &context, &error);
    if (run == SS_OK)
        run = time_prefill(model, session, room < PREFILL ? room : PREFILL, to, &error);
    if (run == SS_OK)
        run = time_plain(session, &context, room, to, &error);
    if (run == SS_OK)
        run = time_rows(session, &context, to, &error);
    if (run == SS_OK)
        run = ss_session_get_stats(session, &stats, &error);
    to->kv_bytes = stats.kv_bytes;
    to->peak_rss_bytes = peak_rss_bytes();
    ss_session_free(session);
    tokens_free(&context);
    return run == SS_OK ? GO_ON : report_error(from->model, &error);
}

/* The first model loaded is the one measured, so that peak memory is that of one model; only then
 * are the other loads timed. */
static int measure(const settings *from, figures *to)
{
    double load_ms[LOADS], first_token_ms[LOADS];
    int status = GO_ON;
    for (size_t i = 0; i < LOADS && status == GO_ON; i++) {
        ss_model *model = NULL;
        status = time_start(from, &model, &load_ms[i], &first_token_ms[i]);
        if (status == GO_ON && i == 0)
            status = time_session(from, model, to);
        ss_model_free(model);
    }
    if (status == GO_ON) {
        to->load_ms = median(load_ms, LOADS);
        to->first_token_ms = median(first_token_ms, LOADS);
    }
    return status;
}

static void print_json(const figures *of)
{
    buffer line = {0};
    char rows[8];
    json_open(&line);
    json_number(&line, "load_ms", of->load_ms);
    json_number(&line, "first_token_ms", of->first_token_ms);
    json_number(&line, "plain_tokens_per_s", of->plain_tokens_per_s);
    json_number(&line, "prefill_tokens_per_s", of->prefill_tokens_per_s);
    json_count(&line, "peak_rss_bytes", of->peak_rss_bytes);
    json_count(&line, "kv_bytes", of->kv_bytes);
    json_text(&line, "cpu", of->cpu);
    json_object(&line, "cost_ms");
    for (size_t i = 0; i < CURVE; i++) {
        snprintf(rows, sizeof rows, "%u", row_counts[i]);
        json_number(&line, rows, of->cost_ms[i]);
    }
    json_close(&line);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

static void print_table(const figures *of)
{
    output_format("kernels        %s\n", of->cpu);
    output_format("load           %8.1f ms\n", of->load_ms);
    output_format("first token    %8.1f ms from the start of loading, %u tokens of prompt\n",
                  of->first_token_ms, FIRST_PROMPT);
    output_format("prefill        %8.1f tokens/s\n", of->prefill_tokens_per_s);
    output_format("plain decoding %8.1f tokens/s at a context of %u\n", of->plain_tokens_per_s,
                  DEPTH);
    output_format("peak memory    %8.1f MB, of it %.1f MB of keys and values\n\n",
                  (double)of->peak_rss_bytes * 1e-6, (double)of->kv_bytes * 1e-6);
    output_text("rows in a step        ms   of one row\n");
    for (size_t i = 0; i < CURVE; i++)
        output_format("%14u  %8.2f  %10.2fx\n", row_counts[i], of->cost_ms[i],
                      ratio(of->cost_ms[i], of->cost_ms[0]));
}

int cmd_bench(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    speculation drafting = {0};
    bench_prompts of = {0};
    figures measured = {0};
    from.length = DEFAULT_LENGTH;
    const option options[] = {
        MODEL_OPTION(from),
        ADAPTER_OPTION(drafting),
        {OPTION_TEXT, "--prompts", "FILE",
         "plain against speculative decoding on a line {\"id\", \"prompt\"} for each of many",
         &of.file, 0, 0, 0},
        {OPTION_COUNT, "-n", "N", "with --prompts: most tokens to draw", &from.length, 1,
         4294967295.0, 0},
        {OPTION_FLAG, "--chat", 0, "prompts are a user's messages", &of.chat, 0, 0, 0},
        {OPTION_REAL, "--oracle", "A",
         "draft chains of 4 tokens, each right with probability A, and nothing else; 0: off",
         &of.oracle, 0, 1, 0},
        {OPTION_FLAG, "--json", 0, "one JSON object", &of.json, 0, 0, 0},
        STOP_OPTIONS(from),
        SAMPLER_OPTIONS(from),
        SPECULATION_OPTIONS(drafting),
        ROWS_OPTION(from),
        MACHINE_OPTIONS(from),
        SESSION_OPTIONS(from),
    };
    const command_line line = {
        .command = "bench",
        .summary = "Measures how fast a model runs here: medians, in one run.",
        .usage = "-m MODEL [-a ADAPTER --prompts FILE] [OPTION...]",
        .notes = "JSON: {\"load_ms\",\"first_token_ms\",\"plain_tokens_per_s\","
                 "\"prefill_tokens_per_s\",\n\"peak_rss_bytes\",\"kv_bytes\",\"cpu\","
                 "\"cost_ms\":{\"1\",\"2\",\"4\",\"6\",\"8\",\"12\",\"16\",\"24\",\"32\"}}\n"
                 "With --prompts: {\"prompts\",\"tokens\",\"plain_tokens_per_s\","
                 "\"spec_tokens_per_s\",\n\"speedup\",\"speedup_with_prefill\","
                 "\"tokens_per_step\",\"rows_per_step\",\"identical\",\n\"stage_share\":"
                 "{\"lower\",\"prune\",\"msa\",\"head\",\"verify\",\"plan\"}}",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (from.model == NULL)
        return usage_error("bench", "-m MODEL is missing");
    if (of.file == NULL && (drafting.adapter != NULL || of.oracle > 0))
        return usage_error("bench", "-a and --oracle need --prompts FILE");
    if (of.file != NULL && drafting.adapter == NULL && drafting.draft == NULL && of.oracle <= 0)
        return usage_error("bench", "--prompts compares plain decoding with drafting: -a, --draft "
                                    "or --oracle is needed");
    status = speculation_check(&drafting, "bench");
    if (status == GO_ON && of.file != NULL)
        return bench_prompts_run(&of, &from, &drafting);
    if (status != GO_ON)
        return status;
    from.ignore_end = true;
    status = measure(&from, &measured);
    if (status == GO_ON && of.json)
        print_json(&measured);
    else if (status == GO_ON)
        print_table(&measured);
    return status == GO_ON ? EXIT_DONE : status;
}
