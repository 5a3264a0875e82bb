#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes lib/tokenizer/unicode_tables.c from Unicode 15.1.

Usage: tools/make_unicode_tables.py > lib/tokenizer/unicode_tables.c

The version is pinned because it decides how text is split: a letter that an older table does not
know is a symbol there. Python's own unicodedata serves if it has that version; else install
unicodedata2==15.1.0.
"""
import sys
import unicodedata

VERSION = "15.1.0"
if unicodedata.unidata_version != VERSION:
    try:
        import unicodedata2 as unicodedata
    except ImportError:
        pass
if unicodedata.unidata_version != VERSION:
    sys.exit(f"unicodedata is {unicodedata.unidata_version}, expected {VERSION}: "
             f"pip install unicodedata2=={VERSION}")

# The first letter of a general category, as enum ssi_unicode_class in unicode.h spells it.
CLASS_OF_CATEGORY = {"L": "LETTER", "N": "NUMBER", "M": "MARK", "P": "PUNCTUATION", "S": "SYMBOL",
                     "Z": "OTHER", "C": "OTHER"}
CLASSES = ["OTHER", "LETTER", "NUMBER", "SPACE", "PUNCTUATION", "SYMBOL", "MARK"]
# The White_Space property (what \s matches).
SPACES = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
          0x202F, 0x205F, 0x3000}


def class_of(code_point):
    if code_point in SPACES:
        return "SPACE"
    return CLASS_OF_CATEGORY[unicodedata.category(chr(code_point))[0]]


def main():
    ascii_classes = [CLASSES.index(class_of(c)) for c in range(128)]
    starts, previous = [], None
    for code_point in range(128, 0x110000):
        current = class_of(code_point)
        if current != previous:
            starts.append(code_point << 8 | CLASSES.index(current))
            previous = current

    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Made by tools/make_unicode_tables.py from Unicode {VERSION}: do not edit. */")
    print('#include "tokenizer/unicode.h"\n')
    print("/* clang-format off */")
    print("const uint8_t ssi_unicode_ascii[128] = {")
    for row in range(0, 128, 32):
        print("    " + ", ".join(str(c) for c in ascii_classes[row:row + 32]) + ",")
    print("};\n")
    print(f"const uint32_t ssi_unicode_start_count = {len(starts)};")
    print(f"const uint32_t ssi_unicode_starts[{len(starts)}] = {{")
    for row in range(0, len(starts), 9):
        print("    " + ", ".join(f"0x{start:07x}" for start in starts[row:row + 9]) + ",")
    print("};")


main()
