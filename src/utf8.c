/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

static int is_continuation(unsigned char byte, unsigned char low, unsigned char high)
{
    return byte >= low && byte <= high;
}

size_t utf8_length(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    unsigned char low = 0x80, high = 0xbf; /* the second byte's range, narrowed below */
    size_t needed;
    if (length == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        needed = 2;
    else if ((at[0] & 0xf0) == 0xe0)
        needed = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        needed = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (at[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f; /* past 0x10ffff */
    if (needed > length || !is_continuation(at[1], low, high))
        return 0;
    for (size_t i = 2; i < needed; i++)
        if (!is_continuation(at[i], 0x80, 0xbf))
            return 0;
    return needed;
}

size_t utf8_encode(uint32_t code, char to[4])
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(lead[length] | code);
    return length;
}
