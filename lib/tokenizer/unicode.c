/* SPDX-License-Identifier: Apache-2.0 */
/* Strict UTF-8 (no overlong forms, no surrogates) and a binary search in the class table. */
#include "tokenizer/unicode.h"

int ssi_utf8_decode(const unsigned char *text, size_t length, uint32_t *code_point)
{
    unsigned lead = text[0];
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    int bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    /* The second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF. */
    unsigned lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    uint32_t value = lead & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
        if ((size_t)i == length)
            return -i;
        if (text[i] < lowest || text[i] > highest)
            return 0;
        value = value << 6 | (text[i] & 0x3fu);
        lowest = 0x80;
        highest = 0xbf;
    }
    *code_point = value;
    return bytes;
}

uint8_t ssi_unicode_class_above_ascii(const unsigned char *text, size_t length,
                                      uint32_t *char_bytes)
{
    uint32_t code_point;
    int bytes = ssi_utf8_decode(text, length, &code_point);
    *char_bytes = 1;
    if (bytes <= 0)
        return SSI_UNICODE_SYMBOL;
    *char_bytes = (uint32_t)bytes;
    uint32_t low = 0, high = ssi_unicode_start_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (ssi_unicode_starts[middle] >> 8 <= code_point)
            low = middle;
        else
            high = middle;
    }
    return (uint8_t)(ssi_unicode_starts[low] & 0xffu);
}
