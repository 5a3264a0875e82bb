/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded model: hyperparameters, packed weights, tokenizer, kernels. Immutable after load.
 * An architecture only describes (keys, names, flags); lib/step computes, from these structs
 * alone. */
#ifndef SSI_MODEL_MODEL_H
#define SSI_MODEL_MODEL_H

#include "base/hash.h"
#include "base/os.h"
#include "base/parallel.h"
#include "kernel/kernel.h"
#include "specstream/model.h"

typedef struct ssi_tokenizer ssi_tokenizer; /* tokenizer/tokenizer.h */

typedef struct ssi_hyper {
    uint32_t layer_count;         /* N */
    uint32_t embedding_length;    /* d */
    uint32_t feed_forward_length; /* d_ff */
    uint32_t head_count;          /* H */
    uint32_t head_count_kv;       /* H_kv */
    uint32_t head_length;         /* d_h, keys and values alike */
    uint32_t vocabulary_size;     /* V */
    uint32_t context_length;      /* the model's own limit */
    uint32_t rope_length;         /* numbers of a head that are rotated; even */
    bool rope_interleaved;        /* pairs (2i, 2i+1), else (i, i + d_h / 2) */
    float rms_epsilon;
    float attention_scale;        /* 1 / sqrt(d_h), or what the file says */
    float rope_magnitude;         /* yarn's factor on cosine and sine; 1 without */
} ssi_hyper;

typedef struct ssi_linear {
    ssi_matrix weight; /* [out][in] */
    const float *bias; /* [out padded to 16], or NULL */
} ssi_linear;

enum { /* the linear maps of a layer, in the order of the data flow */
    SSI_QUERY, SSI_KEY, SSI_VALUE, SSI_OUTPUT, SSI_GATE, SSI_UP, SSI_DOWN, SSI_LINEAR_COUNT
};

typedef struct ssi_layer {
    const float *attention_norm;    /* [d] */
    const float *feed_forward_norm; /* [d] */
    ssi_linear linear[SSI_LINEAR_COUNT];
} ssi_layer;

struct ss_model {
    ssi_memory memory;
    ssi_kernels kernels;
    ssi_hyper hyper;
    const double *rope_frequency; /* [rope_length / 2], radians per position, scaling applied */
    const float *rope_divisors;   /* [rope_length / 2], rope_freqs.weight (applied above), or NULL */
    ssi_matrix embedding;         /* token_embd [V][d] */
    ssi_linear head;              /* output.weight, or the embedding's planes where tied */
    const float *output_norm;     /* [d] */
    const ssi_layer *layers;      /* [N] */
    ssi_tokenizer *tokenizer;
    ssi_hash128 tensor_hash;      /* XXH3-128 of the tensor data in table order */
    ssi_hash128 parsed_hash;      /* of hyperparameters and tokenizer as parsed (saved sessions) */
    const char *architecture, *name;
    ss_tensor_info *tensors;      /* [tensor_count], file order */
    uint32_t tensor_count;
    uint64_t parameter_count, tensor_bytes, memory_bytes;
    void *block;                  /* the allocation behind all of it */
    size_t block_bytes;
};

/* model_load.c */
ss_status ssi_model_load(const ssi_source *source, const ss_model_params *params,
                         ss_model **model, ss_error *error) SSI_MUST_CHECK;
void ssi_model_free(ss_model *model);

#endif
