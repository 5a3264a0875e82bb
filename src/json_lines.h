/* SPDX-License-Identifier: Apache-2.0 */
/* A file of JSON objects, one a line; blank lines are skipped. */
#ifndef JSON_LINES_H
#define JSON_LINES_H

#include "json_read.h"

typedef struct json_lines {
    buffer file;
    size_t at;   /* byte where the next line begins */
    size_t line; /* number of the one just given, from 1 */
} json_lines;

/* Reads the file whole. GO_ON, or EXIT_ERROR after naming it and what is wrong. */
int json_lines_open(const char *path, json_lines *of);
void json_lines_close(json_lines *of);

/* A cursor over the next line; false at the end. It lives until json_lines_close. */
bool json_lines_next(json_lines *of, json_cursor *line);

/* Whether a key just read has this name. */
bool json_key_is(const buffer *key, const char *name);

/* A value that must be a string or a number, as it stands. */
bool json_read_id(json_cursor *in, buffer *id);

/* A whole line {"id", "prompt", "completion"}; other keys are passed over, and so is the completion
 * where it is NULL. *completed: whether it was there. NULL, or what is wrong with the line. */
const char *json_read_row(json_cursor *in, buffer *id, buffer *prompt, buffer *completion,
                          bool *completed);

/* Numbers: one, or an array's, of which the first `most` are kept and *count tells how many. null
 * is NaN, as json_write has it. */
bool json_read_number(json_cursor *in, double *value);
bool json_read_numbers(json_cursor *in, double *values, size_t most, size_t *count);

#endif
