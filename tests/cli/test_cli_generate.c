/* SPDX-License-Identifier: Apache-2.0 */
/* generate: the JSON others script against, the edges of its input, and its end. */
#include "cli_json.h"

#define ONCE "-m", SMALL_MODEL, "-p", "Once upon a time"

static void a_line_of_json_has_the_keys(void **state)
{
    (void)state;
    cli_result result = cli_run("generate", ONCE, "-n", "20", "--json");
    cli_done(&result);
    json_is(result.out, "id", "0");
    json_is(result.out, "stop", "\"length\"");
    assert_true(json_double(result.out, "prompt_tokens") > 1);
    assert_true(json_double(result.out, "prefill_ms") >= 0);
    assert_true(json_double(result.out, "decode_ms") >= 0);
    assert_true(json_double(result.out, "steps") == 19); /* the first needed no pass */
    assert_int_equal(strncmp(json_value(result.out, "text"), "\", there was", 12), 0);
    const char *tokens = json_value(result.out, "tokens");
    size_t commas = 0;
    for (const char *at = tokens; *at != ']'; at++)
        commas += *at == ',';
    assert_int_equal(commas, 19);
    assert_null(json_next_line(result.out));
    cli_free(&result);
}

static void text_for_people_is_the_text_and_a_newline(void **state)
{
    (void)state;
    cli_result people = cli_run("generate", ONCE, "-n", "20");
    cli_result program = cli_run("generate", ONCE, "-n", "20", "--json");
    cli_done(&people);
    assert_int_equal(people.out[people.out_bytes - 1], '\n');
    people.out[people.out_bytes - 1] = '\0';
    char quoted[512];
    snprintf(quoted, sizeof quoted, "\"%s\"", people.out);
    json_is(program.out, "text", quoted);
    cli_free(&people);
    cli_free(&program);
}

static void rows_come_in_order_with_their_ids(void **state)
{
    (void)state;
    static const char rows[] =
        "{\"id\":\"a \\\"b\\\" \\u00e9\",\"prompt\":\"Once\"}\n"
        "\n"
        "{\"prompt\":\"Lily \\ud83d\\ude00\\n\",\"id\":-1.5e3,\"other\":[{\"x\":null},true]}\r\n"
        "{\"prompt\":\"\"}\n"
        "{\"id\":12345678901234567890,\"prompt\":\"The dog\"}";
    static const char *const ids[] = {"\"a \\\"b\\\" \\u00e9\"", "-1.5e3", "2",
                                      "12345678901234567890"};
    const char *path = cli_write("rows.jsonl", rows, sizeof rows - 1);
    cli_result result = cli_run("generate", "-m", SMALL_MODEL, "--prompts", path, "-n", "5");
    cli_done(&result);
    const char *line = result.out;
    for (size_t i = 0; i < 4; i++, line = json_next_line(line)) {
        assert_non_null(line);
        json_is(line, "id", ids[i]);
        json_value(line, "text");
    }
    assert_null(line);
    cli_free(&result);
}

static void a_bad_row_is_named_before_any_work(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"id\":1}",           "{\"prompt\":\"a\"",          "{\"prompt\":\"a\",}",
        "{\"prompt\":3}",       "{\"prompt\":\"a\"} x",       "{\"id\":null,\"prompt\":\"a\"}",
        "[]",                   "{\"prompt\":\"\\ud800\"}",   "{\"id\":01,\"prompt\":\"a\"}",
        "{\"prompt\":\"\\q\"}", "{\"prompt\":\"a\nb\"}",      "{\"prompt\":\"\xff\"}",
        "{prompt:\"a\"}",       "{\"prompt\":\"a\" \"id\":1}", "nonsense",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rows[128];
        int length = snprintf(rows, sizeof rows, "{\"prompt\":\"fine\"}\n%s\n", bad[i]);
        const char *path = cli_write("bad.jsonl", rows, (size_t)length);
        cli_result result = cli_run("generate", "-m", SMALL_MODEL, "--prompts", path);
        cli_failed(&result, 1, "bad.jsonl, line 2");
        cli_free(&result);
    }
    const char *path = cli_write("bad.jsonl", "\n \n", 3);
    cli_result result = cli_run("generate", "-m", SMALL_MODEL, "--prompts", path);
    cli_failed(&result, 1, "no prompts");
    cli_free(&result);
}

static void no_tokens_are_drawn_when_none_are_asked_for(void **state)
{
    (void)state;
    cli_result result = cli_run("generate", ONCE, "-n", "0", "--json");
    cli_done(&result);
    json_is(result.out, "tokens", "[]");
    json_is(result.out, "text", "\"\"");
    json_is(result.out, "stop", "\"length\"");
    json_is(result.out, "steps", "0");
    cli_free(&result);
}

static void any_bytes_are_a_prompt_and_give_valid_json(void **state)
{
    (void)state;
    const char *path = cli_write("bytes.bin", "a\0\xff\xc3 b\n", 7);
    cli_result file = cli_run("generate", "-m", SMALL_MODEL, "-f", path, "-n", "64", "--temp",
                              "3", "--seed", "18446744073709551615", "--json");
    cli_done(&file);
    json_value(file.out, "text");
    cli_free(&file);
    cli_result argument = cli_run("generate", "-m", SMALL_MODEL, "-p", "\xff\xfe", "-n", "200",
                                  "--temp", "9", "--ignore-eos", "--json");
    cli_done(&argument);
    json_value(argument.out, "text");
    cli_free(&argument);
    const char *const piped[] = {"generate", "-m", SMALL_MODEL, "-f", "-", "-n",
                                 "4",        "--json", NULL};
    cli_result input = cli_run_with("a\0b", 3, piped);
    cli_done(&input);
    json_value(input.out, "text");
    cli_free(&input);
}

static void the_context_has_an_end(void **state)
{
    (void)state;
    char *text = malloc(4001);
    for (size_t i = 0; i < 4000; i++)
        text[i] = "dog "[i % 4];
    text[4000] = '\0';
    const char *path = cli_write("long.txt", text, 4000);
    cli_result result = cli_run("generate", "-m", SMALL_MODEL, "-f", path);
    cli_failed(&result, 1, "the context holds 512");
    cli_free(&result);
    result = cli_run("generate", "-m", SMALL_MODEL, "-p", "Once upon a time", "-c", "3");
    cli_failed(&result, 1, "the context holds 3");
    cli_free(&result);
    result = cli_run("generate", "-m", SMALL_MODEL, "-p", "Once", "-c", "513");
    cli_failed(&result, 1, "context_length");
    cli_free(&result);
    /* What does not fit any more is not drawn; that is no error. */
    result = cli_run("generate", ONCE, "-n", "4000", "--ignore-eos", "--json");
    cli_done(&result);
    json_is(result.out, "stop", "\"length\"");
    cli_free(&result);
    free(text);
}

static void stop_strings_end_the_text_before_them(void **state)
{
    (void)state;
    cli_result result = cli_run("generate", ONCE, "-n", "200", "--json", "--stop", "xyzzy",
                                "--stop", " girl");
    cli_done(&result);
    json_is(result.out, "stop", "\"stop\"");
    json_is(result.out, "text", "\", there was a little\"");
    cli_free(&result);
    result = cli_run("generate", ONCE, "--stop", "");
    cli_failed(&result, 2, "--stop");
    cli_free(&result);
}

static void the_machine_changes_no_token(void **state)
{
    (void)state;
    static const char *const settings[][4] = {
        {"--threads", "1", "--prefill-chunk", "1"}, {"--threads", "2", "--prefill-chunk", "7"},
        {"--threads", "3", "--cpu", "portable"},    {"--cpu", "auto", "-c", "100"},
        {"--kv", "f16", "--prefill-chunk", "64"},
    };
    char *wanted = NULL;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *const *with = settings[i];
        cli_result result = cli_run("generate", ONCE, "-n", "60", "--json", "--temp", "0.8",
                                    "--top-p", "0.95", "--seed", "7", "--repeat-penalty", "1.1",
                                    with[0], with[1], with[2], with[3]);
        cli_done(&result);
        char *tokens = json_copy(result.out, "tokens");
        if (wanted == NULL)
            wanted = strdup(tokens);
        assert_string_equal(tokens, wanted);
        free(tokens);
        cli_free(&result);
    }
    cli_result other = cli_run("generate", ONCE, "-n", "60", "--json", "--temp", "0.8",
                               "--top-p", "0.95", "--seed", "8", "--repeat-penalty", "1.1");
    char *tokens = json_copy(other.out, "tokens");
    assert_string_not_equal(tokens, wanted);
    free(tokens);
    free(wanted);
    cli_free(&other);
}

static void without_a_template_raw_text_is_the_way(void **state)
{
    (void)state;
    cli_result result = cli_run("generate", ONCE, "--chat");
    cli_failed(&result, 1, "raw text");
    cli_free(&result);
    const char *const chat[] = {"chat", "-m", SMALL_MODEL, NULL};
    result = cli_run_with("", 0, chat); /* before anything has been typed */
    cli_failed(&result, 1, "raw text");
    cli_free(&result);
}

/* Many rows, so that it is still busy when the signal comes; what it wrote is whole lines. */
static void an_interrupt_ends_a_run_of_rows(void **state)
{
    (void)state;
    enum { ROWS = 5000 };
    static const char row[] = "{\"prompt\":\"Once upon a time\"}\n";
    char *rows = malloc(ROWS * (sizeof row - 1)), first;
    for (size_t i = 0; i < ROWS; i++)
        memcpy(rows + i * (sizeof row - 1), row, sizeof row - 1);
    const char *path = cli_write("many.jsonl", rows, ROWS * (sizeof row - 1));
    const char *const arguments[] = {"generate", "-m",  SMALL_MODEL,    "--prompts", path,
                                     "-n",       "400", "--ignore-eos", NULL};
    int ends[2], null = open("/dev/null", O_RDONLY);
    FILE *error = tmpfile();
    assert_int_equal(pipe(ends), 0);
    pid_t child = cli_start(arguments, null, ends[1], fileno(error));
    close(ends[1]);
    assert_int_equal(read(ends[0], &first, 1), 1); /* the first line is there */
    kill(child, SIGINT);
    FILE *out = tmpfile();
    fputc(first, out);
    char piece[4096];
    for (ssize_t bytes; (bytes = read(ends[0], piece, sizeof piece)) > 0;)
        fwrite(piece, 1, (size_t)bytes, out);
    assert_int_equal(cli_wait(child), 1);
    size_t length;
    char *text = read_all(out, &length), *said = read_all(error, &length);
    assert_non_null(strstr(said, "interrupted"));
    for (const char *line = text; line != NULL; line = json_next_line(line))
        json_value(line, "stop");
    free(text);
    free(said);
    free(rows);
    close(ends[0]);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_json_has_the_keys),
        cmocka_unit_test(text_for_people_is_the_text_and_a_newline),
        cmocka_unit_test(rows_come_in_order_with_their_ids),
        cmocka_unit_test(a_bad_row_is_named_before_any_work),
        cmocka_unit_test(no_tokens_are_drawn_when_none_are_asked_for),
        cmocka_unit_test(any_bytes_are_a_prompt_and_give_valid_json),
        cmocka_unit_test(the_context_has_an_end),
        cmocka_unit_test(stop_strings_end_the_text_before_them),
        cmocka_unit_test(the_machine_changes_no_token),
        cmocka_unit_test(without_a_template_raw_text_is_the_way),
        cmocka_unit_test(an_interrupt_ends_a_run_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
