/* SPDX-License-Identifier: Apache-2.0 */
/* Models: a GGUF file, its weights packed for this CPU, and its tokenizer.
 *
 * A model is immutable after load: any number of sessions in any threads may share it. Nothing
 * depends on the file once the load has returned. */
#ifndef SPECSTREAM_MODEL_H
#define SPECSTREAM_MODEL_H

#include "specstream/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ss_model ss_model;

/* Which kernels to use. They all give the same bits; forcing one is for tests and bug reports. */
typedef int32_t ss_cpu;
#define SS_CPU_AUTO ((ss_cpu)0)     /* the best this machine has */
#define SS_CPU_PORTABLE ((ss_cpu)1) /* plain C, the specification of the others */
#define SS_CPU_AVX2 ((ss_cpu)2)     /* x86-64 with AVX2, FMA and F16C */
#define SS_CPU_AVX512 ((ss_cpu)3)   /* x86-64 with AVX-512 F, BW, VL and VNNI */

/* Settings of a load. Call ss_model_params_init(), then change fields. */
typedef struct ss_model_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* copied; NULL: malloc and free */
    const ss_log *log;             /* used during the load only; NULL: silence */
    const ss_progress *progress;   /* used during the load only; NULL: none */
    const ss_parallel *parallel;   /* used during the load only; NULL: threads of our own */
    uint32_t thread_count;         /* for the load, 0: one per core; ignored with parallel */
    ss_cpu cpu;                    /* SS_CPU_AUTO; one this machine lacks is refused */
} ss_model_params;

/* Fills *params with the defaults. struct_size: sizeof(ss_model_params). Since 0.1. */
SS_API ss_status ss_model_params_init(ss_model_params *params, size_t struct_size);

/* Loads a GGUF model (version 2 or 3) from a file, from `length` bytes at `offset` of an open
 * file descriptor (which is read with pread and neither moved nor closed; length 0: up to the
 * end), or from a caller's buffer (which may be freed after the call).
 *
 * path     a file name, UTF-8 or whatever the operating system takes.
 * params   read during the call; NULL means defaults.
 * model    receives the handle, NULL on failure; release with ss_model_free().
 * error    may be NULL; on failure receives status and message.
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO (the file can't be opened or read);
 * SS_ERROR_FORMAT (broken: the message names the key, tensor or offset);
 * SS_ERROR_UNSUPPORTED (architecture, tensor type, tokenizer or CPU, by name);
 * SS_ERROR_MEMORY; SS_ERROR_CANCELLED (by the progress hook).
 * Threads: any; two loads know nothing of each other. Since 0.1. */
SS_API ss_status ss_model_load(const char *path, const ss_model_params *params,
                               ss_model **model, ss_error *error);
SS_API ss_status ss_model_load_fd(int fd, uint64_t offset, uint64_t length,
                                  const ss_model_params *params, ss_model **model,
                                  ss_error *error);
SS_API ss_status ss_model_load_buffer(const void *data, size_t bytes,
                                      const ss_model_params *params, ss_model **model,
                                      ss_error *error);

/* Releases a model; NULL is allowed. Every session on it must have been freed. Since 0.1. */
SS_API void ss_model_free(ss_model *model);

/* What a model is. Strings live as long as the model. */
typedef struct ss_model_info {
    size_t struct_size;            /* set by the caller: sizeof(ss_model_info) */
    const char *architecture;      /* "llama" */
    const char *name;              /* general.name, or "" */
    const char *tokenizer;         /* "gpt2/smollm", "llama" */
    const char *chat_template;     /* recognised template, "chatml", or "" where unknown */
    const char *cpu;               /* kernels chosen: "portable", "avx2", "avx512" */
    char xxh3[33];                 /* XXH3-128 of the tensor data as 32 hex digits: seed 0, every
                                    * tensor's bytes in table order, no padding, canonical */
    char reserved_text[7];
    uint64_t parameter_count;      /* elements of all tensors */
    uint64_t tensor_bytes;         /* their bytes in the file */
    uint64_t memory_bytes;         /* memory the model holds */
    uint32_t context_length;       /* the model's own limit, tokens */
    uint32_t vocabulary_size;
    uint32_t layer_count;          /* N */
    uint32_t embedding_length;     /* d */
    uint32_t feed_forward_length;
    uint32_t head_count;
    uint32_t head_count_kv;
    uint32_t head_length;          /* numbers per head */
    int32_t bos_token;             /* -1: none */
    int32_t eos_token;             /* -1: none */
    uint32_t tensor_count;
    uint32_t reserved0;
} ss_model_info;

/* Fills *info; info->struct_size must be set, no byte beyond it is written. Since 0.1. */
SS_API ss_status ss_model_get_info(const ss_model *model, ss_model_info *info, ss_error *error);

/* One tensor of the file. */
typedef struct ss_tensor_info {
    size_t struct_size; /* set by the caller */
    const char *name;   /* lives as long as the model */
    const char *type;   /* "Q4_1"; static */
    uint64_t dims[4];   /* fastest first, as in the file; unused: 1 */
    uint64_t bytes;
} ss_tensor_info;

/* Describes tensor `index`, 0 to tensor_count - 1, in the order of the file. Since 0.1. */
SS_API ss_status ss_model_get_tensor(const ss_model *model, uint32_t index,
                                     ss_tensor_info *info, ss_error *error);

/* How a model file stores the numbers of its matrices. */
typedef int32_t ss_weight_type;
#define SS_WEIGHT_AUTO ((ss_weight_type)0) /* the call's own choice */
#define SS_WEIGHT_KEEP ((ss_weight_type)1) /* each tensor as it is */
#define SS_WEIGHT_F32 ((ss_weight_type)2)
#define SS_WEIGHT_F16 ((ss_weight_type)3)
#define SS_WEIGHT_Q8_0 ((ss_weight_type)4)
#define SS_WEIGHT_Q4_0 ((ss_weight_type)5)
#define SS_WEIGHT_Q4_1 ((ss_weight_type)6)

/* Settings of ss_model_quantize. Call ss_quantize_params_init(), then set `type`. */
typedef struct ss_quantize_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* NULL: malloc and free */
    const ss_progress *progress;   /* NULL: none */
    const ss_parallel *parallel;   /* NULL: threads of our own */
    uint32_t thread_count;         /* 0: one per core; ignored with parallel */
    ss_weight_type type;           /* SS_WEIGHT_F32 to _Q4_1; no default */
} ss_quantize_params;

SS_API ss_status ss_quantize_params_init(ss_quantize_params *params, size_t struct_size);

/* Writes a model file anew with its matrices in another type. Vectors (norms, biases) stay as they
 * are, and so do all keys but general.file_type. A matrix whose rows are no multiple of 32 becomes
 * F16 where a quantised type is asked for; the output head (tied or not), where 4 bits are asked
 * for, becomes Q8_0, or stays as it is if it is quantised already. Four-bit scales are searched for
 * the least squared error. The bytes depend on the input alone, not on machine or threads.
 *
 * Memory does not grow with the file: a few MiB and the header.
 *
 * model    the file to read; it must be one that ss_model_load takes.
 * params   read during the call.
 * path     replaced whole or not at all; may be `model` itself.
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO; SS_ERROR_FORMAT (broken; or a number that is not
 * finite, or too large for the type: tensor and row are named); SS_ERROR_UNSUPPORTED;
 * SS_ERROR_MEMORY; SS_ERROR_CANCELLED (by the progress hook).
 * Threads: any. Since 0.1. */
SS_API ss_status ss_model_quantize(const char *model, const ss_quantize_params *params,
                                   const char *path, ss_error *error);

#ifdef __cplusplus
}
#endif
#endif
