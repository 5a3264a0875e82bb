/* SPDX-License-Identifier: Apache-2.0 */
/* Making a GGUF file in memory, or of a large one all that stands before its data: keys and
 * tensors in the order of the calls. A failure (memory, or a file past what offsets can count)
 * sticks and is told by ssi_gguf_write_finish. */
#ifndef SSI_GGUF_GGUF_WRITE_H
#define SSI_GGUF_GGUF_WRITE_H

#include "gguf/gguf.h"

typedef struct ssi_gguf_buffer {
    unsigned char *bytes;
    size_t used, capacity;
} ssi_gguf_buffer;

typedef struct ssi_gguf_writer {
    ssi_memory memory;
    uint32_t version, alignment;
    uint32_t key_count, tensor_count;
    ssi_gguf_buffer keys, tensors, data;
    uint64_t data_bytes; /* declared so far, padding included: where the next tensor begins */
    bool failed;
} ssi_gguf_writer;

/* version 2 or 3; alignment a power of two. Another one than 32 is written as a key. */
void ssi_gguf_write_begin(ssi_gguf_writer *writer, uint32_t version, uint32_t alignment,
                          const ssi_memory *memory);

void ssi_gguf_write_u32(ssi_gguf_writer *writer, const char *name, uint32_t value);
void ssi_gguf_write_f32(ssi_gguf_writer *writer, const char *name, float value);
void ssi_gguf_write_bool(ssi_gguf_writer *writer, const char *name, bool value);
void ssi_gguf_write_text(ssi_gguf_writer *writer, const char *name, ssi_text value);
void ssi_gguf_write_texts(ssi_gguf_writer *writer, const char *name, const ssi_text *items,
                          uint64_t count);
void ssi_gguf_write_f32s(ssi_gguf_writer *writer, const char *name, const float *items,
                         uint64_t count);
void ssi_gguf_write_i32s(ssi_gguf_writer *writer, const char *name, const int32_t *items,
                         uint64_t count);

void ssi_gguf_write_key(ssi_gguf_writer *writer, const ssi_gguf_key *key); /* as it was read */

/* A tensor's line in the table alone. Its `bytes` bytes, and zeros up to a multiple of the
 * alignment, go behind the finished block and those of the tensors before it; a writer has either
 * these or the next. */
void ssi_gguf_declare_tensor(ssi_gguf_writer *writer, ssi_text name, uint32_t ggml_type,
                             const uint64_t *dims, uint32_t dims_count, uint64_t bytes);

/* Copies the tensor's `bytes` bytes. dims: fastest first. */
void ssi_gguf_write_tensor(ssi_gguf_writer *writer, const char *name, uint32_t ggml_type,
                           const uint64_t *dims, uint32_t dims_count, const void *data,
                           size_t bytes);

/* The whole file as one block of the writer's memory, which the caller releases. The writer is
 * empty afterwards, whatever came of it. */
ss_status ssi_gguf_write_finish(ssi_gguf_writer *writer, void **file, size_t *bytes,
                                ss_error *error) SSI_MUST_CHECK;

#endif
