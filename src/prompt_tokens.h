/* SPDX-License-Identifier: Apache-2.0 */
/* The prompts of a run as tokens: all of them encoded and checked before the first is run, so that
 * a bad one is named at once. */
#ifndef PROMPT_TOKENS_H
#define PROMPT_TOKENS_H

#include "prompts.h"
#include "settings.h"
#include "tokens.h"

typedef struct prompt_tokens {
    prompts prompts;
    token_list *rows; /* [prompts.count] */
    size_t longest;
    bool named; /* by their ids: they came from a file of many */
} prompt_tokens;

/* Encodes what prompts_read has put into *of. `chat`: as a user's messages; else raw text, in which
 * special tokens are recognised unless `no_special`. GO_ON, or EXIT_ERROR after saying why. */
int prompt_tokens_encode(prompt_tokens *of, const settings *from, const ss_model *model,
                         bool chat, bool no_special);
void prompt_tokens_free(prompt_tokens *of);

/* "prompt 12" or "prompt "abc"": how messages name a row. */
void prompt_tokens_name(const prompt_tokens *of, size_t row, char name[64]);

#endif
