/* SPDX-License-Identifier: Apache-2.0 */
#include "train_rows.h"
#include "json_lines.h"
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* No token is longer: a text of more than this many bytes a token is too long without being
 * encoded. */
#define TOKEN_BYTES_MOST 256u

static void add_fault(train_rows *to, row_fault kind, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void add_fault(train_rows *to, row_fault kind, size_t line, const char *format, ...)
{
    to->faults[kind]++;
    if (to->named_count == FAULTS_NAMED)
        return;
    char *text = to->named[to->named_count++];
    const size_t room = sizeof to->named[0];
    va_list arguments;
    int length = snprintf(text, room, "line %zu: ", line);
    va_start(arguments, format);
    vsnprintf(text + length, room - (size_t)length, format, arguments);
    va_end(arguments);
}

static train_row *add_row(train_rows *to)
{
    to->rows = grow_memory(to->rows, to->count, &to->capacity, sizeof *to->rows);
    return &to->rows[to->count++];
}

static void free_row(train_row *row)
{
    buffer_free(&row->id);
    buffer_free(&row->prompt);
    buffer_free(&row->completion);
    tokens_free(&row->tokens);
}

static int none_left(const train_rows *of)
{
    if (of->named_count == 0)
        return report("%s: no rows", of->path);
    return report("%s: none of %zu rows can be used; %s", of->path, of->lines, of->named[0]);
}

int train_rows_read(const char *path, train_rows *to)
{
    json_lines lines;
    json_cursor in;
    *to = (train_rows){.path = path};
    int status = json_lines_open(path, &lines);
    while (status == GO_ON && json_lines_next(&lines, &in)) {
        train_row row = {.line = lines.line};
        const char *problem =
            json_read_row(&in, &row.id, &row.prompt, &row.completion, &row.answered);
        to->lines++;
        if (problem == NULL) {
            *add_row(to) = row;
            continue;
        }
        add_fault(to, ROW_MALFORMED, lines.line, "%s, at byte %zu", problem,
                  (size_t)(in.at - in.begin) + 1);
        free_row(&row);
    }
    json_lines_close(&lines);
    return status == GO_ON && to->count == 0 ? none_left(to) : status;
}

int32_t train_rows_end_token(const row_format *how)
{
    const ss_chat_message turn[] = {{"user", "", 0}, {"assistant", "", 0}};
    token_list open = {0}, closed = {0};
    ss_model_info info = {.struct_size = sizeof info};
    int32_t token = -1;
    ss_model_get_info(how->model, &info, NULL);
    /* The template puts it right behind an answer; here behind an empty one. */
    if (!how->raw && tokens_from_chat(how->model, turn, 1, &open, NULL) == SS_OK &&
        ss_chat_format(how->model, turn, 2, false, NULL, 0, &closed.count, NULL) ==
            SS_ERROR_CAPACITY) {
        closed.capacity = closed.count;
        closed.ids = take_memory(closed.capacity, sizeof *closed.ids);
        if (ss_chat_format(how->model, turn, 2, false, closed.ids, closed.capacity,
                           &closed.count, NULL) == SS_OK &&
            closed.count > open.count)
            token = closed.ids[open.count];
    }
    tokens_free(&open);
    tokens_free(&closed);
    return token >= 0 && ss_token_is_end(how->model, token) ? token : info.eos_token;
}

/* With a template: its turns, and the answer apart, as it would be drawn. */
static ss_status encode_chat(const row_format *how, train_row *row, token_list *answer,
                             ss_error *error)
{
    const ss_chat_message message = {"user", row->prompt.bytes, row->prompt.length};
    ss_status status = tokens_from_chat(how->model, &message, 1, &row->tokens, error);
    row->prompt_count = row->tokens.count;
    if (status == SS_OK && row->completion.length > 0)
        status = tokens_from_answer(how->model, &row->completion, answer, error);
    if (status == SS_OK)
        tokens_add(&row->tokens, answer->ids, answer->count);
    return status;
}

/* Raw text is encoded as a whole: the prompt ends where its own tokens and the whole's part. */
static ss_status encode_raw(const row_format *how, train_row *row, token_list *whole,
                            ss_error *error)
{
    buffer text = {0};
    size_t shared = 0;
    ss_status status = tokens_from_text(how->model, &row->prompt, true, &row->tokens, error);
    buffer_append(&text, row->prompt.bytes, row->prompt.length);
    buffer_append(&text, row->completion.bytes, row->completion.length);
    if (status == SS_OK)
        status = tokens_from_text(how->model, &text, true, whole, error);
    buffer_free(&text);
    if (status != SS_OK)
        return status;
    while (shared < whole->count && shared < row->tokens.count &&
           whole->ids[shared] == row->tokens.ids[shared])
        shared++;
    row->prompt_count = shared;
    row->tokens.count = shared;
    tokens_add(&row->tokens, whole->ids + shared, whole->count - shared);
    return SS_OK;
}

static bool check_row(train_rows *of, const row_format *how, const train_row *row)
{
    size_t behind = row->tokens.count - row->prompt_count;
    if (row->tokens.count > how->tokens_max)
        add_fault(of, ROW_TOO_LONG, row->line, "%zu tokens, at most %u are taken",
                  row->tokens.count, how->tokens_max);
    else if (row->prompt_count == 0)
        add_fault(of, ROW_EMPTY, row->line, "the prompt has no tokens");
    else if (!how->prompts_only && behind < 2)
        add_fault(of, ROW_EMPTY, row->line, "%zu tokens behind the prompt, 2 are needed",
                  behind);
    else
        return true;
    return false;
}

/* Encodes a row; false where it has a fault, which is added to *of, or *status is no longer
 * SS_OK. */
static bool encode_row(train_rows *of, const row_format *how, int32_t end, train_row *row,
                       token_list *scratch, ss_status *status, ss_error *error)
{
    size_t bytes = row->prompt.length + row->completion.length;
    if (bytes / TOKEN_BYTES_MOST > how->tokens_max) {
        add_fault(of, ROW_TOO_LONG, row->line, "%zu bytes are more than %u tokens", bytes,
                  how->tokens_max);
        return false;
    }
    if (how->prompts_only)
        buffer_clear(&row->completion);
    else if (!row->answered) {
        add_fault(of, ROW_MALFORMED, row->line, "no \"completion\"");
        return false;
    }
    if (row->prompt.length == 0 || (!how->prompts_only && row->completion.length == 0)) {
        add_fault(of, ROW_EMPTY, row->line, "the %s is empty",
                  row->prompt.length == 0 ? "prompt" : "completion");
        return false;
    }
    scratch->count = 0;
    *status =
        how->raw ? encode_raw(how, row, scratch, error) : encode_chat(how, row, scratch, error);
    if (*status != SS_OK)
        return false;
    if (!how->prompts_only && end >= 0)
        tokens_add(&row->tokens, &end, 1);
    return check_row(of, how, row);
}

/* Moves a good row up to the others, frees another. */
static void keep_row(train_rows *of, train_row *row, size_t *kept, bool good)
{
    train_row moved = *row;
    if (!good)
        free_row(row);
    *row = (train_row){0};
    if (good)
        of->rows[(*kept)++] = moved;
}

int train_rows_check(train_rows *of, const row_format *how)
{
    size_t kept = 0;
    for (size_t i = 0; i < of->count; i++)
        keep_row(of, &of->rows[i], &kept, check_row(of, how, &of->rows[i]));
    of->count = kept;
    return kept == 0 ? none_left(of) : GO_ON;
}

int train_rows_encode(train_rows *of, const row_format *how)
{
    const int32_t end = train_rows_end_token(how);
    const size_t most = how->rows_max > 0 ? how->rows_max : SIZE_MAX;
    token_list scratch = {0};
    ss_status status = SS_OK;
    ss_error error;
    size_t kept = 0;
    ss_error_init(&error, sizeof error);
    for (size_t i = 0; i < of->count; i++) {
        train_row *row = &of->rows[i];
        keep_row(of, row, &kept,
                 kept < most && status == SS_OK &&
                     encode_row(of, how, end, row, &scratch, &status, &error));
    }
    of->count = kept;
    tokens_free(&scratch);
    if (status == SS_ERROR_UNSUPPORTED && !how->raw)
        return report("%s (--raw trains on the text as it stands)", error.message);
    if (status != SS_OK)
        return report_error(of->path, &error);
    return kept == 0 ? none_left(of) : GO_ON;
}

void train_rows_report(const train_rows *of)
{
    size_t sum = 0;
    for (int kind = 0; kind < ROW_FAULTS; kind++)
        sum += of->faults[kind];
    for (size_t i = 0; i < of->named_count; i++)
        report("%s, %s", of->path, of->named[i]);
    if (sum > 0)
        report("%s: %zu of %zu rows left out (malformed %zu, empty %zu, too long %zu)",
               of->path, sum, of->lines, of->faults[ROW_MALFORMED], of->faults[ROW_EMPTY],
               of->faults[ROW_TOO_LONG]);
}

void train_rows_free(train_rows *of)
{
    for (size_t i = 0; i < of->count; i++)
        free_row(&of->rows[i]);
    free(of->rows);
    *of = (train_rows){0};
}
