/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of token ids, and text turned into them. */
#ifndef TOKENS_H
#define TOKENS_H

#include "buffer.h"
#include "specstream/specstream.h"

typedef struct token_list {
    int32_t *ids;
    size_t count;
    size_t capacity;
} token_list;

void tokens_add(token_list *to, const int32_t *ids, size_t count);
void tokens_free(token_list *of);

/* Raw text. `special`: special tokens written in it are recognised. Adds BOS as the model file
 * says, never EOS. Replaces what *to held. */
ss_status tokens_from_text(const ss_model *model, const buffer *text, bool special,
                           token_list *to, ss_error *error);

/* An assistant's answer, as it would have been drawn: nothing before it, nothing behind it, and
 * nothing in it is a special token. Replaces what *to held. */
ss_status tokens_from_answer(const ss_model *model, const buffer *text, token_list *to,
                             ss_error *error);

/* A conversation up to the assistant's next turn. Replaces what *to held. */
ss_status tokens_from_chat(const ss_model *model, const ss_chat_message *messages,
                           size_t message_count, token_list *to, ss_error *error);

/* The token that the model file has put before every text, or -1. */
int32_t tokens_bos(const ss_model *model);

#endif
