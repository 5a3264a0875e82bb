/* SPDX-License-Identifier: Apache-2.0 */
/* What one call that makes ids has in hand: where they go, and scratch that grows. */
#include "tokenizer/vocabulary.h"

void ssi_encode_begin(ssi_encoder *encoder, const ssi_tokenizer *tokenizer, int32_t *tokens,
                      size_t capacity, ss_error *error)
{
    encoder->tokenizer = tokenizer;
    encoder->tokens = tokens;
    encoder->capacity = capacity;
    encoder->count = 0;
    encoder->scratch = NULL;
    encoder->scratch_bytes = 0;
    encoder->error = error;
}

void *ssi_encode_scratch(ssi_encoder *encoder, size_t bytes)
{
    const ssi_memory *memory = &encoder->tokenizer->memory;
    if (bytes <= sizeof encoder->small && encoder->scratch == NULL)
        return encoder->small;
    if (bytes <= encoder->scratch_bytes)
        return encoder->scratch;
    ssi_release(memory, encoder->scratch, encoder->scratch_bytes);
    /* Half as much again: words that grow little by little shall not allocate each time. */
    encoder->scratch_bytes = bytes + bytes / 2;
    encoder->scratch = ssi_allocate(memory, encoder->scratch_bytes, SSI_ALIGN);
    if (encoder->scratch == NULL)
        encoder->scratch_bytes = 0;
    return encoder->scratch;
}

ss_status ssi_encode_end(ssi_encoder *encoder, ss_status status, size_t *count)
{
    ssi_release(&encoder->tokenizer->memory, encoder->scratch, encoder->scratch_bytes);
    if (status != SS_OK)
        return status;
    *count = encoder->count;
    if (encoder->count > encoder->capacity)
        return ssi_fail(encoder->error, SS_ERROR_CAPACITY, "%zu tokens, room for %zu",
                        encoder->count, encoder->capacity);
    return SS_OK;
}
