/* SPDX-License-Identifier: Apache-2.0 */
/* bench --prompts: what speculation gains on a file of prompts. Plain and speculative decoding take
 * turns prompt by prompt, in two sessions over one model, so that a busy moment falls on both. */
#ifndef BENCH_PROMPTS_H
#define BENCH_PROMPTS_H

#include "settings.h"
#include "speculation.h"

typedef struct bench_prompts {
    const char *file;
    bool chat, json;
    float oracle; /* 0: none; else the probability that a drafted token is right */
} bench_prompts;

/* EXIT_DONE after printing, or EXIT_ERROR after saying why. */
int bench_prompts_run(const bench_prompts *of, const settings *from, const speculation *drafting);

#endif
