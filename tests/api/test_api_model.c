/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of specstream/model.h, version.h and status.h. */
#include "api_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static ss_error error;

static void versions_and_status_names_are_there(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", SS_VERSION_MAJOR, SS_VERSION_MINOR,
             SS_VERSION_PATCH);
    assert_string_equal(ss_version(), expected);
    assert_int_equal(ss_arithmetic_version(), SS_ARITHMETIC_VERSION);
    for (ss_status status = SS_OK; status <= SS_ERROR_MISMATCH; status++) {
        assert_string_not_equal(ss_status_text(status), "");
        assert_string_not_equal(ss_status_text(status), ss_status_text(-1));
    }
    assert_string_equal(ss_status_text(INT32_MIN), ss_status_text(-1));
    assert_string_equal(ss_status_text(INT32_MAX), ss_status_text(-1));
}

static void what_must_be_given_is_asked_for(void **state)
{
    (void)state;
    ss_model *model = (ss_model *)&error;
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_model_load("x", NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_model_load_fd(0, 0, 0, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_model_load_buffer("x", 1, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "path", &error, ss_model_load(NULL, NULL, &model, &error));
    assert_null(model);
    model = (ss_model *)&error;
    refuse(SS_ERROR_ARGUMENT, "data", &error,
           ss_model_load_buffer(NULL, 1, NULL, &model, &error));
    assert_null(model);
    assert_int_equal(ss_model_load(NULL, NULL, &model, NULL), SS_ERROR_ARGUMENT);
    ss_model_free(NULL);
}

static void what_cannot_be_read_is_named(void **state)
{
    (void)state;
    ss_model *model = (ss_model *)&error;
    refuse(SS_ERROR_IO, "no/such.gguf", &error,
           ss_model_load("no/such.gguf", NULL, &model, &error));
    assert_null(model);
    assert_int_not_equal(ss_model_load("tests", NULL, &model, &error), SS_OK);
    assert_int_not_equal(ss_model_load("", NULL, &model, &error), SS_OK);
    refuse(SS_ERROR_IO, "descriptor -1", &error,
           ss_model_load_fd(-1, 0, 0, NULL, &model, &error));
    refuse(SS_ERROR_FORMAT, "", &error, ss_model_load_buffer("x", 0, NULL, &model, &error));
    refuse(SS_ERROR_FORMAT, "", &error, ss_model_load_buffer("GGUF", 4, NULL, &model, &error));
    refuse(SS_ERROR_FORMAT, "", &error,
           ss_model_load_buffer("not a model file", 16, NULL, &model, &error));
    assert_null(model);
}

static void listen(void *context, ss_log_level level, const char *message)
{
    char *heard = context;
    assert_true(level == SS_LOG_INFO || level == SS_LOG_WARNING);
    assert_null(strchr(message, '\n'));
    strncat(heard, message, 255 - strlen(heard));
}

static void a_log_hears_what_was_loaded(void **state)
{
    (void)state;
    char heard[256] = "";
    ss_log log;
    ss_model_params params;
    ss_session_params session_params;
    ss_model *model;
    ss_session *session;
    ss_log_init(&log, sizeof log);
    log.write = listen;
    log.context = heard;
    ss_model_params_init(&params, sizeof params);
    params.log = &log;
    if (ss_model_load(SMALL_MODEL, &params, &model, &error) != SS_OK)
        fail_msg("%s", error.message);
    assert_non_null(strstr(heard, "model: llama, 5 layers, 0.3 million parameters"));
    ss_session_params_init(&session_params, sizeof session_params);
    session_params.log = &log;
    accept(&error, ss_session_create(model, &session_params, &session, &error));
    assert_non_null(strstr(heard, "session: "));
    ss_session_free(session);
    ss_model_free(model);
}

static void hooks_are_checked(void **state)
{
    (void)state;
    ss_model_params params;
    ss_model *model;
    counting_memory count = {0};
    ss_allocator allocator;
    ss_log log;
    ss_progress progress;
    ss_parallel parallel;
    ss_model_params_init(&params, sizeof params);
    ss_log_init(&log, sizeof log);
    ss_progress_init(&progress, sizeof progress);
    ss_parallel_init(&parallel, sizeof parallel);

    allocator = counting_allocator(&count);
    allocator.allocate = NULL;
    params.allocator = &allocator;
    refuse(SS_ERROR_ARGUMENT, "allocate", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    allocator = counting_allocator(&count);
    allocator.release = NULL;
    refuse(SS_ERROR_ARGUMENT, "release", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    allocator.struct_size = 0;
    refuse(SS_ERROR_ARGUMENT, "allocator", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    params.allocator = NULL;
    params.log = &log;
    refuse(SS_ERROR_ARGUMENT, "write", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    params.log = NULL;
    params.progress = &progress;
    refuse(SS_ERROR_ARGUMENT, "report", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    params.progress = NULL;
    params.parallel = &parallel;
    refuse(SS_ERROR_ARGUMENT, "parallel_for", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
}

static void ranges_are_checked(void **state)
{
    (void)state;
    ss_model_params params;
    ss_model *model;
    ss_model_params_init(&params, sizeof params);
    params.thread_count = 257;
    refuse(SS_ERROR_ARGUMENT, "thread_count", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    ss_model_params_init(&params, sizeof params);
    params.cpu = -1;
    refuse(SS_ERROR_ARGUMENT, "cpu", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
    params.cpu = SS_CPU_AVX512 + 1;
    refuse(SS_ERROR_ARGUMENT, "cpu", &error,
           ss_model_load(SMALL_MODEL, &params, &model, &error));
}

static bool refuse_progress(void *context, float fraction)
{
    ++*(int *)context;
    assert_true(fraction >= 0 && fraction <= 1);
    return false;
}

static void a_load_can_be_cancelled(void **state)
{
    (void)state;
    ss_model_params params;
    ss_progress progress;
    ss_model *model;
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    int reports = 0;
    ss_progress_init(&progress, sizeof progress);
    progress.context = &reports;
    progress.report = refuse_progress;
    ss_model_params_init(&params, sizeof params);
    params.progress = &progress;
    params.allocator = &allocator;
    refuse(SS_ERROR_CANCELLED, "", &error, ss_model_load(SMALL_MODEL, &params, &model, &error));
    assert_null(model);
    assert_int_equal(reports, 1);
    assert_int_equal(count.held_blocks, 0);
}

/* The threads of a load end with it: what a child gets is the whole model. */
static void a_model_goes_through_fork(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    int32_t tokens[8], of_child[8];
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        alarm(60);
    ss_session *session = open_small(model, NULL);
    draw_small(session, model, tokens, 8);
    if (child == 0)
        _exit(write(ends[1], tokens, sizeof tokens) != sizeof tokens);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], of_child, sizeof of_child), sizeof of_child);
    assert_memory_equal(of_child, tokens, sizeof tokens);
    close(ends[0]);
    close(ends[1]);
    ss_session_free(session);
    ss_model_free(model);
}

static void a_file_gives_the_same_model_three_ways(void **state)
{
    (void)state;
    size_t bytes;
    char *data = read_file(SMALL_MODEL, &bytes), *padded = malloc(bytes + 14);
    ss_model *model[3];
    ss_model_info info[3];
    char path[] = "/tmp/specstream-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    memset(padded, 'x', bytes + 14);
    memcpy(padded + 7, data, bytes);
    assert_int_equal(write(fd, padded, bytes + 14), bytes + 14);
    lseek(fd, 3, SEEK_SET);

    accept(&error, ss_model_load(SMALL_MODEL, NULL, &model[0], &error));
    accept(&error, ss_model_load_fd(fd, 7, bytes, NULL, &model[1], &error));
    accept(&error, ss_model_load_buffer(padded + 7, bytes, NULL, &model[2], &error));
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3); /* neither moved nor closed */
    close(fd);
    memset(padded, 0, bytes + 14); /* nothing depends on the buffer either */
    for (int i = 0; i < 3; i++) {
        int32_t tokens[3][8];
        info[i].struct_size = sizeof info[i];
        accept(&error, ss_model_get_info(model[i], &info[i], &error));
        assert_string_equal(info[i].xxh3, info[0].xxh3);
        ss_session *session = open_small(model[i], NULL);
        draw_small(session, model[i], tokens[i], 8);
        assert_memory_equal(tokens[i], tokens[0], sizeof tokens[0]);
        ss_session_free(session);
    }
    for (int i = 0; i < 3; i++)
        ss_model_free(model[i]);
    free(padded);
    free(data);
}

static void info_says_what_the_file_holds(void **state)
{
    ss_model *model = *state;
    ss_model_info info = {.struct_size = sizeof info};
    ss_tensor_info tensor = {.struct_size = sizeof tensor};
    uint64_t bytes = 0, elements = 0;
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_model_get_info(NULL, &info, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_model_info", &error, ss_model_get_info(model, NULL, &error));
    accept(&error, ss_model_get_info(model, &info, &error));
    assert_string_equal(info.architecture, "llama");
    assert_int_equal(info.vocabulary_size, 512);
    assert_int_equal(info.layer_count, 5);
    assert_int_equal(strlen(info.xxh3), 32);
    for (uint32_t i = 0; i < info.tensor_count; i++) {
        accept(&error, ss_model_get_tensor(model, i, &tensor, &error));
        bytes += tensor.bytes;
        elements += tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
    }
    assert_int_equal(bytes, info.tensor_bytes);
    assert_int_equal(elements, info.parameter_count);
    refuse(SS_ERROR_ARGUMENT, "index", &error,
           ss_model_get_tensor(model, info.tensor_count, &tensor, &error));
    refuse(SS_ERROR_ARGUMENT, "index", &error,
           ss_model_get_tensor(model, UINT32_MAX, &tensor, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_model_get_tensor(NULL, 0, &tensor, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_tensor_info", &error,
           ss_model_get_tensor(model, 0, NULL, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_and_status_names_are_there),
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(a_log_hears_what_was_loaded),
        cmocka_unit_test(hooks_are_checked),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(a_load_can_be_cancelled),
        cmocka_unit_test(a_model_goes_through_fork),
        cmocka_unit_test(a_file_gives_the_same_model_three_ways),
        cmocka_unit_test(info_says_what_the_file_holds),
    };
    return cmocka_run_group_tests(tests, set_up_small, tear_down_small);
}
