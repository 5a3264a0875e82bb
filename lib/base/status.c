/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an error into the caller's object: cut to what the caller's struct holds, and safe to
 * print, whatever bytes of a hostile file went into it. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

/* Bytes of the UTF-8 character at `text` (NUL-terminated); 0: broken or a control character. */
static size_t printable_character_bytes(const unsigned char *text)
{
    unsigned char first = text[0];
    if (first < 0x20 || first == 0x7f)
        return 0;
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) /* the terminator stops this too */
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f) ||
        (first == 0xc2 && text[1] < 0xa0)) /* overlong, surrogate, past U+10FFFF, C1 control */
        return 0;
    return length;
}

static void make_printable(char *message)
{
    unsigned char *at = (unsigned char *)message;
    while (*at) {
        size_t length = printable_character_bytes(at);
        if (length == 0) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

ss_status ssi_fail(ss_error *error, ss_status status, const char *format, ...)
{
    if (!error || error->struct_size < offsetof(ss_error, reserved0))
        return status;
    error->status = status;
    if (error->struct_size <= offsetof(ss_error, message))
        return status;

    size_t capacity = error->struct_size - offsetof(ss_error, message);
    if (capacity > sizeof error->message)
        capacity = sizeof error->message;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->message, capacity, format, arguments);
    va_end(arguments);
    if (length < 0)
        error->message[0] = '\0';
    make_printable(error->message);
    return status;
}
