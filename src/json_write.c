/* SPDX-License-Identifier: Apache-2.0 */
#include "json_write.h"
#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_open(buffer *to)
{
    buffer_text(to, "{");
}

void json_close(buffer *to)
{
    buffer_text(to, "}");
}

void json_key(buffer *to, const char *key)
{
    if (to->length > 0 && to->bytes[to->length - 1] != '{')
        buffer_text(to, ",");
    json_string(to, key, strlen(key));
    buffer_text(to, ":");
}

void json_object(buffer *to, const char *key)
{
    json_key(to, key);
    json_open(to);
}

void json_number(buffer *to, const char *key, double value)
{
    json_key(to, key);
    if (isfinite(value))
        buffer_format(to, "%.10g", value);
    else
        buffer_text(to, "null");
}

void json_count(buffer *to, const char *key, uint64_t value)
{
    json_key(to, key);
    buffer_format(to, "%" PRIu64, value);
}

void json_bool(buffer *to, const char *key, bool value)
{
    json_key(to, key);
    buffer_text(to, value ? "true" : "false");
}

void json_text(buffer *to, const char *key, const char *value)
{
    json_key(to, key);
    json_string(to, value, strlen(value));
}

void json_raw(buffer *to, const char *key, const char *json, size_t length)
{
    json_key(to, key);
    buffer_append(to, json, length);
}

void json_tokens(buffer *to, const char *key, const int32_t *tokens, size_t count)
{
    json_key(to, key);
    buffer_text(to, "[");
    for (size_t i = 0; i < count; i++)
        buffer_format(to, i > 0 ? ",%" PRId32 : "%" PRId32, tokens[i]);
    buffer_text(to, "]");
}

void json_string(buffer *to, const char *bytes, size_t length)
{
    buffer_text(to, "\"");
    for (size_t at = 0, run; at < length; at += run) {
        unsigned char byte = (unsigned char)bytes[at];
        run = utf8_length(bytes + at, length - at);
        if (run == 0) {
            buffer_text(to, "\xef\xbf\xbd");
            run = 1;
        } else if (byte == '"' || byte == '\\') {
            buffer_format(to, "\\%c", byte);
        } else if (byte == '\n') {
            buffer_text(to, "\\n");
        } else if (byte < ' ' || byte == 0x7f) {
            buffer_format(to, "\\u%04x", byte);
        } else {
            buffer_append(to, bytes + at, run);
        }
    }
    buffer_text(to, "\"");
}
