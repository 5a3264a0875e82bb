/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: three buffers grow side by side, since the tensor table stands before the data but
 * is known only with it; the end joins them behind the counts. */
#include "gguf/gguf_write.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "gguf/gguf_keys.h"

enum { HEAD_BYTES = 24 }; /* magic, version, the two counts */

static unsigned char *append(ssi_gguf_writer *writer, ssi_gguf_buffer *to, size_t bytes)
{
    size_t need;
    if (writer->failed || ssi_add(to->used, bytes, &need)) {
        writer->failed = true;
        return NULL;
    }
    if (need > to->capacity) {
        size_t capacity = need > SIZE_MAX / 2 ? need : need * 2;
        unsigned char *grown = ssi_allocate(&writer->memory, capacity, SSI_ALIGN);
        if (grown == NULL) {
            writer->failed = true;
            return NULL;
        }
        if (to->used > 0)
            memcpy(grown, to->bytes, to->used);
        ssi_release(&writer->memory, to->bytes, to->capacity);
        to->bytes = grown;
        to->capacity = capacity;
    }
    to->used = need;
    return to->bytes + need - bytes;
}

static void append_bytes(ssi_gguf_writer *writer, ssi_gguf_buffer *to, const void *bytes,
                         size_t count)
{
    unsigned char *at = append(writer, to, count);
    if (at != NULL && count > 0)
        memcpy(at, bytes, count);
}

static void append_u32(ssi_gguf_writer *writer, ssi_gguf_buffer *to, uint32_t value)
{
    unsigned char *at = append(writer, to, 4);
    if (at != NULL)
        ssi_store_u32le(at, value);
}

static void append_u64(ssi_gguf_writer *writer, ssi_gguf_buffer *to, uint64_t value)
{
    unsigned char *at = append(writer, to, 8);
    if (at != NULL)
        ssi_store_u64le(at, value);
}

static void append_text(ssi_gguf_writer *writer, ssi_gguf_buffer *to, ssi_text text)
{
    append_u64(writer, to, text.length);
    append_bytes(writer, to, text.bytes, text.length);
}

static void pad(ssi_gguf_writer *writer, ssi_gguf_buffer *to, size_t at)
{
    size_t bytes = (size_t)-at & (writer->alignment - 1);
    unsigned char *zeros = append(writer, to, bytes);
    if (zeros != NULL && bytes > 0)
        memset(zeros, 0, bytes);
}

static void begin_key(ssi_gguf_writer *writer, ssi_text name, uint32_t type)
{
    append_text(writer, &writer->keys, name);
    append_u32(writer, &writer->keys, type);
    writer->key_count++;
}

static void begin_array(ssi_gguf_writer *writer, ssi_text name, uint32_t type, uint64_t count)
{
    begin_key(writer, name, SSI_GGUF_ARRAY);
    append_u32(writer, &writer->keys, type);
    append_u64(writer, &writer->keys, count);
}

void ssi_gguf_write_begin(ssi_gguf_writer *writer, uint32_t version, uint32_t alignment,
                          const ssi_memory *memory)
{
    *writer = (ssi_gguf_writer){.memory = *memory, .version = version, .alignment = alignment};
    if (alignment != 32)
        ssi_gguf_write_u32(writer, SSI_KEY_ALIGNMENT, alignment);
}

void ssi_gguf_write_u32(ssi_gguf_writer *writer, const char *name, uint32_t value)
{
    begin_key(writer, ssi_text_of(name), SSI_GGUF_U32);
    append_u32(writer, &writer->keys, value);
}

void ssi_gguf_write_f32(ssi_gguf_writer *writer, const char *name, float value)
{
    begin_key(writer, ssi_text_of(name), SSI_GGUF_F32);
    append_u32(writer, &writer->keys, ssi_bits_from_float(value));
}

void ssi_gguf_write_bool(ssi_gguf_writer *writer, const char *name, bool value)
{
    begin_key(writer, ssi_text_of(name), SSI_GGUF_BOOL);
    append_bytes(writer, &writer->keys, value ? "\1" : "\0", 1);
}

void ssi_gguf_write_text(ssi_gguf_writer *writer, const char *name, ssi_text value)
{
    begin_key(writer, ssi_text_of(name), SSI_GGUF_STRING);
    append_text(writer, &writer->keys, value);
}

void ssi_gguf_write_texts(ssi_gguf_writer *writer, const char *name, const ssi_text *items,
                          uint64_t count)
{
    begin_array(writer, ssi_text_of(name), SSI_GGUF_STRING, count);
    for (uint64_t i = 0; i < count; i++)
        append_text(writer, &writer->keys, items[i]);
}

void ssi_gguf_write_f32s(ssi_gguf_writer *writer, const char *name, const float *items,
                         uint64_t count)
{
    begin_array(writer, ssi_text_of(name), SSI_GGUF_F32, count);
    for (uint64_t i = 0; i < count; i++)
        append_u32(writer, &writer->keys, ssi_bits_from_float(items[i]));
}

void ssi_gguf_write_i32s(ssi_gguf_writer *writer, const char *name, const int32_t *items,
                         uint64_t count)
{
    begin_array(writer, ssi_text_of(name), SSI_GGUF_I32, count);
    for (uint64_t i = 0; i < count; i++)
        append_u32(writer, &writer->keys, (uint32_t)items[i]);
}

void ssi_gguf_write_key(ssi_gguf_writer *writer, const ssi_gguf_key *key)
{
    if (key->is_array)
        begin_array(writer, key->name, key->type, key->count);
    else
        begin_key(writer, key->name, key->type);
    append_bytes(writer, &writer->keys, key->data, ssi_gguf_key_bytes(key));
}

void ssi_gguf_declare_tensor(ssi_gguf_writer *writer, ssi_text name, uint32_t ggml_type,
                             const uint64_t *dims, uint32_t dims_count, uint64_t bytes)
{
    uint64_t padding = (uint64_t)-bytes & (writer->alignment - 1);
    append_text(writer, &writer->tensors, name);
    append_u32(writer, &writer->tensors, dims_count);
    for (uint32_t i = 0; i < dims_count; i++)
        append_u64(writer, &writer->tensors, dims[i]);
    append_u32(writer, &writer->tensors, ggml_type);
    append_u64(writer, &writer->tensors, writer->data_bytes);
    writer->failed |= __builtin_add_overflow(writer->data_bytes, bytes, &writer->data_bytes) ||
                      __builtin_add_overflow(writer->data_bytes, padding, &writer->data_bytes);
    writer->tensor_count++;
}

void ssi_gguf_write_tensor(ssi_gguf_writer *writer, const char *name, uint32_t ggml_type,
                           const uint64_t *dims, uint32_t dims_count, const void *data,
                           size_t bytes)
{
    ssi_gguf_declare_tensor(writer, ssi_text_of(name), ggml_type, dims, dims_count, bytes);
    append_bytes(writer, &writer->data, data, bytes);
    pad(writer, &writer->data, writer->data.used);
}

static unsigned char *copy_buffer(unsigned char *to, const ssi_gguf_buffer *from)
{
    if (from->used > 0)
        memcpy(to, from->bytes, from->used);
    return to + from->used;
}

ss_status ssi_gguf_write_finish(ssi_gguf_writer *writer, void **file, size_t *bytes,
                                ss_error *error)
{
    /* The tensor table's buffer takes the padding before the data: nothing else follows it. */
    pad(writer, &writer->tensors, HEAD_BYTES + writer->keys.used + writer->tensors.used);
    size_t total = 0;
    writer->failed |= ssi_add(HEAD_BYTES + writer->keys.used, writer->tensors.used, &total) ||
                      ssi_add(total, writer->data.used, &total);
    unsigned char *at =
        writer->failed ? NULL : ssi_allocate(&writer->memory, total, SSI_ALIGN);
    ss_status status = SS_OK;
    if (at == NULL) {
        status = ssi_fail(error, SS_ERROR_MEMORY, "out of memory: a file of %u keys and %u "
                          "tensors", writer->key_count, writer->tensor_count);
    } else {
        memcpy(at, "GGUF", 4);
        ssi_store_u32le(at + 4, writer->version);
        ssi_store_u64le(at + 8, writer->tensor_count);
        ssi_store_u64le(at + 16, writer->key_count);
        *file = at;
        *bytes = total;
        at = copy_buffer(at + HEAD_BYTES, &writer->keys);
        at = copy_buffer(at, &writer->tensors);
        copy_buffer(at, &writer->data);
    }
    ssi_release(&writer->memory, writer->keys.bytes, writer->keys.capacity);
    ssi_release(&writer->memory, writer->tensors.bytes, writer->tensors.capacity);
    ssi_release(&writer->memory, writer->data.bytes, writer->data.capacity);
    *writer = (ssi_gguf_writer){0};
    return status;
}
