/* SPDX-License-Identifier: Apache-2.0 */
/* Files: a source reads exactly what was asked or says why not; a file is replaced whole or not at
 * all. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"

typedef struct folder {
    char path[64], file[96];
} folder;

static int make_folder(void **state)
{
    folder *made = calloc(1, sizeof *made);
    if (!made)
        return -1;
    strcpy(made->path, "/tmp/specstream-test-XXXXXX");
    if (!mkdtemp(made->path)) {
        free(made);
        return -1;
    }
    snprintf(made->file, sizeof made->file, "%s/data", made->path);
    *state = made;
    return 0;
}

static int remove_folder(void **state)
{
    folder *made = *state;
    unlink(made->file);
    int left = rmdir(made->path); /* fails where a temporary file was left behind */
    free(made);
    return left;
}

static void what_was_written_is_read(void **state)
{
    const folder *at = *state;
    ssi_source source;
    char bytes[8] = "";
    assert_int_equal(ssi_file_write(at->file, "0123456789", 10, NULL), SS_OK);
    assert_int_equal(ssi_source_open(&source, at->file, NULL), SS_OK);
    assert_int_equal(source.size, 10);
    assert_int_equal(ssi_source_read(&source, 3, bytes, 5, NULL), SS_OK);
    assert_string_equal(bytes, "34567");
    assert_int_equal(ssi_source_read(&source, 10, bytes, 0, NULL), SS_OK);
    ssi_source_close(&source);

    ssi_source_from_buffer(&source, "abcdef", 6);
    assert_int_equal(ssi_source_read(&source, 1, bytes, 5, NULL), SS_OK);
    assert_memory_equal(bytes, "bcdef", 5);
    ssi_source_close(&source);
}

static void a_descriptor_may_be_a_part_of_a_file(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_source source;
    char bytes[8] = "";
    assert_int_equal(ssi_file_write(at->file, "0123456789", 10, NULL), SS_OK);
    int fd = open(at->file, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(ssi_source_from_fd(&source, fd, 2, 4, NULL), SS_OK);
    assert_int_equal(ssi_source_read(&source, 1, bytes, 3, NULL), SS_OK);
    assert_string_equal(bytes, "345");
    assert_int_equal(ssi_source_read(&source, 1, bytes, 4, &error), SS_ERROR_FORMAT);
    assert_int_equal(ssi_source_from_fd(&source, fd, 2, 0, NULL), SS_OK);
    assert_int_equal(source.size, 8);
    assert_int_equal(ssi_source_from_fd(&source, fd, 11, 0, &error), SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_source_from_fd(&source, fd, 2, UINT64_MAX, &error), SS_ERROR_ARGUMENT);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* not moved */
    ssi_source_close(&source);
    assert_int_equal(close(fd), 0); /* and not closed */
    assert_int_equal(ssi_source_from_fd(&source, -1, 0, 0, &error), SS_ERROR_IO);
}

static void failures_name_the_file(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_source source;
    char byte, missing[128];
    snprintf(missing, sizeof missing, "%s/none/data", at->path);
    assert_int_equal(ssi_source_open(&source, missing, &error), SS_ERROR_IO);
    assert_non_null(strstr(error.message, missing));
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(ssi_source_open(&source, at->path, &error), SS_ERROR_IO); /* a folder */
    assert_int_equal(ssi_file_write(missing, "x", 1, &error), SS_ERROR_IO);
    assert_non_null(strstr(error.message, missing));

    assert_int_equal(ssi_file_write(at->file, "0123456789", 10, NULL), SS_OK);
    assert_int_equal(ssi_source_open(&source, at->file, &error), SS_OK);
    assert_int_equal(ssi_source_read(&source, 10, &byte, 1, &error), SS_ERROR_FORMAT);
    assert_int_equal(ssi_source_read(&source, UINT64_MAX, &byte, 2, &error), SS_ERROR_FORMAT);
    assert_int_equal(truncate(at->file, 5), 0); /* behind our back */
    assert_int_equal(ssi_source_read(&source, 9, &byte, 1, &error), SS_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "cut short"));
    ssi_source_close(&source);
}

static void a_long_name_leaves_room_for_what_is_wrong(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_source source;
    char name[512];
    snprintf(name, sizeof name, "%s/%0250d/%0150d/model.gguf", at->path, 0, 0);
    assert_int_equal(ssi_source_open(&source, name, &error), SS_ERROR_IO);
    assert_non_null(strstr(error.message, "/model.gguf: can't be opened: No such file"));
}

static void a_pipe_is_refused_at_once(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_source source;
    char pipe[128];
    snprintf(pipe, sizeof pipe, "%s/pipe", at->path);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(ssi_source_open(&source, pipe, &error), SS_ERROR_IO); /* nobody writes to it */
    assert_non_null(strstr(error.message, "regular file"));
    assert_int_equal(unlink(pipe), 0);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    struct stat info;
    char inside[128];
    assert_int_equal(ssi_file_write(at->file, "old", 3, NULL), SS_OK);
    assert_int_equal(chmod(at->file, 0640), 0);
    assert_int_equal(ssi_file_write(at->file, "newer", 5, NULL), SS_OK);
    assert_int_equal(stat(at->file, &info), 0);
    assert_int_equal(info.st_size, 5);
    assert_int_equal(info.st_mode & 0777, 0640);

    snprintf(inside, sizeof inside, "%s/inside", at->path); /* a folder that isn't empty */
    assert_int_equal(mkdir(inside, 0755), 0);
    char file[160];
    snprintf(file, sizeof file, "%s/x", inside);
    assert_int_equal(ssi_file_write(file, "x", 1, NULL), SS_OK);
    assert_int_equal(ssi_file_write(inside, "x", 1, &error), SS_ERROR_IO);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(inside), 0);
}

static void what_a_link_leads_to_is_replaced(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    struct stat info;
    char link[128];
    snprintf(link, sizeof link, "%s/link", at->path);
    assert_int_equal(symlink("data", link), 0);
    assert_int_equal(ssi_file_write(link, "x", 1, &error), SS_ERROR_IO); /* it leads nowhere yet */
    assert_int_equal(ssi_file_write(at->file, "old", 3, NULL), SS_OK);
    assert_int_equal(ssi_file_write(link, "newer", 5, NULL), SS_OK);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(at->file, &info), 0);
    assert_int_equal(info.st_size, 5);
    assert_true(ssi_same_place(link, at->file));
    assert_int_equal(unlink(link), 0);
}

static void a_file_in_the_making_is_not_seen(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_file_maker file;
    struct stat info;
    assert_int_equal(ssi_file_begin(&file, at->file, &error), SS_OK);
    assert_int_equal(ssi_file_append(&file, "01234", 5, &error), SS_OK);
    assert_int_not_equal(stat(at->file, &info), 0);
    ssi_file_discard(&file);
    assert_int_not_equal(stat(file.name, &info), 0);
    assert_int_not_equal(stat(at->file, &info), 0);

    assert_int_equal(ssi_file_begin(&file, at->file, &error), SS_OK);
    assert_int_equal(ssi_file_append(&file, "01234", 5, &error), SS_OK);
    assert_int_equal(ssi_file_append(&file, "567", 3, &error), SS_OK);
    assert_int_equal(ssi_file_commit(&file, &error), SS_OK);
    assert_int_equal(stat(at->file, &info), 0);
    assert_int_equal(info.st_size, 8);

    /* A device is not put aside for a file. */
    assert_int_equal(ssi_file_write("/dev/full", "x", 1, &error), SS_ERROR_IO);
    assert_non_null(strstr(error.message, "/dev/full"));
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void a_scratch_file_has_no_name(void **state)
{
    const folder *at = *state;
    ss_error error = {.struct_size = sizeof error};
    ssi_scratch_file file;
    char text[4] = "";
    assert_int_equal(ssi_scratch_open(&file, at->path, &error), SS_OK);
    assert_int_equal(rmdir(at->path), 0); /* it is empty */
    assert_int_equal(mkdir(at->path, 0700), 0);
    assert_true(ssi_scratch_append(&file, "0123", 4));
    assert_true(ssi_scratch_append(&file, "4567", 4));
    assert_true(ssi_scratch_read(&file, 3, text, 3));
    assert_memory_equal(text, "345", 3);
    assert_false(ssi_scratch_read(&file, 6, text, 3));
    file.size = 4; /* forgotten from here on */
    assert_true(ssi_scratch_append(&file, "abcd", 4));
    assert_true(ssi_scratch_read(&file, 3, text, 3));
    assert_memory_equal(text, "3ab", 3);
    ssi_scratch_close(&file);
    assert_int_equal(ssi_scratch_open(&file, at->file, &error), SS_ERROR_IO);
    assert_non_null(strstr(error.message, at->file));
}

static void the_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t before = ssi_clock_ns(NULL);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = ssi_clock_ns(NULL);
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_descriptor_may_be_a_part_of_a_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(failures_name_the_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_long_name_leaves_room_for_what_is_wrong, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_pipe_is_refused_at_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_a_link_leads_to_is_replaced, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_file_in_the_making_is_not_seen, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_scratch_file_has_no_name, make_folder, remove_folder),
        cmocka_unit_test(the_clock_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
