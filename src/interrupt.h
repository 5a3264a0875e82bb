/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C: it cancels what a watched session is doing, is only noted, or ends the program. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "specstream/specstream.h"

/* From here on SIGINT cancels this session; NULL gives SIGINT its usual meaning back. */
void interrupt_watch(ss_session *session);

/* From here on the next SIGINT or SIGTERM is noted and nothing more; the one after ends the
 * program. */
void interrupt_note(void);

/* From here on the next SIGINT or SIGTERM ends the program at once with EXIT_ERROR, after this line
 * on stderr: around a call that can't be cancelled, while there is nothing to save. At once, where one was
 * noted before. */
void interrupt_end(const char *line);

/* Whether SIGINT has come since the last call. */
bool interrupt_taken(void);

#endif
