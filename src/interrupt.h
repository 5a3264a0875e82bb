/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C: it cancels what a watched session is doing, or is only noted. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "specstream/specstream.h"

/* From here on SIGINT cancels this session; NULL gives SIGINT its usual meaning back. */
void interrupt_watch(ss_session *session);

/* From here on the next SIGINT or SIGTERM is noted and nothing more; the one after ends the
 * program. */
void interrupt_note(void);

/* Whether SIGINT has come since the last call. */
bool interrupt_taken(void);

#endif
