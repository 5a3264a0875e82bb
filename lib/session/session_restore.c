/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to a session (session_blob.h): everything is checked before anything changes, so a refused
 * blob leaves the session as it was. */
#include <string.h>

#include "session/session_blob.h"

static ss_status mismatch(const char *what, ssi_hash128 theirs, ssi_hash128 ours, ss_error *error)
{
    char saved[33], present[33];
    ssi_hash_to_hex(theirs, saved);
    ssi_hash_to_hex(ours, present);
    return ssi_fail(error, SS_ERROR_MISMATCH, "the session was saved with %s %s, this one has %s",
                    what, saved, present);
}

/* Magic, versions, sizes and checksum: whether these bytes are a blob of ours at all. */
static ss_status check_whole(const ss_session *session, const unsigned char *data, size_t bytes,
                             ssi_blob_head *head, ss_error *error)
{
    size_t wanted;
    ssi_hash128 checksum;
    if (bytes < sizeof *head)
        return ssi_fail(error, SS_ERROR_FORMAT, "a saved session has at least %zu bytes, not %zu",
                        sizeof *head, bytes);
    memcpy(head, data, sizeof *head);
    if (head->magic != SSI_BLOB_MAGIC)
        return ssi_fail(error, SS_ERROR_FORMAT, "these bytes are no saved session");
    if (head->format != SSI_BLOB_FORMAT || head->arithmetic != SS_ARITHMETIC_VERSION)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "the session was saved in format %u with arithmetic %u; this library has "
                        "%u and %u", head->format, head->arithmetic, SSI_BLOB_FORMAT,
                        SS_ARITHMETIC_VERSION);
    if (!ssi_hash_equal(head->tensors, session->work.model->tensor_hash))
        return mismatch("tensors", head->tensors, session->work.model->tensor_hash, error);
    if (!ssi_hash_equal(head->parsed, session->work.model->parsed_hash))
        return mismatch("hyperparameters and tokenizer", head->parsed,
                        session->work.model->parsed_hash, error);
    if (head->number_bytes != session->work.cache.number_bytes)
        return ssi_fail(error, SS_ERROR_MISMATCH,
                        "the session was saved with cache numbers of %u bytes, this one has %zu",
                        head->number_bytes, session->work.cache.number_bytes);
    if (ssi_blob_bytes(session, head, &wanted) || wanted != bytes)
        return ssi_fail(error, SS_ERROR_FORMAT, "the saved session has %zu bytes, expected %zu",
                        bytes, wanted);
    memcpy(&checksum, data + bytes - sizeof checksum, sizeof checksum);
    if (!ssi_hash_equal(checksum, ssi_hash(data, bytes - sizeof checksum)))
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "the saved session was altered: its checksum does not match");
    return SS_OK;
}

/* What a checksum does not vouch for: counts that fit one another and this session. */
static ss_status check_head(const ss_session *session, const ssi_blob_head *head, ss_error *error)
{
    ssi_hash128 main_half = ssi_adapter_main_hash(session->work.streams.adapter);
    if (!ssi_hash_equal(head->main_half, main_half))
        return mismatch("the main half of an adapter", head->main_half, main_half, error);
    if (head->token_count > session->context_length)
        return ssi_fail(error, SS_ERROR_CONTEXT_FULL, "%u tokens: the context holds %u",
                        head->token_count, session->context_length);
    if (head->row_count > head->token_count || head->prompt_count > head->token_count ||
        head->has_logits > 1 || head->has_acceptance > 1 || head->ignore_end > 1 ||
        (head->has_logits && head->row_count != head->token_count) ||
        head->dropped > UINT32_MAX - head->token_count || head->stop < SS_STOP_NONE ||
        head->stop > SS_STOP_STRING || head->reserved0 != 0 ||
        head->bias_count > session->sampler.vocabulary_size)
        return ssi_fail(error, SS_ERROR_FORMAT, "the saved session contradicts itself");
    return SS_OK;
}

static void set_sampler_params(const ssi_blob_head *head, const int32_t *bias_tokens,
                               const float *bias_values, ss_sampler_params *params)
{
    ssi_sampler_params_default(params);
    params->bias_tokens = bias_tokens;
    params->bias_values = bias_values;
    params->bias_count = head->bias_count;
    params->seed = head->seed;
    params->temperature = head->temperature;
    params->top_p = head->top_p;
    params->min_p = head->min_p;
    params->top_k = head->top_k;
    params->repetition_penalty = head->repetition_penalty;
    params->frequency_penalty = head->frequency_penalty;
    params->presence_penalty = head->presence_penalty;
    params->penalty_window = head->penalty_window;
    params->ignore_end = head->ignore_end != 0;
}

ss_status ssi_session_restore(ss_session *session, const void *data, size_t bytes,
                              ss_error *error)
{
    const unsigned char *at = data, *acceptance = NULL, *tokens;
    ssi_kv_cache *cache = &session->work.cache;
    ssi_sequence *sequence = &session->sequence;
    ss_sampler_params sampler;
    ssi_blob_head head;
    ss_error inside = {.struct_size = sizeof inside};
    SSI_TRY(check_whole(session, data, bytes, &head, error));
    SSI_TRY(check_head(session, &head, error));
    tokens = at += sizeof head;
    /* Scratch lends alignment: the slide's to the tokens, a draw's to the bias. */
    memcpy(session->slid, tokens, head.token_count * sizeof(int32_t));
    at += head.token_count * sizeof(int32_t);
    void *bias = session->sampler.candidates;
    memcpy(bias, at, head.bias_count * (sizeof(int32_t) + sizeof(float)));
    set_sampler_params(&head, bias, (const float *)bias + head.bias_count, &sampler);
    if (ssi_tokenizer_check(session->work.model->tokenizer, session->slid, head.token_count,
                            &inside) != SS_OK ||
        ssi_session_set_sampler(session, &sampler, &inside) != SS_OK) /* the last that can fail */
        return ssi_fail(error, SS_ERROR_FORMAT, "in the saved session: %s", inside.message);
    at += head.bias_count * (sizeof(int32_t) + sizeof(float));
    if (head.has_acceptance) {
        acceptance = at;
        at += SSI_ACCEPTANCE_BYTES;
    }
    if (session->drafting && acceptance && session->work.streams.adapter &&
        ssi_hash_equal(head.adapter, session->work.streams.adapter->file_hash))
        (void)ssi_acceptance_load(&session->drafting->planner->acceptance, acceptance);
    if (head.has_logits) {
        size_t logit_bytes = session->work.model->hyper.vocabulary_size * sizeof(float);
        memcpy(session->kept_logits, at, logit_bytes);
        at += logit_bytes;
    }
    for (uint32_t row = 0; row < head.row_count; row++, at += ssi_kv_row_bytes(cache))
        ssi_kv_load_row(cache, row, at);
    ssi_drafting_let_go(session, sequence->tokens, 0, sequence->count);
    memcpy(sequence->tokens, session->slid, head.token_count * sizeof(int32_t));
    sequence->count = head.token_count;
    sequence->dropped = head.dropped;
    session->prompt_count = head.prompt_count;
    session->has_logits = head.has_logits != 0;
    session->stop = head.stop;
    session->slid_text_length = 0;
    session->work.streams.ready = false;
    session->work.streams.entry_length = 0; /* the next pass leaves an entry state again */
    cache->length = head.row_count;
    ssi_session_rebuild_text(session);
    return SS_OK;
}

ss_status ssi_session_restore_file(ss_session *session, const char *path, ss_error *error)
{
    ssi_source source;
    SSI_TRY(ssi_source_open(&source, path, error));
    size_t bytes = source.size < SIZE_MAX ? (size_t)source.size : SIZE_MAX;
    ss_status status;
    void *buffer = ssi_allocate(&session->memory, bytes > 0 ? bytes : 1, SSI_ALIGN);
    if (!buffer)
        status = ssi_fail(error, SS_ERROR_MEMORY, "no memory to restore a session: %zu bytes",
                          bytes);
    else if ((status = ssi_source_read(&source, 0, buffer, bytes, error)) == SS_OK)
        status = ssi_session_restore(session, buffer, bytes, error);
    ssi_release(&session->memory, buffer, bytes > 0 ? bytes : 1);
    ssi_source_close(&source);
    return status;
}
