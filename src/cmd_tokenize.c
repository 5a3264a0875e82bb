/* SPDX-License-Identifier: Apache-2.0 */
/* tokenize: standard input to token ids, on one line. */
#include "commands.h"
#include "input.h"
#include "output.h"
#include "report.h"
#include "settings.h"
#include "tokens.h"

#include <inttypes.h>

static int print_tokens(const settings *from, const buffer *text, bool special)
{
    ss_model *model;
    ss_error error;
    token_list tokens = {0};
    int status = settings_load(from, &model);
    if (status != GO_ON)
        return status;
    ss_error_init(&error, sizeof error);
    if (tokens_from_text(model, text, special, &tokens, &error) != SS_OK)
        status = report_error("standard input", &error);
    for (size_t i = 0; i < tokens.count; i++)
        output_format(i > 0 ? " %" PRId32 : "%" PRId32, tokens.ids[i]);
    if (status == GO_ON)
        output_text("\n");
    tokens_free(&tokens);
    ss_model_free(model);
    return status == GO_ON ? EXIT_DONE : status;
}

int cmd_tokenize(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    bool no_special = false;
    buffer text = {0};
    const option options[] = {
        MODEL_OPTION(from),
        {OPTION_FLAG, "--no-special", 0, "special tokens written in the text are plain text",
         &no_special, 0, 0, 0},
    };
    const command_line line = {
        .command = "tokenize",
        .summary = "Turns standard input into token ids: one line, separated by spaces.",
        .usage = "-m MODEL [--no-special] < TEXT",
        .notes = "The text is taken byte for byte, a last newline included.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (from.model == NULL)
        return usage_error("tokenize", "-m MODEL is missing");
    status = input_read("-", &text);
    if (status == GO_ON)
        status = print_tokens(&from, &text, !no_special);
    buffer_free(&text);
    return status;
}
