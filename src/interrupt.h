/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C, while a session is watched: it cancels what the session is doing. Or while some other work
 * asks for it now and then. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "specstream/specstream.h"

/* From here on SIGINT cancels this session; NULL gives SIGINT its usual meaning back. */
void interrupt_watch(ss_session *session);

/* From here on SIGINT is only noted, until interrupt_watch(NULL). */
void interrupt_note(void);

/* Whether SIGINT has come since the last call. */
bool interrupt_taken(void);

#endif
