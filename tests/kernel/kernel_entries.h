/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_list.inc as a table that tests and benches walk: the kernels of one member that this CPU
 * can run, the portable one first. */
#ifndef TESTS_KERNEL_KERNEL_ENTRIES_H
#define TESTS_KERNEL_KERNEL_ENTRIES_H

#include <stddef.h>

#include "kernel/kernel_list.h"

typedef struct kernel_entry {
    const char *name;
    size_t member; /* offsetof(ssi_kernels, ...) */
    ssi_kernel_needs needs;
    void (*run)(void); /* to be cast to the member's type */
} kernel_entry;

static const kernel_entry kernel_entries[] = {
#define SSI_KERNEL(function, slot, asks) \
    {#function, offsetof(ssi_kernels, slot), asks, (void (*)(void))function},
#include "kernel/kernel_list.inc"
#undef SSI_KERNEL
};

/* The next entry of a member that this machine can run, after `from` (NULL: the first); NULL: no
 * more. */
static inline const kernel_entry *next_kernel(const kernel_entry *from, size_t member)
{
    const kernel_entry *end = kernel_entries + sizeof kernel_entries / sizeof kernel_entries[0];
    for (const kernel_entry *at = from ? from + 1 : kernel_entries; at < end; at++)
        if (at->member == member && ssi_kernel_fits(at->needs, ssi_cpu_best()))
            return at;
    return NULL;
}

#define FOR_EACH_KERNEL(entry, slot)                                                        \
    for (const kernel_entry *entry = next_kernel(NULL, offsetof(ssi_kernels, slot)); entry; \
         entry = next_kernel(entry, offsetof(ssi_kernels, slot)))
#define KERNEL_OF(entry, slot) ((__typeof__(((ssi_kernels *)0)->slot))(entry)->run)

#endif
