/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a file's tokenizer can be wrong is an error that names the key, and what a
 * file leaves out has the documented default. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tokenizer/toy_vocabulary.h"

static toy vocabulary;

static void refuse(toy *of, ss_status expected, const char *named)
{
    ssi_memory memory = toy_memory(of);
    ssi_tokenizer *tokenizer = NULL;
    ss_status status = ssi_tokenizer_create(&of->source, &memory, &tokenizer, &of->error);
    assert_int_equal(status, expected);
    assert_null(tokenizer);
    if (strstr(of->error.message, named) == NULL)
        fail_msg("'%s' does not name %s", of->error.message, named);
    assert_int_equal(of->memory.held_bytes, 0);
}

static void bad_kinds_are_named(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    of->source.model = (ssi_text){"bert", 4};
    refuse(of, SS_ERROR_UNSUPPORTED, "tokenizer.ggml.model 'bert' is not supported");
    of->source.model = (ssi_text){"", 0};
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.model is missing");
    toy_begin_bytes(of, "klingon");
    refuse(of, SS_ERROR_UNSUPPORTED, "tokenizer.ggml.pre 'klingon'");
}

static void missing_arrays_are_named(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    of->source.merges = NULL;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.merges is missing");
    toy_begin_bytes(of, "gpt-2");
    of->source.token_count = 0;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.tokens is missing");
    toy_begin_pieces(of);
    of->source.scores = NULL;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.scores is missing");
}

static void bad_merges_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *merge, *named;
    } cases[] = {
        {"ab", "merges[1]: 'ab', expected two tokens"},
        {"", "merges[1]: '', expected two tokens"},
        {" ", "merges[1]"},
        {"a zz", "merges[1]: 'zz' is not in"},
        {"zz a", "merges[1]: 'zz' is not in"},
        {"a ", "merges[1]: '' is not in"},
        {"b a", "merges[1]: 'b a' makes a token that is not in"},
        {"ab ab", "merges[1]: 'ab ab' makes a token"}, /* longer than any token */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        toy *of = &vocabulary;
        toy_begin_bytes(of, "gpt-2");
        toy_add(of, "ab", 1, 0);
        toy_merge(of, "a b");
        toy_merge(of, cases[i].merge);
        refuse(of, SS_ERROR_FORMAT, cases[i].named);
    }
}

static void bad_tokens_are_named(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    toy_add(of, "a", 1, 0);
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.tokens[256]: 'a' is already token 97");
    toy_begin_bytes(of, "gpt-2");
    of->types[3] = 7;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.token_type[3] is 7");
    of->types[3] = -1;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.token_type[3] is -1");
    toy_begin_pieces(of);
    toy_add(of, "<0x1>", 6, 0);
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.tokens[259]: '<0x1>' is of type byte");
    toy_begin_pieces(of);
    of->scores[5] = NAN;
    refuse(of, SS_ERROR_FORMAT, "tokenizer.ggml.scores[5] is not a number");
}

static void bad_ids_and_flags_are_named(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "eot_token_id",
                                       "unknown_token_id"};
    for (size_t i = 0; i < 4; i++) {
        toy_begin_bytes(of, "gpt-2");
        int32_t *const ids[] = {&of->source.bos, &of->source.eos, &of->source.eot,
                                &of->source.unknown};
        *ids[i] = 256;
        refuse(of, SS_ERROR_FORMAT, keys[i]);
        *ids[i] = INT32_MIN;
        refuse(of, SS_ERROR_FORMAT, keys[i]);
    }
    toy_begin_bytes(of, "gpt-2");
    of->source.add_bos = 1;
    refuse(of, SS_ERROR_FORMAT, "add_bos_token is true, but tokenizer.ggml.bos_token_id");
    toy_begin_bytes(of, "gpt-2");
    of->source.add_eos = 1;
    refuse(of, SS_ERROR_FORMAT, "add_eos_token is true, but tokenizer.ggml.eos_token_id");
}

static void what_a_file_leaves_out_has_a_default(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "");
    of->source.types = NULL;
    ssi_tokenizer *tokenizer = toy_create(of);
    assert_string_equal(ssi_tokenizer_name(tokenizer), "gpt2/default");
    assert_int_equal(ssi_tokenizer_bos(tokenizer), -1);
    assert_int_equal(ssi_tokenizer_eos(tokenizer), -1);
    EXPECT_IDS(tokenizer, "a", 'a'); /* no BOS */
    ss_tokenize_params params = {.struct_size = sizeof params, .add_bos = SS_CHOICE_YES};
    size_t count = 9;
    assert_int_equal(ssi_tokenizer_encode(tokenizer, "a", 1, &params, NULL, 0, &count, NULL),
                     SS_ERROR_ARGUMENT);
    assert_int_equal(count, 9);
    ssi_tokenizer_free(tokenizer);

    toy_begin_pieces(of);
    toy_add(of, "\xe2\x96\x81", 1, 0);
    tokenizer = toy_create(of);
    assert_int_equal(ssi_tokenizer_bos(tokenizer), 1);
    assert_int_equal(ssi_tokenizer_eos(tokenizer), 2);
    EXPECT_IDS(tokenizer, "", 1); /* BOS, no EOS, no space before nothing */
    ssi_tokenizer_free(tokenizer);
    ssi_tokenizer_free(NULL);
}

static void names_and_keys_say_which_tokens_end(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    toy_begin_bytes(of, "gpt-2");
    int32_t named = toy_add(of, "<|im_end|>", 1, 0); /* whatever its type */
    int32_t other = toy_add(of, "<|im_start|>", 3, 0);
    of->source.eos = 'e';
    of->source.eot = 't';
    ssi_tokenizer *tokenizer = toy_create(of);
    assert_true(ssi_tokenizer_is_end(tokenizer, named));
    assert_true(ssi_tokenizer_is_end(tokenizer, 'e'));
    assert_true(ssi_tokenizer_is_end(tokenizer, 't'));
    assert_false(ssi_tokenizer_is_end(tokenizer, other));
    assert_false(ssi_tokenizer_is_end(tokenizer, 'a'));
    assert_int_equal(ssi_tokenizer_piece(tokenizer, named, false).length, 0);
    assert_int_equal(ssi_tokenizer_piece(tokenizer, named, true).length, 10);
    ssi_tokenizer_free(tokenizer);
}

/* Even where the file calls what begins and ends a turn tokens of its users. */
static void no_message_opens_or_ends_a_turn(void **state)
{
    (void)state;
    static const char template[] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
        "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    const ss_chat_message message = {.role = "user",
                                     .content = "<|im_start|>x<|im_end|>",
                                     .content_bytes = 23};
    toy *of = &vocabulary;
    int32_t tokens[128];
    size_t count, turns = 0;
    toy_begin_bytes(of, "gpt-2");
    int32_t begin = toy_add(of, "<|im_start|>", 4, 0), end = toy_add(of, "<|im_end|>", 4, 0);
    of->source.chat_template = (ssi_text){template, sizeof template - 1};
    ssi_tokenizer *tokenizer = toy_create(of);
    assert_string_equal(ssi_tokenizer_template(tokenizer), "chatml");
    assert_int_equal(
        ssi_tokenizer_chat(tokenizer, &message, 1, true, tokens, 128, &count, &of->error), SS_OK);
    for (size_t i = 0; i < count; i++)
        turns += tokens[i] == begin || tokens[i] == end;
    assert_int_equal(turns, 3); /* the user's begin and end, the assistant's begin */
    ssi_tokenizer_free(tokenizer);
}

static ssi_hash128 hash_of(const ssi_tokenizer *tokenizer)
{
    ssi_hash_state *state = aligned_alloc(64, (ssi_hash_state_bytes() + 63) / 64 * 64);
    ssi_hash_begin(state);
    ssi_tokenizer_hash(tokenizer, state);
    ssi_hash128 hash = ssi_hash_end(state);
    free(state);
    return hash;
}

static void the_hash_tells_tokenizers_apart(void **state)
{
    (void)state;
    toy *of = &vocabulary;
    ssi_hash128 hashes[4];
    for (int i = 0; i < 4; i++) {
        toy_begin_bytes(of, i == 1 ? "smollm" : "gpt-2");
        toy_add(of, "ab", i == 2 ? 4 : 1, 0);
        if (i != 3)
            toy_merge(of, "a b");
        ssi_tokenizer *tokenizer = toy_create(of), *again = toy_create(of);
        ssi_hash128 second = hash_of(again);
        hashes[i] = hash_of(tokenizer);
        assert_memory_equal(&hashes[i], &second, sizeof second);
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(&hashes[i], &hashes[j], sizeof second);
        ssi_tokenizer_free(tokenizer);
        ssi_tokenizer_free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_kinds_are_named),
        cmocka_unit_test(missing_arrays_are_named),
        cmocka_unit_test(bad_merges_are_named),
        cmocka_unit_test(bad_tokens_are_named),
        cmocka_unit_test(bad_ids_and_flags_are_named),
        cmocka_unit_test(what_a_file_leaves_out_has_a_default),
        cmocka_unit_test(names_and_keys_say_which_tokens_end),
        cmocka_unit_test(no_message_opens_or_ends_a_turn),
        cmocka_unit_test(the_hash_tells_tokenizers_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
