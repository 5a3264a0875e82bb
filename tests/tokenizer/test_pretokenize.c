/* SPDX-License-Identifier: Apache-2.0 */
/* Where each pre-tokenizer cuts. The pieces are those of the regular expressions that the models'
 * makers publish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/pretokenize.h"
#include "tokenizer/toy_vocabulary.h"

static void expect_cuts(const char *pre, const char *cut)
{
    char text[256], got[512];
    size_t length = 0, got_length = 0;
    for (const char *at = cut; *at != '\0'; at++)
        if (*at != '|')
            text[length++] = *at;
    ssi_word_cursor cursor;
    ssi_text word;
    ssi_word_begin(&cursor, ssi_pretokenizer_find((ssi_text){pre, strlen(pre)}),
                   (ssi_text){text, length});
    while (ssi_word_next(&cursor, &word)) {
        if (got_length > 0)
            got[got_length++] = '|';
        memcpy(got + got_length, word.bytes, word.length);
        got_length += word.length;
    }
    got[got_length] = '\0';
    if (strcmp(got, cut) != 0)
        fail_msg("%s: '%s', expected '%s'", pre, got, cut);
}

static void gpt2_cuts_words_numbers_and_spaces(void **state)
{
    (void)state;
    expect_cuts("gpt-2", "Hello| world|!");
    expect_cuts("gpt-2", "I|'m| he|'s| they|'ll| don|'t| we|'ve| you|'re| I|'d");
    expect_cuts("gpt-2", "I|'|M| '|s| '''|s");
    expect_cuts("gpt-2", "abc|123| 456|abc");
    expect_cuts("gpt-2", "a|  | b|\n|c|\n\n|\n|d| ");
    expect_cuts("gpt-2", "a|   ");
    expect_cuts("gpt-2", " ?!|\t|x");
    expect_cuts("gpt-2", "\xc3\xa9t\xc3\xa9|\xc2\xa0|\xe4\xb8\xad\xe6\x96\x87|\xe3\x80\x82");
    expect_cuts("gpt-2", "\xc2\xbd\xd9\xa3| \xe2\x85\xa7|x");        /* ½٣ Ⅷ: numbers */
    expect_cuts("gpt-2", "e|\xcc\x81|a");                            /* a mark is no letter */
    expect_cuts("gpt-2", "a|\xff\xfe|b| \xff|\xe2\x80\x83|\xe2\x80\x83|c");
    expect_cuts("gpt-2", "");
}

static void smollm_cuts_digits_apart(void **state)
{
    (void)state;
    expect_cuts("smollm", "abc|1|2|3| |4|5");
    expect_cuts("smollm", "a|  |1|  | b|  |\xc2\xbd|.|5");
    expect_cuts("smollm", "it|'s| v|2|.|0");
}

static void default_cuts_punctuation_and_digit_triples(void **state)
{
    (void)state;
    expect_cuts("default", "Hello| world|!?");
    expect_cuts("default", "it|'|s| |$|123|45|.|678|9");
    expect_cuts("default", "a| |~=|b| `|c|\xe2\x80\x94|d| \xe2\x82\xac");
    expect_cuts("default", "x| |1|  | y");
}

static void qwen2_and_llama3_differ_in_digits(void **state)
{
    (void)state;
    static const char *const both[] = {"qwen2", "llama-bpe"};
    for (int i = 0; i < 2; i++) {
        expect_cuts(both[i], "Hello| world|!\n\n|x");
        expect_cuts(both[i], "I|'M| HE|'S|(x|).|y| | z");
        expect_cuts(both[i], "a| \n\n  \n| b|\t|\tc");
        expect_cuts(both[i], "a|   ");
        expect_cuts(both[i], "\r\n|\xc2\xa0" "a|  |\xe3\x80\x80\xe4\xb8\xad");
    }
    expect_cuts("qwen2", "a|1|2|3|4| |5");
    expect_cuts("llama-bpe", "a|123|4| |5");
}

static void every_cut_is_between_characters_and_loses_nothing(void **state)
{
    (void)state;
    static const char *const pres[] = {"default", "gpt-2", "smollm", "llama-bpe", "qwen2"};
    static const char alphabet[] = "a1 \n'.\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff";
    uint64_t seed = 9;
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t length = draw(&seed) % sizeof text, at = 0;
        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[draw(&seed) % (sizeof alphabet - 1)];
        const char *pre = pres[round % 5];
        ssi_word_cursor cursor;
        ssi_text word;
        ssi_word_begin(&cursor, ssi_pretokenizer_find((ssi_text){pre, strlen(pre)}),
                       (ssi_text){text, length});
        while (ssi_word_next(&cursor, &word)) {
            assert_ptr_equal(word.bytes, text + at);
            assert_true(word.length > 0);
            at += word.length;
        }
        assert_int_equal(at, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_cuts_words_numbers_and_spaces),
        cmocka_unit_test(smollm_cuts_digits_apart),
        cmocka_unit_test(default_cuts_punctuation_and_digit_triples),
        cmocka_unit_test(qwen2_and_llama3_differ_in_digits),
        cmocka_unit_test(every_cut_is_between_characters_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
