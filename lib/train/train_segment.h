/* SPDX-License-Identifier: Apache-2.0 */
/* A segment: the stream rows that go through the MSA layers at once. Whole anchors, in the order of
 * their contexts, each with the streams that have a target: the rows of an anchor lie side by side,
 * stream 0 first. */
#ifndef SSI_TRAIN_SEGMENT_H
#define SSI_TRAIN_SEGMENT_H

#include "train/train_passes.h"

typedef struct ssi_train_anchor {
    const ssi_train_context *context;
    uint32_t index;                /* in the context */
    uint32_t row_begin, row_count; /* its streams */
} ssi_train_anchor;

typedef struct ssi_train_segment {
    uint32_t row_capacity;
    uint32_t anchor_count;
    ssi_train_anchor *anchors;
    ssi_train_rows rows;           /* reads the arrays below */
    const ssi_train_context **context_of_span;
    ssi_train_span *spans;         /* one a context */
    uint32_t *group_begin, *visible;
    float *cosines, *sines, *value_cosines, *value_sines;
    int32_t *parents;              /* [row]: token before the row's target */
    int32_t *targets;              /* [row]: in the draft vocabulary, or -1 */
    int32_t *soft_targets;         /* [row][SSI_TEACHER_MAX] */
    float *soft_probabilities;     /* [row][SSI_TEACHER_MAX] */
    float *weights;                /* [row] */
} ssi_train_segment;

/* Where the next segment begins; zeros: at the first anchor of the first context. */
typedef struct ssi_train_place {
    uint32_t context, anchor;
} ssi_train_place;

void ssi_train_segment_layout(ssi_train_segment *segment, const ssi_train_streams *streams,
                              uint32_t row_capacity, ssi_arena *arena);

/* As many anchors as fit, from *place on, which moves behind them; false: there are no more. */
bool ssi_train_segment_fill(ssi_train_segment *segment, const ssi_train_streams *streams,
                            const ssi_train_context *contexts, uint32_t context_count,
                            float gradient_scale, ssi_train_place *place);

/* Points the spans to the keys and values of one MSA layer, and to where their gradients go. */
void ssi_train_segment_enter(ssi_train_segment *segment, const ssi_train_streams *streams,
                             uint32_t msa_layer);

#endif
