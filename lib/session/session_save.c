/* SPDX-License-Identifier: Apache-2.0 */
/* A session to bytes (session_blob.h). */
#include "session/session_blob.h"

#include <string.h>

#include "base/checked.h"

void ssi_blob_head_fill(const ss_session *session, ssi_blob_head *head)
{
    const ss_model *model = session->work.model;
    const ss_adapter *adapter = session->work.streams.adapter;
    const ss_sampler_params *sampler = &session->sampler.params;
    uint32_t cached = session->work.cache.length;
    *head = (ssi_blob_head){
        .magic = SSI_BLOB_MAGIC,
        .format = SSI_BLOB_FORMAT,
        .arithmetic = SS_ARITHMETIC_VERSION,
        .number_bytes = (uint32_t)session->work.cache.number_bytes,
        .tensors = model->tensor_hash,
        .parsed = model->parsed_hash,
        .main_half = ssi_adapter_main_hash(adapter),
        .seed = sampler->seed,
        .token_count = session->sequence.count,
        .dropped = session->sequence.dropped,
        .prompt_count = session->prompt_count,
        .row_count = cached < session->sequence.count ? cached : session->sequence.count,
        .has_logits = session->has_logits,
        .has_acceptance = session->drafting != NULL,
        .bias_count = (uint32_t)sampler->bias_count,
        .ignore_end = sampler->ignore_end,
        .stop = session->stop,
        .temperature = sampler->temperature,
        .top_p = sampler->top_p,
        .min_p = sampler->min_p,
        .top_k = sampler->top_k,
        .repetition_penalty = sampler->repetition_penalty,
        .frequency_penalty = sampler->frequency_penalty,
        .presence_penalty = sampler->presence_penalty,
        .penalty_window = sampler->penalty_window,
    };
    if (adapter)
        head->adapter = adapter->file_hash;
}

bool ssi_blob_bytes(const ss_session *session, const ssi_blob_head *head, size_t *bytes)
{
    size_t piece, all = sizeof *head + sizeof(ssi_hash128);
    bool overflow = ssi_mul(head->token_count, sizeof(int32_t), &piece) ||
                    ssi_add(all, piece, &all) ||
                    ssi_mul(head->bias_count, sizeof(int32_t) + sizeof(float), &piece) ||
                    ssi_add(all, piece, &all) ||
                    ssi_mul(head->row_count, ssi_kv_row_bytes(&session->work.cache), &piece) ||
                    ssi_add(all, piece, &all);
    piece = head->has_acceptance ? SSI_ACCEPTANCE_BYTES : 0;
    overflow = overflow || ssi_add(all, piece, &all);
    piece = head->has_logits ? session->work.model->hyper.vocabulary_size * sizeof(float) : 0;
    overflow = overflow || ssi_add(all, piece, &all);
    *bytes = all;
    return overflow;
}

static unsigned char *put(unsigned char *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, bytes);
    return to + bytes;
}

ss_status ssi_session_save(const ss_session *session, void *buffer, size_t capacity,
                           size_t *bytes, ss_error *error)
{
    const ss_sampler_params *sampler = &session->sampler.params;
    const ssi_kv_cache *cache = &session->work.cache;
    unsigned char *at = buffer;
    ssi_blob_head head;
    ssi_hash128 checksum;
    ssi_blob_head_fill(session, &head);
    if (ssi_blob_bytes(session, &head, bytes) || *bytes > capacity)
        return ssi_fail(error, SS_ERROR_CAPACITY, "the session takes %zu bytes, there is room for "
                        "%zu", *bytes, capacity);
    at = put(at, &head, sizeof head);
    at = put(at, session->sequence.tokens, head.token_count * sizeof(int32_t));
    at = put(at, sampler->bias_tokens, head.bias_count * sizeof(int32_t));
    at = put(at, sampler->bias_values, head.bias_count * sizeof(float));
    if (head.has_acceptance) {
        ssi_acceptance_save(&session->drafting->planner->acceptance, at);
        at += SSI_ACCEPTANCE_BYTES;
    }
    if (head.has_logits)
        at = put(at, session->kept_logits,
                 session->work.model->hyper.vocabulary_size * sizeof(float));
    for (uint32_t row = 0; row < head.row_count; row++, at += ssi_kv_row_bytes(cache))
        ssi_kv_save_row(cache, row, at);
    checksum = ssi_hash(buffer, (size_t)(at - (unsigned char *)buffer));
    put(at, &checksum, sizeof checksum);
    return SS_OK;
}

ss_status ssi_session_save_file(const ss_session *session, const char *path, ss_error *error)
{
    size_t bytes;
    ssi_blob_head head;
    ssi_blob_head_fill(session, &head);
    bool overflow = ssi_blob_bytes(session, &head, &bytes);
    void *buffer = overflow ? NULL : ssi_allocate(&session->memory, bytes, SSI_ALIGN);
    if (!buffer)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory to save a session: %zu bytes", bytes);
    ss_status status = ssi_session_save(session, buffer, bytes, &bytes, error);
    if (status == SS_OK)
        status = ssi_file_write(path, buffer, bytes, error);
    ssi_release(&session->memory, buffer, bytes);
    return status;
}
