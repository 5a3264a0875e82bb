/* SPDX-License-Identifier: Apache-2.0 */
/* Each step's draft tree drawn on standard output as it comes: what was guessed, from which source
 * and how surely, what was right, and what the step cost. In colour where people read and NO_COLOR
 * does not forbid it. */
#ifndef TRACE_H
#define TRACE_H

#include "specstream/specstream.h"

typedef struct trace {
    const ss_model *model;
    uint64_t steps, tokens, first_tokens; /* so far */
    double ms;
} trace;

/* For a step_watch whose context is a trace. */
void trace_step(void *context, ss_session *session, const ss_step *step, double ms);

#endif
