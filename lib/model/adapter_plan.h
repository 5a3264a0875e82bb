/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter file as read but not yet packed: which tensor plays which part, sizes checked. */
#ifndef SSI_MODEL_ADAPTER_PLAN_H
#define SSI_MODEL_ADAPTER_PLAN_H

#include "gguf/gguf.h"
#include "model/adapter.h"

typedef struct ssi_pair_plan { /* both NULL: no such pair */
    const ssi_gguf_tensor *a;  /* [rank][in] */
    const ssi_gguf_tensor *b;  /* [out][rank] */
} ssi_pair_plan;

enum { /* the pairs under "specstream." */
    SSI_PAIR_INIT, SSI_PAIR_ROOT, SSI_PAIR_PARENT, SSI_PAIR_PRUNE, SSI_PAIR_COUNT
};

typedef struct ssi_adapter_plan {
    const ssi_gguf *gguf;
    const ss_model *model;
    ssi_text name;
    bool plain_lora; /* adapter.type "lora": llama.cpp's, main half alone */
    bool shared;
    float alpha;
    uint32_t stream_count, msa_layer_count;
    ssi_stream_init stream_init;
    float rotation_step;
    const ssi_gguf_key *draft_vocabulary; /* or NULL */
    ssi_pair_plan *main, *stream;  /* [layer][SSI_LINEAR_COUNT], all layers */
    uint32_t main_count, stream_pair_count;
    ssi_pair_plan pairs[SSI_PAIR_COUNT];
    const ssi_gguf_tensor *stream_embedding, *root_gain; /* [γ][d], or NULL */
} ssi_adapter_plan;

/* plan->gguf, model, main and stream (zeroed) are set. Errors name the key or tensor. Afterwards every
 * tensor of the file has a part to play, a shape that fits it and a type that can be decoded, and the
 * draft vocabulary lists tokens of the model, each once. */
ss_status ssi_adapter_plan_read(ssi_adapter_plan *plan, ss_error *error) SSI_MUST_CHECK;

/* Whether the base that an adapter file names is the one whose tensors hash to `tensors`. */
ss_status ssi_adapter_check_base(ssi_text wanted, ssi_hash128 tensors,
                                 ss_error *error) SSI_MUST_CHECK;

/* A tensor's numbers, all finite. Its type can be decoded; `bytes` has room for it as in the file. */
ss_status ssi_adapter_read_tensor(const ssi_source *source, const ssi_gguf_tensor *tensor,
                                  unsigned char *bytes, float *values,
                                  ss_error *error) SSI_MUST_CHECK;

static inline uint32_t ssi_pair_rank(const ssi_pair_plan *pair)
{
    return pair->a ? (uint32_t)pair->a->dims[1] : 0;
}

/* What B·A is multiplied by: llama.cpp's rule. */
static inline float ssi_lora_scale(float alpha, uint32_t rank)
{
    return alpha != 0 ? alpha / (float)rank : 1.0f;
}

#endif
