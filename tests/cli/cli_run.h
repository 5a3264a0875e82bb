/* SPDX-License-Identifier: Apache-2.0 */
/* Running the program as a person or a script does: arguments and standard input in; exit status,
 * standard output and one-line errors out. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/files.h"
#include "support/whole_file.h"

typedef struct cli_result {
    int status;           /* exit status; 128 + the signal where one ended it */
    char *out, *error;    /* NUL-terminated */
    size_t out_bytes;
} cli_result;

static inline FILE *cli_file_of(const void *bytes, size_t length)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    rewind(file);
    return file;
}

/* Starts the program with these three descriptors. `arguments` ends with NULL. */
static inline pid_t cli_start(const char *const *arguments, int in, int out, int error)
{
    char program[512];
    const char *argv[40] = {"specstream"};
    snprintf(program, sizeof program, "%s/specstream", test_build_folder());
    for (size_t i = 0; arguments[i] != NULL; i++) {
        assert_true(i + 2 < sizeof argv / sizeof *argv);
        argv[i + 1] = arguments[i];
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(error, STDERR_FILENO);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    return child;
}

static inline int cli_wait(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline cli_result cli_run_with(const void *input, size_t input_bytes,
                                      const char *const *arguments)
{
    cli_result result = {0};
    size_t error_bytes;
    FILE *in = cli_file_of(input, input_bytes), *out = tmpfile(), *error = tmpfile();
    assert_true(out != NULL && error != NULL);
    result.status = cli_wait(cli_start(arguments, fileno(in), fileno(out), fileno(error)));
    fclose(in);
    result.out = read_all(out, &result.out_bytes);
    result.error = read_all(error, &error_bytes);
    return result;
}

#define cli_run(...) cli_run_with("", 0, (const char *const[]){__VA_ARGS__, NULL})

static inline void cli_free(cli_result *result)
{
    free(result->out);
    free(result->error);
}

/* Nothing on stderr, status 0. */
static inline void cli_done(const cli_result *result)
{
    if (result->status != 0)
        fail_msg("status %d: %s", result->status, result->error);
    assert_string_equal(result->error, "");
}

/* The status, nothing on stdout, and one line on stderr that holds `words`. */
static inline void cli_failed(const cli_result *result, int status, const char *words)
{
    if (result->status != status || strstr(result->error, words) == NULL)
        fail_msg("status %d, not %d with \"%s\": %s", result->status, status, words,
                 result->error);
    const char *newline = strchr(result->error, '\n');
    assert_non_null(newline);
    assert_string_equal(newline, "\n");
    assert_int_equal(strncmp(result->error, "specstream: ", 12), 0);
    assert_int_equal(result->out_bytes, 0);
}

/* A file in the build folder with these bytes; *path lives until the next call. */
static inline const char *cli_write(const char *name, const void *bytes, size_t length)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_build_folder(), name);
    write_file(path, bytes, length);
    return path;
}

#endif
