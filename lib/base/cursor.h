/* SPDX-License-Identifier: Apache-2.0 */
/* Reading bytes that nobody vouches for: a position that can't leave the buffer. A read past the
 * end gives zeros and sets `failed`, which stays; so a routine reads a whole record and asks
 * once. */
#ifndef SSI_BASE_CURSOR_H
#define SSI_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

typedef struct ssi_cursor {
    const unsigned char *data;
    size_t size, offset;
    bool failed;
} ssi_cursor;

/* The next `bytes` bytes, or NULL (and `failed`) when fewer are left. */
static inline const unsigned char *ssi_cursor_take(ssi_cursor *in, uint64_t bytes)
{
    if (in->failed || bytes > in->size - in->offset) {
        in->failed = true;
        return NULL;
    }
    const unsigned char *at = in->data + in->offset;
    in->offset += (size_t)bytes;
    return at;
}

static inline uint8_t ssi_cursor_u8(ssi_cursor *in)
{
    const unsigned char *at = ssi_cursor_take(in, 1);
    return at ? at[0] : 0;
}

static inline uint16_t ssi_cursor_u16le(ssi_cursor *in)
{
    const unsigned char *at = ssi_cursor_take(in, 2);
    return at ? ssi_load_u16le(at) : 0;
}

static inline uint32_t ssi_cursor_u32le(ssi_cursor *in)
{
    const unsigned char *at = ssi_cursor_take(in, 4);
    return at ? ssi_load_u32le(at) : 0;
}

static inline uint64_t ssi_cursor_u64le(ssi_cursor *in)
{
    const unsigned char *at = ssi_cursor_take(in, 8);
    return at ? ssi_load_u64le(at) : 0;
}

#endif
