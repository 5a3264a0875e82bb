/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a load, each a file of this room; model_load.c calls them in order. */
#ifndef SSI_MODEL_LOAD_H
#define SSI_MODEL_LOAD_H

#include "model/arch.h"
#include "quant/quant.h"

/* hyper.c: sizes and constants from the architecture's keys, checked for range and against one
 * another. */
ss_status ssi_hyper_read(const ssi_gguf *gguf, const ssi_arch *arch, ssi_hyper *hyper,
                         ss_error *error) SSI_MUST_CHECK;

/* Writes "<architecture>.<key>" and returns it. */
#define SSI_KEY_MAX 96u
const char *ssi_arch_key(char name[SSI_KEY_MAX], const ssi_arch *arch, const char *key);

/* rope.c: how positions turn into angles. */
typedef struct ssi_rope {
    bool yarn;
    float base;              /* frequency of pair i: base^(-2 i / rope_length) */
    float factor;            /* positions are divided by it */
    float extension_factor;  /* yarn: weight of the ramp, 1 */
    float beta_fast, beta_slow; /* yarn: turns in the original context where the ramp runs */
    uint32_t original_context;
    float magnitude;         /* on cosine and sine */
} ssi_rope;

ss_status ssi_rope_read(const ssi_gguf *gguf, const ssi_arch *arch, uint32_t context_length,
                        ssi_rope *rope, ss_error *error) SSI_MUST_CHECK;
/* frequency[0 .. rope_length / 2 - 1], radians per position. divisors: NULL or one a pair. */
ss_status ssi_rope_frequencies(const ssi_rope *rope, uint32_t rope_length,
                               const float *divisors, double *frequency,
                               ss_error *error) SSI_MUST_CHECK;

/* tensor_plan.c: which tensor of the file goes where. One slot per tensor, in table order. */
#define SSI_NO_LAYER UINT32_MAX

typedef struct ssi_slot {
    const ssi_arch_tensor *role;
    uint32_t layer;           /* or SSI_NO_LAYER */
    const ssi_type_info *type;
    uint32_t rows, columns;   /* a vector: one row */
    uint64_t offset;          /* in the source */
    size_t row_bytes;         /* in the source */
    const char *name;         /* in the model's block */
    ssi_matrix matrix;        /* where it is packed to */
    float *vector;
} ssi_slot;

ss_status ssi_plan_tensors(const ssi_gguf *gguf, const ssi_arch *arch, const ssi_hyper *hyper,
                           ssi_slot *slots, ss_error *error) SSI_MUST_CHECK;

/* tokenizer_read.c */
ss_status ssi_tokenizer_read(const ssi_gguf *gguf, const ssi_memory *memory,
                             ssi_tokenizer **tokenizer, ss_error *error) SSI_MUST_CHECK;

/* weights_pack.c: reads all tensors once, hashes them in table order and packs them into their
 * slots; temporary memory is two strips. progress may be NULL. */
ss_status ssi_weights_pack(const ssi_source *source, const ssi_slot *slots, uint32_t slot_count,
                           const ssi_parallel *parallel, const ss_progress *progress,
                           const ssi_memory *memory, ssi_hash128 *hash,
                           ss_error *error) SSI_MUST_CHECK;

#endif
