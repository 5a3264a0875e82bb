/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: every character is decoded, nothing else is; and the classes of characters that stand for
 * their kind or at the edges of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tokenizer/unicode.h"

static int encode(uint32_t code_point, unsigned char *text)
{
    if (code_point < 0x80) {
        text[0] = (unsigned char)code_point;
        return 1;
    }
    int bytes = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--, code_point >>= 6)
        text[i] = (unsigned char)(0x80 | (code_point & 0x3f));
    text[0] = (unsigned char)(0xf00 >> bytes | code_point);
    return bytes;
}

static void every_character_is_decoded_and_no_surrogate(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point < 0x120000; code_point++) {
        unsigned char text[4];
        uint32_t decoded = UINT32_MAX;
        int bytes = encode(code_point, text);
        bool valid = code_point < 0x110000 && (code_point < 0xd800 || code_point > 0xdfff);
        int got = ssi_utf8_decode(text, (size_t)bytes, &decoded);
        if (got != (valid ? bytes : 0) || (valid && decoded != code_point))
            fail_msg("U+%04X: %d bytes, U+%04X", code_point, got, decoded);
        for (int cut = 1; valid && cut < bytes; cut++)
            assert_int_equal(ssi_utf8_decode(text, (size_t)cut, &decoded), -cut);
    }
}

static void what_is_no_character_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3\x28", "\xe0\x9f\xbf", "\xe2\x28\xa1",
        "\xe2\x82\x28", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xed\xa0\x80",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const unsigned char *text = (const unsigned char *)wrong[i];
        size_t length = strlen(wrong[i]);
        uint32_t decoded, bytes;
        assert_int_equal(ssi_utf8_decode(text, length, &decoded), 0);
        assert_int_equal(ssi_unicode_class_at(text, length, &bytes), SSI_UNICODE_SYMBOL);
        assert_int_equal(bytes, 1);
    }
}

static void characters_have_their_class(void **state)
{
    (void)state;
    static const struct {
        uint32_t code_point;
        enum ssi_unicode_class unicode_class;
    } cases[] = {
        {0, SSI_UNICODE_OTHER},          {'\t', SSI_UNICODE_SPACE},
        {0x1f, SSI_UNICODE_OTHER},       {' ', SSI_UNICODE_SPACE},
        {'!', SSI_UNICODE_PUNCTUATION},  {'$', SSI_UNICODE_SYMBOL},
        {'9', SSI_UNICODE_NUMBER},       {'z', SSI_UNICODE_LETTER},
        {0x7f, SSI_UNICODE_OTHER},       {0x80, SSI_UNICODE_OTHER},
        {0x85, SSI_UNICODE_SPACE},       {0xa0, SSI_UNICODE_SPACE},
        {0xaa, SSI_UNICODE_LETTER},      {0xbd, SSI_UNICODE_NUMBER},
        {0xd7, SSI_UNICODE_SYMBOL},      {0x301, SSI_UNICODE_MARK},
        {0x663, SSI_UNICODE_NUMBER},     {0x200b, SSI_UNICODE_OTHER},
        {0x2014, SSI_UNICODE_PUNCTUATION}, {0x2028, SSI_UNICODE_SPACE},
        {0x3000, SSI_UNICODE_SPACE},     {0x4e00, SSI_UNICODE_LETTER},
        {0x9fff, SSI_UNICODE_LETTER},    {0x1f600, SSI_UNICODE_SYMBOL},
        {0x323af, SSI_UNICODE_LETTER},   {0x323b0, SSI_UNICODE_OTHER},
        {0xe0100, SSI_UNICODE_MARK},     {0x10ffff, SSI_UNICODE_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char text[4];
        uint32_t bytes;
        int length = encode(cases[i].code_point, text);
        if (ssi_unicode_class_at(text, (size_t)length, &bytes) != cases[i].unicode_class)
            fail_msg("U+%04X has another class", cases[i].code_point);
        assert_int_equal(bytes, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_decoded_and_no_surrogate),
        cmocka_unit_test(what_is_no_character_is_refused),
        cmocka_unit_test(characters_have_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
