/* SPDX-License-Identifier: Apache-2.0 */
/* A covering design: runs in which every pair of settings meets at least once, which finds what a
 * full product would at a hundredth of its price. Greedy: of many random runs the one with the most
 * pairs not yet seen. */
#ifndef TEST_COVERING_H
#define TEST_COVERING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"

enum { AXES_MAX = 12, CHOICES_MAX = 16, TRIALS = 60 };

typedef struct covering {
    uint32_t axis_count, choice_count[AXES_MAX];
    uint64_t random;
    uint32_t left; /* pairs not yet met */
    bool met[AXES_MAX][CHOICES_MAX][AXES_MAX][CHOICES_MAX];
} covering;

static inline void covering_begin(covering *design, const uint32_t *choice_count,
                                  uint32_t axis_count, uint64_t seed)
{
    memset(design, 0, sizeof *design);
    design->axis_count = axis_count;
    design->random = seed;
    for (uint32_t a = 0; a < axis_count; a++) {
        design->choice_count[a] = choice_count[a];
        for (uint32_t b = 0; b < a; b++)
            design->left += choice_count[a] * choice_count[b];
    }
}

static inline uint32_t covering_gain(const covering *design, const uint32_t *run)
{
    uint32_t gain = 0;
    for (uint32_t a = 0; a < design->axis_count; a++)
        for (uint32_t b = 0; b < a; b++)
            gain += !design->met[a][run[a]][b][run[b]];
    return gain;
}

/* The next run; false once every pair has met. */
static inline bool covering_next(covering *design, uint32_t run[AXES_MAX])
{
    uint32_t best = 0, trial[AXES_MAX];
    if (design->left == 0)
        return false;
    for (uint32_t tried = 0; tried < TRIALS || best == 0; tried++) {
        for (uint32_t a = 0; a < design->axis_count; a++)
            trial[a] = (uint32_t)(ssi_mix64(design->random++) % design->choice_count[a]);
        uint32_t gain = covering_gain(design, trial);
        if (gain > best) {
            best = gain;
            memcpy(run, trial, sizeof trial);
        }
    }
    for (uint32_t a = 0; a < design->axis_count; a++)
        for (uint32_t b = 0; b < a; b++)
            design->met[a][run[a]][b][run[b]] = true;
    design->left -= best;
    return true;
}

#endif
