/* SPDX-License-Identifier: Apache-2.0 */
/* A text stream shows whole characters, nothing of a stop string, and the same text however it
 * was cut into tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/toy_vocabulary.h"

static toy vocabulary;
static ssi_tokenizer *tokenizer;
static ssi_text_stream *stream;
static int32_t ab_stop, end_token;

static int set_up(void **state)
{
    (void)state;
    toy_begin_bytes(&vocabulary, "gpt-2");
    toy_add(&vocabulary, "ab", 1, 0);
    toy_merge(&vocabulary, "a b");
    ab_stop = toy_add(&vocabulary, "abSTOPcd", 4, 0);
    end_token = toy_add(&vocabulary, "<end>", 3, 0);
    tokenizer = toy_create(&vocabulary);
    stream = malloc(ssi_text_stream_bytes(tokenizer));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(stream);
    ssi_tokenizer_free(tokenizer);
    return 0;
}

static void begin(const char *const *stops, size_t count)
{
    assert_int_equal(ssi_text_stream_init(stream, tokenizer, stops, count, &vocabulary.error),
                     SS_OK);
}

static void expect_push(int32_t token, const char *shown, bool stopped)
{
    ssi_text text;
    assert_int_equal(ssi_text_stream_push(stream, token, &text), stopped);
    if (!ssi_text_is(text, shown))
        fail_msg("shown '%.*s', expected '%s'", (int)text.length, text.bytes, shown);
}

static void expect_finish(const char *shown)
{
    ssi_text text;
    ssi_text_stream_finish(stream, &text);
    if (!ssi_text_is(text, shown))
        fail_msg("left '%.*s', expected '%s'", (int)text.length, text.bytes, shown);
}

static void characters_come_whole(void **state)
{
    (void)state;
    begin(NULL, 0);
    expect_push('a', "a", false);
    expect_push(0xe2, "", false);
    expect_push(0x82, "", false);
    expect_push(end_token, "", false);
    expect_push(0xac, "\xe2\x82\xac", false);
    expect_push(0xf0, "", false);
    expect_push('b', "\xef\xbf\xbd" "b", false); /* never completed */
    expect_push(0xff, "\xef\xbf\xbd", false);
    expect_push(0xc3, "", false);
    expect_finish("\xef\xbf\xbd");
    expect_push('c', "c", false); /* begins anew */
    expect_finish("");
}

#define CUT "\xef\xbf\xbd"

/* Before another character, before what is none, at the end, before a stop. */
static void a_character_cut_short_is_one_replacement(void **state)
{
    (void)state;
    static const char *const stops[] = {"STOP"};
    static const char text[] = "\xf0\x9f\x98" "b" "\xe2\x82" "\xe2\x82\xac" "\xe2\x82" "\xff"
                               "\xed\xa0\x80" /* no surrogate is begun: three strays */
                               "\xe2\x82" "STOP";
    begin(stops, 1);
    for (size_t length = sizeof text - 1; length >= sizeof text - 5; length -= 4) {
        char shown[128] = "";
        ssi_text some;
        for (size_t i = 0; i < length; i++) {
            ssi_text_stream_push(stream, (unsigned char)text[i], &some);
            strncat(shown, some.bytes, some.length);
        }
        ssi_text_stream_finish(stream, &some);
        strncat(shown, some.bytes, some.length);
        assert_string_equal(shown, CUT "b" CUT "\xe2\x82\xac" CUT CUT CUT CUT CUT CUT);
    }
}

static void a_possible_stop_is_held_back(void **state)
{
    (void)state;
    static const char *const stops[] = {"\n\n", "STOP", "</s>"};
    begin(stops, 3);
    expect_push('a', "a", false);
    expect_push('\n', "", false);
    expect_push('b', "\nb", false);
    expect_push('S', "", false);
    expect_push('S', "S", false);
    expect_push('T', "", false);
    expect_push('O', "", false);
    expect_push('x', "STOx", false);
    expect_push('\n', "", false);
    expect_push('\n', "", true);
    expect_push('z', "", true); /* nothing after a stop */
    expect_finish("");
    expect_push('S', "", false);
    expect_finish("S");
    expect_push(ab_stop, "ab", true); /* within one token */
}

static void the_stop_that_ends_first_wins(void **state)
{
    (void)state;
    static const char *const stops[] = {"bSTOPc", "abSTO", "abSTOPcd", "STO"};
    begin(stops, 4);
    expect_push('x', "x", false);
    expect_push(ab_stop, "", true); /* "abSTO" and "STO" end together: the longer one */
}

static void bad_stop_strings_are_named(void **state)
{
    (void)state;
    char longest[SSI_STOP_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SSI_STOP_BYTES_MAX + 1] = '\0';
    const char *empty[] = {"a", ""}, *too_long[] = {longest}, *many[17] = {0};
    assert_int_equal(ssi_text_stream_init(stream, tokenizer, empty, 2, &vocabulary.error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(vocabulary.error.message, "stop string 1 is empty"));
    assert_int_equal(ssi_text_stream_init(stream, tokenizer, too_long, 1, &vocabulary.error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(vocabulary.error.message, "stop string 0 is too long"));
    assert_int_equal(ssi_text_stream_init(stream, tokenizer, many, 17, &vocabulary.error),
                     SS_ERROR_ARGUMENT);
    longest[SSI_STOP_BYTES_MAX] = '\0';
    begin(too_long, 1);
    for (unsigned i = 1; i < SSI_STOP_BYTES_MAX; i++)
        expect_push('x', "", false);
    expect_push('x', "", true);
}

static size_t run(const int32_t *ids, size_t count, char *shown, bool *stopped)
{
    size_t length = 0;
    ssi_text text;
    *stopped = false;
    ssi_text_stream_reset(stream);
    for (size_t i = 0; i < count; i++) {
        *stopped = ssi_text_stream_push(stream, ids[i], &text);
        memcpy(shown + length, text.bytes, text.length);
        length += text.length;
    }
    ssi_text_stream_finish(stream, &text);
    memcpy(shown + length, text.bytes, text.length);
    return length + text.length;
}

static void how_text_is_cut_into_tokens_changes_nothing(void **state)
{
    (void)state;
    static const char *const stops[] = {"ba\n", "\xac\n", "aab\n\n", "\xe2\x82\xac\xe2\x82\xac"};
    uint64_t seed = 21;
    size_t stops_seen = 0;
    begin(stops, 4);
    for (int round = 0; round < 20000; round++) {
        char text[64], bytewise[256], merged[256];
        int32_t ids[64], bytes[64];
        size_t length = 0, count = 0;
        while (length < 40) {
            static const char *const parts[] = {"a", "b", "\n", "\xe2\x82\xac", "\xe2", "ab"};
            const char *part = parts[draw(&seed) % 6];
            memcpy(text + length, part, strlen(part));
            length += strlen(part);
        }
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)text[i];
        assert_int_equal(
            ssi_tokenizer_encode(tokenizer, text, length, NULL, ids, 64, &count, NULL), SS_OK);
        bool stopped_bytewise, stopped_merged;
        size_t one = run(bytes, length, bytewise, &stopped_bytewise);
        size_t other = run(ids, count, merged, &stopped_merged);
        assert_int_equal(stopped_bytewise, stopped_merged);
        assert_int_equal(one, other);
        assert_memory_equal(bytewise, merged, one);
        stops_seen += stopped_merged;
    }
    assert_in_range(stops_seen, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_come_whole),
        cmocka_unit_test(a_character_cut_short_is_one_replacement),
        cmocka_unit_test(a_possible_stop_is_held_back),
        cmocka_unit_test(the_stop_that_ends_first_wins),
        cmocka_unit_test(bad_stop_strings_are_named),
        cmocka_unit_test(how_text_is_cut_into_tokens_changes_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
