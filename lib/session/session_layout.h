/* SPDX-License-Identifier: Apache-2.0 */
/* The one block of memory a session lives in. */
#ifndef SSI_SESSION_SESSION_LAYOUT_H
#define SSI_SESSION_SESSION_LAYOUT_H

#include "session/session_state.h"

/* Lays *session out in the arena, itself first (runs twice, base/arena.h). Its model, parallel and
 * params are set; params are checked and have no zeros that mean a default. */
ss_session *ssi_session_layout(ss_session *session, const ss_session_params *params,
                               ssi_arena *arena);

#endif
