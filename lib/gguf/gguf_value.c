/* SPDX-License-Identifier: Apache-2.0 */
/* Values by key. Integers are taken from any integer type they fit, since writers differ in which
 * they use; nothing else is converted but binary64 to binary32. */
#include <math.h>

#include "base/bytes.h"
#include "gguf/gguf.h"

static const struct {
    const char *name;
    size_t bytes;
} value_types[SSI_GGUF_VALUE_TYPES] = {
    [SSI_GGUF_U8] = { "u8", 1 },         [SSI_GGUF_I8] = { "i8", 1 },
    [SSI_GGUF_U16] = { "u16", 2 },       [SSI_GGUF_I16] = { "i16", 2 },
    [SSI_GGUF_U32] = { "u32", 4 },       [SSI_GGUF_I32] = { "i32", 4 },
    [SSI_GGUF_F32] = { "f32", 4 },       [SSI_GGUF_BOOL] = { "bool", 1 },
    [SSI_GGUF_STRING] = { "string", 0 }, [SSI_GGUF_ARRAY] = { "array", 0 },
    [SSI_GGUF_U64] = { "u64", 8 },       [SSI_GGUF_I64] = { "i64", 8 },
    [SSI_GGUF_F64] = { "f64", 8 },
};

const char *ssi_gguf_value_type_name(uint32_t type)
{
    return type < SSI_GGUF_VALUE_TYPES ? value_types[type].name : NULL;
}

size_t ssi_gguf_value_bytes(uint32_t type)
{
    return type < SSI_GGUF_VALUE_TYPES ? value_types[type].bytes : 0;
}

static ss_status find(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                      const ssi_gguf_key **key, ss_error *error)
{
    *key = ssi_gguf_find_key(gguf, name);
    if (*key == NULL && presence == SSI_REQUIRED)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s is missing", name);
    return SS_OK;
}

static ss_status wrong_type(const ssi_gguf_key *key, const char *wanted, ss_error *error)
{
    return ssi_fail(error, SS_ERROR_FORMAT, "key %.*s: %s%s, expected %s", SSI_SHOW(key->name),
                    key->is_array ? "array of " : "", ssi_gguf_value_type_name(key->type),
                    wanted);
}

/* Any integer as its sign and magnitude. */
static bool read_integer(const ssi_gguf_key *key, bool *negative, uint64_t *magnitude)
{
    uint64_t bits;
    if (key->is_array)
        return false;
    *negative = false;
    switch (key->type) {
    case SSI_GGUF_U8: *magnitude = key->data[0]; return true;
    case SSI_GGUF_U16: *magnitude = ssi_load_u16le(key->data); return true;
    case SSI_GGUF_U32: *magnitude = ssi_load_u32le(key->data); return true;
    case SSI_GGUF_U64: *magnitude = ssi_load_u64le(key->data); return true;
    case SSI_GGUF_I8: bits = (uint64_t)(int8_t)key->data[0]; break;
    case SSI_GGUF_I16: bits = (uint64_t)(int16_t)ssi_load_u16le(key->data); break;
    case SSI_GGUF_I32: bits = (uint64_t)(int32_t)ssi_load_u32le(key->data); break;
    case SSI_GGUF_I64: bits = ssi_load_u64le(key->data); break;
    default: return false;
    }
    *negative = bits >> 63 != 0;
    *magnitude = *negative ? 0 - bits : bits;
    return true;
}

ss_status ssi_gguf_get_u32(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                           uint32_t *value, ss_error *error)
{
    const ssi_gguf_key *key;
    bool negative;
    uint64_t magnitude;
    SSI_TRY(find(gguf, name, presence, &key, error));
    if (key == NULL)
        return SS_OK;
    if (!read_integer(key, &negative, &magnitude))
        return wrong_type(key, "u32", error);
    if (negative || magnitude > UINT32_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %s%llu, expected 0 to 4294967295", name,
                        negative ? "-" : "", (unsigned long long)magnitude);
    *value = (uint32_t)magnitude;
    return SS_OK;
}

ss_status ssi_gguf_get_f32(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                           float *value, ss_error *error)
{
    const ssi_gguf_key *key;
    float number;
    SSI_TRY(find(gguf, name, presence, &key, error));
    if (key == NULL)
        return SS_OK;
    if (!key->is_array && key->type == SSI_GGUF_F32) {
        number = ssi_float_from_bits(ssi_load_u32le(key->data));
    } else if (!key->is_array && key->type == SSI_GGUF_F64) {
        uint64_t bits = ssi_load_u64le(key->data);
        double wide;
        memcpy(&wide, &bits, sizeof wide);
        number = (float)wide;
    } else {
        return wrong_type(key, "f32", error);
    }
    if (!isfinite(number))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected a finite number", name,
                        (double)number);
    *value = number;
    return SS_OK;
}

ss_status ssi_gguf_get_bool(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                            bool *value, ss_error *error)
{
    const ssi_gguf_key *key;
    SSI_TRY(find(gguf, name, presence, &key, error));
    if (key == NULL)
        return SS_OK;
    if (key->is_array || key->type != SSI_GGUF_BOOL)
        return wrong_type(key, "bool", error);
    if (key->data[0] > 1)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: bool %u, expected 0 or 1", name,
                        key->data[0]);
    *value = key->data[0] != 0;
    return SS_OK;
}

static ssi_text text_at(const unsigned char *data) /* length and bytes, as the file has them */
{
    ssi_text text = { (const char *)data + 8, (size_t)ssi_load_u64le(data) };
    return text;
}

ss_status ssi_gguf_get_text(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                            ssi_text *value, ss_error *error)
{
    const ssi_gguf_key *key;
    SSI_TRY(find(gguf, name, presence, &key, error));
    if (key == NULL)
        return SS_OK;
    if (key->is_array || key->type != SSI_GGUF_STRING)
        return wrong_type(key, "string", error);
    *value = text_at(key->data);
    return SS_OK;
}

ss_status ssi_gguf_get_array(const ssi_gguf *gguf, const char *name, ssi_presence presence,
                             ssi_gguf_value_type type, const ssi_gguf_key **array,
                             ss_error *error)
{
    const ssi_gguf_key *key;
    SSI_TRY(find(gguf, name, presence, &key, error));
    *array = key;
    if (key == NULL)
        return SS_OK;
    if (!key->is_array || key->type != (uint32_t)type)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %s%s, expected array of %s", name,
                        key->is_array ? "array of " : "", ssi_gguf_value_type_name(key->type),
                        ssi_gguf_value_type_name(type));
    if (key->count > UINT32_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %llu items, at most 4294967295", name,
                        (unsigned long long)key->count);
    return SS_OK;
}

void ssi_gguf_array_texts(const ssi_gguf_key *array, ssi_text *items)
{
    const unsigned char *at = array->data;
    for (uint64_t i = 0; i < array->count; i++) {
        items[i] = text_at(at);
        at += 8 + items[i].length;
    }
}

size_t ssi_gguf_key_bytes(const ssi_gguf_key *key)
{
    size_t item_bytes = ssi_gguf_value_bytes(key->type);
    const unsigned char *at = key->data;
    if (item_bytes > 0)
        return (size_t)key->count * item_bytes;
    for (uint64_t i = 0; i < key->count; i++)
        at += 8 + text_at(at).length;
    return (size_t)(at - key->data);
}

void ssi_gguf_array_f32(const ssi_gguf_key *array, float *items)
{
    for (uint64_t i = 0; i < array->count; i++)
        items[i] = ssi_float_from_bits(ssi_load_u32le(array->data + i * 4));
}

int32_t ssi_gguf_item_i32(const ssi_gguf_key *array, uint64_t index)
{
    return (int32_t)ssi_load_u32le(array->data + index * 4);
}

void ssi_gguf_array_i32(const ssi_gguf_key *array, int32_t *items)
{
    for (uint64_t i = 0; i < array->count; i++)
        items[i] = ssi_gguf_item_i32(array, i);
}
