/* SPDX-License-Identifier: Apache-2.0 */
#include "prompt_tokens.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

void prompt_tokens_name(const prompt_tokens *of, size_t row, char name[64])
{
    const buffer *id = &of->prompts.rows[row].id;
    if (!of->named)
        snprintf(name, 64, "prompt");
    else
        snprintf(name, 64, "prompt %.*s", (int)(id->length < 48 ? id->length : 48), id->bytes);
}

static int check_lengths(const prompt_tokens *of, const settings *from, const ss_model *model)
{
    ss_model_info info = {.struct_size = sizeof info};
    char name[64];
    ss_model_get_info(model, &info, NULL);
    uint32_t context = from->context > 0 ? from->context : info.context_length;
    for (size_t row = 0; row < of->prompts.count; row++) {
        prompt_tokens_name(of, row, name);
        if (of->rows[row].count > context)
            return report("%s has %zu tokens, the context holds %u", name, of->rows[row].count,
                          context);
    }
    return GO_ON;
}

int prompt_tokens_encode(prompt_tokens *of, const settings *from, const ss_model *model,
                         bool chat, bool no_special)
{
    ss_error error;
    char name[64];
    ss_error_init(&error, sizeof error);
    of->rows = take_memory(of->prompts.count, sizeof *of->rows);
    for (size_t row = 0; row < of->prompts.count; row++) {
        const buffer *text = &of->prompts.rows[row].text;
        const ss_chat_message message = {"user", text->bytes, text->length};
        ss_status status =
            chat ? tokens_from_chat(model, &message, 1, &of->rows[row], &error)
                 : tokens_from_text(model, text, !no_special, &of->rows[row], &error);
        prompt_tokens_name(of, row, name);
        if (status == SS_ERROR_UNSUPPORTED && chat)
            return report("%s: %s; without --chat a prompt is taken as raw text", from->model,
                          error.message);
        if (status != SS_OK)
            return report_error(name, &error);
        if (of->rows[row].count == 0)
            return report("%s is empty", name);
        if (of->rows[row].count > of->longest)
            of->longest = of->rows[row].count;
    }
    return check_lengths(of, from, model);
}

void prompt_tokens_free(prompt_tokens *of)
{
    for (size_t row = 0; of->rows != NULL && row < of->prompts.count; row++)
        tokens_free(&of->rows[row]);
    free(of->rows);
    prompts_free(&of->prompts);
    *of = (prompt_tokens){0};
}
