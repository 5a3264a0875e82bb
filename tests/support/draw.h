/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers in a row, the same on every machine (SplitMix64). */
#ifndef TEST_DRAW_H
#define TEST_DRAW_H

#include "base/random.h"

static inline uint64_t draw(uint64_t *state)
{
    return ssi_mix64(*state += 0x9e3779b97f4a7c15u);
}

#endif
