/* SPDX-License-Identifier: Apache-2.0 */
/* Help, wrong usage (2), and errors (1): one line on stderr that names the thing. */
#include "cli_chat_model.h"

static const char *const commands[] = {"generate", "chat",       "info",      "bench",
                                       "perplexity", "tokenize", "detokenize", "adapter",
                                       "quantize"};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void help_is_there_for_everything(void **state)
{
    (void)state;
    cli_result all = cli_run("--help");
    cli_done(&all);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        cli_result one = cli_run(commands[i], "--help");
        cli_result same = cli_run(commands[i], "-h");
        cli_done(&one);
        assert_non_null(strstr(all.out, commands[i]));
        assert_non_null(strstr(one.out, "usage: specstream"));
        assert_string_equal(one.out, same.out);
        cli_free(&one);
        cli_free(&same);
    }
    cli_free(&all);
    cli_result version = cli_run("--version");
    cli_done(&version);
    assert_int_equal(strncmp(version.out, "specstream ", 11), 0);
    cli_free(&version);
}

static void lines_are_narrow(const char *text)
{
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
        if (end - text > 100)
            fail_msg("%d columns: %.*s", (int)(end - text), (int)(end - text), text);
}

static void help_fits_and_is_found_both_ways(void **state)
{
    (void)state;
    static const char *const pages[][2] = {{"train"}, {"generate"}, {"bench"}, {"plot"},
                                           {"adapter", "init"}, {"adapter", "merge"}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        const char *const behind[] = {pages[i][0], pages[i][1] ? pages[i][1] : "--help",
                                      pages[i][1] ? "--help" : NULL, NULL};
        cli_result one = cli_run_with("", 0, behind);
        cli_result same = cli_run("help", pages[i][0], pages[i][1]);
        cli_done(&one);
        lines_are_narrow(one.out);
        assert_string_equal(one.out, same.out);
        if (i == 1)
            assert_non_null(strstr(one.out, "cancelled"));
        cli_free(&one);
        cli_free(&same);
    }
    cli_result all = cli_run("help");
    cli_done(&all);
    lines_are_narrow(all.out);
    assert_non_null(strstr(all.out, "--version"));
    cli_free(&all);
    cli_result none = cli_run("help", "dance");
    cli_failed(&none, 2, "dance");
    cli_free(&none);
}

static void wrong_usage_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[10];
        const char *words;
    } wrong[] = {
        {{NULL}, "no command"},
        {{"dance"}, "dance"},
        {{"generate"}, "-m"},
        {{"generate", "-m"}, "-m"},
        {{"generate", "-m", SMALL_MODEL}, "-p"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "-f", "b"}, "-p"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--bogus"}, "--bogus"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "more"}, "more"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "-n", "-1"}, "-n"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "-n", "12x"}, "12x"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "-n", ""}, "-n"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "-n", "99999999999"}, "-n"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--temp", "nan"}, "--temp"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--temp=-1"}, "--temp"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--top-p", "1.5"}, "--top-p"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--seed", "18446744073709551616"}, "--seed"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--cpu", "sse"}, "portable"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--kv", "q8"}, "f16"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--threads", "257"}, "256"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--json=1"}, "--json"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--prefill-chunk", "1025"}, "1024"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--draft", "dreams"}, "dreams"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--draft", "ngram,"}, "--draft"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--draft", "none,ngram"}, "--draft"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--tree", "best:"}, "--tree"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--tree", "4,0,1"}, "--tree"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--tree", "4,2,"}, "--tree"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--tree", "-1"}, "--tree"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--schedule", "never"}, "deferred"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--trace", "--json"}, "--trace"},
        {{"bench", "-m", SMALL_MODEL, "--oracle", "0.5"}, "--prompts"},
        {{"bench", "-m", SMALL_MODEL, "--prompts", "a", "--oracle", "1.5"}, "--oracle"},
        {{"bench", "-m", SMALL_MODEL, "--prompts", "a"}, "-a, --draft or --oracle"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--draft", "streams"}, "-a ADAPTER"},
        {{"chat", "-m", SMALL_MODEL, "--draft", "streams,ngram"}, "-a ADAPTER"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--temp", "0.000001"},
         "neither 0 nor a number from 0.0001 to 100"},
        {{"generate", "-m", SMALL_MODEL, "-p", "a", "--stop", ""}, "--stop"},
        {{"train", "-m", "a", "-d", "b", "-o", "c", "--minutes", "0"}, "from 0.001"},
        {{"train", "-m", "a", "-d", "b", "-o", "c", "--epochs", "0"}, "from 0.001"},
        {{"adapter"}, "info, init"},
        {{"adapter", "export-lora", "a"}, "-o"},
        {{"adapter", "export-lora", "-o", "a"}, "ADAPTER"},
        {{"adapter", "merge", "-a", "a", "-o", "b"}, "-m"},
        {{"adapter", "merge", "-m", SMALL_MODEL, "-o", "b"}, "-a"},
        {{"adapter", "merge", "-m", SMALL_MODEL, "-a", "a"}, "-o"},
        {{"adapter", "merge", "--type", "Q2_K"}, "Q2_K"},
        {{"quantize", "-o", "a", "--type", "F16"}, "-m"},
        {{"quantize", "-m", SMALL_MODEL, "--type", "F16"}, "-o"},
        {{"quantize", "-m", SMALL_MODEL, "-o", "a"}, "--type"},
        {{"quantize", "--type", "auto"}, "auto"},
        {{"adapter", "train"}, "train"},
        {{"adapter", "info"}, "ADAPTER"},
        {{"adapter", "init", "-m", SMALL_MODEL}, "-o"},
        {{"adapter", "init", "-o", "a"}, "-m"},
        {{"adapter", "init", "--streams", "9"}, "--streams"},
        {{"chat"}, "-m"},
        {{"chat", "-m", SMALL_MODEL, "hello"}, "hello"},
        {{"info"}, "MODEL"},
        {{"info", "a", "b"}, "b"},
        {{"bench"}, "-m"},
        {{"perplexity", "-m", SMALL_MODEL}, "-f"},
        {{"perplexity", "-m", SMALL_MODEL, "-f", "a", "-c", "3"}, "-c"},
        {{"tokenize"}, "-m"},
        {{"detokenize"}, "-m"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cli_result result = cli_run_with("", 0, wrong[i].arguments);
        cli_failed(&result, 2, wrong[i].words);
        cli_free(&result);
    }
}

/* The least and the most that an option's help or message names are taken. */
static void bounds_are_taken(void **state)
{
    (void)state;
    static const char *const heats[] = {"0", "1e-4", "0.0001", "100"};
    for (size_t i = 0; i < sizeof heats / sizeof *heats; i++) {
        cli_result result =
            cli_run("generate", "-m", SMALL_MODEL, "-p", "a", "-n", "1", "--temp", heats[i]);
        cli_done(&result);
        cli_free(&result);
    }
    cli_result help = cli_run("train", "--help");
    cli_done(&help);
    const char *line = strstr(help.out, "--minutes");
    assert_non_null(line);
    assert_null(memmem(line, strcspn(line, "\n"), "[0]", 3)); /* not given is no 0 */
    cli_free(&help);
}

static void what_cannot_be_read_is_named(void **state)
{
    (void)state;
    const char *broken = cli_write("broken.gguf", "GGUF\3\0\0\0", 8);
    cli_result results[] = {
        cli_run("generate", "-m", "no/such.gguf", "-p", "a"),
        cli_run("info", "no/such.gguf"),
        cli_run("bench", "-m", "no/such.gguf"),
        cli_run("tokenize", "-m", "no/such.gguf"),
        cli_run("generate", "-m", SMALL_MODEL, "-f", "no/such.txt"),
        cli_run("generate", "-m", SMALL_MODEL, "--prompts", "no/such.jsonl"),
        cli_run("perplexity", "-m", SMALL_MODEL, "-f", "no/such.txt"),
        cli_run("info", broken),
        cli_run("info", "tests"),
        cli_run("adapter", "init", "-m", SMALL_MODEL, "-o", "no/such", "--msa-layers", "99"),
    };
    static const char *const words[] = {
        "no/such.gguf", "no/such.gguf",  "no/such.gguf", "no/such.gguf", "no/such.txt",
        "no/such.jsonl", "no/such.txt", "broken.gguf",  "tests",
        "--msa-layers: ",
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        cli_failed(&results[i], 1, words[i]);
        cli_free(&results[i]);
    }
}

static void a_full_disk_is_an_error_and_a_closed_pipe_is_not(void **state)
{
    (void)state;
    static const char *const arguments[][9] = {
        {"generate", "-m", SMALL_MODEL, "-p", "Once", "-n", "40"},
        {"generate", "-m", SMALL_MODEL, "-p", "Once", "-n", "40", "--json"},
        {"info", SMALL_MODEL},
        {"--help"},
        {"generate", "--help"},
        {"tokenize", "-m", SMALL_MODEL},
    };
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        int full = open("/dev/full", O_WRONLY), null = open("/dev/null", O_RDONLY), ends[2];
        FILE *error = tmpfile();
        size_t bytes;
        assert_int_equal(cli_wait(cli_start(arguments[i], null, full, fileno(error))), 1);
        char *text = read_all(error, &bytes);
        assert_non_null(strstr(text, "standard output"));
        free(text);

        assert_int_equal(pipe(ends), 0);
        close(ends[0]);
        error = tmpfile();
        assert_int_equal(cli_wait(cli_start(arguments[i], null, ends[1], fileno(error))), 0);
        text = read_all(error, &bytes);
        assert_string_equal(text, "");
        free(text);
        close(ends[1]);
        close(full);
        close(null);
    }
}

static void a_standard_input_that_fails_is_an_error(void **state)
{
    (void)state;
    size_t model_bytes;
    char *talker = chat_model(&model_bytes);
    const char *model = cli_write("usage-chat.gguf", talker, model_bytes);
    const char *const arguments[][6] = {
        {"generate", "-m", model, "-f", "-"}, {"chat", "-m", model},
        {"tokenize", "-m", model},            {"detokenize", "-m", model},
    };
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        int folder = open("tests", O_RDONLY);
        FILE *out = tmpfile(), *error = tmpfile();
        cli_result result = {
            .status = cli_wait(cli_start(arguments[i], folder, fileno(out), fileno(error)))};
        size_t bytes;
        result.out = read_all(out, &result.out_bytes);
        result.error = read_all(error, &bytes);
        cli_failed(&result, 1, "standard input");
        cli_free(&result);
        close(folder);
    }
    free(talker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_is_there_for_everything),
        cmocka_unit_test(help_fits_and_is_found_both_ways),
        cmocka_unit_test(wrong_usage_is_told_apart),
        cmocka_unit_test(bounds_are_taken),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(a_standard_input_that_fails_is_an_error),
        cmocka_unit_test(a_full_disk_is_an_error_and_a_closed_pipe_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
