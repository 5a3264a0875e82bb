/* SPDX-License-Identifier: Apache-2.0 */
/* A draft the host hands over: it may know what comes next (a JSON skeleton, a form letter, the
 * answer of a larger model, the true continuation in a benchmark). */
#ifndef SSI_DRAFT_SOURCE_CALLER_H
#define SSI_DRAFT_SOURCE_CALLER_H

#include "base/arena.h"
#include "draft/source.h"

#define SSI_CALLER_NODES (SSI_TREE_NODES - 1)

/* One guess. Parents come before children. */
typedef struct ssi_caller_node {
    int32_t token;
    int32_t parent;    /* index of an earlier guess, or -1: it follows the root */
    float probability; /* that it follows its parent, 0 to 1; 0: the host doesn't say */
} ssi_caller_node;

typedef struct ssi_caller_source {
    uint32_t node_count;
    ssi_caller_node *nodes;  /* [SSI_CALLER_NODES] */
    int8_t *guess_of_node;   /* [SSI_TREE_NODES]: the guess a tree node stands for; -1: the root;
                              * -2: none */
} ssi_caller_source;

void ssi_caller_source_layout(ssi_caller_source *source, ssi_arena *arena);

/* Takes the guesses for the tree about to be grown (0: none). Ill-formed ones are dropped with
 * what follows from them: tokens outside [0, vocabulary_size), parents that don't precede,
 * probabilities out of range; of siblings with one token the first stays. Returns how many were
 * taken. */
uint32_t ssi_caller_source_begin(ssi_caller_source *source, const ssi_caller_node *nodes,
                                 uint32_t count, uint32_t vocabulary_size);

ssi_draft_source ssi_caller_source_interface(ssi_caller_source *source);

#endif
