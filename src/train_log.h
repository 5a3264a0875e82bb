/* SPDX-License-Identifier: Apache-2.0 */
/* A training's log: one JSON object a line, "event" telling its kind (begin, step, dev, end). Every
 * line is written whole before the next thing happens, and is on the disk before a checkpoint is, which so
 * never knows more than the log. */
#ifndef TRAIN_LOG_H
#define TRAIN_LOG_H

#include "buffer.h"
#include "train_curves.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct train_log {
    FILE *file;
    char *path;
    bool echo; /* on standard output, too */
    buffer line;
    double begin; /* now_ms() less what earlier runs took */
} train_log;

/* The log's file, which no other training has. Nothing is changed yet. GO_ON, or EXIT_ERROR. */
int train_log_take(const char *path, bool echo, train_log *to);

/* Goes on behind the log's first `bytes` bytes (0: a new one), `seconds` after its beginning. GO_ON, or
 * EXIT_ERROR. */
int train_log_begin(train_log *of, size_t bytes, double seconds);

double train_log_seconds(const train_log *of);

/* Of a line: train_log_open, json_ calls on &of->line, train_log_close (GO_ON or EXIT_ERROR). */
void train_log_open(train_log *of, const char *event);
int train_log_close(train_log *of);

/* What is written is on the disk. GO_ON or EXIT_ERROR. */
int train_log_sync(const train_log *of);

int train_log_step(train_log *of, const ss_train_report *step, uint32_t stream_count);
int train_log_dev(train_log *of, uint32_t total_step, const ss_train_evaluation *dev,
                  uint32_t stream_count);

void train_log_free(train_log *of);

#endif
