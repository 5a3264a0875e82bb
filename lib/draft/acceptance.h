/* SPDX-License-Identifier: Apache-2.0 */
/* How often guesses come true. A source says how likely it thinks a candidate; here is kept what
 * became of such candidates: hits over promised hits, as exponential averages. Products of
 * corrected probabilities along a path are the expected acceptance of a node (Sequoia and OPT-Tree
 * build trees from the same number).
 *
 * Three factors are multiplied: of the source, of the group (stream, band of match lengths, depth),
 * and of the rank in it. The first notices within a few tokens that a source has gone bad or come
 * back; the others learn in time what is particular to a group and rank. */
#ifndef SSI_DRAFT_ACCEPTANCE_H
#define SSI_DRAFT_ACCEPTANCE_H

#include "draft/source.h"

#define SSI_ACCEPTANCE_GROUPS 32u
/* The best candidate in three bands of probability, since overconfidence shows there; then the
 * other ranks. */
#define SSI_ACCEPTANCE_CELLS (SSI_CANDIDATES + 2)

typedef struct ssi_rate { /* decaying sums */
    float accepted;
    float predicted;
} ssi_rate;

typedef struct ssi_acceptance {
    ssi_rate source[SSI_SOURCE_COUNT];
    ssi_rate group[SSI_SOURCE_COUNT][SSI_ACCEPTANCE_GROUPS];
    ssi_rate cell[SSI_SOURCE_COUNT][SSI_ACCEPTANCE_GROUPS][SSI_ACCEPTANCE_CELLS];
} ssi_acceptance;

/* The corrected chance that a candidate follows its parent, given that the parent is right. */
float ssi_acceptance_correct(const ssi_acceptance *acceptance, ssi_source_kind kind,
                             const ssi_candidate *candidate);

/* The source offered `count` candidates (in the tree or not) where `token` came. */
void ssi_acceptance_observe(ssi_acceptance *acceptance, ssi_source_kind kind,
                            const ssi_candidate *candidates, uint32_t count, int32_t token);

/* For saved sessions: little-endian, no padding. Loading refuses (false, nothing changed) numbers
 * that no run could have produced. */
#define SSI_ACCEPTANCE_BYTES                                                                   \
    (8u * SSI_SOURCE_COUNT * (1u + SSI_ACCEPTANCE_GROUPS * (1u + SSI_ACCEPTANCE_CELLS)))
void ssi_acceptance_save(const ssi_acceptance *acceptance,
                         unsigned char bytes[SSI_ACCEPTANCE_BYTES]);
bool ssi_acceptance_load(ssi_acceptance *acceptance,
                         const unsigned char bytes[SSI_ACCEPTANCE_BYTES]);

#endif
