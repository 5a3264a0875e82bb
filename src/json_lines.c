/* SPDX-License-Identifier: Apache-2.0 */
#include "json_lines.h"
#include "input.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int json_lines_open(const char *path, json_lines *of)
{
    static const char mark[] = "\xef\xbb\xbf"; /* that some editors begin UTF-8 with */
    *of = (json_lines){0};
    int status = input_read(path, &of->file);
    const size_t length = sizeof mark - 1;
    if (of->file.length >= length && memcmp(of->file.bytes, mark, length) == 0)
        of->at = length;
    return status;
}

void json_lines_close(json_lines *of)
{
    buffer_free(&of->file);
    *of = (json_lines){0};
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    return true;
}

bool json_lines_next(json_lines *of, json_cursor *line)
{
    while (of->at < of->file.length) {
        const char *begin = of->file.bytes + of->at;
        size_t left = of->file.length - of->at;
        const char *newline = memchr(begin, '\n', left);
        size_t length = newline != NULL ? (size_t)(newline - begin) : left;
        of->at += length + (newline != NULL);
        of->line++;
        if (!is_blank(begin, length)) {
            json_begin(line, begin, length);
            return true;
        }
    }
    return false;
}

bool json_key_is(const buffer *key, const char *name)
{
    return key->length == strlen(name) && memcmp(key->bytes, name, key->length) == 0;
}

bool json_read_id(json_cursor *in, buffer *id)
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

const char *json_read_row(json_cursor *in, buffer *id, buffer *prompt, buffer *completion,
                          bool *completed)
{
    buffer key = {0};
    const char *raw;
    size_t length;
    bool prompted = false;
    json_read_open(in);
    while (in->problem == NULL && json_read_key(in, &key)) {
        if (json_key_is(&key, "id")) {
            json_read_id(in, id);
        } else if (json_key_is(&key, "prompt")) {
            buffer_clear(prompt);
            prompted = json_read_string(in, prompt);
        } else if (completion != NULL && json_key_is(&key, "completion")) {
            buffer_clear(completion);
            *completed = json_read_string(in, completion);
        } else {
            json_read_raw(in, &raw, &length);
        }
    }
    json_read_end(in);
    buffer_free(&key);
    return in->problem == NULL && !prompted ? "no \"prompt\"" : in->problem;
}

bool json_read_numbers(json_cursor *in, double *values, size_t most, size_t *count)
{
    const char *raw;
    size_t length;
    *count = 0;
    if (!json_read_raw(in, &raw, &length))
        return false;
    const char *end = raw + length;
    bool list = *raw == '[';
    raw += list;
    for (; raw < end && *raw != ']'; raw++) { /* well-formed already: only its kind is open */
        char text[32];
        size_t digits = 0;
        while (raw < end && strchr("+-.0123456789eE", *raw) != NULL && *raw != '\0') {
            if (digits + 1 < sizeof text)
                text[digits++] = *raw;
            raw++;
        }
        text[digits] = '\0';
        bool none = digits == 0 && end - raw >= 4 && memcmp(raw, "null", 4) == 0;
        raw += none ? 4 : 0;
        if ((digits > 0 || none) && *count < most)
            values[(*count)++] = none ? (double)NAN : strtod(text, NULL);
        if (raw == end || *raw == ']')
            break;
        if (strchr(", \t\r\n", *raw) == NULL) {
            in->problem = list ? "numbers expected" : "a number expected";
            return false;
        }
    }
    return true;
}

bool json_read_number(json_cursor *in, double *value)
{
    size_t count;
    if (!json_read_numbers(in, value, 1, &count))
        return false;
    if (count == 1)
        return true;
    in->problem = "a number expected";
    return false;
}
