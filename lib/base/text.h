/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes somewhere else: how strings of a file travel without being copied. */
#ifndef SSI_BASE_TEXT_H
#define SSI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct ssi_text { /* not NUL-terminated */
    const char *bytes;
    size_t length;
} ssi_text;

static inline ssi_text ssi_text_of(const char *string)
{
    return (ssi_text){string, strlen(string)};
}

static inline bool ssi_text_is(ssi_text text, const char *string)
{
    return strlen(string) == text.length &&
           (text.length == 0 || memcmp(text.bytes, string, text.length) == 0);
}

static inline bool ssi_text_is_before(ssi_text a, ssi_text b) /* bytewise */
{
    size_t common = a.length < b.length ? a.length : b.length;
    int difference = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);
    return difference != 0 ? difference < 0 : a.length < b.length;
}

/* Off the front, off the end; false, and nothing changes, when it isn't there. */
static inline bool ssi_text_cut_prefix(ssi_text *text, const char *prefix)
{
    size_t length = strlen(prefix);
    if (text->length < length || memcmp(text->bytes, prefix, length) != 0)
        return false;
    *text = (ssi_text){text->bytes + length, text->length - length};
    return true;
}

static inline bool ssi_text_cut_suffix(ssi_text *text, const char *suffix)
{
    size_t length = strlen(suffix);
    if (text->length < length || memcmp(text->bytes + text->length - length, suffix, length) != 0)
        return false;
    text->length -= length;
    return true;
}

#endif
