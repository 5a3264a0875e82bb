/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"
#include "interrupt.h"
#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

#define COLUMNS 8u /* of what is written over */

static bool show(void *context, float fraction)
{
    (void)context;
    if (terminal_rewrites(STDERR_FILENO, COLUMNS))
        fprintf(stderr, "\r%3.0f %% ", (double)fraction * 100);
    return !interrupt_taken();
}

ss_progress progress_begin(void)
{
    ss_progress progress;
    ss_progress_init(&progress, sizeof progress);
    progress.report = show;
    interrupt_note();
    return progress;
}

void progress_end(void)
{
    interrupt_watch(NULL);
    if (terminal_rewrites(STDERR_FILENO, COLUMNS))
        fputs("\r\033[K", stderr);
}
