/* SPDX-License-Identifier: Apache-2.0 */
/* What a session holds for its adapter: scratch of the LoRA products, the states streams are born
 * from, and the streams' logits, which the next draft is taken from. One block, taken when the
 * adapter is set. */
#ifndef SSI_STEP_STREAMS_H
#define SSI_STEP_STREAMS_H

#include "draft/source_stream.h"
#include "model/adapter.h"
#include "step/sample.h"

#define SSI_LORA_MAPS 3u /* linear maps that share one input: query, key, value */

enum { SSI_LORA_MAIN, SSI_LORA_STREAM, SSI_LORA_KINDS };

typedef struct ssi_streams {
    const ss_adapter *adapter; /* NULL: none is set */
    uint32_t count;            /* γ; 0: no streams are run */
    size_t rank_stride;        /* floats between rows of lora_t */
    float *lora_t[SSI_LORA_KINDS][SSI_LORA_MAPS];             /* [row][rank_stride]: A x */
    ssi_lora_rank *lora_rank[SSI_LORA_KINDS][SSI_LORA_MAPS];  /* [row]: the same in 8 bits */

    size_t hidden_stride;      /* as the workspace's */
    float *entries;            /* [max_step_rows][hidden_stride]: M at the entry of the MSA
                                * layers, of the last rows of the batch */
    float *entry;              /* [hidden_stride]: the same of the last committed row */
    uint32_t entry_length;     /* the cache's length that `entry` belongs to; 0: none */
    uint32_t entry_row;        /* of the batch: the first one in `entries` */
    float *term, *root_unit, *rank_product; /* scratch of the birth */
    float *rotation_cosine, *rotation_sine; /* [γ][d_h / 2]: value_rotation */

    size_t logit_stride;
    float *logits;             /* [γ][logit_stride]: over the draft vocabulary, no parent term */
    uint64_t finite;           /* bit j: stream j's logits are all finite */
    bool ready;                /* logits belong to the root about to be run */

    ssi_activation parent_embedding, parent; /* e and u = A e, a row each */
    float *embedding;          /* [hidden_stride]: a copy of a state, or a row of the head */
    float *conditioned;        /* [logit_stride]: logits given the parent */
} ssi_streams;

/* N - Ns: where the MSA layers begin. */
static inline uint32_t ssi_msa_first_layer(const ss_model *model, const ssi_streams *streams)
{
    const ss_adapter *adapter = streams->adapter;
    return model->hyper.layer_count - (adapter ? adapter->msa_layer_count : 0);
}

#endif
