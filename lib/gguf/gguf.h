/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files, versions 2 and 3, little-endian: keys with typed values, a table of tensors, data.
 *
 * The reader loads the part before the tensor data and checks all of it: names are unique, every
 * count fits the bytes left, every tensor lies inside the file and overlaps no other. What it hands
 * out points into its own memory (or the caller's buffer) until ssi_gguf_close. */
#ifndef SSI_GGUF_GGUF_H
#define SSI_GGUF_GGUF_H

#include "base/arena.h"
#include "base/os.h"
#include "base/text.h"

#define SSI_GGUF_DIMS 4u
#define SSI_GGUF_ENTRIES_MAX 65536u /* keys, and tensors: an order above the largest known files */
#define SSI_GGUF_NAME_MAX 255u      /* bytes of a tensor's name */

typedef enum ssi_gguf_value_type { /* as in the file */
    SSI_GGUF_U8, SSI_GGUF_I8, SSI_GGUF_U16, SSI_GGUF_I16, SSI_GGUF_U32, SSI_GGUF_I32,
    SSI_GGUF_F32, SSI_GGUF_BOOL, SSI_GGUF_STRING, SSI_GGUF_ARRAY, SSI_GGUF_U64, SSI_GGUF_I64,
    SSI_GGUF_F64, SSI_GGUF_VALUE_TYPES
} ssi_gguf_value_type;

typedef struct ssi_gguf_key {
    ssi_text name;
    uint32_t type;             /* ssi_gguf_value_type; of the items in an array */
    bool is_array;
    uint64_t count;            /* items of an array; else 1 */
    const unsigned char *data; /* the value, or the first item */
} ssi_gguf_key;

typedef struct ssi_gguf_tensor {
    ssi_text name;
    uint32_t type;       /* ggml type; known to ssi_gguf_type_get */
    uint32_t dims_count; /* 1 to 4 */
    uint64_t dims[SSI_GGUF_DIMS]; /* fastest first; unused: 1 */
    uint64_t elements, bytes;
    uint64_t offset;     /* of the first byte, in the source */
} ssi_gguf_tensor;

typedef struct ssi_gguf {
    uint32_t version, alignment;
    uint32_t key_count, tensor_count;
    ssi_gguf_key *keys;       /* [key_count], order of the file */
    ssi_gguf_tensor *tensors; /* [tensor_count], order of the file */
    uint32_t *key_order, *tensor_order; /* indices by ascending name */
    uint32_t *offset_order;             /* tensors by ascending offset */
    ssi_memory memory;
    unsigned char *header;    /* copy of the file's beginning, all keys and names in it; NULL:
                               * in the caller's buffer */
    size_t header_bytes;
    void *block;              /* the arrays */
    size_t block_bytes;
} ssi_gguf;

/* gguf_read.c. Errors name the key, tensor or offset: SS_ERROR_FORMAT, SS_ERROR_UNSUPPORTED (a
 * version or tensor type that is not known), SS_ERROR_IO, SS_ERROR_MEMORY. *gguf is zeros after a
 * failure. The source may be closed afterwards, but a buffer's bytes must stay. */
ss_status ssi_gguf_open(ssi_gguf *gguf, const ssi_source *source, const ssi_memory *memory,
                        ss_error *error) SSI_MUST_CHECK;
void ssi_gguf_close(ssi_gguf *gguf); /* zeros are allowed */

/* gguf_find.c: name to entry, by binary search. NULL: absent. */
const ssi_gguf_key *ssi_gguf_find_key(const ssi_gguf *gguf, const char *name);
const ssi_gguf_tensor *ssi_gguf_find_tensor(const ssi_gguf *gguf, const char *name);


/* gguf_value.c: values by key. An absent key is SS_ERROR_FORMAT when required, else leaves *value
 * as it is; a value of another type, or one that doesn't fit, is SS_ERROR_FORMAT naming the key. */
typedef enum ssi_presence { SSI_OPTIONAL, SSI_REQUIRED } ssi_presence;

ss_status ssi_gguf_get_u32(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                           uint32_t *value, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_gguf_get_f32(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                           float *value, ss_error *error) SSI_MUST_CHECK; /* finite */
ss_status ssi_gguf_get_bool(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                            bool *value, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_gguf_get_text(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                            ssi_text *value, ss_error *error) SSI_MUST_CHECK;
/* An array whose items are `type` and at most UINT32_MAX; *array NULL when absent and optional. */
ss_status ssi_gguf_get_array(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                             ssi_gguf_value_type type, const ssi_gguf_key **array,
                             ss_error *error) SSI_MUST_CHECK;
/* Its items; room for array->count of them. */
void ssi_gguf_array_texts(const ssi_gguf_key *array, ssi_text *items);
void ssi_gguf_array_f32(const ssi_gguf_key *array, float *items);
void ssi_gguf_array_i32(const ssi_gguf_key *array, int32_t *items);
int32_t ssi_gguf_item_i32(const ssi_gguf_key *array, uint64_t index);

const char *ssi_gguf_value_type_name(uint32_t type); /* "u32"; NULL: unknown */
size_t ssi_gguf_value_bytes(uint32_t type); /* 0: strings, arrays, unknown */
size_t ssi_gguf_key_bytes(const ssi_gguf_key *key); /* of its value, or of all its items */

/* gguf_type.c: every ggml tensor type that has been in use, whether this library computes with it
 * or not. NULL: unknown. */
typedef struct ssi_gguf_type {
    const char *name; /* "Q4_K" */
    uint16_t block_elements, block_bytes;
} ssi_gguf_type;
const ssi_gguf_type *ssi_gguf_type_get(uint32_t ggml_type);

/* For messages: "%.*s" with SSI_SHOW(text). Long names are cut, so that the fact stays in. */
#define SSI_SHOW(text) (int)((text).length < 80 ? (text).length : 80), (text).bytes

#endif
