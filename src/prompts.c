/* SPDX-License-Identifier: Apache-2.0 */
#include "prompts.h"
#include "input.h"
#include "json_read.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

static prompt *add_row(prompts *to)
{
    if (to->count == to->capacity) {
        to->capacity = to->capacity > 0 ? 2 * to->capacity : 16;
        prompt *rows = take_memory(to->capacity, sizeof *rows);
        if (to->count > 0)
            memcpy(rows, to->rows, to->count * sizeof *rows);
        free(to->rows);
        to->rows = rows;
    }
    return &to->rows[to->count++];
}

static bool is_key(const buffer *key, const char *name)
{
    return key->length == strlen(name) && memcmp(key->bytes, name, key->length) == 0;
}

static bool read_id(json_cursor *in, buffer *id)
{
    const char *raw;
    size_t length;
    if (!json_read_raw(in, &raw, &length))
        return false;
    if (*raw != '"' && *raw != '-' && (*raw < '0' || *raw > '9')) {
        in->problem = "\"id\" must be a string or a number";
        return false;
    }
    buffer_clear(id);
    buffer_append(id, raw, length);
    return true;
}

/* One line; problem: NULL, or what is wrong with it. */
static const char *read_row(json_cursor *in, prompt *row)
{
    buffer key = {0};
    const char *raw;
    size_t length;
    bool has_prompt = false;
    json_read_open(in);
    while (in->problem == NULL && json_read_key(in, &key)) {
        if (is_key(&key, "id")) {
            read_id(in, &row->id);
        } else if (is_key(&key, "prompt")) {
            buffer_clear(&row->text);
            has_prompt = json_read_string(in, &row->text);
        } else {
            json_read_raw(in, &raw, &length);
        }
    }
    json_read_end(in);
    buffer_free(&key);
    return in->problem == NULL && !has_prompt ? "no \"prompt\"" : in->problem;
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    return true;
}

static int read_lines(const char *path, prompts *to)
{
    buffer file = {0};
    int status = input_read(path, &file);
    const char *at = file.bytes, *end = file.bytes + file.length;
    for (size_t line = 1; status == GO_ON && file.length > 0 && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline != NULL ? newline : end) - at);
        if (!is_blank(at, length)) {
            prompt *row = add_row(to);
            json_cursor in;
            buffer_format(&row->id, "%zu", to->count - 1);
            json_begin(&in, at, length);
            const char *problem = read_row(&in, row);
            if (problem != NULL)
                status = report("%s, line %zu, byte %zu: %s", path, line,
                                (size_t)(in.at - in.begin) + 1, problem);
        }
        at += length + (newline != NULL);
    }
    if (status == GO_ON && to->count == 0)
        status = report("%s: no prompts", path);
    buffer_free(&file);
    return status;
}

int prompts_read(const char *text, const char *file, const char *lines, prompts *to)
{
    *to = (prompts){0};
    if (lines != NULL)
        return read_lines(lines, to);
    prompt *row = add_row(to);
    buffer_text(&row->id, "0");
    if (text != NULL) {
        buffer_text(&row->text, text);
        return GO_ON;
    }
    return input_read(file, &row->text);
}

void prompts_free(prompts *of)
{
    for (size_t i = 0; i < of->count; i++) {
        buffer_free(&of->rows[i].id);
        buffer_free(&of->rows[i].text);
    }
    free(of->rows);
    *of = (prompts){0};
}
