/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 character (RFC 3629) at `bytes`; 0: there is none. */
size_t utf8_length(const char *bytes, size_t length);

/* Writes a code point that is no surrogate, at most 0x10ffff; returns its bytes. */
size_t utf8_encode(uint32_t code, char to[4]);

#endif
