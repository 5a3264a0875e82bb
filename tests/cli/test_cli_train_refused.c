/* SPDX-License-Identifier: Apache-2.0 */
/* What training refuses: wrong usage, data that can't be used, work that would come to nothing. Each
 * is told before hours go by. */
#include "cli_train.h"

#include <sys/stat.h>

static void wrong_usage_is_told_before_anything_is_read(void **state)
{
    (void)state;
    cli_result result = cli_run("train", "-m", "none", "-d", "none");
    cli_failed(&result, 2, "-o ADAPTER is missing");
    cli_free(&result);
    result = cli_run("train", "-m", "none", "-d", "none", "-o", "none", "--steps", "1",
                     "--minutes", "1");
    cli_failed(&result, 2, "one of --steps, --epochs and --minutes");
    cli_free(&result);
    result = cli_run("train", "-m", "none", "-d", "none", "-o", "none", "--shares", "1,2");
    cli_failed(&result, 2, "--shares");
    cli_free(&result);
    result = cli_run("plot");
    cli_failed(&result, 2, "no log");
    cli_free(&result);
}

/* An option that the mode, the stages or the files leave without a meaning, in each way it is written. */
static void an_option_without_a_meaning_is_wrong_usage(void **state)
{
    (void)state;
    static const char *const wrong[][8] = {
        {"--rank and --stream-rank", "--mode", "lossless", "--rank=4", "--stream-rank", "4"},
        {"--lr goes with", "--mode", "shared", "--shares", "0,90,10", "--lr", "1e-3"},
        {"--lr goes with", "--shares", "0,0,100", "--lr", "1e-3"},
        {"--lr and --stream-lr", "--lr", "1e-3", "--stream-lr", "1e-3"},
        {"--stream-lr goes with", "--mode", "joint", "--stream-lr", "1e-3"},
        {"--stream-lr goes with", "--mode", "shared", "--shares", "100,0,0", "--stream-lr", "1e-3"},
        {"--teacher goes with", "--mode", "joint", "--teacher", "0.5"},
        {"--teacher goes with", "--mode", "shared", "--shares", "100,0,0", "--teacher", "0.5"},
        {"--distill goes with", "--mode", "shared", "--shares", "100,0,0", "--distill"},
        {"--distilled goes with", "--distilled", "a.jsonl"},
        {"--distill-tokens goes with", "--distill-tokens", "160"},
        {"--dev-prompts goes with", "--dev-prompts", "24"},
        {"--eval-every goes with", "--eval-every", "5"},
        {"--eval-every goes with", "--dev", "none", "--shares", "0,0,100", "--eval-every", "5"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const *more = &wrong[i][1];
        cli_result result = cli_run("train", "-m", "none", "-d", "none", "-o", "none", more[0], more[1],
                                    more[2], more[3], more[4], more[5], more[6]);
        cli_failed(&result, 2, wrong[i][0]);
        cli_free(&result);
    }
    /* A value that looks like one is none, and one with a meaning is taken. */
    cli_result result = cli_run("train", "-m", "none", "-d", "none", "-o", "none", "--name", "--rank",
                                "--mode", "joint", "--lr", "1e-3");
    cli_failed(&result, 1, "none");
    cli_free(&result);
}

/* What would fail, or come to nothing, once training is done is told before it begins. */
static void a_training_without_a_result_does_not_begin(void **state)
{
    (void)state;
    static const char *const nothing[][6] = {
        {"--mode", "lossless", "--shares", "100,0,0"},
        {"--mode", "joint", "--shares", "0,100,0"},
        {"--shares", "0,0,100", "--prune-rank", "0"},
    };
    char *rows = good_rows(), *out = fresh("train-nothing.gguf"), *folder = fresh("train-folder");
    char *log = beside(out, ".log.jsonl"), *checkpoint = beside(folder, ".checkpoint");
    char *tuned = beside(folder, ".tuned.checkpoint");
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        const char *arguments[24] = {TRAIN, "-d", rows, "-o", out, "--steps", "2"};
        size_t count = 0;
        while (arguments[count] != NULL)
            count++;
        for (size_t j = 0; nothing[i][j] != NULL; j++)
            arguments[count++] = nothing[i][j];
        cli_result result = cli_run_with("", 0, arguments);
        cli_failed(&result, 2, "--shares");
        cli_free(&result);
        assert_false(is_there(out) || is_there(log));
    }
    (void)mkdir(folder, 0777);
    cli_result result = cli_run(TRAIN, SHAPE, "-d", rows, "-o", folder, "--steps", "2");
    cli_failed(&result, 1, "is a folder");
    cli_free(&result);
    result = cli_run(TRAIN, SHAPE, "-d", rows, "-o", folder, "--steps", "2", "--mode", "shared",
                     "--distill");
    cli_failed(&result, 1, "is a folder");
    cli_free(&result);
    assert_false(is_there(checkpoint) || is_there(tuned));
    result = cli_run(TRAIN, SHAPE, "-d", rows, "-o", "/dev/null", "--steps", "2");
    cli_failed(&result, 1, "not a regular file");
    cli_free(&result);
    assert_int_equal(rmdir(folder), 0);
    free(tuned);
    free(checkpoint);
    free(log);
    free(folder);
    free(out);
    free(rows);
}

static void data_that_cannot_be_used_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *words;
    } cases[] = {{"", "no rows"},
                 {"not JSON\n", "line 1: an object expected"},
                 {"{\"question\":\"a\",\"answer\":\"b\"}\n", "no \"prompt\""},
                 {"{\"prompt\":\"a\"}\n", "no \"completion\""},
                 {"{\"prompt\":\"\",\"completion\":\"b c d\"}\n", "the prompt is empty"},
                 {"{\"prompt\":\"a\",\"completion\":\"\"}\n", "the completion is empty"},
                 {"{\"prompt\":7,\"completion\":\"b\"}\n", "a string expected"}};
    char *out = fresh("train-data.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = cli_write("train-bad.jsonl", cases[i].rows, strlen(cases[i].rows));
        cli_result result = cli_run(TRAIN, "-d", path, "-o", out, "--steps", "2");
        cli_failed(&result, 1, cases[i].words);
        assert_non_null(strstr(result.error, path));
        cli_free(&result);
    }
    cli_result result = cli_run(TRAIN, "-d", "no/such/file", "-o", out, "--steps", "2");
    cli_failed(&result, 1, "no/such/file");
    cli_free(&result);
    assert_false(is_there(out));
    free(out);
}

static void a_row_of_ten_megabytes_is_named_at_once(void **state)
{
    (void)state;
    const size_t length = 10u << 20;
    char *row = malloc(length + 64), *out = fresh("train-large.gguf");
    assert_non_null(row);
    size_t at = (size_t)sprintf(row, "{\"prompt\":\"");
    memset(row + at, 'x', length);
    at += length;
    at += (size_t)sprintf(row + at, "\",\"completion\":\"y\"}\n");
    const char *path = cli_write("train-large.jsonl", row, at);
    cli_result result = cli_run(TRAIN, "-d", path, "-o", out, "--steps", "2");
    cli_failed(&result, 1, "more than 512 tokens");
    cli_free(&result);
    free(row);
    free(out);
}

/* As editors on Windows write them: a byte order mark, lines that end in two characters. */
static void rows_may_begin_with_a_mark(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf{\"prompt\":\"Once\",\"completion\":\" upon a time\"}\r\n\r\n"
                               "{\"prompt\":\"There was\",\"completion\":\" a little girl\"}\r\n";
    const char *path = cli_write("train-mark.jsonl", text, sizeof text - 1);
    char *out = fresh("train-mark.gguf");
    cli_result result = cli_run(TRAIN, SHAPE, "-d", path, "-o", out, "--steps", "2", "--json");
    if (result.status != 0)
        fail_msg("%s", result.error);
    json_is(result.out, "rows", "2");
    json_is(result.out, "rows_of_file", "2");
    assert_null(strstr(result.error, "left out"));
    cli_free(&result);
    free(out);
}

/* The row's number is its line's, and the sum tells all. */
static void rows_left_out_are_counted_and_named(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-counted.gguf");
    size_t bytes;
    char *good = read_file(rows, &bytes);
    static const char bad[] =
        "oops\n\n{\"prompt\":\"a\"}\n{\"prompt\":\"\",\"completion\":\"b\"}\n";
    char *mixed = malloc(bytes + sizeof bad);
    assert_non_null(mixed);
    memcpy(mixed, bad, sizeof bad - 1);
    memcpy(mixed + sizeof bad - 1, good, bytes);
    const char *path = cli_write("train-mixed.jsonl", mixed, sizeof bad - 1 + bytes);
    cli_result result = cli_run(TRAIN, SHAPE, "-d", path, "-o", out, "--steps", "2", "--json");
    if (result.status != 0)
        fail_msg("%s", result.error);
    assert_non_null(strstr(result.error, "line 1: an object expected"));
    assert_non_null(strstr(result.error, "line 3: no \"completion\""));
    assert_non_null(strstr(result.error, "line 4: the prompt is empty"));
    assert_non_null(
        strstr(result.error, "3 of 27 rows left out (malformed 2, empty 1, too long 0)"));
    json_is(result.out, "rows", "24");
    json_is(result.out, "rows_of_file", "27");
    cli_free(&result);
    free(mixed);
    free(good);
    free(out);
    free(rows);
}

/* The checkpoint's plan is followed, so another one is refused, and nothing is touched. */
static void another_budget_is_no_resumption(void **state)
{
    (void)state;
    static const struct {
        const char *options[4], *words;
    } others[] = {{{"--steps", "400"}, "of 4 steps, not of 400"},
                  {{"--epochs", "50"}, "of 4 steps, not of"},
                  {{"--steps", "4", "--shares", "0,50,50"}, "of 3 steps in stage streams, not of 2"},
                  {{"--minutes", "1", "--shares", "0,100,0"}, "in stage prune, not of 0"}};
    static const char *const endings[] = {"", ".checkpoint", ".log.jsonl"};
    char *rows = good_rows(), *out = fresh("train-budget.gguf"), *paths[3], *held[3];
    size_t bytes[3];
#define SAME_RUN TRAIN, SHAPE, "-d", rows, "-o", out, "--resume"
    cli_result result = cli_run(SAME_RUN, "--steps", "4");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    for (size_t i = 0; i < 3; i++) {
        paths[i] = beside(out, endings[i]);
        held[i] = read_file(paths[i], &bytes[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *const *more = others[i].options;
        result = cli_run(SAME_RUN, more[0], more[1], more[2], more[3]);
        cli_failed(&result, 1, others[i].words);
        assert_non_null(strstr(result.error, paths[1]));
        cli_free(&result);
        for (size_t j = 0; j < 3; j++)
            still_holds(paths[j], held[j], bytes[j]);
    }
    result = cli_run(SAME_RUN, "--steps", "4");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.error, "finished already"));
    cli_free(&result);
    still_holds(out, held[0], bytes[0]);
    for (size_t i = 0; i < 3; i++) {
        free(paths[i]);
        free(held[i]);
    }
    free(out);
    free(rows);
}

/* What is measured decides when training ends and which adapter is kept, so it stays the same: the prompts,
 * whatever their file is called, and when. */
static void other_measurements_are_no_resumption(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-measured.gguf"), *log = beside(out, ".log.jsonl");
    char *other = file_name("train-other-dev.jsonl"), *same = file_name("train-same-dev.jsonl");
    const struct {
        const char *options[6], *words;
    } others[] = {{{NULL}, "with other dev prompts (2 of them, here 0)"},
                  {{"--dev", other, "--eval-every", "2"}, "(2 of them, here 1)"},
                  {{"--dev", rows, "--eval-every", "2", "--dev-prompts", "3"}, "(2 of them, here 3)"},
                  {{"--dev", rows, "--dev-prompts", "2"}, "--eval-every 2 (0: a tenth), not 0"}};
    size_t bytes, log_bytes;
    char *text = read_file(rows, &bytes);
    FILE *file = fopen(same, "wb");
    assert_true(file != NULL && fwrite(text, 1, bytes, file) == bytes && fclose(file) == 0);
    file = fopen(other, "wb");
    assert_true(file != NULL && fputs("{\"prompt\":\"The dog\"}\n", file) >= 0 && fclose(file) == 0);
#define MEASURED TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "4", "--resume"
    cli_result result =
        cli_run(MEASURED, "--dev", rows, "--dev-prompts", "2", "--eval-every", "2");
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
    char *held = read_file(log, &log_bytes);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *const *more = others[i].options;
        result = cli_run(MEASURED, more[0], more[1], more[2], more[3], more[4], more[5]);
        cli_failed(&result, 1, others[i].words);
        cli_free(&result);
        still_holds(log, held, log_bytes);
    }
    result = cli_run(MEASURED, "--dev", same, "--dev-prompts", "2", "--eval-every", "2");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.error, "finished already"));
    cli_free(&result);
    free(held);
    free(text);
    free(same);
    free(other);
    free(log);
    free(out);
    free(rows);
}

/* An option for another shape is refused, though it asks for what is usual elsewhere; one for a part that
 * the start lacks adds it, and nothing else is added. */
static void a_start_keeps_its_shape(void **state)
{
    (void)state;
    static const struct {
        const char *options[2], *words;
    } others[] = {{{"--streams", "4"}, "--streams 4: "},
                  {{"--msa-layers", "0"}, "--msa-layers 0: "},
                  {{"--stream-rank", "16"}, "--stream-rank 16: "},
                  {{"--rank", "8"}, "--stream-rank 8: "}, /* lossless: the streams' */
                  {{"--prune-rank", "0"}, "--prune-rank 0: "},
                  {{"--draft-vocab", "100"}, "--draft-vocab 100: "},
                  {{"--value-rotation"}, "--value-rotation: "}};
    char *rows = good_rows(), *start = fresh("train-shape.gguf"), *out = fresh("train-shaped.gguf");
    cli_result result = cli_run(TRAIN, "-d", rows, "-o", start, "--steps", "2", "--streams", "3",
                                "--msa-layers", "2", "--root", "0", "--parent", "0", "--rank", "4");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    char *base = file_name("train-other-base.gguf");
    result = cli_run("quantize", "-m", SMALL_MODEL, "-o", base, "--type", "Q8_0");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    result = cli_run("train", "-m", base, "--raw", "--blas", "none", "-d", rows, "-a", start, "-o", out);
    cli_failed(&result, 1, start); /* of two files, the one at fault */
    assert_non_null(strstr(result.error, "made for a base model"));
    cli_free(&result);
    free(base);
#define SHAPED TRAIN, "-d", rows, "-a", start, "-o", out, "--steps", "2"
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *const *more = others[i].options;
        result = cli_run(SHAPED, more[0], more[1]);
        cli_failed(&result, 2, others[i].words);
        assert_non_null(strstr(result.error, start));
        cli_free(&result);
        assert_false(is_there(out));
    }
    result = cli_run(SHAPED, "--streams", "3", "--msa-layers", "2", "--root", "2");
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
    result = cli_run("adapter", "info", out, "--json");
    json_is(result.out, "stream_count", "3");
    json_is(result.out, "stream_rank", "4");
    json_is(result.out, "root_rank", "2");
    json_is(result.out, "parent_rank", "0");
    cli_free(&result);
    free(out);
    free(start);
    free(rows);
}

/* What a file named for answers holds stays, be it one line without an end; and a tuning that begins anew
 * does not run first. */
static void answers_of_another_model_are_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"answers_of\":\"another\",\"tuned_by\":\"one\"}\n", "mine"};
    static const char *const modes[] = {"lossless", "shared"};
    char *rows = good_rows(), *out = fresh("train-answers.gguf");
    char *tuned = fresh("train-answers.gguf.tuned"), *log = beside(tuned, ".log.jsonl");
    for (size_t i = 0; i < 4; i++) {
        const char *text = texts[i / 2];
        const char *path = cli_write("train-others-answers", text, strlen(text));
        cli_result result = cli_run(TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "8", "--mode",
                                    modes[i % 2], "--distill", "--distilled", path, "--resume");
        cli_failed(&result, 1, path);
        assert_non_null(strstr(result.error, "--distilled"));
        cli_free(&result);
        still_holds(path, text, strlen(text));
        assert_false(is_there(tuned) || is_there(log));
    }
    free(log);
    free(tuned);
    free(out);
    free(rows);
}

/* Their steps are the clock's, and nobody can name them again. */
static void the_same_minutes_go_on(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-minutes.gguf");
    for (int i = 0; i < 2; i++) {
        cli_result result =
            cli_run(TRAIN, SHAPE, "-d", rows, "-o", out, "--resume", "--minutes", "0.002");
        assert_int_equal(result.status, 0);
        assert_true((strstr(result.error, "finished already") != NULL) == (i == 1));
        cli_free(&result);
    }
    free(out);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_told_before_anything_is_read),
        cmocka_unit_test(an_option_without_a_meaning_is_wrong_usage),
        cmocka_unit_test(a_training_without_a_result_does_not_begin),
        cmocka_unit_test(data_that_cannot_be_used_is_named),
        cmocka_unit_test(a_row_of_ten_megabytes_is_named_at_once),
        cmocka_unit_test(rows_may_begin_with_a_mark),
        cmocka_unit_test(rows_left_out_are_counted_and_named),
        cmocka_unit_test(another_budget_is_no_resumption),
        cmocka_unit_test(other_measurements_are_no_resumption),
        cmocka_unit_test(a_start_keeps_its_shape),
        cmocka_unit_test(answers_of_another_model_are_left_alone),
        cmocka_unit_test(the_same_minutes_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
