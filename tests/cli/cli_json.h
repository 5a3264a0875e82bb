/* SPDX-License-Identifier: Apache-2.0 */
/* A second opinion on the program's JSON: a validator that shares nothing with its writer, and a
 * look-up of top-level keys. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <string.h>

#include "cli_run.h"

/* Each of these passes one thing, or gives NULL. */
static inline const char *json_pass(const char *at);

static inline const char *json_pass_character(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (byte[0] < 0x20)
        return NULL;
    if (byte[0] == '\\') {
        if (byte[1] == 'u') {
            for (int i = 2; i < 6; i++)
                if (byte[i] == 0 || strchr("0123456789abcdefABCDEF", byte[i]) == NULL)
                    return NULL;
            return at + 6;
        }
        return byte[1] != 0 && strchr("\"\\/bfnrt", byte[1]) != NULL ? at + 2 : NULL;
    }
    if (byte[0] < 0x80)
        return at + 1;
    int more = byte[0] >= 0xc2 && byte[0] <= 0xdf   ? 1
               : byte[0] >= 0xe0 && byte[0] <= 0xef ? 2
               : byte[0] >= 0xf0 && byte[0] <= 0xf4 ? 3
                                                    : 0;
    if (more == 0 || (byte[0] == 0xe0 && byte[1] < 0xa0) ||
        (byte[0] == 0xed && byte[1] > 0x9f) || (byte[0] == 0xf0 && byte[1] < 0x90) ||
        (byte[0] == 0xf4 && byte[1] > 0x8f))
        return NULL;
    for (int i = 1; i <= more; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return NULL;
    return at + 1 + more;
}

static inline const char *json_pass_string(const char *at)
{
    if (at == NULL || *at++ != '"')
        return NULL;
    while (at != NULL && *at != '"')
        at = json_pass_character(at);
    return at != NULL ? at + 1 : NULL;
}

static inline const char *json_pass_number(const char *at)
{
    if (*at == '-')
        at++;
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || (digits > 1 && *at == '0'))
        return NULL;
    at += digits;
    if (*at == '.') {
        if ((digits = strspn(++at, "0123456789")) == 0)
            return NULL;
        at += digits;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        if ((digits = strspn(at, "0123456789")) == 0)
            return NULL;
        at += digits;
    }
    return at;
}

/* The program writes no blanks; none are taken. */
static inline const char *json_pass_members(const char *at, char close)
{
    if (*++at == close)
        return at + 1;
    for (;; at++) {
        if (close == '}') {
            at = json_pass_string(at);
            if (at == NULL || *at++ != ':')
                return NULL;
        }
        at = json_pass(at);
        if (at == NULL)
            return NULL;
        if (*at == close)
            return at + 1;
        if (*at != ',')
            return NULL;
    }
}

static inline const char *json_pass(const char *at)
{
    if (*at == '{')
        return json_pass_members(at, '}');
    if (*at == '[')
        return json_pass_members(at, ']');
    if (*at == '"')
        return json_pass_string(at);
    if (strncmp(at, "null", 4) == 0 || strncmp(at, "true", 4) == 0)
        return at + 4;
    if (strncmp(at, "false", 5) == 0)
        return at + 5;
    return json_pass_number(at);
}

/* The value of a top-level key in the object at `line`, as it stands; fails where the line is no
 * valid object or lacks the key. Ends where json_pass says. */
static inline const char *json_value(const char *line, const char *key)
{
    const char *end = *line == '{' ? json_pass(line) : NULL, *at = line + 1;
    if (end == NULL || (*end != '\n' && *end != '\0'))
        fail_msg("not one JSON object: %s", line);
    while (at < end - 1) {
        const char *after = json_pass_string(at);
        if (after == NULL)
            break;
        const char *value = after + 1;
        size_t length = (size_t)(after - at) - 2;
        if (strlen(key) == length && memcmp(at + 1, key, length) == 0)
            return value;
        at = json_pass(value);
        if (at == NULL)
            break;
        at++;
    }
    fail_msg("no key %s: %s", key, line);
    abort(); /* fail_msg does not come back; the compiler can't know */
}

/* Whether the value is these very characters. */
static inline void json_is(const char *line, const char *key, const char *wanted)
{
    const char *value = json_value(line, key);
    size_t length = (size_t)(json_pass(value) - value);
    if (strlen(wanted) != length || memcmp(value, wanted, length) != 0)
        fail_msg("\"%s\" is %.*s, not %s", key, (int)length, value, wanted);
}

static inline double json_double(const char *line, const char *key)
{
    const char *value = json_value(line, key);
    assert_non_null(json_pass_number(value));
    return strtod(value, NULL);
}

/* The value, copied. */
static inline char *json_copy(const char *line, const char *key)
{
    const char *value = json_value(line, key);
    return strndup(value, (size_t)(json_pass(value) - value));
}

/* The line after this one, or NULL at the end. */
static inline const char *json_next_line(const char *line)
{
    const char *newline = strchr(line, '\n');
    return newline != NULL && newline[1] != '\0' ? newline + 1 : NULL;
}

#endif
