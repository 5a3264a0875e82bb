/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 and the classes of code points that pre-tokenizers ask about. A byte that begins no valid
 * character is a character of its own, of the class "symbol" (that of U+FFFD). */
#ifndef SSI_TOKENIZER_UNICODE_H
#define SSI_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* The order is that of CLASSES in tools/make_unicode_tables.py. */
enum ssi_unicode_class {
    SSI_UNICODE_OTHER, /* controls, unassigned, separators that are no white space */
    SSI_UNICODE_LETTER,
    SSI_UNICODE_NUMBER,
    SSI_UNICODE_SPACE,
    SSI_UNICODE_PUNCTUATION,
    SSI_UNICODE_SYMBOL,
    SSI_UNICODE_MARK
};

extern const uint8_t ssi_unicode_ascii[128];
/* From U+0080 on: first code point of a run << 8 | class, ascending. */
extern const uint32_t ssi_unicode_start_count;
extern const uint32_t ssi_unicode_starts[];

/* Decodes the character at text[0]; length is at least 1. Returns its bytes, 0 if they are no
 * valid character, or minus the bytes that are there if the text ends inside one. */
int ssi_utf8_decode(const unsigned char *text, size_t length, uint32_t *code_point);

uint8_t ssi_unicode_class_above_ascii(const unsigned char *text, size_t length,
                                      uint32_t *char_bytes);

/* Class of the character at text[0] and its length in bytes; length is at least 1. */
static inline uint8_t ssi_unicode_class_at(const unsigned char *text, size_t length,
                                           uint32_t *char_bytes)
{
    if (text[0] < 0x80) {
        *char_bytes = 1;
        return ssi_unicode_ascii[text[0]];
    }
    return ssi_unicode_class_above_ascii(text, length, char_bytes);
}

#endif
