/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a chat template: recognised or not, never read past its end. */
#include <stdint.h>
#include <stdlib.h>

#include "tokenizer/chat_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t bytes = ssi_chat_template_room(size);
    char *room = malloc(bytes ? bytes : 1);
    if (!room)
        return 0;
    ssi_chat_template found =
        ssi_chat_template_recognise((ssi_text){(const char *)data, size}, room);
    volatile char sum = 0; /* what it found lies in the room */
    for (size_t i = 0; found.chatml && found.has_default_system && i < found.default_system.length;
         i++)
        sum = (char)(sum + found.default_system.bytes[i]);
    free(room);
    return 0;
}
