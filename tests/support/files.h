/* SPDX-License-Identifier: Apache-2.0 */
/* The files that tests use, relative to the top folder, where `make check` runs them. Include
 * after cmocka.h. */
#ifndef TEST_FILES_H
#define TEST_FILES_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_MODEL "tests/data/stories260K.gguf" /* in the tree: 260 thousand parameters, F32 */
#define DEFAULT_MODEL "models/SmolLM2-135M-Instruct.Q4_1.gguf" /* by `make model` */
#define SHARED_FOLDER "../shared/"                /* beside some checkouts */

/* Skips the running test when `path` isn't there (the small model: fails), and the default model's
 * under `make check-quick`. */
static inline void test_needs(const char *path)
{
    if (strcmp(path, DEFAULT_MODEL) == 0 && getenv("SS_QUICK"))
        skip();
    if (access(path, R_OK) == 0)
        return;
    if (strcmp(path, SMALL_MODEL) == 0)
        fail_msg("%s is missing", path);
    print_message("skipped: needs %s\n", path);
    skip();
}

/* Where the libraries and the program were built. */
static inline const char *test_build_folder(void)
{
    const char *folder = getenv("SS_BUILD");
    return folder ? folder : "build";
}

#endif
