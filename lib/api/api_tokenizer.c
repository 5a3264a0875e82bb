/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/tokenizer.h that only read a model. */
#include "tokenizer/tokenizer.h"
#include "api/api.h"
#include "base/float_env.h"
#include "model/model.h"

SSI_NO_TAIL_PADDING(ss_tokenize_params, reserved0);

static const ss_tokenize_params default_params = {.struct_size = sizeof(ss_tokenize_params)};

ss_status ss_tokenize_params_init(ss_tokenize_params *params, size_t struct_size)
{
    return ssi_params_fill(params, struct_size, &default_params, sizeof default_params);
}

static ss_status read_params(ss_tokenize_params *ours, const ss_tokenize_params *theirs,
                             ss_error *error)
{
    *ours = default_params;
    if (theirs == NULL)
        return SS_OK;
    SSI_TRY(ssi_params_read(ours, sizeof *ours, theirs, "ss_tokenize_params", error));
    SSI_TRY(ssi_params_check("add_bos", ours->add_bos, SS_CHOICE_DEFAULT, SS_CHOICE_YES, error));
    SSI_TRY(ssi_params_check("add_eos", ours->add_eos, SS_CHOICE_DEFAULT, SS_CHOICE_YES, error));
    SSI_TRY(ssi_params_check("special", ours->special, SS_CHOICE_DEFAULT, SS_CHOICE_YES, error));
    return ssi_params_check("reserved0", ours->reserved0, 0, 0, error);
}

ss_status ss_tokenize(const ss_model *model, const char *text, size_t text_bytes,
                      const ss_tokenize_params *params, int32_t *tokens, size_t capacity,
                      size_t *count, ss_error *error)
{
    ss_tokenize_params ours;
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(count, "count", error));
    if (text_bytes > 0)
        SSI_TRY(ssi_need(text, "text", error));
    if (capacity > 0)
        SSI_TRY(ssi_need(tokens, "tokens", error));
    SSI_TRY(read_params(&ours, params, error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_tokenizer_encode(model->tokenizer, text_bytes > 0 ? text : "",
                                            text_bytes, &ours, tokens, capacity, count, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_detokenize(const ss_model *model, const int32_t *tokens, size_t count,
                        bool special, char *text, size_t capacity, size_t *text_bytes,
                        ss_error *error)
{
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(text_bytes, "text_bytes", error));
    if (count > 0)
        SSI_TRY(ssi_need(tokens, "tokens", error));
    if (capacity > 0)
        SSI_TRY(ssi_need(text, "text", error));
    return ssi_tokenizer_decode(model->tokenizer, tokens, count, special, text, capacity,
                                text_bytes, error);
}

bool ss_token_is_end(const ss_model *model, int32_t token)
{
    return model != NULL && token >= 0 &&
           (uint32_t)token < ssi_tokenizer_size(model->tokenizer) &&
           ssi_tokenizer_is_end(model->tokenizer, token);
}

static ss_status check_messages(const ss_chat_message *messages, size_t message_count,
                                ss_error *error)
{
    if (message_count > 0)
        SSI_TRY(ssi_need(messages, "messages", error));
    for (size_t i = 0; i < message_count; i++) {
        if (messages[i].role == NULL)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "message %zu: role is NULL", i);
        if (messages[i].content == NULL && messages[i].content_bytes > 0)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "message %zu: content is NULL", i);
    }
    return SS_OK;
}

ss_status ss_chat_format(const ss_model *model, const ss_chat_message *messages,
                         size_t message_count, bool add_prompt, int32_t *tokens,
                         size_t capacity, size_t *count, ss_error *error)
{
    SSI_TRY(ssi_need(model, "model", error));
    SSI_TRY(ssi_need(count, "count", error));
    if (capacity > 0)
        SSI_TRY(ssi_need(tokens, "tokens", error));
    SSI_TRY(check_messages(messages, message_count, error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_tokenizer_chat(model->tokenizer, messages, message_count, add_prompt,
                                          tokens, capacity, count, error);
    ssi_float_env_leave(before);
    return status;
}
