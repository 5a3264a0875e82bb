/* SPDX-License-Identifier: Apache-2.0 */
#include "json_read.h"
#include "utf8.h"

#include <stdint.h>
#include <string.h>

#define DEEPEST 64 /* nested arrays and objects */

void json_begin(json_cursor *in, const char *bytes, size_t length)
{
    *in = (json_cursor){.begin = bytes, .at = bytes, .end = bytes + length};
}

static bool fail(json_cursor *in, const char *problem)
{
    if (in->problem == NULL)
        in->problem = problem;
    return false;
}

static void skip_blanks(json_cursor *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' ||
                                *in->at == '\r'))
        in->at++;
}

/* Passes one character of punctuation, blanks before it included. */
static bool pass(json_cursor *in, char wanted)
{
    skip_blanks(in);
    if (in->problem != NULL || in->at == in->end || *in->at != wanted)
        return false;
    in->at++;
    return true;
}

static bool read_hex(json_cursor *in, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit =
            in->at < in->end && *in->at != '\0' ? strchr(digits, *in->at) : NULL;
        if (digit == NULL)
            return fail(in, "four hexadecimal digits expected after \\u");
        *code = *code << 4 | ((uint32_t)(digit - digits) & 15u);
    }
    return true;
}

/* After "\u". */
static bool read_code(json_cursor *in, buffer *to)
{
    uint32_t code, low;
    char bytes[4];
    if (!read_hex(in, &code))
        return false;
    if (code >= 0xd800 && code <= 0xdfff) {
        bool paired = code <= 0xdbff && in->end - in->at >= 2 && in->at[0] == '\\' &&
                      in->at[1] == 'u';
        if (paired) {
            in->at += 2;
            if (!read_hex(in, &low))
                return false;
            paired = low >= 0xdc00 && low <= 0xdfff;
        }
        if (!paired)
            return fail(in, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    buffer_append(to, bytes, utf8_encode(code, bytes));
    return true;
}

static bool read_escape(json_cursor *in, buffer *to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end)
        return fail(in, "the string does not end");
    char name = *in->at++;
    if (name == 'u')
        return read_code(in, to);
    const char *found = name != '\0' ? strchr(names, name) : NULL;
    if (found == NULL)
        return fail(in, "unknown escape");
    buffer_append(to, &values[found - names], 1);
    return true;
}

bool json_read_string(json_cursor *in, buffer *to)
{
    if (!pass(in, '"'))
        return fail(in, "a string expected");
    while (in->at < in->end && *in->at != '"') {
        if ((unsigned char)*in->at < ' ')
            return fail(in, "a control character in a string");
        if (*in->at == '\\') {
            in->at++;
            if (!read_escape(in, to))
                return false;
            continue;
        }
        size_t length = utf8_length(in->at, (size_t)(in->end - in->at));
        if (length == 0)
            return fail(in, "invalid UTF-8");
        buffer_append(to, in->at, length);
        in->at += length;
    }
    if (in->at == in->end)
        return fail(in, "the string does not end");
    in->at++;
    return true;
}

static bool skip_string(json_cursor *in)
{
    buffer ignored = {0};
    bool read = json_read_string(in, &ignored);
    buffer_free(&ignored);
    return read;
}

static size_t skip_digits(json_cursor *in)
{
    const char *from = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return (size_t)(in->at - from);
}

static bool skip_number(json_cursor *in)
{
    if (in->at < in->end && *in->at == '-')
        in->at++;
    bool zero = in->at < in->end && *in->at == '0';
    size_t digits = skip_digits(in);
    if (digits == 0 || (zero && digits > 1))
        return fail(in, "not a number");
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (skip_digits(in) == 0)
            return fail(in, "not a number");
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        if (skip_digits(in) == 0)
            return fail(in, "not a number");
    }
    return true;
}

static bool skip_word(json_cursor *in)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(in->end - in->at) >= length && memcmp(in->at, words[i], length) == 0) {
            in->at += length;
            return true;
        }
    }
    return fail(in, "a value expected");
}

static bool skip_value(json_cursor *in, int depth);

/* The members of an array or object, after its opening bracket. */
static bool skip_members(json_cursor *in, char close, int depth)
{
    if (depth == DEEPEST)
        return fail(in, "nested too deep");
    if (pass(in, close))
        return true;
    do {
        skip_blanks(in);
        if (close == '}' && (!skip_string(in) || !pass(in, ':')))
            return fail(in, "a key and ':' expected");
        if (!skip_value(in, depth + 1))
            return false;
    } while (pass(in, ','));
    return pass(in, close) || fail(in, "',' or a closing bracket expected");
}

static bool skip_value(json_cursor *in, int depth)
{
    skip_blanks(in);
    if (in->problem != NULL || in->at == in->end)
        return fail(in, "a value expected");
    switch (*in->at) {
    case '"':
        return skip_string(in);
    case '{':
        in->at++;
        return skip_members(in, '}', depth);
    case '[':
        in->at++;
        return skip_members(in, ']', depth);
    case 't':
    case 'f':
    case 'n':
        return skip_word(in);
    default:
        return skip_number(in);
    }
}

bool json_read_raw(json_cursor *in, const char **raw, size_t *length)
{
    skip_blanks(in);
    *raw = in->at;
    if (!skip_value(in, 0))
        return false;
    *length = (size_t)(in->at - *raw);
    return true;
}

bool json_read_open(json_cursor *in)
{
    return pass(in, '{') || fail(in, "an object expected");
}

bool json_read_key(json_cursor *in, buffer *key)
{
    bool first = in->at > in->begin && in->at[-1] == '{';
    if (pass(in, '}'))
        return false;
    if (!first && !pass(in, ','))
        return fail(in, "',' or '}' expected");
    buffer_clear(key);
    return json_read_string(in, key) && (pass(in, ':') || fail(in, "':' expected"));
}

bool json_read_end(json_cursor *in)
{
    skip_blanks(in);
    return in->problem == NULL && (in->at == in->end || fail(in, "something follows the object"));
}
