/* SPDX-License-Identifier: Apache-2.0 */
/* generate: continues a text, or answers prompts one JSON line each. */
#include "answer.h"
#include "commands.h"
#include "interrupt.h"
#include "json_write.h"
#include "output.h"
#include "prompt_tokens.h"
#include "report.h"
#include "speculation.h"
#include "stopwatch.h"
#include "trace.h"

#include <stdio.h>
#include <unistd.h>

#define DEFAULT_LENGTH 256u

typedef struct job {
    settings settings;
    speculation speculation;
    const char *text, *file, *lines; /* -p, -f, --prompts: one of them */
    bool chat, no_special, json, trace;
    prompt_tokens prompts;
} job;

static int read_arguments(job *of, int count, char **arguments)
{
    const option options[] = {
        MODEL_OPTION(of->settings),
        ADAPTER_OPTION(of->speculation),
        {OPTION_TEXT, "-p", "TEXT", "the prompt", &of->text, 0, 0, 0},
        {OPTION_TEXT, "-f", "FILE", "the prompt is all of a file; -: standard input",
         &of->file, 0, 0, 0},
        {OPTION_TEXT, "--prompts", "FILE", "a line {\"id\", \"prompt\"} for each of many",
         &of->lines, 0, 0, 0},
        {OPTION_COUNT, "-n", "N", "most tokens to draw", &of->settings.length, 0, 4294967295.0,
         0},
        {OPTION_FLAG, "--chat", 0, "prompts are a user's messages, in the model's chat template",
         &of->chat, 0, 0, 0},
        {OPTION_FLAG, "--no-special", 0, "special tokens written in raw text are plain text",
         &of->no_special, 0, 0, 0},
        {OPTION_FLAG, "--json", 0, "one JSON line per prompt (always so with --prompts)",
         &of->json, 0, 0, 0},
        {OPTION_FLAG, "--trace", 0, "draw every step's tree, and what came of it", &of->trace,
         0, 0, 0},
        STOP_OPTIONS(of->settings),
        SAMPLER_OPTIONS(of->settings),
        SPECULATION_OPTIONS(of->speculation),
        NO_SPEC_OPTION(of->speculation),
        ROWS_OPTION(of->settings),
        MACHINE_OPTIONS(of->settings),
        SESSION_OPTIONS(of->settings),
        CONTEXT_OPTION(of->settings, "tokens the context holds; 0: what the prompts and -n need"),
    };
    const command_line line = {
        .command = "generate",
        .summary = "Continues a text, or answers prompts.",
        .usage = "-m MODEL (-p TEXT | -f FILE | --prompts FILE) [OPTION...]",
        .notes = "JSON lines: {\"id\",\"prompt_tokens\",\"tokens\",\"text\","
                 "\"stop\":\"eos|length|stop|cancelled\",\n\"prefill_ms\",\"decode_ms\",\"steps\","
                 "\"drafted\",\"accepted\",\"tokens_per_step\"}",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (of->settings.model == NULL)
        return usage_error("generate", "-m MODEL is missing");
    if ((of->text != NULL) + (of->file != NULL) + (of->lines != NULL) != 1)
        return usage_error("generate", "one of -p, -f and --prompts is needed");
    of->json |= of->lines != NULL;
    if (of->json && of->trace)
        return usage_error("generate", "--trace draws one prompt, and no JSON");
    return speculation_check(&of->speculation, "generate");
}

static void write_json(const prompt *row, size_t prompt_count, const answer *from)
{
    buffer line = {0};
    json_open(&line);
    json_raw(&line, "id", row->id.bytes, row->id.length);
    json_count(&line, "prompt_tokens", prompt_count);
    json_tokens(&line, "tokens", from->tokens.ids, from->tokens.count);
    json_key(&line, "text");
    json_string(&line, from->text.bytes, from->text.length);
    json_text(&line, "stop", from->stop);
    json_number(&line, "prefill_ms", from->prefill_ms);
    json_number(&line, "decode_ms", from->decode_ms);
    json_count(&line, "steps", from->stats.steps);
    json_count(&line, "drafted", from->stats.drafted);
    json_count(&line, "accepted", from->stats.accepted);
    json_number(&line, "tokens_per_step", tokens_per_step(&from->stats));
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

/* For the person who watches; never in a pipe or a log. */
static void write_speed(size_t prompt_count, const answer *from)
{
    if (!output_is_terminal() || isatty(STDERR_FILENO) != 1 || output_closed())
        return;
    fprintf(stderr, "\n%zu tokens in, %.0f ms; %zu out, %.0f ms (%.1f tokens/s",
            prompt_count, from->prefill_ms, from->tokens.count, from->decode_ms,
            ratio((double)from->tokens.count * 1e3, from->decode_ms));
    if (from->stats.drafted > 0)
        fprintf(stderr, ", %.2f tokens a step", tokens_per_step(&from->stats));
    fprintf(stderr, ")\n");
}

static int run_row(const job *of, const ss_model *model, ss_session *session, size_t row,
                   answer *to)
{
    ss_error error;
    char name[64];
    ss_error_init(&error, sizeof error);
    trace drawn = {.model = model};
    const step_watch watch = {trace_step, &drawn};
    ss_status status =
        answer_make(model, session, &of->settings, &of->prompts.rows[row],
                    !of->json && !of->trace, of->trace ? &watch : NULL, to, &error);
    if (of->trace)
        output_bytes(to->text.bytes, to->text.length);
    if (!of->json) {
        output_text("\n");
        output_flush();
    }
    if (status != SS_OK) {
        prompt_tokens_name(&of->prompts, row, name);
        return report_error(name, &error);
    }
    if (of->json)
        write_json(&of->prompts.prompts.rows[row], of->prompts.rows[row].count, to);
    else
        write_speed(of->prompts.rows[row].count, to);
    return GO_ON;
}

static int run_rows(const job *of, const ss_model *model, ss_session *session)
{
    answer made = {0};
    int status = GO_ON;
    size_t row = 0;
    bool cancelled = false;
    interrupt_watch(session);
    size_t count = of->prompts.prompts.count;
    for (; row < count && status == GO_ON && !cancelled && !output_closed(); row++) {
        status = run_row(of, model, session, row, &made);
        cancelled = interrupt_taken();
    }
    interrupt_watch(NULL);
    answer_free(&made);
    if (status == GO_ON && cancelled && row < count)
        status = report("interrupted at prompt %zu of %zu", row, count);
    return status;
}

static int run(job *of)
{
    ss_model *model = NULL;
    ss_session *session = NULL;
    ss_adapter *adapter = NULL;
    of->prompts.named = of->lines != NULL;
    int status = prompts_read(of->text, of->file, of->lines, &of->prompts.prompts);
    if (status == GO_ON)
        status = settings_load(&of->settings, &model);
    if (status == GO_ON)
        status = prompt_tokens_encode(&of->prompts, &of->settings, model, of->chat,
                                      of->no_special);
    if (status == GO_ON)
        status = speculation_load(&of->speculation, model, &adapter);
    if (status == GO_ON)
        status = settings_session(&of->settings, model,
                                  (uint64_t)of->prompts.longest + of->settings.length, &session);
    if (status == GO_ON)
        status = speculation_set(&of->speculation, adapter, session);
    if (status == GO_ON)
        status = run_rows(of, model, session);
    ss_session_free(session);
    ss_adapter_free(adapter);
    ss_model_free(model);
    return status;
}

int cmd_generate(int count, char **arguments)
{
    job of = {.settings = SETTINGS_DEFAULT};
    of.settings.length = DEFAULT_LENGTH;
    int status = read_arguments(&of, count, arguments);
    if (status == GO_ON)
        status = run(&of);
    prompt_tokens_free(&of.prompts);
    return status == GO_ON ? EXIT_DONE : status;
}
