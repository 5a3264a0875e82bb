/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

static void reserve(token_list *of, size_t capacity)
{
    if (capacity <= of->capacity)
        return;
    if (capacity < 2 * of->capacity)
        capacity = 2 * of->capacity;
    int32_t *ids = take_memory(capacity, sizeof *ids);
    if (of->count > 0)
        memcpy(ids, of->ids, of->count * sizeof *ids);
    free(of->ids);
    of->ids = ids;
    of->capacity = capacity;
}

void tokens_add(token_list *to, const int32_t *ids, size_t count)
{
    if (count == 0)
        return;
    reserve(to, to->count + count);
    memcpy(to->ids + to->count, ids, count * sizeof *ids);
    to->count += count;
}

void tokens_free(token_list *of)
{
    free(of->ids);
    *of = (token_list){0};
}

/* Whether to call again, now that there is the room it asked for; else keeps what it gave. */
static bool try_again(token_list *to, ss_status status, size_t count)
{
    to->count = 0;
    if (status == SS_ERROR_CAPACITY)
        reserve(to, count);
    else if (status == SS_OK)
        to->count = count;
    return status == SS_ERROR_CAPACITY;
}

static ss_status encode(const ss_model *model, const buffer *text,
                        const ss_tokenize_params *params, token_list *to, ss_error *error)
{
    ss_status status;
    size_t count = 0;
    to->count = 0;
    reserve(to, text->length / 2 + 2);
    do
        status = ss_tokenize(model, text->bytes, text->length, params, to->ids, to->capacity,
                             &count, error);
    while (try_again(to, status, count));
    return status;
}

ss_status tokens_from_text(const ss_model *model, const buffer *text, bool special,
                           token_list *to, ss_error *error)
{
    ss_tokenize_params params;
    ss_tokenize_params_init(&params, sizeof params);
    params.add_eos = SS_CHOICE_NO;
    params.special = special ? SS_CHOICE_YES : SS_CHOICE_NO;
    return encode(model, text, &params, to, error);
}

ss_status tokens_from_answer(const ss_model *model, const buffer *text, token_list *to,
                             ss_error *error)
{
    ss_tokenize_params params;
    ss_tokenize_params_init(&params, sizeof params);
    params.add_bos = params.add_eos = params.special = SS_CHOICE_NO;
    return encode(model, text, &params, to, error);
}

ss_status tokens_from_chat(const ss_model *model, const ss_chat_message *messages,
                           size_t message_count, token_list *to, ss_error *error)
{
    ss_status status;
    size_t count = 0;
    do
        status = ss_chat_format(model, messages, message_count, true, to->ids, to->capacity,
                                &count, error);
    while (try_again(to, status, count));
    return status;
}

int32_t tokens_bos(const ss_model *model)
{
    int32_t ids[4];
    size_t count = 0;
    ss_tokenize_params params;
    ss_tokenize_params_init(&params, sizeof params);
    params.add_eos = SS_CHOICE_NO;
    if (ss_tokenize(model, "", 0, &params, ids, 4, &count, NULL) != SS_OK || count == 0)
        return -1;
    return ids[0];
}
