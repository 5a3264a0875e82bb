/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON objects into a buffer. Commas are put where they belong: before every key but an
 * object's first. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include "buffer.h"

#include <stdbool.h>
#include <stdint.h>

void json_open(buffer *to);                   /* { */
void json_close(buffer *to);                  /* } */
void json_key(buffer *to, const char *key);   /* "key": */
void json_object(buffer *to, const char *key); /* "key":{ */
void json_number(buffer *to, const char *key, double value); /* what isn't finite: null */
void json_count(buffer *to, const char *key, uint64_t value);
void json_bool(buffer *to, const char *key, bool value);
void json_text(buffer *to, const char *key, const char *value);
void json_raw(buffer *to, const char *key, const char *json, size_t length);
void json_tokens(buffer *to, const char *key, const int32_t *tokens, size_t count);

/* Any bytes as a JSON string; each byte that is not part of valid UTF-8 becomes U+FFFD. */
void json_string(buffer *to, const char *bytes, size_t length);

#endif
