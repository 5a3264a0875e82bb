/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded adapter: main LoRA, stream LoRA, stream terms, draft vocabulary, pruner. Immutable after
 * load, borrowed by any number of sessions of the model it was loaded for.
 *
 * Low precision, always in the same way: LoRA's A is Q8_0 and reads the 8-bit activations, its B is
 * one scale per output row; so plain and speculative decoding with an adapter see the same bits. */
#ifndef SSI_MODEL_ADAPTER_H
#define SSI_MODEL_ADAPTER_H

#include "model/model.h"
#include "specstream/adapter.h"

#define SSI_STREAMS_MAX 8u /* γ */

/* y += B (A x); alpha / rank is folded into B. rank 0: none. */
typedef struct ssi_lora {
    ssi_matrix a;  /* Q8_0 [rank][in] */
    ssi_lora_b b;  /* [out][rank], kernel/kernel.h */
} ssi_lora;

typedef enum ssi_stream_init { SSI_STREAM_EMBEDDING, SSI_STREAM_VALUE_ROTATION } ssi_stream_init;

/* B A x of a small rank in binary32; rank 0: absent. */
typedef struct ssi_low_rank {
    uint32_t rank;
    ssi_matrix a; /* F32 [rank][d] */
    ssi_matrix b; /* F32 [d][rank] */
} ssi_low_rank;

struct ss_adapter {
    ssi_memory memory;
    const ss_model *model;
    const char *name;
    ssi_hash128 file_hash;  /* of the whole adapter as parsed: keys and tensors */
    ssi_hash128 main_hash;  /* of the main half; zeros without one */
    bool shared;            /* mode "shared": there may be a main half */
    uint32_t stream_count;  /* γ; 0: a plain LoRA */
    uint32_t msa_layer_count; /* Ns */
    uint32_t rank, stream_rank; /* largest of main, stream LoRA */
    ssi_stream_init stream_init;
    float rotation_step;    /* value_rotation: radians per stream */
    const ssi_lora *main_lora;   /* [layer][SSI_LINEAR_COUNT]; NULL: no main half */
    const ssi_lora *stream_lora; /* [MSA layer][SSI_LINEAR_COUNT]; NULL: none */
    const float *stream_embedding; /* [γ][d_stride]; NULL with value_rotation */
    size_t embedding_stride;     /* floats between rows of the above and of root_gain */
    const float *root_gain;      /* [γ][embedding_stride], or NULL: no root terms */
    ssi_low_rank init, root, prune;
    uint32_t parent_rank;        /* 0: no parent term */
    ssi_matrix parent_a;         /* Q8_0 [parent_rank][d] */
    ssi_matrix parent_u;         /* Q8_0 [draft_count][parent_rank]: head of the draft vocabulary
                                  * times B */
    uint32_t draft_count;        /* V_d, or V where the adapter lists none */
    const int32_t *draft_tokens; /* [V_d], likeliest first; NULL: the whole vocabulary */
    const int32_t *draft_of_token; /* [V]: index, -1: not drafted; NULL: the whole vocabulary */
    ssi_linear draft_head;       /* [V_d][d], a copy of those rows of the head, or the head's planes */
    uint64_t parameter_count, memory_bytes;
    void *block;
    size_t block_bytes;
};

/* What the main rows of a session are changed by; adapter may be NULL. */
static inline ssi_hash128 ssi_adapter_main_hash(const ss_adapter *adapter)
{
    return adapter ? adapter->main_hash : (ssi_hash128){0, 0};
}

/* adapter_load.c */
ss_status ssi_adapter_load(const ss_model *model, const ssi_source *source,
                           const ssi_memory *memory,
                           ss_adapter **adapter, ss_error *error) SSI_MUST_CHECK;
void ssi_adapter_free(ss_adapter *adapter);

/* adapter_init.c: an untrained adapter's file, as one block of `memory`, which the caller releases.
 * params are whole, but their fields not yet checked. */
ss_status ssi_adapter_init(const ss_model *model, const ss_adapter_init_params *params,
                           const ssi_memory *memory, void **file, size_t *bytes,
                           ss_error *error) SSI_MUST_CHECK;

/* adapter_inspect.c */
ss_status ssi_adapter_inspect(const ssi_source *source, const ssi_memory *memory,
                              ss_adapter_file_info *info, ss_error *error) SSI_MUST_CHECK;

#endif
