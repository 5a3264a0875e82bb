/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece against its definition: the pair that makes the token of the highest score merges
 * first; what no token can express becomes bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/toy_vocabulary.h"

#define SPACE "\xe2\x96\x81"
#define BYTE(b) ((b) + 3)

static toy vocabulary;

static void highest_score_merges_first(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_pieces(of);
    int32_t space = toy_add(of, SPACE, 1, -1), a = toy_add(of, "a", 1, -2);
    int32_t b = toy_add(of, "b", 1, -3), ab = toy_add(of, "ab", 1, -9);
    int32_t ba = toy_add(of, "ba", 1, -8), space_a = toy_add(of, SPACE "a", 1, -8.5f);
    int32_t spaces = toy_add(of, SPACE SPACE, 1, -7), aa = toy_add(of, "aa", 1, -8);
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "ab", 1, space_a, b);
    EXPECT_IDS(tokenizer, "bab", 1, space, ba, b);
    EXPECT_IDS(tokenizer, "baa", 1, space, ba, a); /* equal scores: the leftmost */
    EXPECT_IDS(tokenizer, "b aab", 1, space, b, space, aa, b);
    EXPECT_IDS(tokenizer, "  ab", 1, spaces, space_a, b);
    EXPECT_IDS(tokenizer, "c\n", 1, space, BYTE('c'), BYTE('\n'));
    EXPECT_IDS(tokenizer, "\xc3\xa9\xff", 1, space, BYTE(0xc3), BYTE(0xa9), BYTE(0xff));
    EXPECT_IDS(tokenizer, "</s>ab", 1, 2, space_a, b); /* a space after a special token too */
    EXPECT_IDS(tokenizer, SPACE "ab", 1, spaces, ab);
    ssi_tokenizer_free(tokenizer);
    assert_int_equal(of->memory.held_bytes, 0);
}

static void the_space_before_the_text_can_be_left_out(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_pieces(of);
    int32_t a = toy_add(of, "a", 1, -2), space_a = toy_add(of, SPACE "a", 1, -1);
    of->source.add_space_prefix = 0;
    of->source.add_bos = 0;
    of->source.add_eos = 1;
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "a", a, 2);
    EXPECT_IDS(tokenizer, " a", space_a, 2);
    EXPECT_IDS(tokenizer, " b", BYTE(' '), BYTE('b'), 2); /* no token for a space alone */
    ssi_tokenizer_free(tokenizer);
}

static void the_space_put_before_is_taken_off_again(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_pieces(of);
    int32_t space = toy_add(of, SPACE, 1, -1), a = toy_add(of, "a", 1, -2);
    ssi_tokenizer *tokenizer = toy_create(of);
    static const struct {
        int32_t ids[4];
        size_t count;
        bool special;
        const char *text;
    } cases[] = {
        {{0, 1}, 2, false, "a"},       {{-1, 0, 1}, 3, false, "a"}, {{0, 0, 1}, 3, false, " a"},
        {{1, 0, 1}, 3, false, "a a"},  {{-1, 0, 1}, 3, true, "<s>a"},
        {{0, -2, 0, 0}, 4, true, "</s> "}, {{-1, -1, 0, 1}, 4, false, " a"},
        {{0, 1, -2, 0}, 4, false, "a "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t ids[4];
        char text[32];
        size_t length;
        for (size_t j = 0; j < cases[i].count; j++)
            ids[j] = cases[i].ids[j] < 0 ? -cases[i].ids[j] : cases[i].ids[j] == 0 ? space : a;
        assert_int_equal(ssi_tokenizer_decode(tokenizer, ids, cases[i].count, cases[i].special,
                                              text, sizeof text, &length, NULL),
                         SS_OK);
        assert_int_equal(length, strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, length);
    }
    ssi_tokenizer_free(tokenizer);
}

/* Whatever special tokens are written in it, and with or without a space behind them. */
static void text_with_special_tokens_comes_back(void **state)
{
    (void)state;
    static const char *const parts[] = {" ", "a", "<s>", "</s>", "<u>", " u"};
    toy *of = &vocabulary;
    uint64_t seed = 3;
    toy_begin_pieces(of);
    toy_add(of, SPACE, 1, -1);
    toy_add(of, "a", 1, -2);
    toy_add(of, SPACE "a", 1, -3);
    toy_add(of, "<u>", 4, 0);
    toy_add(of, " u", 4, 0);
    ssi_tokenizer *tokenizer = toy_create(of);
    for (int round = 0; round < 2000; round++) {
        char text[64] = "", back[64];
        int32_t ids[128];
        size_t count, length;
        for (uint64_t left = 1 + draw(&seed) % 8; left > 0; left--)
            strcat(text, parts[draw(&seed) % 6]);
        assert_int_equal(ssi_tokenizer_encode(tokenizer, text, strlen(text), NULL, ids, 128, &count,
                                              NULL), SS_OK);
        /* Without the BOS that encoding adds: what is shown of it is no part of the text. */
        assert_int_equal(ssi_tokenizer_decode(tokenizer, ids + 1, count - 1, true, back,
                                              sizeof back, &length, NULL), SS_OK);
        if (length != strlen(text) || memcmp(back, text, length) != 0)
            fail_msg("'%s' became '%.*s'", text, (int)length, back);
    }
    ssi_tokenizer_free(tokenizer);
}

static int32_t find(const toy *of, const char *bytes, size_t length)
{
    for (uint32_t i = 0; i < of->source.token_count; i++)
        if (of->tokens[i].length == length && memcmp(of->tokens[i].bytes, bytes, length) == 0)
            return (int32_t)i;
    return -1;
}

static size_t naive(const toy *of, const char *marked, int32_t *ids)
{
    size_t starts[800], count = 0;
    for (size_t i = 0; marked[i] != '\0'; i += marked[i] == SPACE[0] ? 3 : 1)
        starts[count++] = i;
    starts[count] = strlen(marked);
    for (;;) {
        size_t at = count;
        float best = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            int32_t token = find(of, marked + starts[i], starts[i + 2] - starts[i]);
            if (token >= 0 && (at == count || of->scores[token] > best)) {
                best = of->scores[token];
                at = i;
            }
        }
        if (at == count)
            break;
        memmove(starts + at + 1, starts + at + 2, (count - at - 1) * sizeof *starts);
        count--;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = find(of, marked + starts[i], starts[i + 1] - starts[i]);
    return count;
}

/* With and without tokens that reach across the beginning of a word: then text is not cut into
 * words, and the heap has it all. */
static void texts_equal_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 30; round++) {
        toy *of = &vocabulary;
        toy_begin_pieces(of);
        of->source.add_bos = 0;
        static const char *const first[] = {SPACE, "a", "b"};
        for (size_t i = 0; i < 3; i++)
            toy_add(of, first[i], 1, 0);
        for (int i = 0; i < 40; i++) {
            char token[40] = "";
            size_t parts = 2 + draw(&seed) % 5;
            for (size_t j = 0; j < parts; j++)
                strcat(token, first[j == 0 || round % 2 ? draw(&seed) % 3
                                                        : 1 + draw(&seed) % 2]);
            if (find(of, token, strlen(token)) < 0)
                toy_add(of, token, 1, (float)(draw(&seed) % 16) - 8);
        }
        ssi_tokenizer *tokenizer = toy_create(of);
        for (int i = 0; i < 12; i++) {
            char text[150], marked[600] = SPACE;
            int32_t want[200];
            size_t length = 1 + draw(&seed) % (sizeof text - 1);
            for (size_t j = 0; j < length; j++) {
                size_t drawn = draw(&seed) % 3;
                text[j] = " ab"[drawn];
                strcat(marked, first[drawn]);
            }
            expect_ids(tokenizer, text, length, want, naive(of, marked, want));
            expect_same_back(tokenizer, text, length);
        }
        ssi_tokenizer_free(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(highest_score_merges_first),
        cmocka_unit_test(the_space_before_the_text_can_be_left_out),
        cmocka_unit_test(the_space_put_before_is_taken_off_again),
        cmocka_unit_test(text_with_special_tokens_comes_back),
        cmocka_unit_test(texts_equal_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
