/* SPDX-License-Identifier: Apache-2.0 */
/* Names to entries. Sorted indices rather than a hash table: a hostile file can't make them slow,
 * and duplicates become neighbours. */
#include "gguf/gguf.h"

const ssi_gguf_key *ssi_gguf_find_key(const ssi_gguf *gguf, const char *name)
{
    ssi_text wanted = { name, strlen(name) };
    uint32_t first = 0, end = gguf->key_count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        const ssi_gguf_key *key = &gguf->keys[gguf->key_order[middle]];
        if (ssi_text_is_before(key->name, wanted))
            first = middle + 1;
        else if (ssi_text_is_before(wanted, key->name))
            end = middle;
        else
            return key;
    }
    return NULL;
}

const ssi_gguf_tensor *ssi_gguf_find_tensor(const ssi_gguf *gguf, const char *name)
{
    ssi_text wanted = { name, strlen(name) };
    uint32_t first = 0, end = gguf->tensor_count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        const ssi_gguf_tensor *tensor = &gguf->tensors[gguf->tensor_order[middle]];
        if (ssi_text_is_before(tensor->name, wanted))
            first = middle + 1;
        else if (ssi_text_is_before(wanted, tensor->name))
            end = middle;
        else
            return tensor;
    }
    return NULL;
}
