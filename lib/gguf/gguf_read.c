/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a GGUF file's header. One walk over it runs twice: first it only counts and checks, with
 * the bytes loaded as far as it gets; then the arrays are taken, as large as what was found, and
 * the second walk fills them. So no allocation is ever sized by a number the file merely claims. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/sort.h"
#include "gguf/gguf.h"
#include "gguf/gguf_keys.h"

#define FIRST_WINDOW_BYTES ((size_t)256 << 10)
#define MIN_KEY_BYTES 14u    /* length, a name of one byte, type, a value of one byte */
#define MIN_TENSOR_BYTES 33u /* length, a name of one byte, count, one dimension, type, offset */

typedef struct reader {
    const ssi_source *source;
    const ssi_memory *memory;
    const unsigned char *data; /* the file's first `loaded` bytes: the buffer's or `window` */
    unsigned char *window;
    size_t loaded;
    size_t at;
    const char *subject;       /* for messages: "header", "key", "tensor" */
    size_t name_at, name_length;
    ss_error *error;
    ss_status status;          /* sticky */
} reader;

static ssi_text name_of(const reader *in)
{
    ssi_text name = { (const char *)in->data + in->name_at, in->name_length };
    return name;
}

/* Loads at least `bytes` from the position on; the source is known to hold them. */
static bool load_more(reader *in, size_t bytes)
{
    size_t wanted = in->loaded == 0 ? FIRST_WINDOW_BYTES : in->loaded * 2;
    if (wanted < in->at + bytes)
        wanted = in->at + bytes;
    if (wanted > in->source->size)
        wanted = (size_t)in->source->size;
    unsigned char *window = ssi_allocate(in->memory, wanted, 64);
    if (window == NULL) {
        in->status = ssi_fail(in->error, SS_ERROR_MEMORY, "out of memory: %zu bytes for the "
                              "file's header", wanted);
        return false;
    }
    if (in->loaded > 0)
        memcpy(window, in->window, in->loaded);
    in->status = ssi_source_read(in->source, in->loaded, window + in->loaded,
                                 wanted - in->loaded, in->error);
    ssi_release(in->memory, in->window, in->loaded);
    in->data = in->window = window;
    in->loaded = wanted;
    return in->status == SS_OK;
}

/* Steps over `bytes` and makes them readable at data[before]; false when they are not there. */
static bool take(reader *in, uint64_t bytes)
{
    if (in->status != SS_OK)
        return false;
    if (bytes > in->source->size - in->at) {
        ssi_text name = name_of(in);
        in->status = ssi_fail(in->error, SS_ERROR_FORMAT,
                              "%s%s%.*s: needs %llu bytes at offset %zu, the file has %llu",
                              in->subject, name.length > 0 ? " " : "", SSI_SHOW(name),
                              (unsigned long long)bytes, in->at,
                              (unsigned long long)in->source->size);
        return false;
    }
    if (bytes > in->loaded - in->at && !load_more(in, (size_t)bytes))
        return false;
    in->at += (size_t)bytes;
    return true;
}

static uint32_t read_u32(reader *in) /* 0 after a failure */
{
    return take(in, 4) ? ssi_load_u32le(in->data + in->at - 4) : 0;
}

static uint64_t read_u64(reader *in)
{
    return take(in, 8) ? ssi_load_u64le(in->data + in->at - 8) : 0;
}

/* Reads the name of the next key or tensor, which becomes the subject of messages. */
static bool read_name(reader *in, const char *subject, uint64_t longest)
{
    in->subject = subject;
    in->name_length = 0;
    size_t start = in->at;
    uint64_t length = read_u64(in);
    if (in->status == SS_OK && (length == 0 || length > longest))
        in->status = ssi_fail(in->error, SS_ERROR_FORMAT,
                              "%s at offset %zu: a name of %llu bytes, expected 1 to %llu", subject,
                              start, (unsigned long long)length, (unsigned long long)longest);
    if (!take(in, length))
        return false;
    in->name_at = in->at - (size_t)length;
    in->name_length = (size_t)length;
    return true;
}

static void skip_items(reader *in, uint32_t type, uint64_t count)
{
    size_t item_bytes = ssi_gguf_value_bytes(type), bytes;
    if (item_bytes > 0) {
        if (ssi_mul((size_t)count, item_bytes, &bytes))
            bytes = SIZE_MAX;
        take(in, bytes);
        return;
    }
    /* Each string takes 8 bytes at least, so a false count ends at the end of the file. */
    for (uint64_t i = 0; i < count && in->status == SS_OK; i++)
        take(in, read_u64(in));
}

static void walk_key(reader *in, ssi_gguf_key *key)
{
    if (!read_name(in, "key", 65535))
        return;
    size_t name_at = in->name_at;
    bool is_array = false;
    uint64_t count = 1;
    uint32_t type = read_u32(in);
    if (type == SSI_GGUF_ARRAY) {
        is_array = true;
        type = read_u32(in);
        count = read_u64(in);
    }
    if (in->status != SS_OK)
        return;
    if (type == SSI_GGUF_ARRAY || ssi_gguf_value_type_name(type) == NULL) {
        in->status = ssi_fail(in->error, SS_ERROR_FORMAT, "key %.*s: %s %u is not known",
                              SSI_SHOW(name_of(in)),
                              is_array ? "array of value type" : "value type", type);
        return;
    }
    size_t value_at = in->at;
    skip_items(in, type, count);
    if (key != NULL && in->status == SS_OK)
        *key = (ssi_gguf_key){ .name = { (const char *)in->data + name_at, in->name_length },
                               .type = type,
                               .is_array = is_array,
                               .count = count,
                               .data = in->data + value_at };
}

/* The tensor's size in elements and bytes, from its type and dimensions. */
static ss_status measure(ssi_gguf_tensor *tensor, ss_error *error)
{
    const ssi_gguf_type *type = ssi_gguf_type_get(tensor->type);
    size_t elements = 1, bytes;
    if (type == NULL)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s: type %u is not known",
                        SSI_SHOW(tensor->name), tensor->type);
    for (uint32_t i = 0; i < tensor->dims_count; i++) {
        if (tensor->dims[i] == 0)
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: dimension %u is 0",
                            SSI_SHOW(tensor->name), i);
        if (tensor->dims[i] > SIZE_MAX || ssi_mul(elements, (size_t)tensor->dims[i], &elements))
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: dimensions overflow",
                            SSI_SHOW(tensor->name));
    }
    if (tensor->dims[0] % type->block_elements != 0)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tensor %.*s: dimension 0 is %llu, type %s needs a multiple of %u",
                        SSI_SHOW(tensor->name), (unsigned long long)tensor->dims[0], type->name,
                        type->block_elements);
    if (ssi_mul(elements / type->block_elements, type->block_bytes, &bytes))
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: dimensions overflow",
                        SSI_SHOW(tensor->name));
    tensor->elements = elements;
    tensor->bytes = bytes;
    return SS_OK;
}

static void walk_tensor(reader *in, ssi_gguf_tensor *to)
{
    ssi_gguf_tensor tensor = { .dims = { 1, 1, 1, 1 } };
    if (!read_name(in, "tensor", SSI_GGUF_NAME_MAX))
        return;
    tensor.dims_count = read_u32(in);
    if (in->status == SS_OK && (tensor.dims_count == 0 || tensor.dims_count > SSI_GGUF_DIMS)) {
        in->status = ssi_fail(in->error, SS_ERROR_FORMAT,
                              "tensor %.*s: %u dimensions, expected 1 to %u",
                              SSI_SHOW(name_of(in)), tensor.dims_count, SSI_GGUF_DIMS);
        return;
    }
    for (uint32_t i = 0; i < tensor.dims_count; i++)
        tensor.dims[i] = read_u64(in);
    tensor.type = read_u32(in);
    tensor.offset = read_u64(in);
    if (in->status != SS_OK)
        return;
    tensor.name = name_of(in);
    in->status = measure(&tensor, in->error);
    if (to != NULL)
        *to = tensor;
}

static uint32_t read_count(reader *in, const char *what, uint32_t entry_bytes)
{
    uint64_t count = read_u64(in);
    uint64_t room = (in->source->size - in->at) / entry_bytes;
    uint64_t most = room < SSI_GGUF_ENTRIES_MAX ? room : SSI_GGUF_ENTRIES_MAX;
    if (in->status == SS_OK && count > most)
        in->status = ssi_fail(in->error, SS_ERROR_FORMAT,
                              "header: %llu %s, at most %llu are possible here",
                              (unsigned long long)count, what, (unsigned long long)most);
    return in->status == SS_OK ? (uint32_t)count : 0;
}

/* The whole header. With gguf->keys NULL nothing is stored but the counts. */
static ss_status walk(reader *in, ssi_gguf *gguf)
{
    in->at = 0;
    in->subject = "header";
    in->name_length = 0;
    if (take(in, 4) && memcmp(in->data, "GGUF", 4) != 0)
        return ssi_fail(in->error, SS_ERROR_FORMAT, "not a GGUF file: it begins with \"%.4s\", "
                        "expected \"GGUF\"", (const char *)in->data);
    gguf->version = read_u32(in);
    if (in->status == SS_OK && gguf->version != 2 && gguf->version != 3)
        return ssi_fail(in->error, SS_ERROR_UNSUPPORTED,
                        "GGUF version %u%s is not supported, 2 and 3 are", gguf->version,
                        (gguf->version & 0xffffu) == 0 ? " (big-endian)" : "");
    gguf->tensor_count = read_count(in, "tensors", MIN_TENSOR_BYTES);
    gguf->key_count = read_count(in, "keys", MIN_KEY_BYTES);
    for (uint32_t i = 0; i < gguf->key_count && in->status == SS_OK; i++)
        walk_key(in, gguf->keys != NULL ? &gguf->keys[i] : NULL);
    for (uint32_t i = 0; i < gguf->tensor_count && in->status == SS_OK; i++)
        walk_tensor(in, gguf->tensors != NULL ? &gguf->tensors[i] : NULL);
    return in->status;
}

static void lay_out(ssi_gguf *gguf, ssi_arena *arena)
{
    gguf->keys = ssi_arena_take(arena, gguf->key_count, sizeof *gguf->keys);
    gguf->tensors = ssi_arena_take(arena, gguf->tensor_count, sizeof *gguf->tensors);
    gguf->key_order = ssi_arena_take(arena, gguf->key_count, sizeof *gguf->key_order);
    gguf->tensor_order = ssi_arena_take(arena, gguf->tensor_count, sizeof *gguf->tensor_order);
    gguf->offset_order = ssi_arena_take(arena, gguf->tensor_count, sizeof *gguf->offset_order);
}

static bool key_is_before(const void *context, uint32_t a, uint32_t b)
{
    const ssi_gguf_key *keys = context;
    return ssi_text_is_before(keys[a].name, keys[b].name);
}

static bool tensor_is_before(const void *context, uint32_t a, uint32_t b)
{
    const ssi_gguf_tensor *tensors = context;
    return ssi_text_is_before(tensors[a].name, tensors[b].name);
}

static bool offset_is_before(const void *context, uint32_t a, uint32_t b)
{
    const ssi_gguf_tensor *tensors = context;
    return tensors[a].offset < tensors[b].offset;
}

static ss_status index_names(ssi_gguf *gguf, ss_error *error)
{
    ssi_sort_indices(gguf->key_order, gguf->key_count, key_is_before, gguf->keys);
    for (uint32_t i = 1; i < gguf->key_count; i++)
        if (!key_is_before(gguf->keys, gguf->key_order[i - 1], gguf->key_order[i]))
            return ssi_fail(error, SS_ERROR_FORMAT, "key %.*s occurs twice",
                            SSI_SHOW(gguf->keys[gguf->key_order[i]].name));
    ssi_sort_indices(gguf->tensor_order, gguf->tensor_count, tensor_is_before, gguf->tensors);
    for (uint32_t i = 1; i < gguf->tensor_count; i++)
        if (!tensor_is_before(gguf->tensors, gguf->tensor_order[i - 1], gguf->tensor_order[i]))
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s occurs twice",
                            SSI_SHOW(gguf->tensors[gguf->tensor_order[i]].name));
    return SS_OK;
}

/* Offsets, which the file counts from the start of the data, become offsets in the source. */
static ss_status place_tensors(ssi_gguf *gguf, uint64_t header_bytes, uint64_t size,
                               ss_error *error)
{
    uint64_t alignment = gguf->alignment, data_at = (header_bytes + alignment - 1)
                                                  & ~(alignment - 1);
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        ssi_gguf_tensor *tensor = &gguf->tensors[i];
        uint64_t room = data_at < size ? size - data_at : 0;
        if (tensor->offset % alignment != 0)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor %.*s: offset %llu is no multiple of the alignment %u",
                            SSI_SHOW(tensor->name), (unsigned long long)tensor->offset,
                            gguf->alignment);
        if (tensor->offset > room || tensor->bytes > room - tensor->offset)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor %.*s: %llu bytes at offset %llu, the data has %llu",
                            SSI_SHOW(tensor->name), (unsigned long long)tensor->bytes,
                            (unsigned long long)tensor->offset, (unsigned long long)room);
        tensor->offset += data_at;
    }
    ssi_sort_indices(gguf->offset_order, gguf->tensor_count, offset_is_before, gguf->tensors);
    for (uint32_t i = 1; i < gguf->tensor_count; i++) {
        const ssi_gguf_tensor *before = &gguf->tensors[gguf->offset_order[i - 1]];
        const ssi_gguf_tensor *tensor = &gguf->tensors[gguf->offset_order[i]];
        if (tensor->offset - before->offset < before->bytes)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor %.*s: offset %llu lies inside tensor %.*s",
                            SSI_SHOW(tensor->name),
                            (unsigned long long)(tensor->offset - data_at),
                            SSI_SHOW(before->name));
    }
    return SS_OK;
}

static ss_status read_alignment(ssi_gguf *gguf, ss_error *error)
{
    gguf->alignment = 32;
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_ALIGNMENT, SSI_OPTIONAL, &gguf->alignment, error));
    if (gguf->alignment == 0 || (gguf->alignment & (gguf->alignment - 1)) != 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected a power of two",
                        SSI_KEY_ALIGNMENT, gguf->alignment);
    return SS_OK;
}

static ss_status read_header(reader *in, ssi_gguf *gguf, ss_error *error)
{
    SSI_TRY(walk(in, gguf));
    ssi_arena arena = { 0 };
    lay_out(gguf, &arena);
    gguf->block_bytes = arena.used;
    gguf->block = ssi_allocate(&gguf->memory, arena.used, SSI_ALIGN);
    if (gguf->block == NULL && arena.used > 0)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for the tensor table",
                        arena.used);
    arena = (ssi_arena){ .base = gguf->block };
    lay_out(gguf, &arena);
    SSI_TRY(walk(in, gguf));
    SSI_TRY(index_names(gguf, error));
    SSI_TRY(read_alignment(gguf, error));
    return place_tensors(gguf, in->at, in->source->size, error);
}

ss_status ssi_gguf_open(ssi_gguf *gguf, const ssi_source *source, const ssi_memory *memory,
                        ss_error *error)
{
    reader in = { .source = source, .memory = memory, .error = error, .status = SS_OK };
    *gguf = (ssi_gguf){ .memory = *memory };
    if (source->data != NULL) {
        in.data = source->data;
        in.loaded = (size_t)source->size;
    }
    ss_status status = read_header(&in, gguf, error);
    gguf->header = in.window;
    gguf->header_bytes = in.window != NULL ? in.loaded : 0;
    if (status != SS_OK)
        ssi_gguf_close(gguf);
    return status;
}

void ssi_gguf_close(ssi_gguf *gguf)
{
    if (gguf->memory.release != NULL) {
        ssi_release(&gguf->memory, gguf->block, gguf->block_bytes);
        ssi_release(&gguf->memory, gguf->header, gguf->header_bytes);
    }
    *gguf = (ssi_gguf){ 0 };
}
