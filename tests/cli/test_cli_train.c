/* SPDX-License-Identifier: Apache-2.0 */
/* Training from the command line: bad data is named, nothing is lost when a run ends early, and
 * what comes out is the same whether it did or not. On the small model, with our own products. */
#include "cli_json.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define TRAIN "train", "-m", SMALL_MODEL, "--raw", "--blas", "none", "--threads", "1"
#define SHAPE                                                                                  \
    "--streams", "3", "--msa-layers", "2", "--root", "4", "--parent", "4", "--batch", "4"

static char *file_name(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_build_folder(), name);
    return strdup(path);
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is missing", path);
    return cli_read(file, bytes);
}

static void same_bytes(const char *left, const char *right)
{
    size_t a_bytes, b_bytes;
    char *a = read_file(left, &a_bytes), *b = read_file(right, &b_bytes);
    if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0)
        fail_msg("%s and %s differ", left, right);
    free(a);
    free(b);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* No trace of an earlier test run. Returns the adapter's path. */
static char *fresh(const char *name)
{
    static const char *const endings[] = {"", ".checkpoint", ".checkpoint.old", ".log.jsonl",
                                          ".best"};
    char *path = file_name(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char other[600];
        snprintf(other, sizeof other, "%s%s", path, endings[i]);
        unlink(other);
    }
    return path;
}

static char *beside(const char *path, const char *ending)
{
    char other[600];
    snprintf(other, sizeof other, "%s%s", path, ending);
    return strdup(other);
}

/* 24 rows of small stories; the path lives until it is freed. */
static char *good_rows(void)
{
    static const char *const names[] = {"Lily", "Tom", "Ben", "Mia"};
    static const char *const things[] = {"red ball", "big dog",  "small bird",
                                         "new toy",  "blue hat", "old tree"};
    char *path = file_name("train-rows.jsonl");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 24; i++)
        fprintf(file,
                "{\"id\":%d,\"prompt\":\"Once upon a time, there was a child named %s.\","
                "\"completion\":\" %s had a %s. %s liked to play with the %s all day.\"}\n",
                i, names[i % 4], names[i % 4], things[i % 6], names[i % 4], things[i % 6]);
    fclose(file);
    return path;
}

static const char *last_line(const char *text)
{
    const char *line = text;
    for (const char *next; (next = json_next_line(line)) != NULL;)
        line = next;
    return line;
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

static void an_adapter_its_log_and_its_picture(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-whole.gguf"), *svg = file_name("train.svg");
    char *log_path = beside(out, ".log.jsonl");
    size_t bytes;
    cli_result result = cli_run(TRAIN, SHAPE, "-d", rows, "--dev", rows, "-o", out, "--steps",
                                "12", "--eval-every", "4", "--dev-prompts", "2", "--json");
    if (result.status != 0)
        fail_msg("%s", result.error);
    char *log = read_file(log_path, &bytes);
    assert_string_equal(log, result.out);
    uint32_t steps = 0, devs = 0;
    for (const char *line = log; line != NULL; line = json_next_line(line)) {
        char *event = json_copy(line, "event");
        steps += strcmp(event, "\"step\"") == 0;
        devs += strcmp(event, "\"dev\"") == 0;
        free(event);
    }
    assert_int_equal(steps, 12);
    assert_true(devs >= 3);
    const char *last = last_line(log);
    json_is(last, "event", "\"end\"");
    json_is(last, "steps", "12");
    assert_true(json_double(last, "positions") > 0);
    assert_true(json_double(last, "positions_per_hour") > 0);
    assert_true(json_double(last, "seconds") > 0);
    assert_true(json_double(last, "dev_tokens_per_step") >= 1);
    cli_free(&result);

    /* What was written drafts, and changes nothing. */
    cli_result plain =
        cli_run("generate", "-m", SMALL_MODEL, "-p", "Lily", "-n", "40", "--json");
    cli_result drafted = cli_run("generate", "-m", SMALL_MODEL, "-p", "Lily", "-n", "40",
                                 "--json", "-a", out, "--draft", "streams", "--tree", "best:8");
    cli_done(&plain);
    cli_done(&drafted);
    char *wanted = json_copy(plain.out, "tokens"), *got = json_copy(drafted.out, "tokens");
    assert_string_equal(got, wanted);
    assert_true(json_double(drafted.out, "drafted") > 0);
    free(wanted);
    free(got);
    cli_free(&plain);
    cli_free(&drafted);

    result = cli_run("plot", log_path, log_path, "-o", svg);
    cli_done(&result);
    cli_free(&result);
    result = cli_run("plot", log_path);
    cli_done(&result);
    assert_non_null(strstr(result.out, ">stream 3<"));
    cli_free(&result);
    free(log);
    free(log_path);
    free(svg);
    free(out);
    free(rows);
}

/* Waits until the log holds the words, or the child has ended by itself. */
static void wait_for(const char *path, const char *words, pid_t child)
{
    const struct timespec pause = {0, 2000000};
    siginfo_t ended = {0};
    for (;;) {
        size_t bytes;
        if (is_there(path)) {
            char *text = read_file(path, &bytes);
            bool found = strstr(text, words) != NULL;
            free(text);
            if (found)
                return;
        }
        ended.si_pid = 0;
        assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid != 0)
            return;
        nanosleep(&pause, NULL);
    }
}

#define LONG_RUN                                                                               \
    TRAIN, SHAPE, "--mode", "shared", "--steps", "40", "--eval-every", "10", "--dev-prompts",  \
        "1"

/* Ends a training once its streams have begun, with this signal; its status. */
static int cut_short(const char *rows, const char *out, int signal, char **error)
{
    const char *const arguments[] = {LONG_RUN, "-d", rows, "--dev", rows, "-o", out, NULL};
    char *log_path = beside(out, ".log.jsonl");
    FILE *sink = tmpfile(), *errors = tmpfile(), *in = tmpfile();
    size_t bytes;
    assert_true(sink != NULL && errors != NULL && in != NULL);
    pid_t child = cli_start(arguments, fileno(in), fileno(sink), fileno(errors));
    wait_for(log_path, "\"stage\":\"streams\",\"step\":3,", child);
    kill(child, signal);
    int status = cli_wait(child);
    fclose(sink);
    fclose(in);
    *error = cli_read(errors, &bytes);
    free(log_path);
    return status;
}

static void resume(const char *rows, const char *out)
{
    cli_result result = cli_run(LONG_RUN, "-d", rows, "--dev", rows, "-o", out, "--resume");
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
}

static void a_run_cut_short_ends_as_an_unbroken_one(void **state)
{
    (void)state;
    char *rows = good_rows(), *whole = fresh("train-unbroken.gguf"), *error;
    resume(rows, whole); /* there is no checkpoint: from the beginning */

    char *killed = fresh("train-killed.gguf");
    free((cut_short(rows, killed, SIGKILL, &error), error));
    resume(rows, killed);
    same_bytes(killed, whole);

    char *stopped = fresh("train-stopped.gguf");
    int status = cut_short(rows, stopped, SIGINT, &error);
    char *log_path = beside(stopped, ".log.jsonl");
    size_t before_bytes, after_bytes;
    char *before = read_file(log_path, &before_bytes);
    if (status != 0) { /* 0: it was done already */
        assert_int_equal(status, 1);
        assert_non_null(strstr(error, "--resume"));
        assert_false(is_there(stopped));
    }
    free(error);
    resume(rows, stopped);
    same_bytes(stopped, whole);
    char *after = read_file(log_path, &after_bytes);
    if (status != 0) /* it went on, and did not begin again: times included */
        assert_true(after_bytes > before_bytes && memcmp(after, before, before_bytes) == 0);
    free(before);
    free(after);
    free(log_path);
    resume(rows, stopped); /* nothing is left to do */
    same_bytes(stopped, whole);

    /* The logs agree but for the time things took. */
    char *a_path = beside(whole, ".log.jsonl"), *b_path = beside(killed, ".log.jsonl");
    size_t a_bytes, b_bytes;
    char *a = read_file(a_path, &a_bytes), *b = read_file(b_path, &b_bytes);
    const char *left = json_next_line(a), *right = json_next_line(b);
    for (; left != NULL && right != NULL;
         left = json_next_line(left), right = json_next_line(right)) {
        char *event = json_copy(left, "event");
        json_is(right, "event", event);
        if (strcmp(event, "\"step\"") == 0) {
            char *loss = json_copy(left, "stream_loss");
            json_is(right, "stream_loss", loss);
            free(loss);
        }
        free(event);
    }
    assert_true(left == NULL && right == NULL);
    free(a);
    free(b);
    free(a_path);
    free(b_path);
    free(killed);
    free(stopped);
    free(whole);
    free(rows);
}

/* A limit on files' sizes stands for a disk that is full. */
static void a_full_disk_leaves_the_checkpoint_before(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-full.gguf"), *error;
    char *checkpoint = beside(out, ".checkpoint");
    size_t bytes, kept_bytes;
    int status = cut_short(rows, out, SIGINT, &error);
    free(error);
    if (status == 1) {
        struct rlimit before, small;
        char *wanted = read_file(checkpoint, &bytes);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = before;
        small.rlim_cur = bytes / 2;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        cli_result result = cli_run(LONG_RUN, "-d", rows, "--dev", rows, "-o", out, "--resume");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, SIG_DFL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, out));
        cli_free(&result);
        char *got = read_file(checkpoint, &kept_bytes);
        assert_int_equal(kept_bytes, bytes);
        assert_memory_equal(got, wanted, bytes);
        assert_false(is_there(out));
        free(got);
        free(wanted);
        resume(rows, out);
    }
    free(checkpoint);
    free(out);
    free(rows);
}

static void a_model_answers_for_itself_and_goes_on_where_it_stood(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-distill.gguf");
    char *answers = file_name("train-answers.jsonl");
    size_t bytes, again_bytes;
    unlink(answers);
#define DISTILL                                                                                \
    TRAIN, SHAPE, "--distill", "--distilled", answers, "--distill-tokens", "12", "--limit",    \
        "6", "--steps", "2", "-d", rows, "-o", out
    cli_result result = cli_run(DISTILL);
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
    char *text = read_file(answers, &bytes);
    const char *line = json_next_line(text);
    for (int i = 1; i <= 6; i++, line = json_next_line(line)) {
        assert_non_null(line);
        assert_int_equal((int)json_double(line, "line"), i);
        json_is(line, "stop", "\"length\""); /* so no end token is behind it */
    }
    assert_null(line);
    assert_int_equal(truncate(answers, (off_t)(bytes - 40)), 0);
    result = cli_run(DISTILL);
    assert_int_equal(result.status, 0);
    cli_free(&result);
    char *again = read_file(answers, &again_bytes);
    assert_string_equal(again, text);
    result = cli_run(DISTILL, "--distill-tokens", "13");
    cli_failed(&result, 1, answers);
    cli_free(&result);
    free(again);
    free(text);
    free(answers);
    free(out);
    free(rows);
}

static void log_tells(const char *adapter, const char *rows, const char *stage,
                      const char *no_stage)
{
    size_t bytes;
    char *path = beside(adapter, ".log.jsonl"), *log = read_file(path, &bytes);
    assert_non_null(strstr(log, rows));
    assert_non_null(strstr(log, stage));
    assert_null(strstr(log, no_stage));
    free(log);
    free(path);
}

/* The answers are the tuned model's: its main half is named in their file, and it is the adapter's. */
static void a_shared_model_is_tuned_on_the_data_before_it_answers(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-course.gguf");
    char *tuned = fresh("train-course.gguf.tuned");
    char *answers = file_name("train-course-answers.jsonl");
    size_t bytes;
    unlink(answers);
#define COURSE                                                                                 \
    TRAIN, SHAPE, "--mode", "shared", "--distill", "--distilled", answers,                     \
        "--distill-tokens", "12", "--limit", "6", "--steps", "8", "--shares", "50,40,10",      \
        "-d", rows, "-o", out
    cli_result result = cli_run(COURSE);
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
    char *text = read_file(answers, &bytes);
    assert_null(strstr(text, "\"tuned_by\":\"\""));
    free(text);

    log_tells(tuned, "\"rows\":24", "\"stage\":\"main\",\"step\":4,\"stage_steps\":4",
              "\"stage\":\"streams\"");
    log_tells(out, "\"rows\":6", "\"stage\":\"streams\",\"step\":3,\"stage_steps\":3",
              "\"stage\":\"main\"");

    char *halves[2] = {file_name("train-course-1.gguf"), file_name("train-course-2.gguf")};
    const char *adapters[2] = {tuned, out};
    for (int i = 0; i < 2; i++) {
        result = cli_run("adapter", "export-lora", adapters[i], "-o", halves[i]);
        assert_int_equal(result.status, 0);
        cli_free(&result);
    }
    same_bytes(halves[0], halves[1]);

    char *before = beside(out, ".before");
    assert_int_equal(rename(out, before), 0);
    unlink(tuned);
    result = cli_run(COURSE, "--resume");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    same_bytes(out, before);
    free(before);
    free(halves[0]);
    free(halves[1]);
    free(answers);
    free(tuned);
    free(out);
    free(rows);
}

/* Passes one element of XML with all that is in it; NULL: not well-formed. */
static const char *xml_pass(const char *at)
{
    char name[16];
    if (*at != '<' || sscanf(at + 1, "%15[a-z]", name) != 1)
        return NULL;
    const char *close = strchr(at, '>');
    if (close == NULL || close[-1] == '/')
        return close != NULL ? close + 1 : NULL;
    for (at = close + 1; at != NULL && strncmp(at, "</", 2) != 0;)
        at = *at == '<'    ? xml_pass(at)
             : *at == '&'  ? strchr(at, ';')
             : *at != '\0' ? at + 1
                           : NULL;
    size_t length = strlen(name);
    return at != NULL && strncmp(at + 2, name, length) == 0 && at[2 + length] == '>'
               ? at + 3 + length
               : NULL;
}

static void a_picture_is_well_formed(void **state)
{
    (void)state;
    static const char log[] =
        "{\"event\":\"begin\",\"streams\":2,\"seconds\":0}\n"
        "{\"event\":\"step\",\"stage\":\"streams\",\"step\":1,\"stage_steps\":2,\"total_step\":"
        "1,"
        "\"total_steps\":2,\"stream_loss\":[5,6.5],\"stream_top1\":[0.1,0.05],\"seconds\":1}\n"
        "{\"event\":\"step\",\"stage\":\"streams\",\"step\":2,\"stage_steps\":2,\"total_step\":"
        "2,"
        "\"total_steps\":2,\"stream_loss\":[4,null],\"stream_top1\":[0.2,0.1],\"seconds\":2}\n"
        "{\"event\":\"dev\",\"total_step\":2,\"tokens_per_step\":1.5,\"acceptance\":[0.4,0.1]}"
        "\n"
        "{\"event\":\"st";
    const char *path = cli_write("a<b&c.log.jsonl", log, sizeof log - 1);
    cli_result result = cli_run("plot", path);
    cli_failed(&result, 1, "line 5");
    cli_free(&result);
    path = cli_write("a<b&c.log.jsonl", log, sizeof log - 14); /* a whole number of lines */
    for (size_t logs = 1; logs <= 2; logs++) {
        result = logs == 1 ? cli_run("plot", path) : cli_run("plot", path, path);
        cli_done(&result);
        const char *end = xml_pass(result.out);
        assert_non_null(end);
        assert_string_equal(end, "\n");
        assert_null(strstr(result.out, "nan"));
        cli_free(&result);
    }
    result = cli_run("plot", SMALL_MODEL);
    cli_failed(&result, 1, SMALL_MODEL);
    cli_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_told_before_anything_is_read),
        cmocka_unit_test(a_training_without_a_result_does_not_begin),
        cmocka_unit_test(data_that_cannot_be_used_is_named),
        cmocka_unit_test(a_row_of_ten_megabytes_is_named_at_once),
        cmocka_unit_test(rows_left_out_are_counted_and_named),
        cmocka_unit_test(an_adapter_its_log_and_its_picture),
        cmocka_unit_test(a_run_cut_short_ends_as_an_unbroken_one),
        cmocka_unit_test(a_full_disk_leaves_the_checkpoint_before),
        cmocka_unit_test(a_model_answers_for_itself_and_goes_on_where_it_stood),
        cmocka_unit_test(a_shared_model_is_tuned_on_the_data_before_it_answers),
        cmocka_unit_test(a_picture_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
