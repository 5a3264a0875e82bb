/* SPDX-License-Identifier: Apache-2.0 */
/* Files as one piece. Include after cmocka.h. */
#ifndef TEST_WHOLE_FILE_H
#define TEST_WHOLE_FILE_H

#include <stdio.h>
#include <stdlib.h>

/* All of an open file, which it closes: to be freed, with a NUL behind the last byte. */
static inline void *read_all(FILE *file, size_t *bytes)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = calloc(1, *bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static inline void *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is missing", path);
    return read_all(file, bytes);
}

static inline void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

#endif
