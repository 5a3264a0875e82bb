/* SPDX-License-Identifier: Apache-2.0 */
/* Old binaries on this library, and newer ones: every struct says how large its owner thinks it
 * is. */
#include "api_test.h"

#define GUARD 0x5a

static ss_error error;

/* One _init function, called through a common shape. */
typedef ss_status init_function(void *params, size_t struct_size);
#define INIT(name)                                                                             \
    static ss_status init_##name(void *params, size_t struct_size)                             \
    {                                                                                          \
        return ss_##name##_init(params, struct_size);                                          \
    }
INIT(error)
INIT(allocator)
INIT(log)
INIT(progress)
INIT(parallel)
INIT(model_params)
INIT(session_params)
INIT(sampler_params)
INIT(tokenize_params)
INIT(adapter_params)
INIT(adapter_init_params)
INIT(merge_params)
INIT(quantize_params)
INIT(stream_config)
INIT(train_params)

static const struct {
    init_function *init;
    size_t bytes;
} inits[] = {
    {init_error, sizeof(ss_error)},
    {init_allocator, sizeof(ss_allocator)},
    {init_log, sizeof(ss_log)},
    {init_progress, sizeof(ss_progress)},
    {init_parallel, sizeof(ss_parallel)},
    {init_model_params, sizeof(ss_model_params)},
    {init_session_params, sizeof(ss_session_params)},
    {init_sampler_params, sizeof(ss_sampler_params)},
    {init_tokenize_params, sizeof(ss_tokenize_params)},
    {init_adapter_params, sizeof(ss_adapter_params)},
    {init_adapter_init_params, sizeof(ss_adapter_init_params)},
    {init_merge_params, sizeof(ss_merge_params)},
    {init_quantize_params, sizeof(ss_quantize_params)},
    {init_stream_config, sizeof(ss_stream_config)},
    {init_train_params, sizeof(ss_train_params)},
};

static void init_writes_the_struct_and_no_byte_more(void **state)
{
    (void)state;
    unsigned char whole[4200], part[4200];
    for (size_t i = 0; i < sizeof inits / sizeof *inits; i++) {
        assert_int_equal(inits[i].init(whole, inits[i].bytes), SS_OK);
        for (size_t bytes = sizeof(size_t); bytes <= inits[i].bytes + 64; bytes++) {
            size_t said;
            memset(part, GUARD, sizeof part);
            assert_int_equal(inits[i].init(part, bytes), SS_OK);
            memcpy(&said, part, sizeof said);
            assert_int_equal(said, bytes);
            for (size_t at = sizeof said; at < bytes; at++)
                assert_int_equal(part[at], at < inits[i].bytes ? whole[at] : 0);
            assert_int_equal(part[bytes], GUARD);
        }
        memset(part, GUARD, sizeof part);
        assert_int_equal(inits[i].init(part, sizeof(size_t) - 1), SS_ERROR_ARGUMENT);
        assert_int_equal(inits[i].init(part, 0), SS_ERROR_ARGUMENT);
        assert_int_equal(inits[i].init(part, SIZE_MAX), SS_ERROR_ARGUMENT);
        assert_int_equal(inits[i].init(NULL, inits[i].bytes), SS_ERROR_ARGUMENT);
        assert_int_equal(part[0], GUARD);
    }
}

static void an_old_programs_session_params_are_taken(void **state)
{
    struct {
        size_t struct_size;
        unsigned char rest[4 * sizeof(void *)];
    } old; /* a header that ended before `clock` */
    ss_session *session;
    assert_int_equal(ss_session_params_init((void *)&old, sizeof old), SS_OK);
    accept(&error, ss_session_create(*state, (void *)&old, &session, &error));
    ss_session_free(session);
}

static void a_newer_programs_zeros_are_taken_and_its_wishes_refused(void **state)
{
    struct {
        ss_session_params known;
        uint64_t unknown[4];
    } newer;
    ss_session *session;
    assert_int_equal(ss_session_params_init(&newer.known, sizeof newer), SS_OK);
    accept(&error, ss_session_create(*state, &newer.known, &session, &error));
    ss_session_free(session);
    newer.unknown[3] = 1;
    refuse(SS_ERROR_UNSUPPORTED, "ss_session_params", &error,
           ss_session_create(*state, &newer.known, &session, &error));
    assert_null(session);
    newer.known.struct_size = 5000;
    refuse(SS_ERROR_ARGUMENT, "struct_size", &error,
           ss_session_create(*state, &newer.known, &session, &error));
    newer.known.struct_size = 0; /* _init forgotten */
    refuse(SS_ERROR_ARGUMENT, "struct_size", &error,
           ss_session_create(*state, &newer.known, &session, &error));
}

static void other_params_follow_the_same_rule(void **state)
{
    struct {
        ss_model_params known;
        uint64_t unknown;
    } load;
    struct {
        ss_sampler_params known;
        uint64_t unknown;
    } sampler;
    struct {
        ss_tokenize_params known;
        uint64_t unknown;
    } tokenize;
    ss_model *model;
    size_t count;
    ss_session *session = open_small(*state, NULL);
    ss_model_params_init(&load.known, sizeof load);
    load.unknown = 1;
    refuse(SS_ERROR_UNSUPPORTED, "ss_model_params", &error,
           ss_model_load(SMALL_MODEL, &load.known, &model, &error));
    ss_sampler_params_init(&sampler.known, sizeof sampler);
    accept(&error, ss_session_set_sampler(session, &sampler.known, &error));
    sampler.unknown = 1;
    refuse(SS_ERROR_UNSUPPORTED, "ss_sampler_params", &error,
           ss_session_set_sampler(session, &sampler.known, &error));
    ss_tokenize_params_init(&tokenize.known, sizeof tokenize);
    tokenize.unknown = 1;
    refuse(SS_ERROR_UNSUPPORTED, "ss_tokenize_params", &error,
           ss_tokenize(*state, "a", 1, &tokenize.known, NULL, 0, &count, &error));
    ss_session_free(session);
}

/* Calls with results of every size from the first field to well past the last. */
static void results_write_no_byte_beyond_the_callers_struct(void **state)
{
    union {
        ss_model_info info;
        ss_tensor_info tensor;
        ss_stats stats;
        ss_step step;
        size_t struct_size;
        unsigned char bytes[2048];
    } result;
    ss_session *session = open_small(*state, NULL);
    int32_t prompt[64];
    size_t prompt_count = encode_small(*state, prompt);
    for (size_t bytes = sizeof(size_t); bytes < 1024; bytes += 4) {
        for (int which = 0; which < 4; which++) {
            memset(&result, GUARD, sizeof result);
            result.struct_size = bytes;
            if (which == 0)
                accept(&error, ss_model_get_info(*state, &result.info, &error));
            if (which == 1)
                accept(&error, ss_model_get_tensor(*state, 0, &result.tensor, &error));
            if (which == 2)
                accept(&error, ss_session_get_stats(session, &result.stats, &error));
            if (which == 3) {
                accept(&error, ss_session_prefill(session, prompt, prompt_count, &error));
                accept(&error, ss_session_step(session, 1, &result.step, &error));
            }
            assert_int_equal(result.struct_size, bytes);
            assert_int_equal(result.bytes[bytes], GUARD);
        }
    }
    ss_session_free(session);
}

static void a_result_without_a_size_loses_no_token(void **state)
{
    ss_session *session = open_small(*state, NULL);
    int32_t prompt[64], first;
    size_t prompt_count = encode_small(*state, prompt), count;
    const int32_t *tokens;
    ss_step step = {.struct_size = 0};
    draw_small(session, *state, &first, 1);
    accept(&error, ss_session_prefill(session, prompt, prompt_count, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_step", &error, ss_session_step(session, 1, &step, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_step", &error, ss_session_step(session, 1, NULL, &error));
    accept(&error, ss_session_get_tokens(session, &tokens, &count, &error));
    assert_int_equal(count, prompt_count);
    step.struct_size = sizeof step;
    accept(&error, ss_session_step(session, 1, &step, &error));
    assert_int_equal(step.tokens[0], first);
    ss_session_free(session);
}

static void an_error_of_any_size_is_filled_as_far_as_it_goes(void **state)
{
    (void)state;
    struct {
        ss_error error;
        unsigned char guard[8];
    } box;
    for (size_t bytes = sizeof(size_t); bytes <= sizeof(ss_error); bytes++) {
        memset(&box, GUARD, sizeof box);
        assert_int_equal(ss_error_init(&box.error, bytes), SS_OK);
        assert_int_equal(ss_session_prefill(NULL, NULL, 0, &box.error), SS_ERROR_ARGUMENT);
        assert_int_equal(((unsigned char *)&box)[bytes], GUARD);
        if (bytes > offsetof(ss_error, message))
            assert_non_null(memchr(box.error.message, '\0',
                                   bytes - offsetof(ss_error, message)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_writes_the_struct_and_no_byte_more),
        cmocka_unit_test(an_old_programs_session_params_are_taken),
        cmocka_unit_test(a_newer_programs_zeros_are_taken_and_its_wishes_refused),
        cmocka_unit_test(other_params_follow_the_same_rule),
        cmocka_unit_test(results_write_no_byte_beyond_the_callers_struct),
        cmocka_unit_test(a_result_without_a_size_loses_no_token),
        cmocka_unit_test(an_error_of_any_size_is_filled_as_far_as_it_goes),
    };
    return cmocka_run_group_tests(tests, set_up_small, tear_down_small);
}
