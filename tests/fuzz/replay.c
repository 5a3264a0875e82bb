/* SPDX-License-Identifier: Apache-2.0 */
/* A main for a fuzz target that is no fuzzer: it feeds every file of the folders given, so that
 * `make check` replays what fuzzing found, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    /* Exactly `size` bytes on the heap, so that a sanitizer sees a read past the end. */
    uint8_t *data = size >= 0 ? malloc(size > 0 ? (size_t)size : 1) : NULL;
    int fed = data && fseek(file, 0, SEEK_SET) == 0 &&
              fread(data, 1, (size_t)size, file) == (size_t)size;
    if (fed)
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    else
        fprintf(stderr, "%s: can't be read\n", path);
    free(data);
    if (file)
        fclose(file);
    return fed;
}

int main(int count, char **folders)
{
    unsigned fed = 0;
    for (int i = 1; i < count; i++) {
        DIR *folder = opendir(folders[i]);
        if (!folder) {
            fprintf(stderr, "%s: no such folder\n", folders[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
            if (!feed(path))
                return 1;
            fed++;
        }
        closedir(folder);
    }
    printf("%u inputs replayed\n", fed);
    return fed == 0;
}
