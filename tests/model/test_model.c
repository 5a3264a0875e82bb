/* SPDX-License-Identifier: Apache-2.0 */
/* Loading models: real files arrive whole and hashed, whichever way they come; variants are
 * understood or refused by name. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/counting_memory.h"
#include "support/files.h"
#include "toy_file.h"

#define SMALL_HASH "7db7b0a279def76a6c149ddf2f627955"
#define DEFAULT_HASH "b76ce503144f13bf3de2a170f1c72fa3"

static ss_model_params one_thread(void)
{
    return (ss_model_params){ .struct_size = sizeof(ss_model_params), .thread_count = 1 };
}

static ss_status load_bytes(const void *bytes, size_t count, ss_model **model, ss_error *error)
{
    ss_model_params params = one_thread();
    ssi_source source;
    ssi_source_from_buffer(&source, bytes, count);
    *error = (ss_error){ .struct_size = sizeof *error };
    *model = NULL;
    return ssi_model_load(&source, &params, model, error);
}

static ss_model *load_path(const char *path, const ss_model_params *params)
{
    ssi_source source;
    ss_model *model = NULL;
    ss_error error = { .struct_size = sizeof error };
    if (ssi_source_open(&source, path, &error) != SS_OK
        || ssi_model_load(&source, params, &model, &error) != SS_OK)
        fail_msg("%s: %s", path, error.message);
    ssi_source_close(&source);
    return model;
}

static void check_hash(ssi_hash128 hash, const char *wanted)
{
    char hex[33];
    ssi_hash_to_hex(hash, hex);
    assert_string_equal(hex, wanted);
}

/* The file's own rows, decoded, beside the packed ones. */
static void check_matrix(const ssi_gguf *gguf, const unsigned char *bytes, const char *name,
                         const ssi_matrix *matrix)
{
    const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(gguf, name);
    const ssi_type_info *info = ssi_type_get(matrix->type);
    assert_non_null(tensor);
    assert_int_equal(matrix->columns, tensor->dims[0]);
    assert_int_equal(matrix->rows, tensor->dims[1]);
    assert_int_equal(info->ggml_type, tensor->type);
    float *want = calloc(matrix->columns, sizeof *want), *got = calloc(matrix->columns, 4);
    size_t row_bytes = (size_t)(tensor->bytes / tensor->dims[1]);
    for (uint32_t row = 0; row < matrix->rows; row++) {
        info->decode(bytes + tensor->offset + row * row_bytes, matrix->columns, want);
        info->unpack_row(matrix, row, got);
        assert_memory_equal(got, want, matrix->columns * sizeof *want);
    }
    for (uint32_t i = 0; i < SSI_PLANES && matrix->plane[i] != NULL; i++)
        assert_int_equal((uintptr_t)matrix->plane[i] % SSI_ALIGN, 0);
    free(want);
    free(got);
}

static void check_tensors(const ss_model *model, const char *path)
{
    static const struct {
        const char *name;
        int index;
    } parts[] = { { "attn_q", SSI_QUERY },   { "attn_k", SSI_KEY },
                  { "attn_v", SSI_VALUE },   { "attn_output", SSI_OUTPUT },
                  { "ffn_gate", SSI_GATE },  { "ffn_up", SSI_UP },
                  { "ffn_down", SSI_DOWN } };
    ssi_source file, source;
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_gguf gguf;
    assert_int_equal(ssi_source_open(&file, path, NULL), SS_OK);
    unsigned char *bytes = malloc((size_t)file.size);
    assert_int_equal(ssi_source_read(&file, 0, bytes, (size_t)file.size, NULL), SS_OK);
    ssi_source_from_buffer(&source, bytes, (size_t)file.size);
    assert_int_equal(ssi_gguf_open(&gguf, &source, &memory, NULL), SS_OK);
    check_matrix(&gguf, bytes, "token_embd.weight", &model->embedding);
    for (uint32_t layer = 0; layer < model->hyper.layer_count; layer++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.%s.weight", layer, parts[i].name);
            check_matrix(&gguf, bytes, name, &model->layers[layer].linear[parts[i].index].weight);
        }
    const ssi_gguf_tensor *norm = ssi_gguf_find_tensor(&gguf, "output_norm.weight");
    assert_memory_equal(model->output_norm, bytes + norm->offset, norm->bytes);
    assert_int_equal(model->tensor_count, gguf.tensor_count);
    for (uint32_t i = 0; i < gguf.tensor_count; i++) {
        assert_int_equal(strlen(model->tensors[i].name), gguf.tensors[i].name.length);
        assert_memory_equal(model->tensors[i].name, gguf.tensors[i].name.bytes,
                            gguf.tensors[i].name.length);
        assert_int_equal(model->tensors[i].bytes, gguf.tensors[i].bytes);
    }
    ssi_gguf_close(&gguf);
    ssi_source_close(&file);
    free(bytes);
}

static void the_small_model_arrives_whole(void **state)
{
    (void)state;
    test_needs(SMALL_MODEL);
    ss_model *model = load_path(SMALL_MODEL, NULL);
    const ssi_hyper *hyper = &model->hyper;
    assert_int_equal(hyper->layer_count, 5);
    assert_int_equal(hyper->embedding_length, 64);
    assert_int_equal(hyper->feed_forward_length, 172);
    assert_true(hyper->head_count == 8 && hyper->head_count_kv == 4 && hyper->head_length == 8);
    assert_true(hyper->vocabulary_size == 512 && hyper->context_length == 512);
    assert_true(hyper->rope_length == 8 && hyper->rope_interleaved);
    assert_true(hyper->rms_epsilon == 1e-5f && hyper->rope_magnitude == 1);
    assert_int_equal(model->parameter_count, 260032);
    assert_string_equal(model->name, "stories260K");
    assert_string_equal(model->architecture, "llama");
    assert_ptr_equal(model->head.weight.plane[0], model->embedding.plane[0]); /* tied */
    static const double frequencies[] = { 1, 0.1, 0.01, 0.001 };
    for (size_t i = 0; i < 4; i++)
        assert_true(model->rope_frequency[i] > frequencies[i] * (1 - 1e-15)
                    && model->rope_frequency[i] < frequencies[i] * (1 + 1e-15));
    check_hash(model->tensor_hash, SMALL_HASH);
    check_tensors(model, SMALL_MODEL);
    ssi_model_free(model);
}

static void the_default_model_has_its_hash(void **state)
{
    (void)state;
    test_needs(DEFAULT_MODEL);
    counting_memory counted = { 0 };
    ss_allocator allocator = counting_allocator(&counted);
    ss_model_params params = { .struct_size = sizeof params, .allocator = &allocator };
    ss_model *model = load_path(DEFAULT_MODEL, &params);
    check_hash(model->tensor_hash, DEFAULT_HASH);
    assert_int_equal(model->tensor_count, 272);
    assert_true(counted.peak_bytes < model->tensor_bytes + model->tensor_bytes / 8);
    check_tensors(model, DEFAULT_MODEL);
    ssi_model_free(model);
    assert_int_equal(counted.held_blocks, 0);
}

/* Tasks from the last to the first, on one thread: allowed, and a test of their independence. */
static void backwards(void *context, uint32_t task_count,
                      void (*body)(void *body_context, uint32_t task), void *body_context)
{
    (*(unsigned *)context)++;
    while (task_count-- > 0)
        body(body_context, task_count);
}

static void the_way_in_changes_nothing(void **state)
{
    (void)state;
    test_needs(SMALL_MODEL);
    ss_model *models[6] = { NULL };
    unsigned runs = 0;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        ss_model_params params = one_thread();
        params.thread_count = threads;
        models[threads - 1] = load_path(SMALL_MODEL, &params);
    }
    ss_parallel hook = { .struct_size = sizeof hook, .context = &runs, .parallel_for = backwards,
                         .thread_count = 2 };
    ss_model_params params = { .struct_size = sizeof params, .parallel = &hook };
    models[3] = load_path(SMALL_MODEL, &params);
    assert_true(runs > 0);

    int fd = open(SMALL_MODEL, O_RDONLY);
    ssi_source source;
    assert_int_equal(ssi_source_from_fd(&source, fd, 0, 0, NULL), SS_OK);
    assert_int_equal(ssi_model_load(&source, NULL, &models[4], NULL), SS_OK);
    unsigned char *bytes = malloc((size_t)source.size);
    assert_int_equal(ssi_source_read(&source, 0, bytes, (size_t)source.size, NULL), SS_OK);
    ss_error error;
    assert_int_equal(load_bytes(bytes, (size_t)source.size, &models[5], &error), SS_OK);
    memset(bytes, 0xff, (size_t)source.size); /* nothing depends on it any more */
    free(bytes);
    ssi_source_close(&source);
    close(fd);
    const ssi_hash128 parsed_hash = models[0]->parsed_hash;
    for (int i = 0; i < 6; i++) {
        check_hash(models[i]->tensor_hash, SMALL_HASH);
        assert_memory_equal(&models[i]->parsed_hash, &parsed_hash, sizeof parsed_hash);
        check_tensors(models[i], SMALL_MODEL);
        ssi_model_free(models[i]);
    }
}

static bool stop_after(void *context, float fraction)
{
    unsigned *left = context;
    assert_true(fraction > 0 && fraction <= 1);
    return (*left)-- > 1;
}

static void progress_can_cancel(void **state)
{
    (void)state;
    toy_file toy = make_toy(NULL);
    for (unsigned calls = 1; calls < 4; calls++) {
        counting_memory counted = { 0 };
        unsigned left = calls;
        ss_allocator allocator = counting_allocator(&counted);
        ss_progress progress = { .struct_size = sizeof progress, .context = &left,
                                 .report = stop_after };
        ss_model_params params = one_thread();
        params.allocator = &allocator;
        params.progress = &progress;
        ssi_source source;
        ss_model *model = NULL;
        ssi_source_from_buffer(&source, toy.bytes, toy.count);
        ss_status status = ssi_model_load(&source, &params, &model, NULL);
        assert_int_equal(status, left == 0 ? SS_ERROR_CANCELLED : SS_OK);
        assert_true(calls > 1 || status == SS_ERROR_CANCELLED);
        ssi_model_free(model);
        assert_int_equal(counted.held_blocks, 0);
    }
    free_toy(&toy);
}

static void what_is_not_supported_or_broken_is_named(void **state)
{
    static const struct {
        toy_change change;
        ss_status status;
        const char *message;
    } cases[] = {
#define KEY(name, value) .key = name, .kind = TOY_U32, .u32 = value
#define REAL(name, value) .key = name, .kind = TOY_F32, .f32 = value
#define TEXT(name, value) .key = name, .kind = TOY_TEXT, .text = value
        { { TEXT("general.architecture", "mamba") }, SS_ERROR_UNSUPPORTED,
          "architecture 'mamba' is not supported" },
        { { .key = "general.architecture" }, SS_ERROR_FORMAT,
          "key general.architecture is missing" },
        { { KEY("general.architecture", 1) }, SS_ERROR_FORMAT,
          "key general.architecture: u32, expected string" },
        { { TEXT("general.type", "adapter") }, SS_ERROR_UNSUPPORTED,
          "key general.type: 'adapter', expected 'model'" },
        { { KEY("split.count", 2) }, SS_ERROR_UNSUPPORTED, "key split.count: 2" },
        { { .key = "llama.block_count" }, SS_ERROR_FORMAT, "key llama.block_count is missing" },
        { { KEY("llama.block_count", 0) }, SS_ERROR_FORMAT,
          "key llama.block_count: 0, expected 1 to 1024" },
        { { KEY("llama.block_count", 1u << 31) }, SS_ERROR_FORMAT, "key llama.block_count: " },
        { { KEY("llama.block_count", 2) }, SS_ERROR_FORMAT,
          "tensor blk.1.attn_norm.weight is missing" },
        { { KEY("llama.context_length", 0) }, SS_ERROR_FORMAT, "key llama.context_length: 0" },
        { { KEY("llama.embedding_length", 64) }, SS_ERROR_FORMAT,
          "tensor token_embd.weight: shape 32x6, expected 64x6" },
        { { KEY("llama.feed_forward_length", 31) }, SS_ERROR_FORMAT,
          "tensor blk.0.ffn_gate.weight: shape 32x32, expected 32x31" },
        { { KEY("llama.attention.head_count", 3) }, SS_ERROR_FORMAT,
          "key llama.attention.head_count_kv: 2 does not divide 3 heads" },
        { { KEY("llama.attention.head_count", 6) }, SS_ERROR_FORMAT,
          "key llama.attention.head_count: 6 heads in an embedding of 32" },
        { { .key = "llama.attention.head_count_kv", .kind = TOY_STRINGS }, SS_ERROR_FORMAT,
          "key llama.attention.head_count_kv: array of string, expected u32" },
        { { .key = "llama.attention.head_count_kv" }, SS_ERROR_FORMAT,
          "tensor blk.0.attn_k.weight: shape 32x16, expected 32x32" },
        { { KEY("llama.attention.value_length", 4) }, SS_ERROR_UNSUPPORTED,
          "key llama.attention.value_length: 4 with keys of 8" },
        { { KEY("llama.rope.dimension_count", 7) }, SS_ERROR_FORMAT,
          "key llama.rope.dimension_count: 7, expected an even number of at most 8" },
        { { KEY("llama.rope.dimension_count", 10) }, SS_ERROR_FORMAT,
          "key llama.rope.dimension_count: 10" },
        { { REAL("llama.attention.layer_norm_rms_epsilon", 0) }, SS_ERROR_FORMAT,
          "key llama.attention.layer_norm_rms_epsilon: 0" },
        { { REAL("llama.rope.freq_base", -1) }, SS_ERROR_FORMAT, "key llama.rope.freq_base: -1" },
        { { REAL("llama.rope.freq_base", 1e-30f) }, SS_ERROR_FORMAT, "rope: pair 1 turns by " },
        { { TEXT("llama.rope.scaling.type", "longrope") }, SS_ERROR_UNSUPPORTED,
          "key llama.rope.scaling.type: 'longrope' is not supported" },
        { { KEY("llama.expert_count", 8) }, SS_ERROR_UNSUPPORTED, "key llama.expert_count: 8" },
        { { KEY("llama.attention.sliding_window", 16) }, SS_ERROR_UNSUPPORTED,
          "key llama.attention.sliding_window: 16" },
        { { .key = "llama.attention.causal", .kind = TOY_BOOL }, SS_ERROR_UNSUPPORTED,
          "key llama.attention.causal: false" },
        { { KEY("llama.vocab_size", 7) }, SS_ERROR_FORMAT,
          "key llama.vocab_size: 7, but tokenizer.ggml.tokens has 6 items" },
        { { .key = "tokenizer.ggml.tokens" }, SS_ERROR_FORMAT,
          "key tokenizer.ggml.tokens is missing" },
        { { .key = "tokenizer.ggml.tokens", .kind = TOY_STRINGS }, SS_ERROR_FORMAT,
          "tensor token_embd.weight: shape 32x6, expected 32x2" },
        { { KEY("tokenizer.ggml.tokens", 1) }, SS_ERROR_FORMAT,
          "key tokenizer.ggml.tokens: u32, expected array of string" },
        { { .key = "tokenizer.ggml.scores", .kind = TOY_STRINGS }, SS_ERROR_FORMAT,
          "key tokenizer.ggml.scores: array of string, expected array of f32" },
        { { TEXT("tokenizer.ggml.model", "bert") }, SS_ERROR_UNSUPPORTED, "'bert'" },
        { { KEY("tokenizer.ggml.bos_token_id", 6) }, SS_ERROR_FORMAT,
          "tokenizer.ggml.bos_token_id" },
        { { KEY("tokenizer.ggml.eos_token_id", UINT32_MAX) }, SS_ERROR_FORMAT,
          "key tokenizer.ggml.eos_token_id: 4294967295" },
        { { .tensor = "blk.0.ffn_up.weight" }, SS_ERROR_FORMAT,
          "tensor blk.0.ffn_up.weight is missing" },
        { { .tensor = "token_embd.weight" }, SS_ERROR_FORMAT,
          "tensor token_embd.weight is missing" },
        { { .extra = "blk.0.attn_q_norm.weight", .extra_dims = { 8 } }, SS_ERROR_UNSUPPORTED,
          "tensor blk.0.attn_q_norm.weight is not used by architecture llama" },
        { { .extra = "blk.1.attn_q.weight", .extra_dims = { 32, 32 } }, SS_ERROR_UNSUPPORTED,
          "tensor blk.1.attn_q.weight is not used by architecture llama" },
        { { .extra = "output.weight", .extra_type = 13, .extra_dims = { 256, 6 } },
          SS_ERROR_UNSUPPORTED, "tensor output.weight: type Q5_K is not supported" },
        { { .extra = "output.weight", .extra_dims = { 32, 7 } }, SS_ERROR_FORMAT,
          "tensor output.weight: shape 32x7, expected 32x6" },
        { { .extra = "output.bias", .extra_dims = { 6, 1 }, .extra_type = 24 },
          SS_ERROR_UNSUPPORTED, "tensor output.bias: type I8 is not supported" },
        { { .extra = "blk.0.attn_q.bias", .extra_dims = { 32 }, .extra_type = 8 },
          SS_ERROR_UNSUPPORTED, "tensor blk.0.attn_q.bias: type Q8_0 is not supported for a" },
        { { .extra = "output.weight", .extra_dims = { 32, 6 }, .bad_element = 100 },
          SS_ERROR_FORMAT, "tensor output.weight: row 3 holds a number that is not finite" },
        { { .extra = "output.weight", .extra_dims = { 32, 6 }, .extra_type = 8,
            .bad_element = 5 * 32 + 1 },
          SS_ERROR_FORMAT, "tensor output.weight: row 5 holds a number that is not finite" },
        { { .extra = "blk.0.attn_q.bias", .extra_dims = { 32 }, .bad_element = 1 },
          SS_ERROR_FORMAT, "tensor blk.0.attn_q.bias: row 0 holds a number that is not finite" },
        { { .extra = "rope_freqs.weight", .extra_dims = { 4 } }, SS_ERROR_FORMAT,
          "tensor rope_freqs.weight: value " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error error;
        ss_model *model;
        toy_file toy = make_toy(&cases[i].change);
        if (load_bytes(toy.bytes, toy.count, &model, &error) != cases[i].status
            || strstr(error.message, cases[i].message) == NULL)
            fail_msg("case %zu, \"%s\": status %d, \"%s\"", i, cases[i].message,
                     (int)error.status, error.message);
        assert_null(model);
        free_toy(&toy);
    }
}

static void optional_tensors_find_their_place(void **state)
{
    ss_error error;
    ss_model *model;
    (void)state;
    toy_change change = { .extra = "output.weight", .extra_type = 1, .extra_dims = { 32, 6 } };
    toy_file toy = make_toy(&change);
    assert_int_equal(load_bytes(toy.bytes, toy.count, &model, &error), SS_OK);
    assert_int_equal(model->head.weight.type, SSI_TYPE_F16); /* untied */
    assert_int_equal(model->embedding.type, SSI_TYPE_Q8_0);
    assert_ptr_not_equal(model->head.weight.plane[0], model->embedding.plane[0]);
    ssi_model_free(model);
    free_toy(&toy);

    static const uint32_t types[] = { 0, 1, 30 };
    for (size_t i = 0; i < 3; i++) {
        change = (toy_change){ .extra = "blk.0.attn_k.bias", .extra_type = types[i],
                               .extra_dims = { 16 } };
        toy = make_toy(&change);
        assert_int_equal(load_bytes(toy.bytes, toy.count, &model, &error), SS_OK);
        const ssi_linear *linear = model->layers[0].linear;
        assert_true(linear[SSI_QUERY].bias == NULL && linear[SSI_KEY].bias != NULL);
        for (uint32_t j = 0; j < 16; j++) /* the drawn values, to the type's precision */
            assert_true(linear[SSI_KEY].bias[j] != 0 && linear[SSI_KEY].bias[j] < 0.51f
                        && linear[SSI_KEY].bias[j] > -0.51f);
        ssi_model_free(model);
        free_toy(&toy);
    }

    change = (toy_change){ .extra = "output.bias", .extra_dims = { 6 } };
    toy = make_toy(&change);
    assert_int_equal(load_bytes(toy.bytes, toy.count, &model, &error), SS_OK);
    for (uint32_t i = 6; i < 16; i++)
        assert_true(model->head.bias[i] == 0); /* padding */
    ssi_model_free(model);
    free_toy(&toy);
}

static void other_keys_give_another_parsed_hash(void **state)
{
    static const toy_change changes[] = {
        { .key = NULL },
        { KEY("llama.context_length", 65) },
        { REAL("llama.rope.freq_base", 5e5f) },
        { REAL("llama.attention.layer_norm_rms_epsilon", 1e-6f) },
        { KEY("tokenizer.ggml.eos_token_id", 1) },
        { KEY("llama.rope.dimension_count", 6) },
    };
    ssi_hash128 hashes[6], tensor_hash = { 0 };
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        ss_error error;
        ss_model *model;
        toy_file toy = make_toy(&changes[i]);
        assert_int_equal(load_bytes(toy.bytes, toy.count, &model, &error), SS_OK);
        hashes[i] = model->parsed_hash;
        assert_true(i == 0 || model->tensor_hash.low == tensor_hash.low);
        tensor_hash = model->tensor_hash;
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&hashes[i], &hashes[j], sizeof hashes[i]);
        ssi_model_free(model);
        free_toy(&toy);
    }
}

static void cpu_is_checked(void **state)
{
    ss_model *model = NULL;
    ssi_source source;
    ss_error error = { .struct_size = sizeof error };
    ss_model_params params = one_thread();
    (void)state;
    toy_file toy = make_toy(NULL);
    ssi_source_from_buffer(&source, toy.bytes, toy.count);
    params.cpu = 4;
    assert_int_equal(ssi_model_load(&source, &params, &model, &error), SS_ERROR_ARGUMENT);
    assert_string_equal(error.message, "cpu 4: expected 0 to 3");
    for (ss_cpu cpu = SS_CPU_PORTABLE; cpu <= SS_CPU_AVX512; cpu++) {
        params.cpu = cpu;
        ss_status status = ssi_model_load(&source, &params, &model, &error);
        bool has = (int)cpu - SS_CPU_PORTABLE <= (int)ssi_cpu_best();
        assert_int_equal(status, has ? SS_OK : SS_ERROR_UNSUPPORTED);
        if (has) {
            assert_int_equal(model->kernels.isa, (int)cpu - SS_CPU_PORTABLE);
            ssi_model_free(model);
        }
    }
    free_toy(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_small_model_arrives_whole),
        cmocka_unit_test(the_default_model_has_its_hash),
        cmocka_unit_test(the_way_in_changes_nothing),
        cmocka_unit_test(progress_can_cancel),
        cmocka_unit_test(what_is_not_supported_or_broken_is_named),
        cmocka_unit_test(optional_tensors_find_their_place),
        cmocka_unit_test(other_keys_give_another_parsed_hash),
        cmocka_unit_test(cpu_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
