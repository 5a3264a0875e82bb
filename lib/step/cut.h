/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a region of work into tasks: by output units (groups of 16 outputs, heads), never along
 * a sum, so that no bit depends on the cut; wide batches also by rows, so that what one task
 * touches stays in the cache. */
#ifndef SSI_STEP_CUT_H
#define SSI_STEP_CUT_H

#include <stdint.h>

#define SSI_CUT_ROWS 64u          /* most rows of one task */
#define SSI_TASKS_PER_THREAD 4u   /* enough that a late thread costs a quarter of its share */

typedef struct ssi_cut {
    uint32_t unit_count, unit_parts;
    uint32_t row_count, row_parts;
} ssi_cut;

typedef struct ssi_part {
    uint32_t unit_begin, unit_end;
    uint32_t row_begin, row_end;
} ssi_part;

static inline ssi_cut ssi_cut_make(uint32_t unit_count, uint32_t row_count, uint32_t thread_count)
{
    uint32_t row_parts = (row_count + SSI_CUT_ROWS - 1) / SSI_CUT_ROWS;
    uint32_t tasks = thread_count > 1 ? thread_count * SSI_TASKS_PER_THREAD : 1;
    uint32_t unit_parts = (tasks + row_parts - 1) / row_parts;
    return (ssi_cut){unit_count, unit_parts < unit_count ? unit_parts : unit_count, row_count,
                     row_parts};
}

static inline uint32_t ssi_cut_tasks(const ssi_cut *cut)
{
    return cut->unit_parts * cut->row_parts;
}

static inline uint32_t ssi_cut_at(uint32_t count, uint32_t parts, uint32_t part)
{
    return (uint32_t)((uint64_t)count * part / parts);
}

static inline ssi_part ssi_cut_part(const ssi_cut *cut, uint32_t task)
{
    uint32_t unit_part = task % cut->unit_parts, row_part = task / cut->unit_parts;
    return (ssi_part){ssi_cut_at(cut->unit_count, cut->unit_parts, unit_part),
                      ssi_cut_at(cut->unit_count, cut->unit_parts, unit_part + 1),
                      ssi_cut_at(cut->row_count, cut->row_parts, row_part),
                      ssi_cut_at(cut->row_count, cut->row_parts, row_part + 1)};
}

#endif
