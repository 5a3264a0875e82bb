/* SPDX-License-Identifier: Apache-2.0 */
/* Files from files: a model quantised, an adapter merged or exported. What comes out loads and
 * computes what it should. */
#include "convert_files.h"

#include <math.h>

enum { DRAWN = 24 };

/* The logits after each of the prompt's tokens, and tokens drawn greedily; with an adapter file or
 * NULL. Returns how many logits. */
static size_t run(const char *model_path, const char *adapter_path, float *logits,
                  int32_t tokens[DRAWN])
{
    ss_model *model = load(model_path);
    ss_session *session = open_small(model, NULL);
    ss_model_info info = {.struct_size = sizeof info};
    ss_adapter *adapter = NULL;
    int32_t prompt[64], parents[64];
    const float *rows;
    size_t count = encode_small(model, prompt);
    accept(&error, ss_model_get_info(model, &info, &error));
    if (adapter_path != NULL) {
        accept(&error, ss_adapter_load(model, adapter_path, NULL, &adapter, &error));
        accept(&error, ss_session_set_adapter(session, adapter, &error));
    }
    accept(&error, ss_session_prefill(session, prompt, 1, &error));
    for (size_t i = 1; i < count; i++)
        parents[i] = (int32_t)i - 2;
    accept(&error, ss_session_evaluate(session, prompt + 1, parents + 1, (uint32_t)count - 1,
                                       &rows, &error));
    size_t floats = (count - 1) * info.vocabulary_size;
    if (logits != NULL)
        memcpy(logits, rows, floats * sizeof *logits);
    draw_small(session, model, tokens, DRAWN);
    ss_session_free(session);
    ss_adapter_free(adapter);
    ss_model_free(model);
    return floats;
}

/* Root of the mean squared difference over that of `a` about its mean. */
static double difference(const float *a, const float *b, size_t count)
{
    double mean = 0, square = 0, apart = 0;
    for (size_t i = 0; i < count; i++)
        mean += (double)a[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        square += ((double)a[i] - mean) * ((double)a[i] - mean);
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    return sqrt(apart / square);
}

/* ── quantize ── */

static void every_type_is_written_where_it_fits(void **state)
{
    (void)state;
    static const struct {
        ss_weight_type type;
        const char *matrix, *narrow, *head; /* rows of 64; of 172; of the tied table */
        double most;                        /* difference of the logits */
    } wanted[] = {
        {SS_WEIGHT_F32, "F32", "F32", "F32", 0},
        {SS_WEIGHT_F16, "F16", "F16", "F16", 0.001},
        {SS_WEIGHT_Q8_0, "Q8_0", "F16", "Q8_0", 0.02},
        {SS_WEIGHT_Q4_0, "Q4_0", "F16", "Q8_0", 0.2},
        {SS_WEIGHT_Q4_1, "Q4_1", "F16", "Q8_0", 0.22},
    };
    static float before[64 * 512], after[64 * 512];
    int32_t tokens[DRAWN];
    size_t count = run(SMALL_MODEL, NULL, before, tokens);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const char *path = in_folder("typed.gguf");
        quantize(wanted[i].type, path);
        assert_int_equal(run(path, NULL, after, tokens), count);
        double apart = difference(before, after, count);
        if (!(apart <= wanted[i].most))
            fail_msg("%s: logits differ by %g", wanted[i].matrix, apart);
        ss_model *model = load(path);
        ss_model_info info = {.struct_size = sizeof info};
        accept(&error, ss_model_get_info(model, &info, &error));
        for (uint32_t t = 0; t < info.tensor_count; t++) {
            ss_tensor_info tensor = {.struct_size = sizeof tensor};
            accept(&error, ss_model_get_tensor(model, t, &tensor, &error));
            assert_string_equal(tensor.type, tensor.dims[1] == 1 ? "F32"
                                             : strstr(tensor.name, "token_embd")
                                                 ? wanted[i].head
                                             : tensor.dims[0] % 32 == 0 ? wanted[i].matrix
                                                                        : wanted[i].narrow);
        }
        ss_model_free(model);
    }
    empty_folder();
}

/* The sums pin rounding, search and order for every machine. */
static void the_input_alone_decides_the_bytes(void **state)
{
    (void)state;
    static const struct {
        ss_weight_type type;
        uint64_t sum;
    } wanted[] = {
        {SS_WEIGHT_F16, 0xd26fd87781a50a78u},
        {SS_WEIGHT_Q8_0, 0xb0e8b5ff8f5fff5cu},
        {SS_WEIGHT_Q4_0, 0xab09bdde40607169u},
        {SS_WEIGHT_Q4_1, 0x66d2c9359b5e8960u},
    };
    const char *path = in_folder("one.gguf"), *again = in_folder("again.gguf");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        for (uint32_t threads = 1; threads <= 3; threads += 2) {
            ss_quantize_params params;
            ss_quantize_params_init(&params, sizeof params);
            params.type = wanted[i].type;
            params.thread_count = threads;
            accept(&error, ss_model_quantize(SMALL_MODEL, &params, path, &error));
            uint64_t sum = sum_of(path);
            if (sum != wanted[i].sum)
                fail_msg("type %d, %u threads: the sum is %#llx", (int)wanted[i].type, threads,
                         (unsigned long long)sum);
            quantize_file(path, wanted[i].type, again); /* what has the type already stays */
            assert_true(sum_of(again) == sum);
        }
    quantize_file(path, SS_WEIGHT_Q4_1, path); /* onto itself */
    assert_true(sum_of(path) == wanted[3].sum);
    empty_folder();
}

static void what_the_file_says_of_itself_is_carried_over(void **state)
{
    (void)state;
    const char *path = in_folder("said.gguf");
    quantize(SS_WEIGHT_Q4_0, path);
    bytes old = bytes_of(SMALL_MODEL), new = bytes_of(path);
    size_t old_end = find(&old, "token_embd.weight") - 8,
           new_end = find(&new, "token_embd.weight") - 8;
    /* Two keys more, each of a u32, at the end. */
    size_t more =
        8 + strlen("general.file_type") + 8 + 8 + strlen("general.quantization_version") + 8;
    assert_int_equal(new_end, old_end + more);
    assert_memory_equal(new.at + 24, old.at + 24, old_end - 24);
    assert_int_equal(new.at[16], old.at[16] + 2);
    assert_int_equal(new.at[find(&new, "general.file_type") + 17 + 4], 2); /* mostly Q4_0 */
    free(old.at);
    free(new.at);
    empty_folder();
}

/* ── merge and export ── */

static void a_merged_model_computes_what_base_and_adapter_do(void **state)
{
    (void)state;
    static float base[64 * 512], tuned[64 * 512], merged[64 * 512];
    int32_t with_adapter[DRAWN], with_merged[DRAWN], plain[DRAWN];
    const char *adapter = in_folder("tuned.gguf"), *path = in_folder("merged.gguf");
    make_adapter(SMALL_MODEL, true, 0.15f, adapter);
    size_t count = run(SMALL_MODEL, NULL, base, plain);
    run(SMALL_MODEL, adapter, tuned, with_adapter);
    assert_true(difference(base, tuned, count) > 0.3); /* it does something */
    static const struct {
        ss_weight_type type;
        double most;
    } wanted[] = {
        /* A LoRA that is not merged is multiplied in 8 bits: that is the difference. */
        {SS_WEIGHT_F32, 0.03},   {SS_WEIGHT_AUTO, 0.03}, {SS_WEIGHT_KEEP, 0.03},
        {SS_WEIGHT_Q8_0, 0.035}, {SS_WEIGHT_Q4_1, 0.3},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ss_merge_params params;
        ss_merge_params_init(&params, sizeof params);
        params.type = wanted[i].type;
        accept(&error, ss_adapter_merge(SMALL_MODEL, adapter, &params, path, &error));
        run(path, NULL, merged, with_merged);
        double apart = difference(tuned, merged, count);
        if (!(apart <= wanted[i].most))
            fail_msg("type %d: logits differ by %g", (int)wanted[i].type, apart);
    }
    empty_folder();
}

static const char *type_of(const char *path, const char *name)
{
    ss_model *model = load(path);
    ss_tensor_info tensor = {.struct_size = sizeof tensor};
    for (uint32_t i = 0; ss_model_get_tensor(model, i, &tensor, NULL) == SS_OK; i++)
        if (strcmp(tensor.name, name) == 0)
            break;
    ss_model_free(model);
    return tensor.type;
}

static void few_bits_become_eight_where_something_changes(void **state)
{
    (void)state;
    const char *base = in_folder("base.gguf"), *adapter = in_folder("lora.gguf");
    const char *path = in_folder("new.gguf");
    quantize(SS_WEIGHT_Q4_0, base);
    make_adapter(base, true, 0.1f, adapter);
    accept(&error, ss_adapter_merge(base, adapter, NULL, path, &error));
    assert_string_equal(type_of(path, "blk.0.attn_q.weight"), "Q8_0");
    assert_string_equal(type_of(path, "blk.4.ffn_down.weight"), "F16");
    assert_string_equal(type_of(path, "token_embd.weight"), "Q8_0");
    ss_merge_params params;
    ss_merge_params_init(&params, sizeof params);
    params.type = SS_WEIGHT_KEEP;
    accept(&error, ss_adapter_merge(base, adapter, &params, path, &error));
    assert_string_equal(type_of(path, "blk.0.attn_q.weight"), "Q4_0");
    empty_folder();
}

static void an_exported_lora_is_the_main_half_to_the_bit(void **state)
{
    (void)state;
    static float tuned[64 * 512], plain[64 * 512];
    int32_t with_adapter[DRAWN], with_lora[DRAWN];
    const char *adapter = in_folder("tuned.gguf"), *lora = in_folder("lora.gguf");
    ss_adapter_file_info told = {.struct_size = sizeof told};
    make_adapter(SMALL_MODEL, true, 0.15f, adapter);
    accept(&error, ss_adapter_export_lora(adapter, lora, &error));
    accept(&error, ss_adapter_read_file_info(lora, &told, &error));
    assert_string_equal(told.mode, "lora");
    assert_string_equal(told.architecture, "llama");
    assert_string_equal(told.base_xxh3, "");
    assert_int_equal(told.main_rank, 8);
    assert_int_equal(told.stream_count, 0);
    assert_true(told.lora_alpha == 8);
    assert_int_equal(told.tensor_count, 5 * 7 * 2);
    size_t count = run(SMALL_MODEL, adapter, tuned, with_adapter);
    run(SMALL_MODEL, lora, plain, with_lora);
    assert_memory_equal(tuned, plain, count * sizeof *tuned);
    assert_memory_equal(with_adapter, with_lora, sizeof with_lora);
    /* Merging either gives the same file; exporting a plain LoRA copies it. */
    const char *path = in_folder("merged.gguf");
    accept(&error, ss_adapter_merge(SMALL_MODEL, adapter, NULL, path, &error));
    uint64_t sum = sum_of(path);
    accept(&error, ss_adapter_merge(SMALL_MODEL, lora, NULL, path, &error));
    assert_true(sum_of(path) == sum);
    sum = sum_of(lora);
    accept(&error, ss_adapter_export_lora(lora, path, &error));
    assert_true(sum_of(path) == sum);
    empty_folder();
}

static void the_streams_that_are_left_draft_for_the_new_model(void **state)
{
    (void)state;
    const char *adapter = in_folder("tuned.gguf"), *path = in_folder("new.gguf");
    const char *streams = in_folder("streams.gguf");
    int32_t plain[DRAWN], drafted[DRAWN];
    ss_adapter_file_info told = {.struct_size = sizeof told}, old = {.struct_size = sizeof old};
    ss_merge_params params;
    ss_merge_params_init(&params, sizeof params);
    params.streams_path = streams;
    make_adapter(SMALL_MODEL, true, 0.15f, adapter);
    accept(&error, ss_adapter_merge(SMALL_MODEL, adapter, &params, path, &error));
    accept(&error, ss_adapter_read_file_info(adapter, &old, &error));
    accept(&error, ss_adapter_read_file_info(streams, &told, &error));
    assert_string_equal(told.mode, "lossless");
    assert_int_equal(told.main_rank, 0);
    assert_int_equal(told.stream_rank, old.stream_rank);
    assert_int_equal(told.prune_rank, old.prune_rank);
    assert_int_equal(told.tensor_count, old.tensor_count - 5 * 7 * 2);
    assert_string_not_equal(told.base_xxh3, old.base_xxh3);
    run(path, NULL, NULL, plain);
    run(path, streams, NULL, drafted); /* which also checks the hash */
    assert_memory_equal(plain, drafted, sizeof plain);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(streams), 0);
    params.streams_path = "no/where/x"; /* then neither file comes */
    refuse(SS_ERROR_IO, "no/where/x", &error,
           ss_adapter_merge(SMALL_MODEL, adapter, &params, path, &error));
    assert_int_equal(files_in_folder(), 1);
    const char *lora = in_folder("lora.gguf");
    accept(&error, ss_adapter_export_lora(adapter, lora, &error));
    params.streams_path = in_folder("streams.gguf");
    refuse(SS_ERROR_UNSUPPORTED, "streams", &error,
           ss_adapter_merge(SMALL_MODEL, lora, &params, path, &error));
    assert_int_equal(files_in_folder(), 2);
    empty_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_written_where_it_fits),
        cmocka_unit_test(the_input_alone_decides_the_bytes),
        cmocka_unit_test(what_the_file_says_of_itself_is_carried_over),
        cmocka_unit_test(a_merged_model_computes_what_base_and_adapter_do),
        cmocka_unit_test(few_bits_become_eight_where_something_changes),
        cmocka_unit_test(an_exported_lora_is_the_main_half_to_the_bit),
        cmocka_unit_test(the_streams_that_are_left_draft_for_the_new_model),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
