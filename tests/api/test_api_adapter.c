/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of specstream/adapter.h. What a file may hold is tested with the loader. */
#include "api_test.h"

#include <stdio.h>

static ss_error error;

static void what_must_be_given_is_asked_for(void **state)
{
    ss_model *model = *state;
    ss_adapter *adapter = (ss_adapter *)&error;
    ss_adapter_info info = {.struct_size = sizeof info};
    refuse(SS_ERROR_ARGUMENT, "adapter", &error, ss_adapter_load(model, "x", NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "adapter", &error,
           ss_adapter_load_fd(model, 0, 0, 0, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "adapter", &error,
           ss_adapter_load_buffer(model, "x", 1, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error,
           ss_adapter_load(model, NULL, NULL, &adapter, &error));
    assert_null(adapter);
    refuse(SS_ERROR_ARGUMENT, "data", &error,
           ss_adapter_load_buffer(model, NULL, 1, NULL, &adapter, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_adapter_load(NULL, "x", NULL, &adapter, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_adapter_load_fd(NULL, 0, 0, 0, NULL, &adapter, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_adapter_load_buffer(NULL, "x", 1, NULL, &adapter, &error));
    refuse(SS_ERROR_ARGUMENT, "adapter", &error, ss_adapter_get_info(NULL, &info, &error));
    ss_adapter_free(NULL);
}

static void what_is_no_adapter_is_refused(void **state)
{
    ss_model *model = *state;
    ss_adapter *adapter;
    refuse(SS_ERROR_IO, "no/such.gguf", &error,
           ss_adapter_load(model, "no/such.gguf", NULL, &adapter, &error));
    assert_int_not_equal(ss_adapter_load_fd(model, -1, 0, 0, NULL, &adapter, &error), SS_OK);
    assert_int_not_equal(ss_adapter_load(model, SMALL_MODEL, NULL, &adapter, &error), SS_OK);
    refuse(SS_ERROR_FORMAT, "", &error,
           ss_adapter_load_buffer(model, "GGUF", 4, NULL, &adapter, &error));
    assert_null(adapter);
}

static void params_are_checked(void **state)
{
    ss_model *model = *state;
    ss_adapter *adapter;
    ss_adapter_params params;
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    ss_adapter_params_init(&params, sizeof params);
    params.struct_size = 0;
    refuse(SS_ERROR_ARGUMENT, "ss_adapter_params", &error,
           ss_adapter_load(model, SMALL_MODEL, &params, &adapter, &error));
    ss_adapter_params_init(&params, sizeof params);
    allocator.release = NULL;
    params.allocator = &allocator;
    refuse(SS_ERROR_ARGUMENT, "release", &error,
           ss_adapter_load(model, SMALL_MODEL, &params, &adapter, &error));
    assert_int_equal(count.held_blocks, 0);
}

static const char *untrained_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/untrained.gguf", test_build_folder());
    return path;
}

static void what_was_written_is_loaded_and_told(void **state)
{
    ss_model *model = *state;
    ss_adapter *adapter;
    ss_adapter_init_params params;
    ss_adapter_info loaded = {.struct_size = sizeof loaded};
    ss_adapter_file_info told = {.struct_size = sizeof told};
    ss_model_info base = {.struct_size = sizeof base};
    assert_int_equal(ss_model_get_info(model, &base, &error), SS_OK);
    ss_adapter_init_params_init(&params, sizeof params);
    params.name = "noise";
    params.stream_count = 3;
    params.msa_layer_count = 2;
    params.rank = 4;
    for (int shared = 0; shared < 2; shared++) {
        params.shared = shared != 0;
        params.root_rank = shared ? 5 : 0;
        params.parent_rank = shared ? 6 : 0;
        assert_int_equal(ss_adapter_write_untrained(model, &params, untrained_path(), &error),
                         SS_OK);
        assert_int_equal(ss_adapter_load(model, untrained_path(), NULL, &adapter, &error), SS_OK);
        assert_int_equal(ss_adapter_get_info(adapter, &loaded, &error), SS_OK);
        assert_int_equal(ss_adapter_read_file_info(untrained_path(), &told, &error), SS_OK);
        assert_string_equal(told.mode, shared ? "shared" : "lossless");
        assert_string_equal(told.mode, loaded.mode);
        assert_int_equal(strlen(loaded.main_xxh3), shared ? 32 : 0);
        assert_string_equal(told.name, "noise");
        assert_string_equal(told.base_xxh3, base.xxh3);
        assert_string_equal(told.stream_init, loaded.stream_init);
        assert_int_equal(told.stream_count, 3);
        assert_int_equal(loaded.stream_count, 3);
        assert_int_equal(told.msa_layer_count, loaded.msa_layer_count);
        assert_int_equal(told.main_rank, shared ? 4 : 0);
        assert_int_equal(loaded.main_rank, told.main_rank);
        assert_int_equal(loaded.stream_rank, told.stream_rank);
        assert_int_equal(told.root_rank, params.root_rank);
        assert_int_equal(loaded.root_rank, told.root_rank);
        assert_int_equal(told.parent_rank, params.parent_rank);
        assert_int_equal(loaded.parent_rank, told.parent_rank);
        assert_int_equal(loaded.prune_rank, 8);
        assert_int_equal(told.prune_rank, 8);
        assert_true(told.parameter_count == loaded.parameter_count);
        ss_adapter_free(adapter);
    }
}

/* The hash pins noise, format and order for every machine and every later version. */
static void the_seed_alone_decides_the_bytes(void **state)
{
    ss_model *model = *state;
    ss_adapter_init_params params;
    ss_adapter_init_params_init(&params, sizeof params);
    assert_int_equal(ss_adapter_write_untrained(model, NULL, untrained_path(), &error), SS_OK);
    assert_true(sum_of(untrained_path()) == 0x65f39c1d9418e2fbu);
    assert_int_equal(ss_adapter_write_untrained(model, &params, untrained_path(), &error), SS_OK);
    assert_true(sum_of(untrained_path()) == 0x65f39c1d9418e2fbu);
    params.seed = 2;
    assert_int_equal(ss_adapter_write_untrained(model, &params, untrained_path(), &error), SS_OK);
    assert_true(sum_of(untrained_path()) != 0x65f39c1d9418e2fbu);
}

static void what_cannot_be_written_is_named(void **state)
{
    ss_model *model = *state;
    ss_adapter_file_info told = {.struct_size = sizeof told};
    ss_adapter_init_params params;
    const char *path = untrained_path();
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_adapter_write_untrained(NULL, NULL, path, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error,
           ss_adapter_write_untrained(model, NULL, NULL, &error));
    refuse(SS_ERROR_IO, "no/such", &error,
           ss_adapter_write_untrained(model, NULL, "no/such/a.gguf", &error));
#define WRONG(field, value)                                                                    \
    ss_adapter_init_params_init(&params, sizeof params);                                       \
    params.field = value;                                                                      \
    refuse(SS_ERROR_ARGUMENT, #field, &error,                                                  \
           ss_adapter_write_untrained(model, &params, path, &error))
    WRONG(stream_count, 0);
    WRONG(stream_count, 9);
    WRONG(msa_layer_count, 0);
    WRONG(msa_layer_count, 6);
    WRONG(rank, 257);
    WRONG(root_rank, 257);
    WRONG(parent_rank, 257);
    WRONG(prune_rank, 257);
    WRONG(deviation, -1);
    WRONG(deviation, 1e7f);
#undef WRONG
    ss_adapter_init_params_init(&params, sizeof params);
    params.reserved0[1] = 1;
    refuse(SS_ERROR_ARGUMENT, "reserved0", &error,
           ss_adapter_write_untrained(model, &params, path, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error, ss_adapter_read_file_info(NULL, &told, &error));
    refuse(SS_ERROR_ARGUMENT, "NULL", &error, ss_adapter_read_file_info(path, NULL, &error));
    refuse(SS_ERROR_IO, "no/such", &error, ss_adapter_read_file_info("no/such", &told, &error));
    refuse(SS_ERROR_UNSUPPORTED, "general.type", &error,
           ss_adapter_read_file_info(SMALL_MODEL, &told, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(what_is_no_adapter_is_refused),
        cmocka_unit_test(params_are_checked),
        cmocka_unit_test(what_was_written_is_loaded_and_told),
        cmocka_unit_test(the_seed_alone_decides_the_bytes),
        cmocka_unit_test(what_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, set_up_small, tear_down_small);
}
