/* SPDX-License-Identifier: Apache-2.0 */
/* One generation: a prompt's tokens in, an answer out, shown as it comes. */
#ifndef ANSWER_H
#define ANSWER_H

#include "buffer.h"
#include "settings.h"
#include "tokens.h"

typedef struct answer {
    token_list tokens;  /* those drawn, the end token included */
    buffer text;        /* without end token and stop string */
    const char *stop;   /* "eos", "length", "stop", or "cancelled" */
    double prefill_ms;
    double decode_ms;
    uint64_t steps;     /* forward passes after prefill */
    bool context_full;  /* of "length": the context ended it, not -n */
} answer;

/* Runs the session on a prompt until it ends, `length` tokens have been drawn, the context is
 * full, SIGINT comes or standard output is closed. `show` writes text to standard output as soon
 * as it is certain. Replaces what *to held; on an error it holds what came before. */
ss_status answer_make(const ss_model *model, ss_session *session, const settings *from,
                      const token_list *prompt, bool show, answer *to, ss_error *error);
void answer_free(answer *of);

#endif
