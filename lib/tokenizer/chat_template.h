/* SPDX-License-Identifier: Apache-2.0 */
/* Which chat template a file has, told from its text, which is never executed. */
#ifndef SSI_TOKENIZER_CHAT_TEMPLATE_H
#define SSI_TOKENIZER_CHAT_TEMPLATE_H

#include "base/text.h"

typedef struct ssi_chat_template {
    bool present; /* the file has one */
    bool chatml;  /* and it is this: turns of <|im_start|>role\ncontent<|im_end|>\n */
    bool has_default_system;  /* which comes first unless the first message is a system one */
    ssi_text default_system;  /* its content */
} ssi_chat_template;

/* Bytes of room that recognition needs, and that default_system points into afterwards. */
size_t ssi_chat_template_room(size_t template_bytes);
ssi_chat_template ssi_chat_template_recognise(ssi_text source, char *room);

#endif
