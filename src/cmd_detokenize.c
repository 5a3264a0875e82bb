/* SPDX-License-Identifier: Apache-2.0 */
/* detokenize: the way back from tokenize, byte for byte. */
#include "commands.h"
#include "input.h"
#include "output.h"
#include "report.h"
#include "settings.h"
#include "tokens.h"

#include <stdlib.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

/* Ids separated by blanks. */
static int read_ids(const buffer *text, token_list *to)
{
    for (size_t at = 0; at < text->length;) {
        if (is_blank(text->bytes[at])) {
            at++;
            continue;
        }
        size_t begin = at;
        int64_t id = 0;
        bool valid = true;
        for (; at < text->length && !is_blank(text->bytes[at]); at++) {
            char digit = text->bytes[at];
            valid = valid && digit >= '0' && digit <= '9' && id <= INT32_MAX;
            id = valid ? id * 10 + (digit - '0') : 0;
        }
        if (!valid || id > INT32_MAX)
            return report("standard input, byte %zu: '%.*s' is no token id", begin + 1,
                          (int)(at - begin < 32 ? at - begin : 32), text->bytes + begin);
        int32_t token = (int32_t)id;
        tokens_add(to, &token, 1);
    }
    return GO_ON;
}

static int print_text(const ss_model *model, const token_list *tokens, bool special)
{
    ss_error error;
    size_t length = 0;
    /* What tokenize puts before every text is no part of it. */
    size_t first = tokens->count > 0 && tokens->ids[0] == tokens_bos(model);
    const int32_t *ids = tokens->count > 0 ? tokens->ids + first : NULL;
    size_t count = tokens->count - first;
    ss_error_init(&error, sizeof error);
    ss_status status = ss_detokenize(model, ids, count, special, NULL, 0, &length, &error);
    if (status != SS_OK && status != SS_ERROR_CAPACITY)
        return report_error("standard input", &error);
    char *text = take_memory(length, 1);
    status = ss_detokenize(model, ids, count, special, text, length, &length, &error);
    if (status == SS_OK)
        output_bytes(text, length);
    free(text);
    return status == SS_OK ? EXIT_DONE : report_error("standard input", &error);
}

static int run(const settings *from, bool special)
{
    buffer text = {0};
    token_list tokens = {0};
    ss_model *model = NULL;
    int status = input_read("-", &text);
    if (status == GO_ON)
        status = read_ids(&text, &tokens);
    if (status == GO_ON)
        status = settings_load(from, &model);
    if (status == GO_ON)
        status = print_text(model, &tokens, special);
    ss_model_free(model);
    tokens_free(&tokens);
    buffer_free(&text);
    return status;
}

int cmd_detokenize(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    bool no_special = false;
    const option options[] = {
        MODEL_OPTION(from),
        {OPTION_FLAG, "--no-special", 0, "leave special tokens out", &no_special, 0, 0, 0},
    };
    const command_line line = {
        .command = "detokenize",
        .summary = "Turns token ids on standard input, separated by blanks, into text.",
        .usage = "-m MODEL [--no-special] < IDS",
        .notes = "Gives the very bytes that tokenize was given: no newline is added, and a\n"
                 "beginning-of-text token that tokenize has added is left out.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (from.model == NULL)
        return usage_error("detokenize", "-m MODEL is missing");
    return run(&from, !no_special);
}
