/* SPDX-License-Identifier: Apache-2.0 */
/* Special tokens in text: the longest first over the whole text, then from left to right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/toy_vocabulary.h"

static toy vocabulary;

static void longest_is_taken_first_wherever_it_stands(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    int32_t ab = toy_add(of, "<ab", 3, 0), longer = toy_add(of, "b><<", 3, 0);
    int32_t aa = toy_add(of, "@@", 3, 0), plain = toy_add(of, "<>", 3, 0);
    int32_t nested = toy_add(of, "<>!", 3, 0);
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "<ab>", ab, '>');
    EXPECT_IDS(tokenizer, "<ab><<", '<', 'a', longer); /* overlaps: the longer one wins */
    EXPECT_IDS(tokenizer, "@@@", aa, '@');
    EXPECT_IDS(tokenizer, "@@@@x<>", aa, aa, 'x', plain);
    EXPECT_IDS(tokenizer, "<>!<><>!", nested, plain, nested);
    EXPECT_IDS(tokenizer, "<a", '<', 'a');
    ssi_tokenizer_free(tokenizer);
}

static void only_user_defined_ones_are_text(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    int32_t control = toy_add(of, "<c>", 3, 0), defined = toy_add(of, "<u>", 4, 0);
    toy_add(of, "<n>", 1, 0);
    of->source.unknown = toy_add(of, "<k>", 2, 0);
    ssi_tokenizer *tokenizer = toy_create(of);
    EXPECT_IDS(tokenizer, "<c><u><n>", control, defined, '<', 'n', '>');
    EXPECT_IDS(tokenizer, "a<k>", 'a', of->source.unknown);
    ss_tokenize_params params = {.struct_size = sizeof params, .special = SS_CHOICE_NO};
    int32_t ids[16], want[] = {'<', 'c', '>', defined};
    size_t count;
    assert_int_equal(
        ssi_tokenizer_encode(tokenizer, "<c><u>", 6, &params, ids, 16, &count, NULL), SS_OK);
    assert_int_equal(count, 4);
    assert_memory_equal(ids, want, sizeof want);
    ssi_tokenizer_free(tokenizer);
}

/* The definition: for each token, longest first, every fragment of text is searched. */
typedef struct part {
    size_t at, length;
    int32_t token; /* -1: text */
} part;

static size_t naive(const toy *of, const int32_t *order, size_t order_count, const char *text,
                    size_t length, int32_t *ids)
{
    part parts[512] = {{0, length, -1}};
    size_t part_count = 1, count = 0;
    for (size_t k = 0; k < order_count; k++) {
        ssi_text special = of->tokens[order[k]];
        for (size_t i = 0; i < part_count; i++) {
            if (parts[i].token >= 0)
                continue;
            const char *hit = memmem(text + parts[i].at, parts[i].length, special.bytes,
                                     special.length);
            if (hit == NULL)
                continue;
            size_t at = (size_t)(hit - text), end = parts[i].at + parts[i].length;
            memmove(parts + i + 3, parts + i + 1, (part_count - i - 1) * sizeof *parts);
            parts[i].length = at - parts[i].at;
            parts[i + 1] = (part){at, special.length, order[k]};
            parts[i + 2] = (part){at + special.length, end - at - special.length, -1};
            part_count += 2;
            i++;
        }
    }
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].token >= 0)
            ids[count++] = parts[i].token;
        else
            for (size_t j = 0; j < parts[i].length; j++)
                ids[count++] = text[parts[i].at + j];
    }
    return count;
}

static void random_overlapping_tokens_equal_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 300; round++) {
        toy *of = &vocabulary;
        int32_t order[6];
        size_t specials = 0;
        toy_begin_bytes(of, "gpt-2");
        for (size_t length = 6; length >= 2; length--) { /* one of each length */
            char special[8] = {0};
            for (size_t i = 0; i < length; i++)
                special[i] = (char)('a' + draw(&seed) % 2);
            order[specials++] = toy_add(of, special, 3, 0);
        }
        ssi_tokenizer *tokenizer = toy_create(of);
        for (int i = 0; i < 20; i++) {
            char text[80];
            int32_t want[80];
            size_t length = 1 + draw(&seed) % 79;
            for (size_t j = 0; j < length; j++)
                text[j] = (char)('a' + draw(&seed) % 2);
            size_t count = naive(of, order, specials, text, length, want);
            expect_ids(tokenizer, text, length, want, count);
        }
        ssi_tokenizer_free(tokenizer);
        assert_int_equal(of->memory.held_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_is_taken_first_wherever_it_stands),
        cmocka_unit_test(only_user_defined_ones_are_text),
        cmocka_unit_test(random_overlapping_tokens_equal_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
