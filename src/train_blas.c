/* SPDX-License-Identifier: Apache-2.0 */
#include "train_blas.h"
#include "report.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ISO C has no way from an object's address to a function's; POSIX says the bits are the same. */
typedef union symbol {
    void *object;
    ss_sgemm_function *sgemm;
    void (*set_threads)(int);
    char *(*get_config)(void);
} symbol;

static int say_own(train_blas *to)
{
    to->sgemm = NULL;
    snprintf(to->name, sizeof to->name, "own");
    return GO_ON;
}

/* Looks up what it needs; NULL, or what is wrong with the library. It stays open. */
static const char *use(void *library, uint32_t threads, train_blas *to)
{
    symbol sgemm = {dlsym(library, "cblas_sgemm")};
    symbol config = {dlsym(library, "openblas_get_config")};
    symbol set_threads = {dlsym(library, "openblas_set_num_threads")};
    const char *words = config.object != NULL ? config.get_config() : "";
    if (sgemm.object == NULL)
        return "no cblas_sgemm in it";
    if (strstr(words, "USE64BITINT") != NULL)
        return "it is built for 64-bit integers, 32-bit ones are needed";
    if (set_threads.object != NULL) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        set_threads.set_threads(threads > 0 ? (int)threads : cores > 0 ? (int)cores : 1);
    }
    to->sgemm = sgemm.sgemm;
    if (*words != '\0')
        snprintf(to->name, sizeof to->name, "%s", words);
    return NULL;
}

int train_blas_open(const char *wanted, uint32_t threads, train_blas *to)
{
    const char *file = wanted != NULL ? wanted : "libopenblas.so.0";
    if (wanted != NULL && strcmp(wanted, "none") == 0)
        return say_own(to);
    /* OpenBLAS's threads spin for 2^26 cycles after a product, on the cores that the trainer's own
     * need for what comes next. It reads this when it is loaded. */
    setenv("OPENBLAS_THREAD_TIMEOUT", "16", 0);
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL && wanted == NULL) {
        report(
            "no OpenBLAS here (libopenblas0-pthread on Debian): training runs without, slower");
        return say_own(to);
    }
    if (library == NULL)
        return report("--blas: %s", dlerror());
    snprintf(to->name, sizeof to->name, "%s", file);
    const char *problem = use(library, threads, to);
    if (problem == NULL)
        return GO_ON;
    dlclose(library);
    if (wanted != NULL)
        return report("--blas %s: %s", file, problem);
    report("%s: %s: training runs without, slower", file, problem);
    return say_own(to);
}
