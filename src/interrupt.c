/* SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static ss_session *volatile watched;
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

void interrupt_note(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    action.sa_flags |= SA_RESTART; /* files are being written */
    watched = NULL;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_taken(void)
{
    bool taken = pending != 0;
    pending = 0;
    return taken;
}
