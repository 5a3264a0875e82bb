/* SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"
#include "report.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static ss_session *volatile watched;
static const char *volatile last_line;
static volatile sig_atomic_t pending;

static void on_interrupt(int number)
{
    (void)number;
    pending = 1;
    ss_session_cancel(
        watched); /* NULL is allowed; the one call that signal handlers may make */
}

static void install(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action,
              NULL); /* no SA_RESTART: a read that waits for a line ends, too */
}

void interrupt_watch(ss_session *session)
{
    watched = session;
    install(session != NULL ? on_interrupt : SIG_DFL);
}

static void end_program(int number)
{
    const char *line = last_line;
    ssize_t written = write(STDERR_FILENO, line, strlen(line));
    (void)number;
    (void)written; /* nobody is left to hear of it */
    _exit(EXIT_ERROR);
}

static void install_once(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    action.sa_flags |= SA_RESTART; /* files are being written */
    watched = NULL;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void interrupt_note(void)
{
    install_once(on_interrupt);
}

void interrupt_end(const char *line)
{
    last_line = line;
    install_once(end_program);
    if (pending != 0) /* it came before */
        end_program(SIGINT);
}

bool interrupt_taken(void)
{
    bool taken = pending != 0;
    pending = 0;
    return taken;
}
