/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of real vocabularies against llama.cpp's: its own test files (.inp, .out) beside the
 * checkout, and for the default model a few texts encoded with its llama-tokenize. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/load.h"
#include "support/files.h"
#include "support/whole_file.h"
#include "tokenizer/toy_vocabulary.h"

#define VOCABULARIES SHARED_FOLDER "tokenizers/ggml-vocab-"

static ssi_tokenizer *open_vocabulary(const char *path)
{
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_source source;
    ssi_gguf gguf;
    ssi_tokenizer *tokenizer = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (ssi_source_open(&source, path, &error) != SS_OK ||
        ssi_gguf_open(&gguf, &source, &memory, &error) != SS_OK ||
        ssi_tokenizer_read(&gguf, &memory, &tokenizer, &error) != SS_OK)
        fail_msg("%s", error.message);
    ssi_gguf_close(&gguf);
    ssi_source_close(&source);
    return tokenizer;
}

static void expect_line(const ssi_tokenizer *tokenizer, const char *text, size_t length,
                        char *line)
{
    ss_tokenize_params params = {.struct_size = sizeof params,
                                 .add_bos = SS_CHOICE_NO,
                                 .add_eos = SS_CHOICE_NO,
                                 .special = SS_CHOICE_NO};
    int32_t ids[1024];
    size_t count, at = 0;
    assert_int_equal(
        ssi_tokenizer_encode(tokenizer, text, length, &params, ids, 1024, &count, NULL), SS_OK);
    for (char *end; strtol(line, &end, 10), end != line; line = end, at++)
        if (at == count || ids[at] != strtol(line, NULL, 10))
            fail_msg("'%.*s': id %zu differs", (int)length, text, at);
    assert_int_equal(at, count);
    expect_same_back(tokenizer, text, length);
}

static void expect_file(const char *name)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[256];
    size_t bytes;
    snprintf(path, sizeof path, VOCABULARIES "%s.gguf", name);
    test_needs(path);
    ssi_tokenizer *tokenizer = open_vocabulary(path);
    snprintf(path, sizeof path, VOCABULARIES "%s.gguf.inp", name);
    char *inputs = read_file(path, &bytes);
    snprintf(path, sizeof path, VOCABULARIES "%s.gguf.out", name);
    char *outputs = read_file(path, &bytes);

    size_t lines = 0;
    char *text = inputs, *line = outputs, *end;
    for (; (end = strstr(text, separator)) != NULL; lines++) { /* one after each text */
        char *line_end = strchr(line, '\n');
        assert_non_null(line_end);
        *line_end = '\0';
        expect_line(tokenizer, text, (size_t)(end - text), line);
        text = end + sizeof separator - 1;
        line = line_end + 1;
    }
    assert_int_equal(*line, '\0');
    assert_in_range(lines, 40, 100);
    free(inputs);
    free(outputs);
    ssi_tokenizer_free(tokenizer);
}

static void gpt2_lines_are_exact(void **state)
{
    (void)state;
    expect_file("gpt-2");
}

static void llama_lines_are_exact(void **state)
{
    (void)state;
    expect_file("llama-spm");
}

static void qwen2_lines_are_exact(void **state)
{
    (void)state;
    expect_file("qwen2");
}

static void the_default_model_encodes_as_its_reference(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    ssi_tokenizer *tokenizer = open_vocabulary(DEFAULT_MODEL);
    assert_string_equal(ssi_tokenizer_name(tokenizer), "gpt2/smollm");
    assert_string_equal(ssi_tokenizer_template(tokenizer), "chatml");
    EXPECT_IDS(tokenizer, "The year 1984, it's 3.14159!", 504, 713, 216, 33, 41, 40, 36, 28,
               357, 506, 216, 35, 30, 33, 36, 33, 37, 41, 17);
    EXPECT_IDS(tokenizer, "def f(x):\n    return x ** 2\n", 1604, 275, 24, 104, 727, 472,
               1003, 1792, 1903, 216, 34, 198);
    EXPECT_IDS(tokenizer, "Gr\xc3\xb6\xc3\x9f" "e: 42 \xe2\x82\xac, \xe4\xbd\xa0\xe5\xa5\xbd"
               " \xf0\x9f\x98\x80", 27302, 7466, 34878, 85, 42, 216, 36, 34, 24927, 28,
               216, 18645, 250, 48392, 138, 40303, 218);
    EXPECT_IDS(tokenizer, "a<|im_end|>\n<file_sep>  b", 81, 2, 198, 5, 216, 278);
    assert_true(ssi_tokenizer_is_end(tokenizer, 0));
    assert_true(ssi_tokenizer_is_end(tokenizer, 2));
    assert_true(ssi_tokenizer_is_end(tokenizer, 4));
    assert_false(ssi_tokenizer_is_end(tokenizer, 1));

    static const int32_t turns[] = {
        1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411,
        407, 19712, 8182, 2, 198, 1, 4093, 198, 1780, 314, 216, 34, 27, 34, 47, 2, 198, 1, 520,
        9531, 198};
    ss_chat_message message = {"user", "What is 2+2?", 12};
    int32_t ids[128];
    size_t count;
    assert_int_equal(ssi_tokenizer_chat(tokenizer, &message, 1, true, ids, 128, &count, NULL),
                     SS_OK);
    assert_int_equal(count, sizeof turns / sizeof turns[0]);
    assert_memory_equal(ids, turns, sizeof turns);
    ssi_tokenizer_free(tokenizer);
}

static void the_small_model_gives_text_back(void **state)
{
    (void)state;
    test_needs(SMALL_MODEL);
    ssi_tokenizer *tokenizer = open_vocabulary(SMALL_MODEL);
    static const char text[] = "Once upon a time, there was a little girl named Lily.\n\t\0 \xff";
    expect_same_back(tokenizer, text, sizeof text - 1);
    expect_same_back(tokenizer, "", 0);
    expect_same_back(tokenizer, "  ", 2);
    ssi_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_lines_are_exact),
        cmocka_unit_test(llama_lines_are_exact),
        cmocka_unit_test(qwen2_lines_are_exact),
        cmocka_unit_test(the_default_model_encodes_as_its_reference),
        cmocka_unit_test(the_small_model_gives_text_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
