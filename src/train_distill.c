/* SPDX-License-Identifier: Apache-2.0 */
#include "train_distill.h"
#include "answer.h"
#include "file_lock.h"
#include "interrupt.h"
#include "json_lines.h"
#include "json_write.h"
#include "report.h"
#include "speculation.h"
#include "stopwatch.h"
#include "train_live.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MOST 99u /* of answers beside one file of rows */

typedef struct distill {
    train_job *job;
    speculation drafting;
    ss_adapter *adapter; /* that drafting begins with, or NULL */
    char *path;     /* of the answers */
    buffer header;  /* the file's first line: whose answers these are */
    bool *answered; /* [row] */
    size_t done;
    FILE *file;
    double begin_ms, next_ms;
    uint64_t tokens, steps; /* drawn by this run */
    size_t drawn;           /* rows */
} distill;

/* Beside the rows: train.distilled.jsonl, train.distilled.2.jsonl and so on. */
static char *name_answers(const train_job *job, unsigned number)
{
    static const char ending[] = ".jsonl";
    size_t length = strlen(job->data), cut = sizeof ending - 1;
    buffer path = {0};
    if (length > cut && strcmp(job->data + length - cut, ending) == 0)
        length -= cut;
    buffer_append(&path, job->data, length);
    buffer_text(&path, ".distilled");
    if (number > 1)
        buffer_format(&path, ".%u", number);
    buffer_append(&path, ending, sizeof ending);
    return path.bytes;
}

char *train_distill_path(const train_job *job)
{
    return job->distilled != NULL ? strdup(job->distilled) : name_answers(job, 1);
}

int train_distill_check_new(const train_job *job)
{
    struct stat file;
    if (job->distilled == NULL || stat(job->distilled, &file) != 0 || file.st_size == 0)
        return GO_ON;
    return report("%s holds answers, but the model is tuned anew and will have its own: name another "
                  "file (--distilled), or go on with the tuning that they are of (--resume)",
                  job->distilled);
}

/* Of the adapter a main half alone changes answers. */
static void make_header(distill *of)
{
    ss_model_info info = {.struct_size = sizeof info};
    ss_adapter_info tuned = {.struct_size = sizeof tuned};
    ss_model_get_info(of->job->model, &info, NULL);
    if (of->adapter != NULL)
        ss_adapter_get_info(of->adapter, &tuned, NULL);
    json_open(&of->header);
    json_text(&of->header, "answers_of", info.xxh3);
    json_text(&of->header, "tuned_by", tuned.main_xxh3);
    json_text(&of->header, "template", of->job->raw ? "" : info.chat_template);
    json_count(&of->header, "tokens_max", of->job->distill_tokens);
    json_close(&of->header);
    buffer_text(&of->header, "\n");
}

/* Whether the file begins with anything but this header, or what a killed run has written of it. */
static bool is_anothers(const char *path, const buffer *header)
{
    FILE *file = fopen(path, "rb");
    char *line = NULL;
    size_t capacity = 0;
    const ssize_t read = file != NULL ? getline(&line, &capacity, file) : 0;
    const size_t length = read > 0 ? (size_t)read : 0;
    const bool other = length > header->length ||
                       (length > 0 && memcmp(line, header->bytes, length) != 0);
    free(line);
    if (file != NULL)
        fclose(file);
    return other;
}

/* A tuned model has answers of its own, and the tuning has taken its time: where nobody said which
 * file to take, one that holds another's is left alone for the next. */
static void settle_path(distill *of)
{
    unsigned number = 1;
    of->path = train_distill_path(of->job);
    while (of->job->distilled == NULL && is_anothers(of->path, &of->header) &&
           number < FILES_MOST) {
        free(of->path);
        of->path = name_answers(of->job, ++number);
    }
    if (number > 1)
        report("%s: answers are kept here, the file before it has another model's or length's",
               of->path);
}

static int by_line(const void *key, const void *row)
{
    size_t line = *(const size_t *)key, other = ((const train_row *)row)->line;
    return (line > other) - (line < other);
}

/* Where the file has something else than tokens of the model there is a problem. */
static const char *take_tokens(const distill *of, const double *ids, size_t count, train_row *row)
{
    ss_model_info info = {.struct_size = sizeof info};
    ss_model_get_info(of->job->model, &info, NULL);
    for (size_t i = 0; i < count; i++) {
        if (!(ids[i] >= 0 && ids[i] < (double)info.vocabulary_size) || ids[i] != floor(ids[i]))
            return "\"tokens\" are not the model's";
        const int32_t id = (int32_t)ids[i];
        tokens_add(&row->tokens, &id, 1);
    }
    return NULL;
}

/* One line of the file into its row, if the training has that row. NULL, or what is wrong. */
static const char *take_answer(distill *of, json_cursor *in, double *ids)
{
    buffer key = {0}, prompt = {0};
    double line = 0;
    size_t count = 0, length;
    const char *raw;
    json_read_open(in);
    while (in->problem == NULL && json_read_key(in, &key)) {
        if (json_key_is(&key, "line"))
            json_read_number(in, &line);
        else if (json_key_is(&key, "prompt")) {
            buffer_clear(&prompt);
            json_read_string(in, &prompt);
        } else if (json_key_is(&key, "tokens"))
            json_read_numbers(in, ids, of->job->distill_tokens, &count);
        else
            json_read_raw(in, &raw, &length);
    }
    json_read_end(in);
    const char *problem = in->problem;
    train_rows *rows = &of->job->rows;
    size_t wanted = line >= 1 && line < 1e15 ? (size_t)line : 0;
    train_row *row = bsearch(&wanted, rows->rows, rows->count, sizeof *rows->rows, by_line);
    if (problem == NULL && row != NULL && !of->answered[row - rows->rows]) {
        if (row->prompt.length != prompt.length ||
            (prompt.length > 0 && memcmp(row->prompt.bytes, prompt.bytes, prompt.length) != 0))
            problem = "its prompt is not the data's: they have changed since";
        if (problem == NULL)
            problem = take_tokens(of, ids, count, row);
        of->answered[row - rows->rows] = problem == NULL;
        of->done += problem == NULL;
    }
    buffer_free(&key);
    buffer_free(&prompt);
    return problem;
}

/* What an earlier run has left, but for a last line that it could not finish. */
static int read_answers(distill *of, size_t *whole)
{
    json_lines lines;
    json_cursor in;
    double *ids = take_memory(of->job->distill_tokens, sizeof *ids);
    int status = json_lines_open(of->path, &lines);
    *whole = 0;
    for (size_t i = 0; i < lines.file.length; i++)
        if (lines.file.bytes[i] == '\n')
            *whole = i + 1;
    lines.file.length = *whole;
    lines.at = *whole > 0 ? of->header.length : 0;
    lines.line = 1;
    while (status == GO_ON && json_lines_next(&lines, &in)) {
        const char *problem = take_answer(of, &in, ids);
        if (problem != NULL)
            status = report("%s, line %zu: %s; move the file away to begin anew", of->path,
                            lines.line, problem);
    }
    json_lines_close(&lines);
    free(ids);
    return status;
}

static int write_bytes(distill *of, const buffer *line)
{
    errno = 0;
    if (fwrite(line->bytes, 1, line->length, of->file) == line->length && fflush(of->file) == 0)
        return GO_ON;
    return report("%s: %s", of->path, strerror(errno != 0 ? errno : EIO));
}

static int open_answers(distill *of)
{
    size_t whole = 0;
    if (is_anothers(of->path, &of->header))
        return report("%s holds answers of another model, main half, template or length: move it "
                      "away, or name another file (--distilled)",
                      of->path);
    of->file = fopen(of->path, "ab");
    int status = of->file != NULL ? file_lock(of->file, of->path)
                                  : report("%s: %s", of->path, strerror(errno));
    if (status == GO_ON)
        status = read_answers(of, &whole);
    if (status == GO_ON && ftruncate(fileno(of->file), (off_t)whole) != 0)
        status = report("%s: %s", of->path, strerror(errno));
    if (status != GO_ON)
        return status;
    return whole == 0 ? write_bytes(of, &of->header) : GO_ON;
}

static int write_answer(distill *of, const train_row *row, const answer *from)
{
    buffer line = {0};
    json_open(&line);
    json_count(&line, "line", row->line);
    if (row->id.length > 0)
        json_raw(&line, "id", row->id.bytes, row->id.length);
    json_key(&line, "prompt");
    json_string(&line, row->prompt.bytes, row->prompt.length);
    json_key(&line, "completion");
    json_string(&line, from->text.bytes, from->text.length);
    json_text(&line, "stop", from->stop);
    json_tokens(&line, "tokens", from->tokens.ids, from->tokens.count);
    json_close(&line);
    buffer_text(&line, "\n");
    int status = write_bytes(of, &line);
    buffer_free(&line);
    return status;
}

static void show(distill *of, bool last)
{
    const bool terminal = train_live_rewrites();
    const double now = now_ms(), seconds = (now - of->begin_ms) * 1e-3;
    const size_t rows = of->job->rows.count;
    char left[TIME_BYTES];
    if (now < of->next_ms && !last)
        return;
    of->next_ms = now + (terminal ? 500 : 30000);
    train_live_time(seconds / (double)of->drawn * (double)(rows - of->done), left);
    fprintf(stderr, "%sanswering %zu/%zu, %.0f tokens/s, %.2f tokens a step, %s left%s",
            terminal ? "\r" : "", of->done, rows, (double)of->tokens / seconds,
            ratio((double)(of->tokens - of->drawn), (double)of->steps), left,
            terminal ? "\033[K" : "\n");
    if (terminal && last)
        fputc('\n', stderr);
}

static int answer_row(distill *of, ss_session *session, const settings *how, size_t at,
                      answer *to)
{
    train_row *row = &of->job->rows.rows[at];
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (answer_make(of->job->model, session, how, &row->tokens, false, NULL, to, &error) !=
        SS_OK) {
        report("%s, line %zu:", of->job->data, row->line);
        return report_error(NULL, &error);
    }
    if (strcmp(to->stop, "cancelled") == 0)
        return GO_ON;
    tokens_add(&row->tokens, to->tokens.ids, to->tokens.count);
    of->answered[at] = true;
    of->done++;
    of->drawn++;
    of->tokens += to->tokens.count;
    of->steps += to->stats.steps;
    return write_answer(of, row, to);
}

static int answer_rows(distill *of, ss_session *session, const settings *how)
{
    answer made = {0};
    bool cancelled = false;
    int status = GO_ON;
    of->begin_ms = of->next_ms = now_ms();
    interrupt_note(); /* SIGTERM, too */
    interrupt_watch(session);
    for (size_t i = 0; i < of->job->rows.count && status == GO_ON && !cancelled; i++) {
        if (of->answered[i])
            continue;
        status = answer_row(of, session, how, i, &made);
        cancelled = interrupt_taken();
        if (status == GO_ON && !cancelled)
            show(of, of->done == of->job->rows.count);
    }
    interrupt_watch(NULL);
    answer_free(&made);
    if (status == GO_ON && cancelled)
        status = report("interrupted: %zu of %zu answers are in %s, the same command goes on "
                        "(with --resume, if it has tuned the model)",
                        of->done, of->job->rows.count, of->path);
    return status;
}

/* N-grams, and the streams of the adapter given, draft: the answers are the same, and sooner
 * there. */
static int draw_answers(distill *of)
{
    settings how = of->job->settings;
    ss_session *session = NULL;
    size_t longest = 0;
    how.length = of->job->distill_tokens;
    for (size_t i = 0; i < of->job->rows.count; i++)
        if (of->job->rows.rows[i].tokens.count > longest)
            longest = of->job->rows.rows[i].tokens.count;
    int status =
        settings_session(&how, of->job->model, (uint64_t)longest + how.length, &session);
    if (status == GO_ON)
        status = speculation_set(&of->drafting, of->adapter, session);
    if (status == GO_ON)
        status = answer_rows(of, session, &how);
    ss_session_free(session);
    return status;
}

int train_distill(train_job *job)
{
    distill of = {.job = job,
                  .drafting = {.adapter = job->params.start,
                               .sources = SS_DRAFT_STREAMS | SS_DRAFT_NGRAM}};
    of.answered = take_memory(job->rows.count, sizeof *of.answered);
    int status = speculation_load(&of.drafting, job->model, &of.adapter);
    make_header(&of);
    if (status == GO_ON) {
        settle_path(&of);
        status = open_answers(&of);
    }
    if (status == GO_ON && of.done < job->rows.count)
        status = draw_answers(&of);
    if (of.file != NULL)
        fclose(of.file);
    free(of.path);
    free(of.answered);
    ss_adapter_free(of.adapter);
    buffer_free(&of.header);
    return status;
}
