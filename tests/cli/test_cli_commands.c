/* SPDX-License-Identifier: Apache-2.0 */
/* The other commands: what they print for programs, and that text comes back as it was. */
#include "cli_json.h"

#include <math.h>

static void tokenize_and_detokenize_are_inverse(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } texts[] = {
        {"", 0},
        {"Once upon a time\n", 17},
        {"a\0b\xff\xc3", 5},
        {"<s> is written here </s>", 24},
        {"\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80", 11},
    };
    const char *const there[] = {"tokenize", "-m", SMALL_MODEL, "--no-special", NULL};
    const char *const back[] = {"detokenize", "-m", SMALL_MODEL, NULL};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cli_result ids = cli_run_with(texts[i].bytes, texts[i].length, there);
        cli_done(&ids);
        assert_ptr_equal(strchr(ids.out, '\n'), ids.out + ids.out_bytes - 1);
        cli_result text = cli_run_with(ids.out, ids.out_bytes, back);
        cli_done(&text);
        assert_int_equal(text.out_bytes, texts[i].length);
        assert_memory_equal(text.out, texts[i].bytes, texts[i].length);
        cli_free(&ids);
        cli_free(&text);
    }
}

static void special_tokens_are_read_where_they_are_written(void **state)
{
    (void)state;
    const char *const with[] = {"tokenize", "-m", SMALL_MODEL, NULL};
    const char *const without[] = {"tokenize", "-m", SMALL_MODEL, "--no-special", NULL};
    cli_result special = cli_run_with("</s>", 4, with);
    cli_result plain = cli_run_with("</s>", 4, without);
    assert_string_equal(special.out, "1 2\n");
    assert_string_not_equal(plain.out, special.out);
    cli_free(&special);
    cli_free(&plain);
}

static void ids_that_are_none_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"5x", "-1", "99999999999", "1,2", "1 2 512"};
    static const char *const words[] = {"5x", "-1", "99999999999", "1,2", "512"};
    const char *const back[] = {"detokenize", "-m", SMALL_MODEL, NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cli_result result = cli_run_with(bad[i], strlen(bad[i]), back);
        cli_failed(&result, 1, words[i]);
        cli_free(&result);
    }
}

static void perplexity_scores_the_second_halves(void **state)
{
    (void)state;
    char text[2048] = "";
    for (int i = 0; i < 20; i++)
        strcat(text, "Once upon a time there was a dog. It was happy. ");
    const char *path = cli_write("story.txt", text, strlen(text));
    cli_result result = cli_run("perplexity", "-m", SMALL_MODEL, "-f", path, "-c", "64",
                                "--chunks", "3", "--json");
    cli_done(&result);
    json_is(result.out, "tokens_scored", "93"); /* 3 windows, positions 33 to 63 */
    double perplexity = json_double(result.out, "perplexity");
    assert_true(perplexity > 1 && perplexity < 50);
    cli_free(&result);
    result = cli_run("perplexity", "-m", SMALL_MODEL, "-f", path, "-c", "64", "--chunks", "3",
                     "--cpu", "portable", "--threads", "3", "--prefill-chunk", "5", "--json");
    assert_true(json_double(result.out, "perplexity") == perplexity);
    cli_free(&result);
    path = cli_write("short.txt", "Once", 4);
    result = cli_run("perplexity", "-m", SMALL_MODEL, "-f", path);
    cli_failed(&result, 1, "short.txt");
    cli_free(&result);
}

static void info_names_what_matters(void **state)
{
    (void)state;
    cli_result json = cli_run("info", SMALL_MODEL, "--json"), table = cli_run("info", SMALL_MODEL);
    cli_done(&json);
    cli_done(&table);
    json_is(json.out, "architecture", "\"llama\"");
    json_is(json.out, "layers", "5");
    json_is(json.out, "vocabulary_size", "512");
    char *hash = json_copy(json.out, "xxh3");
    assert_int_equal(strspn(hash + 1, "0123456789abcdef"), 32);
    hash[33] = '\0';
    assert_non_null(strstr(table.out, hash + 1));
    free(hash);
    cli_free(&json);
    cli_free(&table);
}

static void the_default_models_hash_is_known(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    cli_result result = cli_run("info", DEFAULT_MODEL, "--json");
    cli_done(&result);
    json_is(result.out, "xxh3", "\"b76ce503144f13bf3de2a170f1c72fa3\"");
    cli_free(&result);
}

static void bench_gives_every_figure(void **state)
{
    (void)state;
    static const char *const keys[] = {"load_ms",
                                       "first_token_ms",
                                       "plain_tokens_per_s",
                                       "prefill_tokens_per_s",
                                       "peak_rss_bytes",
                                       "kv_bytes"};
    static const char *const rows[] = {"1", "2", "4", "6", "8", "12", "16", "24", "32"};
    cli_result result = cli_run("bench", "-m", SMALL_MODEL, "--json", "--threads", "1");
    cli_done(&result);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_double(result.out, keys[i]) > 0);
    json_value(result.out, "cpu");
    char *costs = json_copy(result.out, "cost_ms");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(json_double(costs, rows[i]) > 0);
    free(costs);
    cli_free(&result);
}

static void an_empty_prompt_is_an_error_where_nothing_is_put_before_it(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    cli_result result = cli_run("generate", "-m", DEFAULT_MODEL, "-p", "");
    cli_failed(&result, 1, "prompt is empty");
    cli_free(&result);
}

static void a_conversation_remembers(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    const char *const chat[] = {"chat", "-m", DEFAULT_MODEL, "-n", "12", NULL};
    cli_result result = cli_run_with("Hello\n\nWhat did I say?\n", 23, chat);
    cli_done(&result);
    assert_true(result.out_bytes > 10);
    cli_free(&result);
}

static void an_interrupt_ends_an_answer_cleanly(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    const char *const arguments[] = {"generate", "-m",   DEFAULT_MODEL, "-p", "Once upon a time",
                                     "-n",       "8000", "--ignore-eos", NULL};
    int ends[2], null = open("/dev/null", O_RDONLY);
    char text[64];
    FILE *error = tmpfile();
    size_t bytes;
    assert_int_equal(pipe(ends), 0);
    pid_t child = cli_start(arguments, null, ends[1], fileno(error));
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text) > 0); /* it is speaking */
    kill(child, SIGINT);
    assert_int_equal(cli_wait(child), 0);
    char *said = read_all(error, &bytes);
    assert_string_equal(said, "");
    free(said);
    close(ends[0]);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenize_and_detokenize_are_inverse),
        cmocka_unit_test(special_tokens_are_read_where_they_are_written),
        cmocka_unit_test(ids_that_are_none_are_named),
        cmocka_unit_test(perplexity_scores_the_second_halves),
        cmocka_unit_test(info_names_what_matters),
        cmocka_unit_test(the_default_models_hash_is_known),
        cmocka_unit_test(bench_gives_every_figure),
        cmocka_unit_test(an_empty_prompt_is_an_error_where_nothing_is_put_before_it),
        cmocka_unit_test(a_conversation_remembers),
        cmocka_unit_test(an_interrupt_ends_an_answer_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
