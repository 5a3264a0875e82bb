/* SPDX-License-Identifier: Apache-2.0 */
/* One generation: a prompt's tokens in, an answer out, shown as it comes. */
#ifndef ANSWER_H
#define ANSWER_H

#include "buffer.h"
#include "settings.h"
#include "tokens.h"

/* Whoever wants to see each step as it comes. */
typedef struct step_watch {
    void (*step)(void *context, ss_session *session, const ss_step *step, double ms);
    void *context;
} step_watch;

typedef struct answer {
    token_list tokens;  /* those drawn, the end token included */
    buffer text;        /* without end token and stop string */
    const char *stop;   /* "eos", "length", "stop", or "cancelled" */
    double prefill_ms;
    double decode_ms;
    ss_stats stats;     /* of this generation */
    bool context_full;  /* of "length": the context ended it, not -n */
} answer;

/* Runs the session on a prompt until it ends, `length` tokens have been drawn, the context is
 * full, SIGINT comes or standard output is closed. `show` writes text to standard output as soon
 * as it is certain; `watch` may be NULL. Replaces what *to held; on an error it holds what came
 * before. */
ss_status answer_make(const ss_model *model, ss_session *session, const settings *from,
                      const token_list *prompt, bool show, const step_watch *watch, answer *to,
                      ss_error *error);
void answer_free(answer *of);

/* Tokens a pass emitted, the first of the prompt, which came without one, aside; 0: no passes. */
double tokens_per_step(const ss_stats *of);

#endif
