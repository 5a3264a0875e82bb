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

static inline bool ssi_text_is(ssi_text text, const char *string)
{
    return strlen(string) == text.length &&
           (text.length == 0 || memcmp(text.bytes, string, text.length) == 0);
}

#endif
