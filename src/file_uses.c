/* SPDX-License-Identifier: Apache-2.0 */
#include "file_uses.h"
#include "args.h"
#include "buffer.h"
#include "report.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(file_use *uses, size_t *count, file_use use)
{
    if (use.path != NULL && *count < FILE_USES_MOST)
        uses[(*count)++] = use;
}

void file_uses_read(file_uses *to, const char *name, const char *path)
{
    add(to->reads, &to->read_count, (file_use){name, path, ""});
}

void file_uses_write(file_uses *to, const char *name, const char *path, const char *ending)
{
    add(to->writes, &to->write_count, (file_use){name, path, ending});
}

static buffer name_of(const file_use *use)
{
    buffer name = {0};
    buffer_join(&name, use->path, use->ending);
    return name;
}

/* Devices are left alone: /dev/null may well be several things at once. */
static bool find_file(const file_use *use, bool read, struct stat *file)
{
    buffer name = name_of(use);
    const bool standard = read && strcmp(name.bytes, "-") == 0;
    const int found = standard ? fstat(STDIN_FILENO, file) : stat(name.bytes, file);
    buffer_free(&name);
    return found == 0 && S_ISREG(file->st_mode);
}

static int check_pair(const file_use *written, const file_use *other, bool read,
                      const char *command)
{
    struct stat to, from;
    buffer name = name_of(written), other_name = name_of(other);
    int status = GO_ON;
    /* Two files that are yet to be written have no more than their names. */
    const bool same = find_file(written, false, &to) && find_file(other, read, &from)
                          ? to.st_dev == from.st_dev && to.st_ino == from.st_ino
                          : !read && strcmp(name.bytes, other_name.bytes) == 0;
    if (same)
        status = usage_error(command, "%s would overwrite %s: %s is the same file as %s",
                             written->option, other->option, name.bytes, other_name.bytes);
    buffer_free(&name);
    buffer_free(&other_name);
    return status;
}

int file_uses_check(const file_uses *of, const char *command)
{
    int status = GO_ON;
    for (size_t i = 0; i < of->write_count && status == GO_ON; i++) {
        for (size_t j = 0; j < of->read_count && status == GO_ON; j++)
            status = check_pair(&of->writes[i], &of->reads[j], true, command);
        for (size_t j = 0; j < i && status == GO_ON; j++)
            status = check_pair(&of->writes[i], &of->writes[j], false, command);
    }
    return status;
}
