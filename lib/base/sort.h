/* SPDX-License-Identifier: Apache-2.0 */
/* Heapsort: n log n whatever a file makes of the order, and no memory, as qsort may take. */
#ifndef SSI_BASE_SORT_H
#define SSI_BASE_SORT_H

#include <stdbool.h>
#include <stdint.h>

typedef bool ssi_is_before(const void *context, uint32_t a, uint32_t b);

/* First the heap is made, from its last parent down to the root, then the largest goes behind the
 * shrinking heap. */
static inline void ssi_sort(uint32_t *items, uint32_t count, ssi_is_before *is_before,
                            const void *context)
{
    for (uint32_t left = count / 2, end = count; end > 1;) {
        uint32_t moved;
        if (left > 0) {
            moved = items[--left];
        } else {
            moved = items[--end];
            items[end] = items[0];
        }
        uint32_t hole = left;
        for (uint32_t child; (child = 2 * hole + 1) < end; hole = child) {
            if (child + 1 < end && is_before(context, items[child], items[child + 1]))
                child++;
            if (!is_before(context, moved, items[child]))
                break;
            items[hole] = items[child];
        }
        items[hole] = moved;
    }
}

/* The indices 0 .. count - 1, so that is_before(context, a, b) never holds for a neighbour of b. */
static inline void ssi_sort_indices(uint32_t *order, uint32_t count, ssi_is_before *is_before,
                                    const void *context)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    ssi_sort(order, count, is_before, context);
}

#endif
