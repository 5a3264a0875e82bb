/* SPDX-License-Identifier: Apache-2.0 */
/* generate: continues a text, or answers prompts one JSON line each. */
#include "answer.h"
#include "commands.h"
#include "interrupt.h"
#include "json_write.h"
#include "output.h"
#include "prompts.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LENGTH 256u

typedef struct job {
    settings settings;
    const char *text, *file, *lines; /* -p, -f, --prompts: one of them */
    bool chat, no_special, json;
    prompts prompts;
    token_list *tokens; /* [prompts.count] */
} job;

static int read_arguments(job *of, int count, char **arguments)
{
    const option options[] = {
        MODEL_OPTION(of->settings),
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
        STOP_OPTIONS(of->settings),
        SAMPLER_OPTIONS(of->settings),
        MACHINE_OPTIONS(of->settings),
        SESSION_OPTIONS(of->settings),
        CONTEXT_OPTION(of->settings, "tokens the context holds; 0: what the prompts and -n need"),
    };
    const command_line line = {
        .command = "generate",
        .summary = "Continues a text, or answers prompts.",
        .usage = "-m MODEL (-p TEXT | -f FILE | --prompts FILE) [OPTION...]",
        .notes = "JSON lines: {\"id\",\"prompt_tokens\",\"tokens\",\"text\","
                 "\"stop\":\"eos|length|stop\",\n\"prefill_ms\",\"decode_ms\",\"steps\"}",
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
    return GO_ON;
}

/* "prompt 12" or "prompt "abc"": how messages name a row. */
static void row_name(const job *of, size_t row, char name[64])
{
    const buffer *id = &of->prompts.rows[row].id;
    if (of->lines == NULL)
        snprintf(name, 64, "prompt");
    else
        snprintf(name, 64, "prompt %.*s", (int)(id->length < 48 ? id->length : 48), id->bytes);
}

static ss_status encode_row(job *of, const ss_model *model, size_t row, ss_error *error)
{
    const buffer *text = &of->prompts.rows[row].text;
    const ss_chat_message message = {"user", text->bytes, text->length};
    if (of->chat)
        return tokens_from_chat(model, &message, 1, &of->tokens[row], error);
    return tokens_from_text(model, text, !of->no_special, &of->tokens[row], error);
}

/* All rows before the first is run, so that a bad one is named at once. */
static int encode(job *of, const ss_model *model, size_t *longest)
{
    ss_error error;
    char name[64];
    ss_error_init(&error, sizeof error);
    of->tokens = take_memory(of->prompts.count, sizeof *of->tokens);
    for (size_t row = 0; row < of->prompts.count; row++) {
        row_name(of, row, name);
        ss_status status = encode_row(of, model, row, &error);
        if (status == SS_ERROR_UNSUPPORTED && of->chat)
            return report("%s: %s; without --chat a prompt is taken as raw text",
                          of->settings.model, error.message);
        if (status != SS_OK)
            return report_error(name, &error);
        if (of->tokens[row].count == 0)
            return report("%s is empty", name);
        if (of->tokens[row].count > *longest)
            *longest = of->tokens[row].count;
    }
    return GO_ON;
}

static int check_lengths(const job *of, const ss_model *model)
{
    ss_model_info info = {.struct_size = sizeof info};
    char name[64];
    ss_model_get_info(model, &info, NULL);
    uint32_t context = of->settings.context > 0 ? of->settings.context : info.context_length;
    for (size_t row = 0; row < of->prompts.count; row++) {
        row_name(of, row, name);
        if (of->tokens[row].count > context)
            return report("%s has %zu tokens, the context holds %u", name,
                          of->tokens[row].count, context);
    }
    return GO_ON;
}

static void write_json(const prompt *row, size_t prompt_tokens, const answer *from)
{
    buffer line = {0};
    json_open(&line);
    json_raw(&line, "id", row->id.bytes, row->id.length);
    json_count(&line, "prompt_tokens", prompt_tokens);
    json_tokens(&line, "tokens", from->tokens.ids, from->tokens.count);
    json_key(&line, "text");
    json_string(&line, from->text.bytes, from->text.length);
    json_text(&line, "stop", from->stop);
    json_number(&line, "prefill_ms", from->prefill_ms);
    json_number(&line, "decode_ms", from->decode_ms);
    json_count(&line, "steps", from->steps);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

/* For the person who watches; never in a pipe or a log. */
static void write_speed(size_t prompt_tokens, const answer *from)
{
    if (!output_is_terminal() || isatty(STDERR_FILENO) != 1 || output_closed())
        return;
    fprintf(stderr, "\n%zu tokens in, %.0f ms; %zu out, %.0f ms (%.1f tokens/s)\n",
            prompt_tokens, from->prefill_ms, from->tokens.count, from->decode_ms,
            from->decode_ms > 0 ? (double)from->tokens.count * 1e3 / from->decode_ms : 0.0);
}

static int run_row(const job *of, const ss_model *model, ss_session *session, size_t row,
                   answer *to)
{
    ss_error error;
    char name[64];
    ss_error_init(&error, sizeof error);
    ss_status status = answer_make(model, session, &of->settings, &of->tokens[row], !of->json,
                                   to, &error);
    if (!of->json) {
        output_text("\n");
        output_flush();
    }
    if (status != SS_OK) {
        row_name(of, row, name);
        return report_error(name, &error);
    }
    if (of->json)
        write_json(&of->prompts.rows[row], of->tokens[row].count, to);
    else
        write_speed(of->tokens[row].count, to);
    return GO_ON;
}

static int run_rows(const job *of, const ss_model *model, ss_session *session)
{
    answer made = {0};
    int status = GO_ON;
    size_t row = 0;
    bool cancelled = false;
    interrupt_watch(session);
    for (; row < of->prompts.count && status == GO_ON && !cancelled && !output_closed(); row++) {
        status = run_row(of, model, session, row, &made);
        cancelled = interrupt_taken();
    }
    interrupt_watch(NULL);
    answer_free(&made);
    if (status == GO_ON && cancelled && row < of->prompts.count)
        status = report("interrupted at prompt %zu of %zu", row, of->prompts.count);
    return status;
}

static int run(job *of)
{
    ss_model *model = NULL;
    ss_session *session = NULL;
    size_t longest = 0;
    int status = prompts_read(of->text, of->file, of->lines, &of->prompts);
    if (status == GO_ON)
        status = settings_load(&of->settings, &model);
    if (status == GO_ON)
        status = encode(of, model, &longest);
    if (status == GO_ON)
        status = check_lengths(of, model);
    if (status == GO_ON)
        status = settings_session(&of->settings, model, (uint64_t)longest + of->settings.length,
                                  &session);
    if (status == GO_ON)
        status = run_rows(of, model, session);
    ss_session_free(session);
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
    for (size_t row = 0; of.tokens != NULL && row < of.prompts.count; row++)
        tokens_free(&of.tokens[row]);
    free(of.tokens);
    prompts_free(&of.prompts);
    return status == GO_ON ? EXIT_DONE : status;
}
