/* SPDX-License-Identifier: Apache-2.0 */
/* Text streams as handles: the tokenizer's stream in memory from the model's allocator. */
#include "api/api.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

struct ss_text_stream {
    const ss_model *model;
    size_t block_bytes;
    ssi_text_stream *stream; /* in the same block */
};

/* NULL when out of memory. */
static ss_text_stream *take(const ss_model *model)
{
    size_t stream_bytes = ssi_text_stream_bytes(model->tokenizer);
    ssi_arena arena = {0};
    ssi_arena_take(&arena, 1, sizeof(ss_text_stream));
    ssi_arena_take(&arena, stream_bytes, 1);
    size_t bytes = arena.used;
    arena = (ssi_arena){.base = ssi_allocate(&model->memory, bytes, SSI_ALIGN)};
    ss_text_stream *taken = ssi_arena_take(&arena, 1, sizeof *taken);
    if (taken == NULL)
        return NULL;
    taken->model = model;
    taken->block_bytes = bytes;
    taken->stream = ssi_arena_take(&arena, stream_bytes, 1);
    return taken;
}

ss_status ss_text_stream_create(const ss_model *model, const char *const *stops,
                                size_t stop_count, ss_text_stream **stream, ss_error *error)
{
    SSI_TRY(ssi_need(stream, "stream", error));
    *stream = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    if (stop_count > 0)
        SSI_TRY(ssi_need(stops, "stops", error));
    ss_text_stream *created = take(model);
    if (created == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a text stream of %zu bytes",
                        ssi_text_stream_bytes(model->tokenizer));
    ss_status status =
        ssi_text_stream_init(created->stream, model->tokenizer, stops, stop_count, error);
    if (status != SS_OK) {
        ss_text_stream_free(created);
        return status;
    }
    *stream = created;
    return SS_OK;
}

ss_status ss_text_stream_push(ss_text_stream *stream, int32_t token, const char **text,
                              size_t *text_bytes, bool *stopped, ss_error *error)
{
    ssi_text shown;
    SSI_TRY(ssi_need(stream, "stream", error));
    SSI_TRY(ssi_need(text, "text", error));
    SSI_TRY(ssi_need(text_bytes, "text_bytes", error));
    SSI_TRY(ssi_need(stopped, "stopped", error));
    uint32_t size = ssi_tokenizer_size(stream->model->tokenizer);
    if (token < 0 || (uint32_t)token >= size)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "token is %d, expected 0 to %u", token,
                        size - 1);
    *stopped = ssi_text_stream_push(stream->stream, token, &shown);
    *text = shown.bytes;
    *text_bytes = shown.length;
    return SS_OK;
}

ss_status ss_text_stream_finish(ss_text_stream *stream, const char **text, size_t *text_bytes,
                                ss_error *error)
{
    ssi_text shown;
    SSI_TRY(ssi_need(stream, "stream", error));
    SSI_TRY(ssi_need(text, "text", error));
    SSI_TRY(ssi_need(text_bytes, "text_bytes", error));
    ssi_text_stream_finish(stream->stream, &shown);
    *text = shown.bytes;
    *text_bytes = shown.length;
    return SS_OK;
}

void ss_text_stream_free(ss_text_stream *stream)
{
    if (stream != NULL)
        ssi_release(&stream->model->memory, stream, stream->block_bytes);
}
