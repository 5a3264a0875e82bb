/* SPDX-License-Identifier: Apache-2.0 */
/* Files from files: a model quantised, an adapter merged or exported. What comes out loads and
 * computes what it should; what goes wrong is named and leaves nothing behind. */
#include "api_test.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { DRAWN = 24 };

static ss_error error;

typedef struct bytes {
    unsigned char *at;
    size_t count;
} bytes;

/* ── files in a folder of the test's own ── */

static const char *folder(void)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/convert", test_build_folder());
    return path;
}

static const char *in_folder(const char *name) /* lives until four calls later */
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder(), name);
    return path;
}

static size_t files_in_folder(void)
{
    DIR *at = opendir(folder());
    size_t count = 0;
    assert_non_null(at);
    for (struct dirent *entry; (entry = readdir(at)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(at);
    return count;
}

static void empty_folder(void)
{
    DIR *at = opendir(folder());
    assert_non_null(at);
    for (struct dirent *entry; (entry = readdir(at)) != NULL;)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlink(in_folder(entry->d_name)), 0);
    closedir(at);
}

static bytes bytes_of(const char *path)
{
    bytes read;
    read.at = read_file(path, &read.count);
    return read;
}

/* ── what the tests do again and again ── */

static void quantize_file(const char *from, ss_weight_type type, const char *to)
{
    ss_quantize_params params;
    ss_quantize_params_init(&params, sizeof params);
    params.type = type;
    accept(&error, ss_model_quantize(from, &params, to, &error));
}

static void quantize(ss_weight_type type, const char *to)
{
    quantize_file(SMALL_MODEL, type, to);
}

static ss_model *load(const char *path)
{
    ss_model_params params;
    ss_model *model;
    ss_model_params_init(&params, sizeof params);
    params.thread_count = 1;
    accept(&error, ss_model_load(path, &params, &model, &error));
    return model;
}

/* An untrained adapter of that model file, alpha / r = 1. */
static void make_adapter(const char *base, bool shared, float deviation, const char *to)
{
    ss_model *model = load(base);
    ss_adapter_init_params params;
    ss_adapter_init_params_init(&params, sizeof params);
    params.shared = shared;
    params.deviation = deviation;
    params.stream_count = 3;
    params.msa_layer_count = 2;
    accept(&error, ss_adapter_write_untrained(model, &params, to, &error));
    ss_model_free(model);
}

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

/* ── arguments ── */

static void what_must_be_given_is_asked_for(void **state)
{
    (void)state;
    const char *to = in_folder("x");
    ss_quantize_params params;
    ss_merge_params merging;
    ss_quantize_params_init(&params, sizeof params);
    ss_merge_params_init(&merging, sizeof merging);
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_model_quantize(NULL, &params, to, &error));
    refuse(SS_ERROR_ARGUMENT, "params", &error,
           ss_model_quantize(SMALL_MODEL, NULL, to, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error,
           ss_model_quantize(SMALL_MODEL, &params, NULL, &error));
    const ss_weight_type no_types[] = {SS_WEIGHT_AUTO, SS_WEIGHT_KEEP, SS_WEIGHT_Q4_1 + 1, -1};
    for (size_t i = 0; i < sizeof no_types / sizeof *no_types; i++) {
        params.type = no_types[i];
        refuse(SS_ERROR_ARGUMENT, "type", &error,
               ss_model_quantize(SMALL_MODEL, &params, to, &error));
    }
    params.type = SS_WEIGHT_F16;
    params.thread_count = 257;
    refuse(SS_ERROR_ARGUMENT, "thread_count", &error,
           ss_model_quantize(SMALL_MODEL, &params, to, &error));
    params.thread_count = 1;
    params.struct_size = 1;
    refuse(SS_ERROR_ARGUMENT, "ss_quantize_params", &error,
           ss_model_quantize(SMALL_MODEL, &params, to, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_adapter_merge(NULL, "a", NULL, to, &error));
    refuse(SS_ERROR_ARGUMENT, "adapter", &error,
           ss_adapter_merge(SMALL_MODEL, NULL, NULL, to, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error,
           ss_adapter_merge(SMALL_MODEL, "a", NULL, NULL, &error));
    merging.type = SS_WEIGHT_Q4_1 + 1;
    refuse(SS_ERROR_ARGUMENT, "type", &error,
           ss_adapter_merge(SMALL_MODEL, "a", &merging, to, &error));
    merging.type = SS_WEIGHT_AUTO;
    merging.thread_count = 257;
    refuse(SS_ERROR_ARGUMENT, "thread_count", &error,
           ss_adapter_merge(SMALL_MODEL, "a", &merging, to, &error));
    merging.thread_count = 1;
    merging.streams_path = to;
    refuse(SS_ERROR_ARGUMENT, "streams_path", &error,
           ss_adapter_merge(SMALL_MODEL, "a", &merging, to, &error));
    merging.streams_path = in_folder("./x"); /* the same place by another name */
    refuse(SS_ERROR_ARGUMENT, "streams_path", &error,
           ss_adapter_merge(SMALL_MODEL, "a", &merging, to, &error));
    refuse(SS_ERROR_ARGUMENT, "adapter", &error, ss_adapter_export_lora(NULL, to, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error, ss_adapter_export_lora("a", NULL, &error));
    assert_int_equal(files_in_folder(), 0);
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    const char *to = in_folder("x");
    ss_quantize_params params;
    ss_quantize_params_init(&params, sizeof params);
    params.type = SS_WEIGHT_F16;
    refuse(SS_ERROR_IO, "no/such", &error, ss_model_quantize("no/such", &params, to, &error));
    refuse(SS_ERROR_IO, "no/where/x", &error,
           ss_model_quantize(SMALL_MODEL, &params, "no/where/x", &error));
    refuse(SS_ERROR_IO, "/dev/full", &error,
           ss_model_quantize(SMALL_MODEL, &params, "/dev/full", &error));
    refuse(SS_ERROR_IO, "no/base", &error, ss_adapter_merge("no/base", "a", NULL, to, &error));
    refuse(SS_ERROR_IO, "no/lora", &error,
           ss_adapter_merge(SMALL_MODEL, "no/lora", NULL, to, &error));
    refuse(SS_ERROR_IO, "no/such", &error, ss_adapter_export_lora("no/such", to, &error));
    assert_int_equal(files_in_folder(), 0);
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

static size_t find(const bytes *in, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= in->count; i++)
        if (memcmp(in->at + i, text, length) == 0)
            return i;
    fail_msg("no %s", text);
    return 0;
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

/* ── what is refused ── */

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    const char *lossless = in_folder("lossless.gguf"), *shared = in_folder("shared.gguf");
    const char *to = in_folder("x");
    ss_quantize_params params;
    ss_quantize_params_init(&params, sizeof params);
    params.type = SS_WEIGHT_Q8_0;
    make_adapter(SMALL_MODEL, false, 0.1f, lossless);
    refuse(SS_ERROR_UNSUPPORTED, "no main half", &error,
           ss_adapter_export_lora(lossless, to, &error));
    refuse(SS_ERROR_UNSUPPORTED, "'lossless'", &error,
           ss_adapter_merge(SMALL_MODEL, lossless, NULL, to, &error));
    refuse(SS_ERROR_UNSUPPORTED, "general.type", &error,
           ss_adapter_export_lora(SMALL_MODEL, to, &error));
    refuse(SS_ERROR_UNSUPPORTED, "general.type", &error,
           ss_adapter_merge(SMALL_MODEL, SMALL_MODEL, NULL, to, &error));
    refuse(SS_ERROR_UNSUPPORTED, "general.type", &error,
           ss_model_quantize(lossless, &params, to, &error));
    const char *base = in_folder("base.gguf");
    quantize(SS_WEIGHT_Q8_0, base); /* another base by its numbers alone */
    make_adapter(base, true, 0.1f, shared);
    refuse(SS_ERROR_MISMATCH, "7db7b0a279def76a6c149ddf2f627955", &error,
           ss_adapter_merge(SMALL_MODEL, shared, NULL, to, &error));
    refuse(SS_ERROR_UNSUPPORTED, "general.type", &error,
           ss_adapter_merge(shared, shared, NULL, to, &error));
    assert_int_equal(files_in_folder(), 3);
    empty_folder();
}

static void damaged_files_are_named(void **state)
{
    (void)state;
    static const unsigned char nan[4] = {0, 0, 0xc0, 0x7f};
    const char *shared = in_folder("shared.gguf"), *broken = in_folder("broken.gguf");
    const char *to = in_folder("x");
    make_adapter(SMALL_MODEL, true, 0.1f, shared);
    bytes model = bytes_of(SMALL_MODEL), adapter = bytes_of(shared);
    ss_quantize_params params;
    ss_quantize_params_init(&params, sizeof params);
    params.type = SS_WEIGHT_Q4_1;
    for (size_t i = 0; i < 40; i++) { /* cut anywhere */
        write_file(broken, model.at, model.count * i / 40);
        refuse(SS_ERROR_FORMAT, "", &error, ss_model_quantize(broken, &params, to, &error));
        refuse(SS_ERROR_FORMAT, "", &error, ss_adapter_merge(broken, shared, NULL, to, &error));
        write_file(broken, adapter.at, adapter.count * i / 40);
        refuse(SS_ERROR_FORMAT, "", &error, ss_adapter_export_lora(broken, to, &error));
        refuse(SS_ERROR_FORMAT, "", &error,
               ss_adapter_merge(SMALL_MODEL, broken, NULL, to, &error));
    }
    /* Numbers that are none: in the middle of the adapter's last pair, and of a matrix, as an
     * infinite F16. */
    memcpy(adapter.at + adapter.count - 64, nan, sizeof nan);
    write_file(broken, adapter.at, adapter.count);
    refuse(SS_ERROR_FORMAT, "lora_b: number", &error,
           ss_adapter_merge(SMALL_MODEL, broken, NULL, to, &error));
    memcpy(model.at + model.count / 2 / 32 * 32, nan + 2, 2);
    memset(model.at + model.count / 2 / 32 * 32 + 1, 0x7c, 1);
    write_file(broken, model.at, model.count);
    refuse(SS_ERROR_FORMAT, "row", &error, ss_model_quantize(broken, &params, to, &error));
    /* A pair without its other half. */
    adapter.at[find(&adapter, "blk.2.ffn_up.weight.lora_b")] = 'c';
    write_file(broken, adapter.at, adapter.count);
    refuse(SS_ERROR_FORMAT, "blk.2.ffn_up.weight.lora_a", &error,
           ss_adapter_export_lora(broken, to, &error));
    assert_int_equal(files_in_folder(), 2);
    free(model.at);
    free(adapter.at);
    empty_folder();
}

static bool cancel_later(void *context, float fraction)
{
    assert_true(fraction >= 0 && fraction <= 1);
    return --*(int *)context > 0;
}

static void cancelled_and_failed_runs_leave_what_was_there(void **state)
{
    (void)state;
    const char *shared = in_folder("shared.gguf"), *path = in_folder("x");
    ss_progress progress;
    ss_quantize_params params;
    ss_merge_params merging;
    int calls = 20;
    ss_progress_init(&progress, sizeof progress);
    progress.context = &calls;
    progress.report = cancel_later;
    ss_quantize_params_init(&params, sizeof params);
    params.type = SS_WEIGHT_F16;
    params.progress = &progress;
    ss_merge_params_init(&merging, sizeof merging);
    merging.progress = &progress;
    make_adapter(SMALL_MODEL, true, 0.1f, shared);
    write_file(path, "old", 3);
    refuse(SS_ERROR_CANCELLED, "cancelled", &error,
           ss_model_quantize(SMALL_MODEL, &params, path, &error));
    calls = 20;
    refuse(SS_ERROR_CANCELLED, "cancelled", &error,
           ss_adapter_merge(SMALL_MODEL, shared, &merging, path, &error));

    /* No room on the disk. */
    struct rlimit room, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &room), 0);
    little = room;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    calls = 1 << 30;
    for (rlim_t at = 0; at < 300000; at += 60000) {
        little.rlim_cur = at;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        ss_status quantized = ss_model_quantize(SMALL_MODEL, &params, path, &error);
        ss_status merged = ss_adapter_merge(SMALL_MODEL, shared, &merging, path, &error);
        ss_status exported =
            at < 80000 ? ss_adapter_export_lora(shared, path, &error) : SS_ERROR_IO;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &room), 0);
        assert_int_equal(quantized, SS_ERROR_IO);
        assert_int_equal(merged, SS_ERROR_IO);
        assert_int_equal(exported, SS_ERROR_IO);
        assert_int_equal(files_in_folder(), 2);
    }
    signal(SIGXFSZ, before);
    bytes left = bytes_of(path);
    assert_int_equal(left.count, 3);
    assert_memory_equal(left.at, "old", 3);
    free(left.at);
    empty_folder();
}

static void out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    const char *shared = in_folder("shared.gguf"), *path = in_folder("x");
    const char *streams = in_folder("streams");
    counting_memory count = {0};
    const ss_allocator allocator = counting_allocator(&count);
    make_adapter(SMALL_MODEL, true, 0.1f, shared);
    for (int merging = 0; merging < 2; merging++) {
        ss_status status;
        size_t nth = 0;
        do {
            ss_error_init(&error, sizeof error);
            count.fail_call = count.calls + ++nth;
            if (merging) {
                ss_merge_params params;
                ss_merge_params_init(&params, sizeof params);
                params.allocator = &allocator;
                params.thread_count = 2;
                params.streams_path = streams;
                status = ss_adapter_merge(SMALL_MODEL, shared, &params, path, &error);
            } else {
                ss_quantize_params params;
                ss_quantize_params_init(&params, sizeof params);
                params.allocator = &allocator;
                params.thread_count = 2;
                params.type = SS_WEIGHT_Q4_0;
                status = ss_model_quantize(SMALL_MODEL, &params, path, &error);
            }
            assert_int_equal(count.held_blocks, 0);
            if (status != SS_OK) {
                assert_int_equal(status, SS_ERROR_MEMORY);
                assert_int_not_equal(error.message[0], '\0');
                assert_int_equal(files_in_folder(), 1);
            }
        } while (status != SS_OK);
        assert_true(nth > 5);
        assert_int_equal(unlink(path), 0);
    }
    empty_folder();
}

static int set_up(void **state)
{
    (void)state;
    if (mkdir(folder(), 0777) != 0)
        empty_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        cmocka_unit_test(every_type_is_written_where_it_fits),
        cmocka_unit_test(the_input_alone_decides_the_bytes),
        cmocka_unit_test(what_the_file_says_of_itself_is_carried_over),
        cmocka_unit_test(a_merged_model_computes_what_base_and_adapter_do),
        cmocka_unit_test(few_bits_become_eight_where_something_changes),
        cmocka_unit_test(an_exported_lora_is_the_main_half_to_the_bit),
        cmocka_unit_test(the_streams_that_are_left_draft_for_the_new_model),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
        cmocka_unit_test(damaged_files_are_named),
        cmocka_unit_test(cancelled_and_failed_runs_leave_what_was_there),
        cmocka_unit_test(out_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
