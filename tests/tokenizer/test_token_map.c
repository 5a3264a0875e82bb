/* SPDX-License-Identifier: Apache-2.0 */
/* The table from text to token: it finds what was entered, and texts made to share one place are
 * refused before a search among them takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tokenizer/token_map.h"

#define COUNT 4096u

static char bytes[COUNT][8];
static ssi_text texts[COUNT];

static ssi_token_map empty_map(void)
{
    ssi_token_map map;
    uint32_t bits = ssi_token_map_bits(COUNT);
    uint32_t *slots = calloc((size_t)1 << bits, sizeof *slots);
    assert_non_null(slots);
    ssi_token_map_init(&map, texts, slots, bits);
    return map;
}

static void what_was_entered_is_found(void **state)
{
    (void)state;
    ssi_token_map map = empty_map();
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(bytes[i], sizeof bytes[i], "%x", i * 7);
        texts[i] = (ssi_text){bytes[i], strlen(bytes[i])};
        assert_int_equal(ssi_token_map_find(&map, bytes[i], texts[i].length), -1);
        assert_int_equal(ssi_token_map_add(&map, (int32_t)i), -1);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(ssi_token_map_find(&map, bytes[i], texts[i].length), i);
        assert_int_equal(ssi_token_map_add(&map, (int32_t)i), i);
    }
    free(map.slots);
}

/* The 8 bytes whose hash is this: every step of it can be undone. */
static void text_of_hash(uint64_t hash, char text[8])
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t inverse = odd;
    for (int i = 0; i < 6; i++)
        inverse *= 2 - odd * inverse;
    hash = (hash ^ hash >> 32) * inverse;
    hash ^= hash >> 29 ^ hash >> 58;
    hash = hash * inverse ^ 8 * odd;
    memcpy(text, &hash, 8);
}

static void texts_made_to_meet_are_refused_soon(void **state)
{
    (void)state;
    ssi_token_map map = empty_map();
    uint32_t entered = 0;
    for (; entered < COUNT; entered++) {
        text_of_hash((uint64_t)0xabcde << 44 | (uint64_t)entered << 7, bytes[entered]);
        texts[entered] = (ssi_text){bytes[entered], 8};
        int32_t status = ssi_token_map_add(&map, (int32_t)entered);
        if (status == SSI_TOKEN_MAP_FULL)
            break;
        assert_int_equal(status, -1);
    }
    assert_in_range(entered, 256, 1024);
    assert_int_equal(ssi_token_map_find(&map, bytes[entered], 8), -1);
    assert_int_equal(ssi_token_map_find(&map, bytes[entered - 1], 8), entered - 1);
    free(map.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_entered_is_found),
        cmocka_unit_test(texts_made_to_meet_are_refused_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
