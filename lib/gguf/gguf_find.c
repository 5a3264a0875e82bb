/* SPDX-License-Identifier: Apache-2.0 */
/* Names to entries. Sorted indices rather than a hash table: a hostile file can't make them slow,
 * and duplicates become neighbours. */
#include "gguf/gguf.h"

bool ssi_text_is_before(ssi_text a, ssi_text b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int difference = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);
    return difference != 0 ? difference < 0 : a.length < b.length;
}

void ssi_gguf_sort(uint32_t *order, uint32_t count,
                   bool (*is_before)(const void *context, uint32_t a, uint32_t b),
                   const void *context)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    /* Heap sort: first the heap is made, from its last parent down to the root, then the largest
     * goes behind the shrinking heap. */
    for (uint32_t left = count / 2, end = count; end > 1;) {
        uint32_t moved;
        if (left > 0) {
            moved = order[--left];
        } else {
            moved = order[--end];
            order[end] = order[0];
        }
        uint32_t hole = left;
        for (uint32_t child; (child = 2 * hole + 1) < end; hole = child) {
            if (child + 1 < end && is_before(context, order[child], order[child + 1]))
                child++;
            if (!is_before(context, moved, order[child]))
                break;
            order[hole] = order[child];
        }
        order[hole] = moved;
    }
}

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
