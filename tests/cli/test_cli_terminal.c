/* SPDX-License-Identifier: Apache-2.0 */
/* On a terminal: colours and lines written over where it takes them, and nothing from a file that
 * moves the cursor. */
#include "cli_chat_model.h"
#include "cli_train.h"

#include <sys/ioctl.h>
#include <termios.h>

/* Runs the program on a terminal of its own, where this is typed; what it shows. */
static char *show(const char *term, const char *no_color, unsigned short columns,
                  const char *typed, const char *const *arguments)
{
    const struct winsize size = {.ws_row = 40, .ws_col = columns};
    static char text[1 << 16];
    size_t length = 0;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        skip(); /* no terminals here */
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        skip();
    fcntl(master, F_SETFD, FD_CLOEXEC);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    setenv("TERM", term, 1);
    setenv("NO_COLOR", no_color, 1);
    pid_t child = cli_start(arguments, slave, slave, slave);
    close(slave);
    assert_int_equal(write(master, typed, strlen(typed)), strlen(typed));
    for (ssize_t got; length < sizeof text - 1; length += (size_t)got)
        if ((got = read(master, text + length, sizeof text - 1 - length)) <= 0)
            break; /* the other end is closed */
    text[length] = '\0';
    close(master);
    if (cli_wait(child) != 0)
        fail_msg("%s", text);
    return text;
}

#define SHOW(term, no_color, columns, typed, ...)                                              \
    show(term, no_color, columns, typed, (const char *const[]){__VA_ARGS__, NULL})

#define CONTROL '\033'

static void the_table_of_a_training_needs_its_width(void **state)
{
    (void)state;
    char *rows = good_rows(), *out = fresh("terminal.gguf");
#define SHORT_RUN TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "4"
    assert_non_null(strstr(SHOW("xterm", "", 100, "", SHORT_RUN), "\033[5A"));
    assert_non_null(strstr(SHOW("xterm", "", 80, "", SHORT_RUN), "\033[5A"));
    assert_non_null(strstr(SHOW("xterm", "1", 100, "", SHORT_RUN), "\033[5A")); /* no colour */
    char *text = SHOW("xterm", "", 60, "", SHORT_RUN);
    assert_null(strchr(text, CONTROL));
    assert_non_null(strstr(text, "streams 3/3, loss"));
    assert_null(strchr(SHOW("dumb", "", 100, "", SHORT_RUN), CONTROL));
    free(out);
    free(rows);
}

static void colours_are_asked_for_by_nobody_but_a_terminal(void **state)
{
    (void)state;
    size_t bytes;
    char *to = file_name("terminal-quantised.gguf"), *talker = chat_model(&bytes);
    const char *model = cli_write("terminal-chat.gguf", talker, bytes);
#define TRACE "generate", "-m", SMALL_MODEL, "-p", "a", "-n", "2", "--draft", "ngram", "--trace"
#define CHAT "chat", "-m", model
#define QUANTIZE "quantize", "-m", SMALL_MODEL, "-o", to, "--type", "F16"
    assert_non_null(strstr(SHOW("xterm", "", 80, "", TRACE), "\033[1m"));
    assert_null(strchr(SHOW("xterm", "1", 80, "", TRACE), CONTROL));
    assert_null(strchr(SHOW("dumb", "", 80, "", TRACE), CONTROL));
    assert_non_null(strstr(SHOW("xterm", "", 80, "\004", CHAT), "\033[1m>\033[0m "));
    assert_null(strchr(SHOW("xterm", "1", 80, "\004", CHAT), CONTROL));
    assert_null(strchr(SHOW("dumb", "", 80, "\004", CHAT), CONTROL));
    assert_non_null(strstr(SHOW("xterm", "1", 80, "", QUANTIZE), "\r\033[K"));
    assert_null(strchr(SHOW("dumb", "", 80, "", QUANTIZE), CONTROL));
    unlink(to);
    free(to);
    free(talker);
}

/* The small model under a name that would clear the screen, in ASCII and beyond it. */
static const char *badly_named(void)
{
    static const char key[] = "general.name";
    static const char name[] = "\033[2J\xc2\x9b"; /* its first bytes; the rest stays */
    size_t bytes;
    char *model = chat_model(&bytes);
    char *at = memmem(model, bytes, key, sizeof key - 1);
    assert_non_null(at);
    at += sizeof key - 1 + 4 + 8; /* the value's type and length */
    memcpy(at, name, sizeof name - 1);
    const char *path = cli_write("terminal-name.gguf", model, bytes);
    free(model);
    return path;
}

static void a_name_in_a_file_moves_no_cursor(void **state)
{
    (void)state;
    const char *model = badly_named();
    char *rows = good_rows(), *out = fresh("terminal-named.gguf");
    char *chat = SHOW("xterm", "1", 80, "\004", "chat", "-m", model);
    assert_null(strchr(chat, CONTROL));
    assert_null(strstr(chat, "\xc2\x9b"));
    assert_non_null(strstr(chat, "?[2J??"));
    cli_result trained = cli_run(TRAIN, SHAPE, "-d", rows, "-o", out, "--steps", "2", "--name",
                                 "\033[2J\xc2\x9b");
    assert_int_equal(trained.status, 0);
    cli_free(&trained);
    cli_result told[] = {cli_run("info", model), cli_run("adapter", "info", out)};
    for (size_t i = 0; i < 2; i++) {
        cli_done(&told[i]);
        assert_null(strchr(told[i].out, CONTROL));
        assert_non_null(strstr(told[i].out, "?[2J??"));
        cli_free(&told[i]);
    }
    free(out);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_a_training_needs_its_width),
        cmocka_unit_test(colours_are_asked_for_by_nobody_but_a_terminal),
        cmocka_unit_test(a_name_in_a_file_moves_no_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
