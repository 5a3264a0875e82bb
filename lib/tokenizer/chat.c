/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation in the turns of its template. The marks of a turn are ids, never text, so that no
 * message can end its own turn. */
#include "base/checked.h"
#include "tokenizer/vocabulary.h"

static ss_status check_template(const ssi_tokenizer *tokenizer, ss_error *error)
{
    if (!tokenizer->chat.present)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "the file has no tokenizer.chat_template: give raw text instead");
    if (!tokenizer->chat.chatml)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tokenizer.chat_template is unknown (known: chatml): give raw text "
                        "instead");
    if (tokenizer->turn_begin < 0 || tokenizer->turn_end < 0)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tokenizer.chat_template is chatml, but the vocabulary has no special "
                        "token %s: give raw text instead",
                        tokenizer->turn_begin < 0 ? "<|im_start|>" : "<|im_end|>");
    return SS_OK;
}

static bool is_known_role(const char *role)
{
    return strcmp(role, "system") == 0 || strcmp(role, "user") == 0 ||
           strcmp(role, "assistant") == 0;
}

/* Checks the roles; *longest receives the bytes of the longest turn's text. */
static ss_status measure(const ss_chat_message *messages, size_t message_count,
                         size_t *longest, ss_error *error)
{
    for (size_t i = 0; i < message_count; i++) {
        if (!is_known_role(messages[i].role))
            return ssi_fail(error, SS_ERROR_ARGUMENT,
                            "message %zu: role '%.32s', expected system, user or assistant", i,
                            messages[i].role);
        if (messages[i].content_bytes > *longest)
            *longest = messages[i].content_bytes;
    }
    return SS_OK;
}

static ss_status encode_turn(ssi_encoder *encoder, char *room, const char *role,
                             ssi_text content)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    size_t length = strlen(role);
    memcpy(room, role, length);
    room[length++] = '\n';
    if (content.length > 0)
        memcpy(room + length, content.bytes, content.length);
    ssi_emit(encoder, tokenizer->turn_begin);
    SSI_TRY(ssi_encode_text(encoder, (ssi_text){room, length + content.length}, false));
    ssi_emit(encoder, tokenizer->turn_end);
    return ssi_encode_text(encoder, (ssi_text){"\n", 1}, false);
}

static ss_status encode_turns(ssi_encoder *encoder, char *room,
                              const ss_chat_message *messages, size_t message_count,
                              bool add_prompt)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    if (tokenizer->add_bos)
        ssi_emit(encoder, tokenizer->bos);
    if (message_count > 0 && tokenizer->chat.has_default_system &&
        strcmp(messages[0].role, "system") != 0)
        SSI_TRY(encode_turn(encoder, room, "system", tokenizer->chat.default_system));
    for (size_t i = 0; i < message_count; i++)
        SSI_TRY(encode_turn(encoder, room, messages[i].role,
                            (ssi_text){messages[i].content, messages[i].content_bytes}));
    if (!add_prompt)
        return SS_OK;
    ssi_emit(encoder, tokenizer->turn_begin);
    return ssi_encode_text(encoder, (ssi_text){"assistant\n", 10}, false);
}

ss_status ssi_tokenizer_chat(const ssi_tokenizer *tokenizer, const ss_chat_message *messages,
                             size_t message_count, bool add_prompt, int32_t *tokens,
                             size_t capacity, size_t *count, ss_error *error)
{
    size_t longest = tokenizer->chat.default_system.length, room_bytes;
    SSI_TRY(check_template(tokenizer, error));
    SSI_TRY(measure(messages, message_count, &longest, error));
    if (ssi_add(longest, sizeof "assistant\n", &room_bytes))
        return ssi_fail(error, SS_ERROR_ARGUMENT, "a message of %zu bytes", longest);
    char *room = ssi_allocate(&tokenizer->memory, room_bytes, SSI_ALIGN);
    if (room == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory for a message of %zu bytes",
                        longest);
    ssi_encoder encoder;
    ssi_encode_begin(&encoder, tokenizer, tokens, capacity, error);
    ss_status status = encode_turns(&encoder, room, messages, message_count, add_prompt);
    ssi_release(&tokenizer->memory, room, room_bytes);
    return ssi_encode_end(&encoder, status, count);
}
