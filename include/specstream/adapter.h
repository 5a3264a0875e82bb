/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters: what makes a model draft for itself, and, in shared mode, what tunes it to a task.
 *
 * An adapter belongs to the model it was loaded for and is immutable after load: any number of
 * sessions of that model may use it at once. The file is described in the project's sources, in
 * docs/adapter-format.md. */
#ifndef SPECSTREAM_ADAPTER_H
#define SPECSTREAM_ADAPTER_H

#include "specstream/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ss_adapter ss_adapter;

/* Settings of an adapter's load. */
typedef struct ss_adapter_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* copied; NULL: the model's */
} ss_adapter_params;

SS_API ss_status ss_adapter_params_init(ss_adapter_params *params, size_t struct_size);

/* Loads an adapter for a model: a specstream adapter, or a plain LoRA file as llama.cpp writes
 * them (which has no streams). From a file, from `length` bytes at `offset` of an open file
 * descriptor (length 0: up to the end), or from a buffer (which may be freed after the call).
 *
 * model    borrowed; must outlive the adapter.
 * adapter  receives the handle, NULL on failure; release with ss_adapter_free().
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO; SS_ERROR_FORMAT (broken, a pair's half missing,
 * wrong ranks or shapes, draft-vocabulary ids out of range: the message names key or tensor);
 * SS_ERROR_UNSUPPORTED (an unknown format version, stream_init, key or tensor);
 * SS_ERROR_MISMATCH (another architecture, or another base: both hashes are in the message);
 * SS_ERROR_MEMORY.
 * Threads: any number of loads on one model at once; without an allocator of their own they then
 * call the model's at once. Since 0.1. */
SS_API ss_status ss_adapter_load(const ss_model *model, const char *path,
                                 const ss_adapter_params *params, ss_adapter **adapter,
                                 ss_error *error);
SS_API ss_status ss_adapter_load_fd(const ss_model *model, int fd, uint64_t offset,
                                    uint64_t length, const ss_adapter_params *params,
                                    ss_adapter **adapter, ss_error *error);
SS_API ss_status ss_adapter_load_buffer(const ss_model *model, const void *data, size_t bytes,
                                        const ss_adapter_params *params, ss_adapter **adapter,
                                        ss_error *error);

/* Releases an adapter; NULL is allowed. No session may be using it. Since 0.1. */
SS_API void ss_adapter_free(ss_adapter *adapter);

/* What an adapter is. Strings live as long as the adapter. */
typedef struct ss_adapter_info {
    size_t struct_size;          /* set by the caller */
    const char *name;            /* general.name, or "" */
    const char *mode;            /* "shared", "lossless", or "lora" for a plain LoRA; static */
    const char *stream_init;     /* "embedding", "value_rotation", "" without streams; static */
    uint64_t parameter_count;    /* elements of all tensors */
    uint64_t memory_bytes;       /* memory the adapter holds */
    uint32_t stream_count;       /* γ; 0: none */
    uint32_t msa_layer_count;    /* Ns */
    uint32_t main_rank;          /* largest rank of the main LoRA; 0: none */
    uint32_t stream_rank;        /* of the stream LoRA */
    uint32_t init_rank;          /* η; 0: the identity */
    uint32_t root_rank;          /* 0: no root terms */
    uint32_t parent_rank;        /* 0: no parent term */
    uint32_t prune_rank;         /* 0: no pruner */
    uint32_t draft_vocabulary_size; /* V_d; 0: the whole vocabulary */
    uint32_t reserved0;
    char main_xxh3[40];          /* hash of the main half, 32 hex digits, "" without one: adapters
                                  * that have the same let the model say the same */
} ss_adapter_info;

SS_API ss_status ss_adapter_get_info(const ss_adapter *adapter, ss_adapter_info *info,
                                     ss_error *error);

/* What an adapter file says of itself, told without its model: nothing is checked against one. */
typedef struct ss_adapter_file_info {
    size_t struct_size;          /* set by the caller */
    char architecture[32];       /* of the base; longer texts are cut, here and below */
    char name[128];              /* general.name, or "" */
    char mode[32];               /* "shared", "lossless", "lora"; or whatever the file says */
    char stream_init[32];        /* "embedding", "value_rotation", "" without streams */
    char base_xxh3[40];          /* hash of the base's tensors, 32 hex digits; "" where unsaid */
    uint64_t parameter_count;    /* elements of all tensors */
    uint64_t file_bytes;
    float lora_alpha;            /* 0: not said */
    uint32_t format_version;     /* 0: a plain LoRA file */
    uint32_t tensor_count;
    uint32_t stream_count;       /* γ; 0: none */
    uint32_t msa_layer_count;    /* Ns */
    uint32_t main_rank;          /* largest rank of the main LoRA; 0: none */
    uint32_t stream_rank;        /* of the stream LoRA */
    uint32_t init_rank;          /* η; 0: the identity */
    uint32_t root_rank;          /* 0: no root terms */
    uint32_t parent_rank;        /* 0: no parent term */
    uint32_t prune_rank;         /* 0: no pruner */
    uint32_t draft_vocabulary_size; /* V_d; 0: the whole vocabulary */
} ss_adapter_file_info;

/* Reads an adapter file's keys and tensor table, whatever model it is for. Takes memory from malloc
 * while it runs.
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO; SS_ERROR_FORMAT (not a GGUF file, a key of a
 * wrong type); SS_ERROR_UNSUPPORTED (a GGUF file that is no adapter); SS_ERROR_MEMORY.
 * Threads: any. Since 0.1. */
SS_API ss_status ss_adapter_read_file_info(const char *path, ss_adapter_file_info *info,
                                           ss_error *error);

/* What an untrained adapter is to have. Call ss_adapter_init_params_init(), then change fields. */
typedef struct ss_adapter_init_params {
    size_t struct_size;       /* set by _init */
    const char *name;         /* general.name; NULL: none */
    uint64_t seed;            /* all 64 bits count; default 1 */
    float deviation;          /* of every tensor's numbers, which are normal about 0: 0 to 1e6,
                               * default 0.02 */
    uint32_t stream_count;    /* γ, 1 to 8; default 4 */
    uint32_t msa_layer_count; /* Ns, 1 to the model's layers; default 4 */
    uint32_t rank;            /* of the LoRA pairs, 0 (none) to 256; default 8 */
    uint32_t root_rank;       /* 0 (default) to 256; 0: no root terms */
    uint32_t parent_rank;     /* 0 (default) to 256; 0: no parent term */
    uint32_t prune_rank;      /* 0 to 256, default 8; 0: no pruner */
    bool shared;              /* mode "shared", with a LoRA on the main rows of all layers; else
                               * "lossless" (default) */
    uint8_t reserved0[3];     /* must be 0 */
} ss_adapter_init_params;

SS_API ss_status ss_adapter_init_params_init(ss_adapter_init_params *params, size_t struct_size);

/* Writes an untrained adapter for a model: where training begins, and what tests draft with. Its
 * bytes depend on the model's shapes and hash and on params alone, on every machine.
 *
 * path  replaced whole or not at all.
 * Returns SS_OK; SS_ERROR_ARGUMENT (a field is out of range: named); SS_ERROR_IO;
 * SS_ERROR_MEMORY (the file is made in memory of the model's allocator); SS_ERROR_UNSUPPORTED
 * (params comes from a newer header).
 * Threads: any. Since 0.1. */
SS_API ss_status ss_adapter_write_untrained(const ss_model *model,
                                            const ss_adapter_init_params *params,
                                            const char *path, ss_error *error);

/* Writes the main half of an adapter, the LoRA that tunes every row, as a plain LoRA file that
 * llama.cpp and ss_adapter_load() take. Numbers and their types are carried over, and so are keys
 * outside "specstream.". Takes memory from malloc while it runs.
 *
 * adapter  the file to read; its base need not be there.
 * path     replaced whole or not at all.
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO; SS_ERROR_FORMAT (broken: key or tensor named);
 * SS_ERROR_UNSUPPORTED (no adapter, or an adapter without a main half); SS_ERROR_MEMORY.
 * Threads: any. Since 0.1. */
SS_API ss_status ss_adapter_export_lora(const char *adapter, const char *path, ss_error *error);

/* Settings of ss_adapter_merge. Call ss_merge_params_init(), then change fields. */
typedef struct ss_merge_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* NULL: malloc and free */
    const ss_progress *progress;   /* NULL: none */
    const ss_parallel *parallel;   /* NULL: threads of our own */
    const char *streams_path;      /* where the rest of the adapter goes, its streams, as one in
                                    * mode "lossless" for the new model; NULL (default): nowhere */
    uint32_t thread_count;         /* 0: one per core; ignored with parallel */
    ss_weight_type type;           /* of the matrices that change. SS_WEIGHT_AUTO (default): their
                                    * own where that has 8 bits or more, else Q8_0, since rounding
                                    * to fewer bits takes most of a LoRA away again */
} ss_merge_params;

SS_API ss_status ss_merge_params_init(ss_merge_params *params, size_t struct_size);

/* Merges the main half of an adapter, or a plain LoRA, into its base: writes a model file in which
 * W + (alpha / r) B A stands for each matrix W that has a pair. All other tensors, and all keys but
 * general.file_type, are carried over. A matrix whose rows are no multiple of 32 becomes F16 where
 * a quantised type is asked for. The bytes depend on the two files and `type` alone.
 *
 * Memory does not grow with the model: a few MiB, the headers, and the adapter's largest pair.
 *
 * model, adapter   the files to read.
 * params           read during the call; NULL means defaults.
 * path             replaced whole or not at all, as is params->streams_path, which comes second:
 *                  where only its last step fails, the call does, and path holds the new model.
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_IO; SS_ERROR_FORMAT (broken; or a number that is not
 * finite, or too large for the type: tensor and row are named); SS_ERROR_UNSUPPORTED (also: no
 * main half; streams_path without streams); SS_ERROR_MISMATCH (the adapter was made for another
 * base); SS_ERROR_MEMORY; SS_ERROR_CANCELLED (by the progress hook).
 * Threads: any. Since 0.1. */
SS_API ss_status ss_adapter_merge(const char *model, const char *adapter,
                                  const ss_merge_params *params, const char *path,
                                  ss_error *error);

#ifdef __cplusplus
}
#endif
#endif
