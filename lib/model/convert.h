/* SPDX-License-Identifier: Apache-2.0 */
/* From one file to another: a base model re-encoded, a LoRA merged into its base, an adapter's main
 * half by itself. Numbers pass through a strip of rows at a time, so that memory does not grow with
 * the file; and they are a function of the files alone, whatever the machine and its threads. */
#ifndef SSI_MODEL_CONVERT_H
#define SSI_MODEL_CONVERT_H

#include "model/load.h"
#include "specstream/adapter.h"

/* What the conversions are given; the hooks may be NULL. */
typedef struct ssi_convert_env {
    const ssi_memory *memory;
    const ssi_parallel *parallel;
    const ss_progress *progress;
} ssi_convert_env;

/* weight_type.c: the type a caller asked for by number; NULL where it names no type of numbers. */
const ssi_type_info *ssi_weight_type_get(ss_weight_type type);
uint32_t ssi_weight_file_type(const ssi_type_info *type); /* the value of general.file_type */
/* Rows of this many columns in `wanted`, or the type nearest to it that can hold them. */
const ssi_type_info *ssi_weight_type_fit(const ssi_type_info *wanted, uint32_t columns);

/* base_file.c: a model file's header, checked as a load checks it, without its weights. */
typedef struct ssi_base_file {
    const ssi_source *source;
    ssi_memory memory;
    ssi_gguf gguf;
    const ssi_arch *arch;
    ssi_slot *slots;             /* [gguf.tensor_count] */
    const ssi_type_info **types; /* [gguf.tensor_count] in the new file; NULL (at first all): the
                                  * tensor is carried over byte for byte */
    void *block;
    size_t block_bytes;
} ssi_base_file;

ss_status ssi_base_file_open(ssi_base_file *base, const ssi_source *source,
                             const ssi_memory *memory, ss_error *error) SSI_MUST_CHECK;
void ssi_base_file_close(ssi_base_file *base);

/* rewrite.c: writes `base` anew with its `types`. */
typedef struct ssi_rewrite {
    const ssi_base_file *base;
    const ssi_type_info *file_type; /* what general.file_type is to say; NULL: what it said */
    const char *path;

    /* What else happens to the rows of re-encoded tensors; all NULL: nothing. */
    void *context;
    ss_status (*begin)(void *context, uint32_t tensor, ss_error *error);
    void (*change)(const void *context, uint32_t row, float *values); /* on any thread */
    /* The last word before the new file takes its place; hashes of all tensors' data. */
    ss_status (*end)(void *context, ssi_hash128 old_hash, ssi_hash128 new_hash, ss_error *error);
} ssi_rewrite;

ss_status ssi_rewrite_run(const ssi_rewrite *job, const ssi_convert_env *env,
                          ss_error *error) SSI_MUST_CHECK;

/* main_half.c: the LoRA pairs of an adapter file that act on every row, read without a model. */
typedef struct ssi_main_pair {
    ssi_text weight;          /* the tensor of the base that it belongs to */
    const ssi_gguf_tensor *a; /* [rank][in] */
    const ssi_gguf_tensor *b; /* [out][rank] */
} ssi_main_pair;

typedef struct ssi_main_half {
    const ssi_source *source;
    ssi_memory memory;
    ssi_gguf gguf;
    ssi_text architecture, base_hash; /* base_hash empty: unsaid, a plain LoRA file */
    float alpha;
    ssi_main_pair *pairs; /* at least one */
    uint32_t pair_count;
    size_t pairs_bytes;
} ssi_main_half;

ss_status ssi_main_half_open(ssi_main_half *half, const ssi_source *source,
                             const ssi_memory *memory, ss_error *error) SSI_MUST_CHECK;
void ssi_main_half_close(ssi_main_half *half);
bool ssi_main_half_has(const ssi_main_half *half, const ssi_gguf_tensor *tensor);

/* adapter_part.c: with new_base NULL the main half, as a plain LoRA file; else the streams, as an
 * adapter for the base of that hash. */
ss_status ssi_adapter_part_append(const ssi_main_half *half, const char *new_base,
                                  ssi_file_maker *file, ss_error *error) SSI_MUST_CHECK;

/* quantize.c, merge.c, adapter_part.c: the three conversions. Arguments have been checked. */
ss_status ssi_model_quantize(const ssi_source *model, ss_weight_type type,
                             const ssi_convert_env *env, const char *path,
                             ss_error *error) SSI_MUST_CHECK;
/* streams_path NULL: not written. */
ss_status ssi_adapter_merge(const ssi_source *model, const ssi_source *adapter,
                            ss_weight_type type, const ssi_convert_env *env, const char *path,
                            const char *streams_path, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_adapter_export_lora(const ssi_source *adapter, const ssi_memory *memory,
                                  const char *path, ss_error *error) SSI_MUST_CHECK;

#endif
