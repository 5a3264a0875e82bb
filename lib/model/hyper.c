/* SPDX-License-Identifier: Apache-2.0 */
/* Hyperparameters from a file's keys. Everything that later sizes memory or indexes a tensor is
 * bounded here; what this library would compute wrongly is refused by name. */
#include <math.h>
#include <stdio.h>

#include "gguf/gguf_keys.h"
#include "model/load.h"

/* Far above any model known, low enough that products of two can't overflow. */
enum {
    MAX_LAYERS = 1024,
    MAX_LENGTH = 1 << 20,     /* embedding, feed-forward */
    MAX_HEADS = 4096,
    MAX_HEAD_LENGTH = 1024,
    MAX_CONTEXT = 1 << 24,
    MAX_VOCABULARY = 1 << 22
};

const char *ssi_arch_key(char name[SSI_KEY_MAX], const ssi_arch *arch, const char *key)
{
    snprintf(name, SSI_KEY_MAX, "%s.%s", arch->name, key);
    return name;
}

static ss_status read_size(const ssi_gguf *gguf, const ssi_arch *arch, const char *key,
                           ssi_presence presence, uint32_t most, uint32_t *value,
                           ss_error *error)
{
    char name[SSI_KEY_MAX];
    ssi_arch_key(name, arch, key);
    SSI_TRY(ssi_gguf_get_u32(gguf, name, presence, value, error));
    if (*value == 0 || *value > most)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected 1 to %u", name, *value,
                        most);
    return SS_OK;
}

static ss_status read_heads(const ssi_gguf *gguf, const ssi_arch *arch, ssi_hyper *hyper,
                            ss_error *error)
{
    char name[SSI_KEY_MAX];
    SSI_TRY(read_size(gguf, arch, SSI_KEY_HEAD_COUNT, SSI_REQUIRED, MAX_HEADS,
                      &hyper->head_count, error));
    hyper->head_count_kv = hyper->head_count;
    SSI_TRY(read_size(gguf, arch, SSI_KEY_HEAD_COUNT_KV, SSI_OPTIONAL, MAX_HEADS,
                      &hyper->head_count_kv, error));
    if (hyper->head_count % hyper->head_count_kv != 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u does not divide %u heads",
                        ssi_arch_key(name, arch, SSI_KEY_HEAD_COUNT_KV), hyper->head_count_kv,
                        hyper->head_count);

    ssi_arch_key(name, arch, SSI_KEY_KEY_LENGTH);
    if (ssi_gguf_find_key(gguf, name) == NULL) {
        hyper->head_length = hyper->embedding_length / hyper->head_count;
        if (hyper->embedding_length % hyper->head_count != 0
            || hyper->head_length > MAX_HEAD_LENGTH)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "key %s: %u heads in an embedding of %u, expected a divisor that "
                            "leaves at most %u numbers a head",
                            ssi_arch_key(name, arch, SSI_KEY_HEAD_COUNT), hyper->head_count,
                            hyper->embedding_length, MAX_HEAD_LENGTH);
    }
    SSI_TRY(read_size(gguf, arch, SSI_KEY_KEY_LENGTH, SSI_OPTIONAL, MAX_HEAD_LENGTH,
                      &hyper->head_length, error));
    uint32_t value_length = hyper->head_length;
    SSI_TRY(read_size(gguf, arch, SSI_KEY_VALUE_LENGTH, SSI_OPTIONAL, MAX_HEAD_LENGTH,
                      &value_length, error));
    if (value_length != hyper->head_length)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: %u with keys of %u is not supported, they must be equal",
                        ssi_arch_key(name, arch, SSI_KEY_VALUE_LENGTH), value_length,
                        hyper->head_length);

    hyper->rope_length = hyper->head_length;
    SSI_TRY(read_size(gguf, arch, SSI_KEY_ROPE_LENGTH, SSI_OPTIONAL, MAX_HEAD_LENGTH,
                      &hyper->rope_length, error));
    if (hyper->rope_length % 2 != 0 || hyper->rope_length > hyper->head_length)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "key %s: %u, expected an even number of at most %u",
                        ssi_arch_key(name, arch, SSI_KEY_ROPE_LENGTH), hyper->rope_length,
                        hyper->head_length);
    return SS_OK;
}

static ss_status read_constants(const ssi_gguf *gguf, const ssi_arch *arch, ssi_hyper *hyper,
                                ss_error *error)
{
    char name[SSI_KEY_MAX];
    ssi_arch_key(name, arch, SSI_KEY_RMS_EPSILON);
    SSI_TRY(ssi_gguf_get_f32(gguf, name, SSI_REQUIRED, &hyper->rms_epsilon, error));
    if (!(hyper->rms_epsilon > 0 && hyper->rms_epsilon < 1))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected above 0 and below 1", name,
                        (double)hyper->rms_epsilon);
    hyper->attention_scale = 1.0f / sqrtf((float)hyper->head_length);
    float scale = 0; /* 0 means absent here, as writers use it */
    ssi_arch_key(name, arch, SSI_KEY_ATTENTION_SCALE);
    SSI_TRY(ssi_gguf_get_f32(gguf, name, SSI_OPTIONAL, &scale, error));
    if (scale < 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected 0 or above", name,
                        (double)scale);
    if (scale > 0)
        hyper->attention_scale = scale;
    return SS_OK;
}

/* Keys whose other values mean a computation that lib/step does not have. */
static ss_status refuse_variants(const ssi_gguf *gguf, const ssi_arch *arch,
                                 const ssi_hyper *hyper, ss_error *error)
{
    char name[SSI_KEY_MAX];
    uint32_t experts = 0, window = 0;
    bool causal = true;
    ssi_arch_key(name, arch, SSI_KEY_EXPERT_COUNT);
    SSI_TRY(ssi_gguf_get_u32(gguf, name, SSI_OPTIONAL, &experts, error));
    if (experts > 0)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: %u, experts are not supported",
                        name, experts);
    ssi_arch_key(name, arch, SSI_KEY_SLIDING_WINDOW);
    SSI_TRY(ssi_gguf_get_u32(gguf, name, SSI_OPTIONAL, &window, error));
    if (window > 0 && window < hyper->context_length)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: %u, a sliding window is not supported in architecture %s", name,
                        window, arch->name);
    ssi_arch_key(name, arch, SSI_KEY_CAUSAL);
    SSI_TRY(ssi_gguf_get_bool(gguf, name, SSI_OPTIONAL, &causal, error));
    if (!causal)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: false, attention that is not causal is not supported", name);
    return SS_OK;
}

ss_status ssi_hyper_read(const ssi_gguf *gguf, const ssi_arch *arch, ssi_hyper *hyper,
                         ss_error *error)
{
    char name[SSI_KEY_MAX];
    const ssi_gguf_key *tokens;
    *hyper = (ssi_hyper){ .rope_interleaved = arch->rope_interleaved, .rope_magnitude = 1 };
    SSI_TRY(read_size(gguf, arch, SSI_KEY_BLOCK_COUNT, SSI_REQUIRED, MAX_LAYERS,
                      &hyper->layer_count, error));
    SSI_TRY(read_size(gguf, arch, SSI_KEY_CONTEXT_LENGTH, SSI_REQUIRED, MAX_CONTEXT,
                      &hyper->context_length, error));
    SSI_TRY(read_size(gguf, arch, SSI_KEY_EMBEDDING_LENGTH, SSI_REQUIRED, MAX_LENGTH,
                      &hyper->embedding_length, error));
    SSI_TRY(read_size(gguf, arch, SSI_KEY_FEED_FORWARD_LENGTH, SSI_REQUIRED, MAX_LENGTH,
                      &hyper->feed_forward_length, error));
    SSI_TRY(read_heads(gguf, arch, hyper, error));
    SSI_TRY(read_constants(gguf, arch, hyper, error));
    SSI_TRY(refuse_variants(gguf, arch, hyper, error));

    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_TOKENS, SSI_REQUIRED, SSI_GGUF_STRING, &tokens,
                               error));
    if (tokens->count == 0 || tokens->count > MAX_VOCABULARY)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %llu items, expected 1 to %u",
                        SSI_KEY_TOKENS, (unsigned long long)tokens->count, MAX_VOCABULARY);
    hyper->vocabulary_size = (uint32_t)tokens->count;
    uint32_t stated = hyper->vocabulary_size;
    ssi_arch_key(name, arch, SSI_KEY_VOCAB_SIZE);
    SSI_TRY(ssi_gguf_get_u32(gguf, name, SSI_OPTIONAL, &stated, error));
    if (stated != hyper->vocabulary_size)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, but %s has %u items", name, stated,
                        SSI_KEY_TOKENS, hyper->vocabulary_size);
    return SS_OK;
}
