/* SPDX-License-Identifier: Apache-2.0 */
/* A strict JSON reader (RFC 8259): valid UTF-8, no trailing comma, surrogate pairs whole. The
 * first problem sticks in the cursor; everything after it returns false. */
#ifndef JSON_READ_H
#define JSON_READ_H

#include "buffer.h"

#include <stdbool.h>

typedef struct json_cursor {
    const char *begin, *at, *end;
    const char *problem; /* "a string expected", at byte at - begin; NULL: none so far */
} json_cursor;

void json_begin(json_cursor *in, const char *bytes, size_t length);

/* Enters an object. */
bool json_read_open(json_cursor *in);

/* The next key, decoded; false at the end of the object, or on a problem. */
bool json_read_key(json_cursor *in, buffer *key);

/* A string value, decoded into `to`. */
bool json_read_string(json_cursor *in, buffer *to);

/* Any value, as it stands. */
bool json_read_raw(json_cursor *in, const char **raw, size_t *length);

/* Whether nothing but blanks follows. */
bool json_read_end(json_cursor *in);

#endif
