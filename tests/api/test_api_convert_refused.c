/* SPDX-License-Identifier: Apache-2.0 */
/* What makes no file from files: what goes wrong is named, and leaves what was there. */
#include "convert_files.h"

#include <signal.h>
#include <sys/resource.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
        cmocka_unit_test(damaged_files_are_named),
        cmocka_unit_test(cancelled_and_failed_runs_leave_what_was_there),
        cmocka_unit_test(out_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
