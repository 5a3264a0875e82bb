/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of specstream/adapter.h. What a file may hold is tested with the loader. */
#include "api_test.h"

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
    counting count;
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

static int set_up(void **state)
{
    *state = load_small(NULL);
    return 0;
}

static int tear_down(void **state)
{
    ss_model_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(what_is_no_adapter_is_refused),
        cmocka_unit_test(params_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
