/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a region of work into tasks: by output units (groups of 16 outputs, heads), never along
 * a sum, so that no bit depends on the cut; wide batches also by rows, so that what one task
 * touches stays in the cache. */
#ifndef SSI_STEP_CUT_H
#define SSI_STEP_CUT_H

#include "base/parallel.h"

#define SSI_CUT_ROWS 64u        /* most rows of one task */
#define SSI_TASKS_PER_THREAD 4u /* enough that a late thread costs a quarter of its share */

/* Where the tasks of a thread's share begin, in sixteenths of it: the last ones are small, so that
 * who is done first has something to help with and then not long to wait. A task may be empty. */
#define SSI_SHARE_PARTS 16u
static const uint8_t ssi_share_begin[SSI_TASKS_PER_THREAD] = {0, 7, 11, 14};

typedef struct ssi_cut {
    uint32_t unit_count, unit_parts;
    uint32_t row_count, row_parts;
    uint32_t share_count; /* of the units, each cut as above; 0: all parts are alike */
} ssi_cut;

typedef struct ssi_part {
    uint32_t unit_begin, unit_end;
    uint32_t row_begin, row_end;
} ssi_part;

static inline ssi_cut ssi_cut_make(uint32_t unit_count, uint32_t row_count,
                                   uint32_t thread_count)
{
    uint32_t row_parts = (row_count + SSI_CUT_ROWS - 1) / SSI_CUT_ROWS;
    uint32_t tasks = thread_count > 1 ? thread_count * SSI_TASKS_PER_THREAD : 1;
    uint32_t unit_parts = (tasks + row_parts - 1) / row_parts;
    bool shared = thread_count > 1 && row_parts == 1 && unit_parts < unit_count;
    return (ssi_cut){unit_count, unit_parts < unit_count ? unit_parts : unit_count, row_count,
                     row_parts, shared ? thread_count : 0};
}

static inline uint32_t ssi_cut_tasks(const ssi_cut *cut)
{
    return cut->unit_parts * cut->row_parts;
}

/* First unit of a part; unit_count of the part after the last. */
static inline uint32_t ssi_cut_unit(const ssi_cut *cut, uint32_t part)
{
    if (cut->share_count == 0)
        return ssi_cut_at(cut->unit_count, cut->unit_parts, part);
    uint32_t begin = ssi_share_begin[part % SSI_TASKS_PER_THREAD];
    return ssi_cut_at(cut->unit_count, cut->share_count * SSI_SHARE_PARTS,
                      part / SSI_TASKS_PER_THREAD * SSI_SHARE_PARTS + begin);
}

static inline ssi_part ssi_cut_part(const ssi_cut *cut, uint32_t task)
{
    uint32_t unit_part = task % cut->unit_parts, row_part = task / cut->unit_parts;
    return (ssi_part){ssi_cut_unit(cut, unit_part), ssi_cut_unit(cut, unit_part + 1),
                      ssi_cut_at(cut->row_count, cut->row_parts, row_part),
                      ssi_cut_at(cut->row_count, cut->row_parts, row_part + 1)};
}

#endif
