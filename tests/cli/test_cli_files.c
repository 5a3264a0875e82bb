/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read stay as they are: no command writes over what it was given. */
#include "cli_train.h"

#include <glob.h>
#include <sys/resource.h>

static void copy_to(const char *from, const char *to)
{
    size_t length;
    char *bytes = read_file(from, &length);
    write_file(to, bytes, length);
    free(bytes);
}

/* Refused as wrong usage, in words that hold both names, with the file left as it was. */
static void refused(const char *kept, const char *first, const char *second,
                    const char *const *arguments)
{
    size_t before_length, after_length;
    char *before = read_file(kept, &before_length);
    cli_result result = cli_run_with("", 0, arguments);
    cli_failed(&result, 2, first);
    if (strstr(result.error, second) == NULL)
        fail_msg("no \"%s\" in: %s", second, result.error);
    cli_free(&result);
    char *after = read_file(kept, &after_length);
    assert_int_equal(after_length, before_length);
    assert_memory_equal(after, before, before_length);
    free(before);
    free(after);
}

#define REFUSED(kept, first, second, ...)                                                      \
    refused(kept, first, second, (const char *const[]){__VA_ARGS__, NULL})

static void no_output_is_an_input(void **state)
{
    (void)state;
    static const char row[] = "{\"prompt\":\"Once upon a time\",\"completion\":\" Lily ran.\"}\n";
    char *model = file_name("cli-files-model.gguf"), *adapter = file_name("cli-files-adapter.gguf");
    char *link_to_model = file_name("cli-files-link.gguf"), *out = file_name("cli-files-out.gguf");
    char *rows = file_name("cli-files-rows.jsonl"), *side = file_name("cli-files-out.gguf.log.jsonl");
    copy_to(SMALL_MODEL, model);
    cli_write("cli-files-rows.jsonl", row, sizeof row - 1);
    cli_write("cli-files-out.gguf.log.jsonl", row, sizeof row - 1);
    unlink(link_to_model);
    assert_int_equal(symlink("cli-files-model.gguf", link_to_model), 0);
    cli_result made =
        cli_run("adapter", "init", "-m", model, "-o", adapter, "--mode", "shared");
    cli_done(&made);
    cli_free(&made);

    REFUSED(model, "-o", "-m", "train", "-m", model, "-d", rows, "-o", model);
    REFUSED(model, "-o", "-m", "train", "-m", model, "-d", rows, "-o", link_to_model);
    REFUSED(rows, "-o", "-d", "train", "-m", model, "-d", rows, "-o", rows);
    REFUSED(rows, "-o", "--dev", "train", "-m", model, "-d", side, "-o", rows, "--dev", rows);
    REFUSED(side, "-o", "-d", "train", "-m", model, "-d", side, "-o", out);
    REFUSED(adapter, "-o", "-a", "train", "-m", model, "-d", rows, "-a", adapter, "-o", adapter);
    REFUSED(rows, "--distilled", "-d", "train", "-m", model, "-d", rows, "-o", out, "--distill",
            "--distilled", rows);
    REFUSED(rows, "-o", "--distilled", "train", "-m", model, "-d", rows, "-o", out, "--distill",
            "--distilled", out);
    REFUSED(model, "-o", "-m", "adapter", "init", "-m", model, "-o", model);
    REFUSED(model, "-o", "-m", "adapter", "merge", "-m", model, "-a", adapter, "-o", model);
    REFUSED(adapter, "-o", "-a", "adapter", "merge", "-m", model, "-a", adapter, "-o", adapter);
    REFUSED(adapter, "--streams", "-a", "adapter", "merge", "-m", model, "-a", adapter, "-o",
            out, "--streams", adapter);
    REFUSED(adapter, "--streams", "-o", "adapter", "merge", "-m", model, "-a", adapter, "-o",
            out, "--streams", out);
    REFUSED(adapter, "-o", "ADAPTER", "adapter", "export-lora", adapter, "-o", adapter);
    REFUSED(model, "-o", "-m", "adapter", "export-lora", adapter, "-o", model, "-m", model);
    REFUSED(side, "-o", "log", "plot", side, "-o", side);
    assert_int_not_equal(access(out, F_OK), 0);

    /* The tuning's files are written, too; and without a tuning they may be read. */
    char *tuned = file_name("cli-files-out.gguf.tuned");
    copy_to(adapter, tuned);
#define STREAMS_OVER                                                                           \
    "train", "-m", model, "-d", rows, "-a", tuned, "-o", out, "--mode", "shared", "--distill", \
        "--distill-tokens", "4", "--raw", "--blas", "none", "--steps", "2"
    REFUSED(tuned, "-o", "-a", STREAMS_OVER);
    char *answers = file_name("cli-files-rows.distilled.jsonl");
    unlink(answers);
    cli_result result = cli_run(STREAMS_OVER, "--shares", "0,100,0");
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);

    cli_result same = cli_run("quantize", "-m", model, "-o", model, "--type", "F16");
    cli_done(&same); /* this one may */
    cli_free(&same);
    char *all[] = {model, adapter, link_to_model, out, rows, side, tuned, answers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unlink(all[i]);
        free(all[i]);
    }
}

/* Runs the program with one standard descriptor closed, whose text is lost; its status. */
static int run_without(int closed, const char *const *arguments)
{
    int null = open("/dev/null", O_RDWR);
    fflush(NULL);
    pid_t between = fork();
    assert_true(between >= 0);
    if (between == 0) {
        char program[512];
        const char *argv[40] = {"specstream"};
        snprintf(program, sizeof program, "%s/specstream", test_build_folder());
        for (size_t i = 0; arguments[i] != NULL; i++)
            argv[i + 1] = arguments[i];
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        close(closed);
        close(null);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    close(null);
    return cli_wait(between);
}

#define RUN_WITHOUT(closed, ...)                                                               \
    run_without(closed, (const char *const[]){__VA_ARGS__, NULL})

static void no_file_takes_a_closed_descriptors_place(void **state)
{
    (void)state;
    static const char row[] =
        "{\"prompt\":\"Once upon a time, there was a child named Lily.\",\"completion\":\""
        " Lily had a red ball. Lily liked to play with the red ball all day.\"}\n";
    char *rows = file_name("cli-files-closed.jsonl"), *out = file_name("cli-files-closed.gguf");
    char *log = file_name("cli-files-closed.gguf.log.jsonl");
    size_t length;
    cli_write("cli-files-closed.jsonl", row, sizeof row - 1);
#define SHORT_TRAINING                                                                         \
    "train", "-m", SMALL_MODEL, "-d", rows, "-o", out, "--raw", "--blas", "none", "--steps",   \
        "2"
    assert_int_equal(RUN_WITHOUT(STDERR_FILENO, SHORT_TRAINING), 0);
    char *text = read_file(log, &length);
    for (const char *line = text; line != NULL; line = json_next_line(line))
        free(json_copy(line, "event"));
    free(text);
    assert_int_equal(RUN_WITHOUT(STDOUT_FILENO, SHORT_TRAINING), 0); /* it prints nothing */
    assert_int_equal(RUN_WITHOUT(STDOUT_FILENO, SHORT_TRAINING, "--json"), 1);
    text = read_file(log, &length);
    size_t begins = 0;
    for (const char *at = text; (at = strstr(at, "\"begin\"")) != NULL; at++)
        begins++;
    assert_int_equal(begins, 1);
    free(text);
    assert_int_equal(RUN_WITHOUT(STDOUT_FILENO, "--version"), 1);
    assert_int_equal(RUN_WITHOUT(STDIN_FILENO, "tokenize", "-m", SMALL_MODEL), 1);
    free(log);
    free(out);
    free(rows);
}

/* A limit on files' sizes stands for a disk that is full. */
static void a_picture_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char log[] =
        "{\"event\":\"begin\",\"streams\":1,\"seconds\":0}\n"
        "{\"event\":\"step\",\"stage\":\"streams\",\"step\":1,\"stage_steps\":1,\"total_step\":1,"
        "\"total_steps\":1,\"stream_loss\":[5],\"stream_top1\":[0.1],\"seconds\":1}\n";
    const char *path = cli_write("cli-files-picture.log.jsonl", log, sizeof log - 1);
    char *picture = file_name("cli-files-picture.svg"), *pattern = beside(picture, "?*");
    size_t bytes;
    cli_result result = cli_run("plot", path, "-o", picture);
    cli_done(&result);
    cli_free(&result);
    char *whole = read_file(picture, &bytes);

    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = bytes / 2;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    result = cli_run("plot", path, "-o", picture);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    cli_failed(&result, 1, picture);
    cli_free(&result);
    still_holds(picture, whole, bytes);
    glob_t left;
    assert_int_equal(glob(pattern, 0, NULL, &left), GLOB_NOMATCH);

    char *link_to_it = file_name("cli-files-link.svg"), there[64];
    unlink(link_to_it);
    assert_int_equal(symlink("cli-files-picture.svg", link_to_it), 0);
    assert_int_equal(truncate(picture, 0), 0);
    result = cli_run("plot", path, "-o", link_to_it); /* stays one, as /dev/stdout must */
    cli_done(&result);
    cli_free(&result);
    still_holds(picture, whole, bytes);
    assert_true(readlink(link_to_it, there, sizeof there) > 0);
    unlink(link_to_it);
    free(link_to_it);
    result = cli_run("plot", path, "-o", "/dev/full");
    cli_failed(&result, 1, "/dev/full");
    cli_free(&result);
    unlink(picture);
    free(whole);
    free(pattern);
    free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_output_is_an_input),
        cmocka_unit_test(no_file_takes_a_closed_descriptors_place),
        cmocka_unit_test(a_picture_is_replaced_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
