/* SPDX-License-Identifier: Apache-2.0 */
/* Training from the command line: nothing is lost when a run ends early, and what comes out is the
 * same whether it did or not. */
#include "cli_train.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const char *last_line(const char *text)
{
    const char *line = text;
    for (const char *next; (next = json_next_line(line)) != NULL;)
        line = next;
    return line;
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

/* Starts the program, sends it this signal once a file holds the words, and waits: its status, and what it
 * said on stderr, to be freed. */
static int signalled(const char *const *arguments, const char *path, const char *words, int signal,
                     char **error)
{
    FILE *sink = tmpfile(), *errors = tmpfile(), *in = tmpfile();
    size_t bytes;
    assert_true(sink != NULL && errors != NULL && in != NULL);
    pid_t child = cli_start(arguments, fileno(in), fileno(sink), fileno(errors));
    wait_for(path, words, child);
    kill(child, signal);
    int status = cli_wait(child);
    fclose(sink);
    fclose(in);
    *error = read_all(errors, &bytes);
    return status;
}

#define LONG_RUN                                                                               \
    TRAIN, SHAPE, "--mode", "shared", "--steps", "40", "--eval-every", "10", "--dev-prompts",  \
        "1"

/* Ends a training once its streams have begun, with this signal; its status. */
static int cut_short(const char *rows, const char *out, int signal, char **error)
{
    const char *const arguments[] = {LONG_RUN, "-d", rows, "--dev", rows, "-o", out, NULL};
    char *log_path = beside(out, ".log.jsonl");
    int status = signalled(arguments, log_path, "\"stage\":\"streams\",\"step\":3,", signal, error);
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
    if (status != 0) {
        cli_result other =
            cli_run(LONG_RUN, "-d", rows, "--dev", rows, "-o", stopped, "--resume", "--steps", "41");
        cli_failed(&other, 1, "of 40 steps, not of 41");
        cli_free(&other);
        char *hidden = beside(log_path, ".hidden"); /* what dev said is in the log alone */
        assert_int_equal(rename(log_path, hidden), 0);
        other = cli_run(LONG_RUN, "-d", rows, "--dev", rows, "-o", stopped, "--resume");
        cli_failed(&other, 1, "its log ends after 0");
        cli_free(&other);
        assert_int_equal(rename(hidden, log_path), 0);
        free(hidden);
        still_holds(log_path, before, before_bytes);
    }
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

/* Most streams have no target then, and the one that has is told what a story's model never says: that
 * it ends. Beginning far off is no divergence. */
static void a_completion_of_one_token_is_trained_on(void **state)
{
    (void)state;
    static const char *const modes[] = {"lossless", "shared"};
    static const char row[] = "{\"prompt\":\"Once upon a time, there was a child named Lily\",\"completion\":\".\"}\n";
    const char *rows = cli_write("train-one-token.jsonl", row, sizeof row - 1);
    char *out = fresh("train-one-token.gguf");
    for (size_t i = 0; i < 2; i++) {
        cli_result result = cli_run(TRAIN, "-d", rows, "-o", out, "--steps", "6", "--streams", "8",
                                    "--mode", modes[i]);
        if (result.status != 0)
            fail_msg("%s", result.error);
        cli_free(&result);
    }
    free(out);
}

/* Timing steps for --minutes takes as long as some of them do: Ctrl-C doesn't wait for it, and leaves nothing
 * half begun. */
static void an_interrupt_while_steps_are_timed_ends_it(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-timed.gguf"), *log_path = beside(out, ".log.jsonl");
    char *checkpoint = beside(out, ".checkpoint");
#define TIMED TRAIN, SHAPE, "-d", rows, "-o", out, "--minutes", "0.002"
    const char *const arguments[] = {TIMED, "--batch", "1024", NULL};
    char *error;
    assert_int_equal(signalled(arguments, log_path, "\"begin\"", SIGINT, &error), 1);
    assert_non_null(strstr(error, "while steps were timed"));
    assert_non_null(strstr(error, "--resume"));
    assert_false(is_there(checkpoint) || is_there(out));
    cli_result result = cli_run(TIMED, "--resume");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    free(error);
    free(checkpoint);
    free(log_path);
    free(out);
    free(rows);
}

/* As while steps are taken: what there is stays, and the status tells. */
static void a_request_to_end_is_heard_while_answers_are_drawn(void **state)
{
    (void)state;
    static const int requests[] = {SIGINT, SIGTERM};
    char *rows = good_rows(), *out = fresh("train-asked.gguf");
    char *answers = file_name("train-asked-answers.jsonl");
    const char *const arguments[] = {TRAIN, "-d", rows, "-o", out, "--steps", "2", "--distill",
                                     "--distilled", answers, "--distill-tokens", "400", NULL};
    for (size_t i = 0; i < 2; i++) {
        char *error;
        unlink(answers);
        assert_int_equal(signalled(arguments, answers, "\"line\":2,", requests[i], &error), 1);
        assert_non_null(strstr(error, "the same command goes on"));
        assert_false(is_there(out));
        free(error);
    }
    free(answers);
    free(out);
    free(rows);
}

/* Two would mix their logs and checkpoints, and answers. The second is refused; once the first has ended,
 * however it did, there is room. */
static void one_training_at_a_time_has_an_output(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-taken.gguf"), *other = fresh("train-other.gguf");
    char *log_path = beside(out, ".log.jsonl"), *checkpoint = beside(out, ".checkpoint");
    char *answers = file_name("train-taken-answers.jsonl");
    const char *const signs[][2] = {{log_path, "\"step\":3,"}, {answers, "\"line\":2,"}};
    for (size_t i = 0; i < 2; i++) {
        const char *const arguments[] = {TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "100000",
                                         i == 1 ? "--distill" : NULL, "--distilled", answers,
                                         "--distill-tokens", "400", NULL};
        FILE *sink = tmpfile(), *in = tmpfile();
        size_t bytes;
        unlink(answers);
        unlink(log_path);
        assert_true(sink != NULL && in != NULL);
        pid_t child = cli_start(arguments, fileno(in), fileno(sink), fileno(sink));
        wait_for(signs[i][0], signs[i][1], child);
        kill(child, SIGSTOP); /* or it might be done too soon */
        char *saved = i == 0 ? read_file(checkpoint, &bytes) : NULL;
        cli_result result =
            i == 0 ? cli_run(TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "2")
                   : cli_run(TRAIN, SHAPE, "-d", rows, "-o", other, "--steps", "2", "--distill",
                             "--distilled", answers, "--distill-tokens", "400");
        kill(child, SIGKILL);
        assert_int_equal(cli_wait(child), 128 + SIGKILL);
        cli_failed(&result, 1, signs[i][0]);
        assert_non_null(strstr(result.error, "another training"));
        cli_free(&result);
        if (saved != NULL)
            still_holds(checkpoint, saved, bytes);
        assert_false(is_there(out));
        free(saved);
        fclose(sink);
        fclose(in);
    }
    cli_result result = cli_run(TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "2");
    assert_int_equal(result.status, 0);
    cli_free(&result);
    free(answers);
    free(checkpoint);
    free(log_path);
    free(other);
    free(out);
    free(rows);
}

/* Dev has ended the streams: going on finds all done, and changes neither adapter nor checkpoint. */
static void a_run_that_dev_has_ended_is_finished(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("train-ended.gguf");
    char *log_path = beside(out, ".log.jsonl"), *checkpoint = beside(out, ".checkpoint");
    size_t log_bytes, bytes, again_bytes;
#define ENDED_RUN                                                                              \
    TRAIN, SHAPE, "-d", rows, "--dev", rows, "--dev-prompts", "2", "-o", out, "--steps", "40",  \
        "--eval-every", "4", "--stream-lr", "0.1"
    cli_result result = cli_run(ENDED_RUN);
    if (result.status != 0)
        fail_msg("%s", result.error);
    cli_free(&result);
    char *log = read_file(log_path, &log_bytes), *saved = read_file(checkpoint, &bytes);
    if (strstr(log, "\"stopped_early\":true") == NULL)
        print_message("dev has not ended it\n");
    for (int i = 0; i < 2; i++) {
        result = cli_run(ENDED_RUN, "--resume");
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.error, "finished already"));
        cli_free(&result);
        still_holds(checkpoint, saved, bytes);
        char *again = read_file(log_path, &again_bytes);
        assert_true(again_bytes > log_bytes && memcmp(again, log, log_bytes) == 0);
        free(again);
    }
    free(log);
    free(saved);
    free(log_path);
    free(checkpoint);
    free(out);
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
    static const char *const foreign[] = {"512", "-1", "1.5", "null", "1e99"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const char *first = strstr(text, "\"tokens\":[") + strlen("\"tokens\":[");
        FILE *file = fopen(answers, "wb");
        assert_non_null(file);
        fprintf(file, "%.*s%s%s", (int)(first - text), text, foreign[i], strchr(first, ','));
        fclose(file);
        result = cli_run(DISTILL);
        cli_failed(&result, 1, "line 2: \"tokens\" are not the model's");
        assert_non_null(strstr(result.error, answers));
        cli_free(&result);
    }
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

/* Beside the rows stand the answers of several models, each in a file that is found again. */
static void every_tuning_has_its_own_answers(void **state)
{
    (void)state;
    static const char *const seeds[] = {"1", "2", "1"};
    static const char *const endings[] = {".distilled.jsonl", ".distilled.2.jsonl",
                                          ".distilled.3.jsonl"};
    char *rows = good_rows(), *outs[] = {fresh("train-own-1.gguf"), fresh("train-own-2.gguf")};
    char *paths[3], *stem = strdup(rows);
    stem[strlen(stem) - strlen(".jsonl")] = '\0';
    for (size_t i = 0; i < 3; i++) {
        paths[i] = beside(stem, endings[i]);
        unlink(paths[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        cli_result result =
            cli_run(TRAIN, SHAPE, "--mode", "shared", "--distill", "--distill-tokens", "4", "--limit",
                    "3", "--steps", "4", "-d", rows, "-o", outs[i % 2], "--seed", seeds[i]);
        if (result.status != 0)
            fail_msg("%s", result.error);
        assert_true((strstr(result.error, paths[1]) != NULL) == (i == 1));
        cli_free(&result);
        assert_true(is_there(paths[0]) && is_there(paths[1]) == (i > 0) && !is_there(paths[2]));
    }
    for (size_t i = 0; i < 3; i++)
        free(paths[i]);
    free(outs[0]);
    free(outs[1]);
    free(stem);
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
        cmocka_unit_test(an_adapter_its_log_and_its_picture),
        cmocka_unit_test(a_run_cut_short_ends_as_an_unbroken_one),
        cmocka_unit_test(a_completion_of_one_token_is_trained_on),
        cmocka_unit_test(an_interrupt_while_steps_are_timed_ends_it),
        cmocka_unit_test(a_request_to_end_is_heard_while_answers_are_drawn),
        cmocka_unit_test(one_training_at_a_time_has_an_output),
        cmocka_unit_test(a_run_that_dev_has_ended_is_finished),
        cmocka_unit_test(a_full_disk_leaves_the_checkpoint_before),
        cmocka_unit_test(a_model_answers_for_itself_and_goes_on_where_it_stood),
        cmocka_unit_test(a_shared_model_is_tuned_on_the_data_before_it_answers),
        cmocka_unit_test(every_tuning_has_its_own_answers),
        cmocka_unit_test(a_picture_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
