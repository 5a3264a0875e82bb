/* SPDX-License-Identifier: Apache-2.0 */
/* Drafting from the command line: no option changes a token, and what was drafted is told. */
#include "cli_json.h"

#define ONCE "-m", SMALL_MODEL, "-p", "Once upon a time", "-n", "60", "--json"

/* An untrained adapter of the small model, by the program; the path lives until the next call. */
static const char *untrained(const char *name, const char *mode, const char *deviation)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_build_folder(), name);
    cli_result result = cli_run("adapter", "init", "-m", SMALL_MODEL, "-o", path, "--streams",
                                "3", "--msa-layers", "2", "--mode", mode, "--std", deviation);
    cli_done(&result);
    assert_string_equal(result.out, "");
    cli_free(&result);
    return path;
}

static char *tokens_of(const cli_result *result)
{
    cli_done(result);
    return json_copy(result->out, "tokens");
}

static void no_drafting_option_changes_a_token(void **state)
{
    (void)state;
    static const char *const ways[][6] = {
        {"--draft", "ngram"},
        {"--draft", "streams"},
        {"--draft", "streams,ngram", "--tree", "best:8"},
        {"--tree", "8,8,8,8", "--schedule", "parallel"},
        {"--tree", "best:1000", "--prune", "on"},
        {"--tree", "1", "--schedule", "deferred", "--prune", "off"},
        {"--tree", "100,100,1", "--max-rows", "64", "--threads", "2"},
        {"--tree", "best:5", "--max-rows", "1"},
    };
    const char *path = untrained("drafting.gguf", "shared", "1");
    for (size_t sampled = 0; sampled < 2; sampled++) {
        const char *heat = sampled ? "0.8" : "0";
        cli_result plain = cli_run("generate", ONCE, "-a", path, "--temp", heat, "--no-spec");
        char *wanted = tokens_of(&plain);
        json_is(plain.out, "drafted", "0");
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            const char *arguments[24] = {"generate", ONCE, "-a", path, "--temp", heat};
            for (size_t at = 12, j = 0; j < 6 && ways[i][j] != NULL; j++)
                arguments[at++] = ways[i][j];
            cli_result result = cli_run_with("", 0, arguments);
            char *got = tokens_of(&result);
            assert_string_equal(got, wanted);
            free(got);
            cli_free(&result);
        }
        free(wanted);
        cli_free(&plain);
    }
}

static void without_an_adapter_n_grams_draft_when_asked(void **state)
{
    (void)state;
    cli_result plain = cli_run("generate", ONCE);
    cli_result drafted = cli_run("generate", ONCE, "--draft", "ngram", "--tree", "best:8");
    char *wanted = tokens_of(&plain), *got = tokens_of(&drafted);
    assert_string_equal(got, wanted);
    json_is(plain.out, "drafted", "0");
    json_is(plain.out, "tokens_per_step", "1");
    double accepted = json_double(drafted.out, "accepted");
    assert_true(json_double(drafted.out, "drafted") >= accepted && accepted > 0);
    assert_true(json_double(drafted.out, "tokens_per_step") > 1);
    assert_true(json_double(drafted.out, "steps") < json_double(plain.out, "steps"));
    free(wanted);
    free(got);
    cli_free(&plain);
    cli_free(&drafted);
}

static void a_trace_shows_steps_and_ends_with_the_text(void **state)
{
    (void)state;
    cli_result plain = cli_run("generate", "-m", SMALL_MODEL, "-p", "Once upon a time", "-n", "60");
    cli_result trace = cli_run("generate", "-m", SMALL_MODEL, "-p", "Once upon a time", "-n", "60",
                               "--draft", "ngram", "--trace");
    cli_done(&plain);
    cli_done(&trace);
    assert_non_null(strstr(trace.out, "└─ "));
    assert_non_null(strstr(trace.out, "n-gram"));
    assert_non_null(strstr(trace.out, "tokens/s"));
    assert_null(strchr(trace.out, '\033')); /* nobody is watching */
    assert_true(trace.out_bytes > plain.out_bytes);
    assert_string_equal(trace.out + trace.out_bytes - plain.out_bytes, plain.out);
    cli_free(&plain);
    cli_free(&trace);
}

static void an_adapter_is_told_without_its_model(void **state)
{
    (void)state;
    const char *path = untrained("told.gguf", "lossless", "0.02");
    cli_result result = cli_run("adapter", "info", path, "--json");
    cli_done(&result);
    json_is(result.out, "mode", "\"lossless\"");
    json_is(result.out, "stream_count", "3");
    json_is(result.out, "msa_layer_count", "2");
    json_is(result.out, "main_rank", "0");
    json_is(result.out, "prune_rank", "8");
    cli_free(&result);
    result = cli_run("adapter", "info", path, "-m", SMALL_MODEL);
    cli_done(&result);
    assert_non_null(strstr(result.out, "lossless"));
    cli_free(&result);
    result = cli_run("adapter", "info", SMALL_MODEL);
    cli_failed(&result, 1, "general.type");
    cli_free(&result);
    result = cli_run("generate", "-m", SMALL_MODEL, "-p", "a", "-a", SMALL_MODEL);
    cli_failed(&result, 1, SMALL_MODEL);
    cli_free(&result);
}

static void bench_compares_both_ways_on_every_prompt(void **state)
{
    (void)state;
    static const char rows[] = "{\"prompt\":\"Once upon a time\"}\n{\"prompt\":\"Lily\"}\n";
    static const char *const stages[] = {"lower", "prune", "msa", "head", "verify", "plan"};
    const char *path = cli_write("bench.jsonl", rows, sizeof rows - 1);
    cli_result ngram = cli_run("bench", "-m", SMALL_MODEL, "--prompts", path, "-n", "40",
                               "--draft", "ngram", "--json");
    cli_result sure = cli_run("bench", "-m", SMALL_MODEL, "--prompts", path, "-n", "40",
                              "--oracle", "1", "--tree", "best:4", "--json");
    cli_result never = cli_run("bench", "-m", SMALL_MODEL, "--prompts", path, "-n", "40",
                               "--oracle", "0.0001", "--tree", "best:4", "--json");
    const cli_result *all[] = {&ngram, &sure, &never};
    for (size_t i = 0; i < 3; i++) {
        cli_done(all[i]);
        json_is(all[i]->out, "prompts", "2");
        json_is(all[i]->out, "tokens", "80");
        assert_int_equal(strncmp(json_value(all[i]->out, "identical"), "true", 4), 0);
        assert_true(json_double(all[i]->out, "speedup") > 0);
        assert_true(json_double(all[i]->out, "speedup_with_prefill") > 0);
        assert_true(json_double(all[i]->out, "plain_tokens_per_s") > 0);
        assert_true(json_double(all[i]->out, "spec_tokens_per_s") > 0);
        char *shares = json_copy(all[i]->out, "stage_share");
        double sum = 0;
        for (size_t stage = 0; stage < 6; stage++)
            sum += json_double(shares, stages[stage]);
        assert_true(sum > 0.5 && sum < 1.01);
        free(shares);
    }
    assert_true(json_double(sure.out, "tokens_per_step") > 4.5); /* chains of 4, and one more */
    assert_true(json_double(never.out, "tokens_per_step") < 1.1);
    cli_free(&ngram);
    cli_free(&sure);
    cli_free(&never);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_drafting_option_changes_a_token),
        cmocka_unit_test(without_an_adapter_n_grams_draft_when_asked),
        cmocka_unit_test(a_trace_shows_steps_and_ends_with_the_text),
        cmocka_unit_test(an_adapter_is_told_without_its_model),
        cmocka_unit_test(bench_compares_both_ways_on_every_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
