/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE against its definition: in a word, the pair of lowest rank merges first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/toy_vocabulary.h"

static toy vocabulary;

static void lowest_rank_merges_first_and_leftmost_of_equals(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    int32_t bc = toy_add(of, "bc", 1, 0), ab = toy_add(of, "ab", 1, 0);
    int32_t aa = toy_add(of, "aa", 1, 0), space_a = toy_add(of, "\xc4\xa0" "a", 1, 0);
    toy_merge(of, "b c");
    toy_merge(of, "a b");
    toy_merge(of, "a a");
    toy_merge(of, "\xc4\xa0 a");
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "abc", 'a', bc);
    EXPECT_IDS(tokenizer, "abab", ab, ab);
    EXPECT_IDS(tokenizer, "aaa", aa, 'a');
    EXPECT_IDS(tokenizer, "x a", 'x', space_a);
    EXPECT_IDS(tokenizer, "a\0b", 'a', 0, 'b');
    EXPECT_IDS(tokenizer, "\xff\xc3", 0xff, 0xc3);
    assert_string_equal(ssi_tokenizer_name(tokenizer), "gpt2/gpt-2");
    ssi_tokenizer_free(tokenizer);
    assert_int_equal(of->memory.held_bytes, 0);
}

/* Merges over {a, b, c, d}: each joins two tokens that exist. */
static void random_merges(toy *of, uint64_t *seed, uint32_t count)
{
    int32_t known[64] = {'a', 'b', 'c', 'd'};
    for (uint32_t used = 4; used < 4 + count;) {
        ssi_text left = of->tokens[known[draw(seed) % used]];
        ssi_text right = of->tokens[known[draw(seed) % used]];
        char whole[256], merge[256];
        snprintf(whole, sizeof whole, "%.*s%.*s", (int)left.length, left.bytes,
                 (int)right.length, right.bytes);
        bool taken = strlen(whole) > 60;
        for (uint32_t i = 0; i < used; i++)
            taken |= ssi_text_is(of->tokens[known[i]], whole);
        if (taken)
            continue;
        snprintf(merge, sizeof merge, "%.*s %.*s", (int)left.length, left.bytes,
                 (int)right.length, right.bytes);
        known[used++] = toy_add(of, whole, 1, 0);
        toy_merge(of, merge);
    }
}

/* The definition, read aloud: for the best pair, look at all pairs of all merges. */
static size_t naive(const toy *of, const char *word, size_t length, int32_t *ids)
{
    for (size_t i = 0; i < length; i++)
        ids[i] = word[i];
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < length; i++)
            for (uint32_t rank = 0; rank < of->source.merge_count && rank < best; rank++) {
                ssi_text left = of->tokens[ids[i]], right = of->tokens[ids[i + 1]];
                ssi_text merge = of->merges[rank];
                if (merge.length == left.length + 1 + right.length &&
                    memcmp(merge.bytes, left.bytes, left.length) == 0 &&
                    merge.bytes[left.length] == ' ' &&
                    memcmp(merge.bytes + left.length + 1, right.bytes, right.length) == 0) {
                    best = rank;
                    at = i;
                }
            }
        if (best == UINT32_MAX)
            return length;
        ids[at] = 256 + (int32_t)best; /* each merge added one token */
        length--;
        memmove(ids + at + 1, ids + at + 2, (length - at - 1) * sizeof *ids);
    }
}

static void words_of_any_length_equal_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 40; round++) {
        toy *of = &vocabulary;
        toy_begin_bytes(of, "gpt-2");
        random_merges(of, &seed, 40);
        ssi_tokenizer *tokenizer = toy_create(of);
        for (size_t length = 1; length < 240; length += 1 + draw(&seed) % 9) {
            char word[240];
            int32_t want[240];
            for (size_t i = 0; i < length; i++)
                word[i] = (char)('a' + draw(&seed) % 4);
            size_t count = naive(of, word, length, want);
            expect_ids(tokenizer, word, length, want, count);
        }
        ssi_tokenizer_free(tokenizer);
    }
}

/* n log n: were it quadratic, this word of a million letters would take minutes. */
static void a_word_of_a_million_letters_is_encoded(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    uint64_t seed = 2;
    toy_begin_bytes(of, "gpt-2");
    random_merges(of, &seed, 40);
    ssi_tokenizer *tokenizer = toy_create(of);
    size_t length = 1000000;
    char *word = malloc(length);
    for (size_t i = 0; i < length; i++)
        word[i] = (char)('a' + draw(&seed) % 4);
    expect_same_back(tokenizer, word, length);
    free(word);
    ssi_tokenizer_free(tokenizer);
    assert_int_equal(of->memory.held_bytes, 0);
}

static void random_bytes_come_back(void **state)
{
    (void)state;
    static const char *const pres[] = {"default", "gpt-2", "smollm", "llama-bpe", "qwen2"};
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++) {
        toy *of = &vocabulary;
        toy_begin_bytes(of, pres[i]);
        of->source.bos = 0;
        of->source.add_bos = 0;
        random_merges(of, &seed, 40);
        ssi_tokenizer *tokenizer = toy_create(of);
        for (int round = 0; round < 400; round++) {
            char text[300];
            size_t length = draw(&seed) % sizeof text;
            for (size_t j = 0; j < length; j++) {
                uint64_t drawn = draw(&seed);
                text[j] = drawn % 3 ? "ab1 \n'\xc3\xa9."[drawn / 3 % 9] : (char)(drawn >> 56);
            }
            expect_same_back(tokenizer, text, length);
        }
        ssi_tokenizer_free(tokenizer);
    }
}

static void a_byte_without_token_is_left_out(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    of->tokens['q'] = (ssi_text){"", 0};
    of->types['q'] = 5;
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "aqb", 'a', 'b');
    ssi_tokenizer_free(tokenizer);
}

static void whole_words_come_before_merges(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "llama-bpe");
    int32_t ab = toy_add(of, "ab", 1, 0), bc = toy_add(of, "bc", 1, 0);
    int32_t abc = toy_add(of, "abc", 1, 0);
    toy_merge(of, "a b");
    toy_merge(of, "b c");
    of->source.bos = abc;
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "abc", abc, abc); /* BOS, then the word no merge can make */
    EXPECT_IDS(tokenizer, "abcb", abc, ab, 'c', 'b');
    EXPECT_IDS(tokenizer, "cbc", abc, 'c', bc);
    ssi_tokenizer_free(tokenizer);
}

static void an_allocation_that_fails_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    char text[400];
    memset(text, 'a', sizeof text);
    memcpy(text, "<end>", 5);
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        toy_begin_bytes(of, "gpt-2");
        toy_add(of, "<end>", 3, 0);
        of->memory.fail_call = n;
        ssi_memory memory = toy_memory(of);
        ssi_tokenizer *tokenizer = NULL;
        int32_t ids[400];
        size_t count = 7;
        ss_status status =
            ssi_tokenizer_create(&of->source, &memory, &tokenizer, &of->error);
        if (status == SS_OK)
            status = ssi_tokenizer_encode(tokenizer, text, sizeof text, NULL, ids, 400, &count,
                                          &of->error);
        ssi_tokenizer_free(tokenizer);
        assert_int_equal(of->memory.held_bytes, 0);
        if (status == SS_OK)
            break;
        assert_int_equal(status, SS_ERROR_MEMORY);
        assert_int_equal(count, 7);
        failures++;
    }
    assert_int_equal(failures, 4); /* block, texts, special tokens, a long word */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_rank_merges_first_and_leftmost_of_equals),
        cmocka_unit_test(words_of_any_length_equal_the_definition),
        cmocka_unit_test(a_word_of_a_million_letters_is_encoded),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(a_byte_without_token_is_left_out),
        cmocka_unit_test(whole_words_come_before_merges),
        cmocka_unit_test(an_allocation_that_fails_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
