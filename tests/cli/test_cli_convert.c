/* SPDX-License-Identifier: Apache-2.0 */
/* quantize, adapter merge, adapter export-lora from the command line: the files work with the other
 * commands, silence means success, and an error leaves no file. */
#include "cli_json.h"

static const char *built(const char *name) /* lives until four calls later */
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/cli-%s", test_build_folder(), name);
    return path;
}

/* The command succeeds and says nothing. */
#define quietly(...)                                                                           \
    do {                                                                                       \
        cli_result quiet = cli_run(__VA_ARGS__);                                               \
        cli_done(&quiet);                                                                      \
        assert_string_equal(quiet.out, "");                                                    \
        cli_free(&quiet);                                                                      \
    } while (0)

#define fails(words, ...)                                                                      \
    do {                                                                                       \
        cli_result bad = cli_run(__VA_ARGS__);                                                 \
        cli_failed(&bad, 1, words);                                                            \
        cli_free(&bad);                                                                        \
    } while (0)

static char *draw(const char *model, const char *adapter, const char *draft)
{
    const char *arguments[16] = {"generate", "-m", model,    "-p",      "Once upon a time",
                                 "-n",       "40", "--json", "--draft", draft};
    if (adapter != NULL) {
        arguments[10] = "-a";
        arguments[11] = adapter;
    }
    cli_result result = cli_run_with("", 0, arguments);
    cli_done(&result);
    char *tokens = json_copy(result.out, "tokens");
    cli_free(&result);
    return tokens;
}

static void a_quantised_model_is_a_model(void **state)
{
    (void)state;
    static const char *const types[] = {"F32", "F16", "Q8_0", "Q4_0", "Q4_1"};
    const char *path = built("quantised.gguf");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        quietly("quantize", "-m", SMALL_MODEL, "-o", path, "--type", types[i]);
        cli_result result = cli_run("info", path);
        cli_done(&result);
        assert_non_null(strstr(result.out, types[i]));
        cli_free(&result);
        free(draw(path, NULL, "none"));
    }
    assert_int_equal(remove(path), 0);
}

static void an_adapters_halves_work_apart(void **state)
{
    (void)state;
    const char *adapter = built("shared.gguf"), *lora = built("lora.gguf");
    const char *merged = built("merged.gguf"), *streams = built("streams.gguf");
    quietly("adapter", "init", "-m", SMALL_MODEL, "-o", adapter, "--mode", "shared", "--std",
            "0.15", "--msa-layers", "2");
    quietly("adapter", "export-lora", adapter, "-o", lora, "-m", SMALL_MODEL);
    quietly("adapter", "merge", "-m", SMALL_MODEL, "-a", adapter, "-o", merged, "--type", "F32",
            "--streams", streams, "--threads", "2");
    char *base = draw(SMALL_MODEL, NULL, "none"), *tuned = draw(SMALL_MODEL, adapter, "none");
    char *plain = draw(SMALL_MODEL, lora, "none");
    assert_string_not_equal(base, tuned);
    assert_string_equal(tuned, plain);
    char *alone = draw(merged, NULL, "none"), *drafted = draw(merged, streams, "streams");
    assert_string_equal(alone, drafted);
    assert_string_not_equal(base, alone);
    cli_result told = cli_run("adapter", "info", streams, "--json", "-m", merged);
    cli_done(&told);
    json_is(told.out, "mode", "\"lossless\"");
    cli_free(&told);
    char *all[] = {base, tuned, plain, alone, drafted};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    const char *files[] = {adapter, lora, merged, streams};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(remove(files[i]), 0);
}

static void errors_name_the_file_and_leave_none(void **state)
{
    (void)state;
    const char *lossless = built("lossless.gguf"), *to = built("never.gguf");
    quietly("adapter", "init", "-m", SMALL_MODEL, "-o", lossless);
    fails("no main half", "adapter", "export-lora", lossless, "-o", to);
    fails("no main half", "adapter", "merge", "-m", SMALL_MODEL, "-a", lossless, "-o", to);
    fails("general.type", "adapter", "export-lora", SMALL_MODEL, "-o", to);
    fails("no/such", "adapter", "merge", "-m", SMALL_MODEL, "-a", "no/such", "-o", to);
    fails("no/such", "quantize", "-m", "no/such", "-o", to, "--type", "F16");
    fails(lossless, "quantize", "-m", lossless, "-o", to, "--type", "F16");
    fails("no/where", "quantize", "-m", SMALL_MODEL, "-o", "no/where/x", "--type", "F16");
    fails("/dev/full", "quantize", "-m", SMALL_MODEL, "-o", "/dev/full", "--type", "F16");
    assert_int_not_equal(access(to, F_OK), 0);
    assert_int_equal(remove(lossless), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantised_model_is_a_model),
        cmocka_unit_test(an_adapters_halves_work_apart),
        cmocka_unit_test(errors_name_the_file_and_leave_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
