/* SPDX-License-Identifier: Apache-2.0 */
#include "prompts.h"
#include "input.h"
#include "json_lines.h"
#include "report.h"

#include <stdlib.h>

static prompt *add_row(prompts *to)
{
    to->rows = grow_memory(to->rows, to->count, &to->capacity, sizeof *to->rows);
    return &to->rows[to->count++];
}

static int read_lines(const char *path, prompts *to)
{
    json_lines lines;
    json_cursor in;
    int status = json_lines_open(path, &lines);
    while (status == GO_ON && json_lines_next(&lines, &in)) {
        prompt *row = add_row(to);
        buffer_format(&row->id, "%zu", to->count - 1);
        const char *problem = json_read_row(&in, &row->id, &row->text, NULL, NULL);
        if (problem != NULL)
            status = report("%s, line %zu, byte %zu: %s", path, lines.line,
                            (size_t)(in.at - in.begin) + 1, problem);
    }
    if (status == GO_ON && to->count == 0)
        status = report("%s: no prompts", path);
    json_lines_close(&lines);
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
