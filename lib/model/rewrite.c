/* SPDX-License-Identifier: Apache-2.0 */
/* A model file written anew: the header first, since types alone decide every size; then tensor by
 * tensor in the order of the table, each in strips of rows.
 *
 *     read, hash ─▶ decode, change, encode (threads, rows apart) ─▶ hash, append */
#include <math.h>

#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "model/convert.h"

enum {
    STRIP_ELEMENTS = 1 << 20, /* a row at least */
    CARRY_BYTES = 1 << 20,    /* of a tensor that is carried over, at once */
    TASKS = 64,               /* most to a strip */
    ALIGNMENT_MOST = 1 << 16
};

typedef struct strip { /* rows of one tensor on their way */
    const ssi_gguf_tensor *tensor;
    const ssi_type_info *from, *to;
    uint32_t first_row, row_count, task_count;
    size_t row_bytes, new_row_bytes;
} strip;

typedef struct rewriter {
    const ssi_rewrite *job;
    const ssi_convert_env *env;
    ssi_file_maker *file;
    ssi_hash_state *old_hash, *new_hash;
    unsigned char *bytes, *new_bytes; /* a strip */
    float *values;                    /* a row for each task */
    uint64_t *bad_rows;               /* by task: the first that can't be written, or none */
    uint32_t task_count;
    uint32_t widest; /* columns of re-encoded tensors */
    size_t strip_bytes, new_strip_bytes;
    strip strip;
    uint64_t bytes_done, bytes_total;
} rewriter;

#define NO_ROW UINT64_MAX

static size_t row_bytes_of(const ssi_type_info *type, uint32_t columns)
{
    return (size_t)(columns / type->block_elements) * type->block_bytes;
}

static uint32_t rows_in_strip(uint32_t columns, uint32_t rows_left)
{
    uint32_t rows = columns < STRIP_ELEMENTS ? STRIP_ELEMENTS / columns : 1;
    return rows < rows_left ? rows : rows_left;
}

/* ── the header ── */

static uint64_t new_bytes_of(const ssi_base_file *base, uint32_t tensor)
{
    const ssi_slot *slot = &base->slots[tensor];
    const ssi_type_info *type = base->types[tensor];
    return type == NULL ? base->gguf.tensors[tensor].bytes
                        : (uint64_t)row_bytes_of(type, slot->columns) * slot->rows;
}

static void write_keys(const ssi_rewrite *job, bool quantised, ssi_gguf_writer *writer)
{
    const ssi_gguf *gguf = &job->base->gguf;
    for (uint32_t i = 0; i < gguf->key_count; i++) {
        ssi_text name = gguf->keys[i].name;
        if (ssi_text_is(name, SSI_KEY_ALIGNMENT)) /* the writer's own */
            continue;
        if (job->file_type != NULL && ssi_text_is(name, SSI_KEY_FILE_TYPE))
            ssi_gguf_write_u32(writer, SSI_KEY_FILE_TYPE, ssi_weight_file_type(job->file_type));
        else
            ssi_gguf_write_key(writer, &gguf->keys[i]);
    }
    if (job->file_type != NULL && ssi_gguf_find_key(gguf, SSI_KEY_FILE_TYPE) == NULL)
        ssi_gguf_write_u32(writer, SSI_KEY_FILE_TYPE, ssi_weight_file_type(job->file_type));
    if (quantised && ssi_gguf_find_key(gguf, SSI_KEY_QUANTIZATION_VERSION) == NULL)
        ssi_gguf_write_u32(writer, SSI_KEY_QUANTIZATION_VERSION, 2);
}

static ss_status write_header(rewriter *to, ss_error *error)
{
    const ssi_base_file *base = to->job->base;
    const ssi_gguf *gguf = &base->gguf;
    ssi_gguf_writer writer;
    bool quantised = false;
    void *header;
    size_t bytes;
    if (gguf->alignment > ALIGNMENT_MOST)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: %u, at most %u can be written",
                        SSI_KEY_ALIGNMENT, gguf->alignment, (unsigned)ALIGNMENT_MOST);
    ssi_gguf_write_begin(&writer, gguf->version, gguf->alignment, to->env->memory);
    for (uint32_t i = 0; i < gguf->tensor_count; i++)
        quantised |= (base->types[i] ? base->types[i] : base->slots[i].type)->quantised;
    write_keys(to->job, quantised, &writer);
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        const ssi_gguf_tensor *tensor = &gguf->tensors[i];
        ssi_gguf_declare_tensor(&writer, tensor->name,
                                base->types[i] ? base->types[i]->ggml_type : tensor->type,
                                tensor->dims, tensor->dims_count, new_bytes_of(base, i));
    }
    SSI_TRY(ssi_gguf_write_finish(&writer, &header, &bytes, error));
    ss_status status = ssi_file_append(to->file, header, bytes, error);
    ssi_release(to->env->memory, header, bytes);
    return status;
}

/* ── the data ── */

/* F32 and BF16 hold more than the others, whose scales and values are binary16. */
static bool can_be_written(const float *values, uint32_t count, const ssi_type_info *type)
{
    float most = type->type == SSI_TYPE_F32    ? 0x1.fffffep127f
                 : type->type == SSI_TYPE_BF16 ? 0x1.fep127f
                                               : 65504.0f;
    for (uint32_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) <= most))
            return false;
    return true;
}

static void run_task(void *context, uint32_t task)
{
    rewriter *to = context;
    const strip *rows = &to->strip;
    const ssi_rewrite *job = to->job;
    uint32_t columns = (uint32_t)rows->tensor->dims[0];
    float *values = to->values + (size_t)task * to->widest;
    uint32_t end = ssi_cut_at(rows->row_count, rows->task_count, task + 1);
    to->bad_rows[task] = NO_ROW;
    for (uint32_t row = ssi_cut_at(rows->row_count, rows->task_count, task); row < end; row++) {
        unsigned char *blocks = to->new_bytes + row * rows->new_row_bytes;
        rows->from->decode(to->bytes + row * rows->row_bytes, columns, values);
        if (job->change != NULL)
            job->change(job->context, rows->first_row + row, values);
        if (!can_be_written(values, columns, rows->to)) {
            to->bad_rows[task] = rows->first_row + row;
            return;
        }
        (rows->to->encode_best ? rows->to->encode_best : rows->to->encode)(values, columns,
                                                                           blocks);
    }
}

static ss_status put(rewriter *to, const unsigned char *bytes, size_t count, ss_error *error)
{
    ssi_hash_update(to->new_hash, bytes, count);
    return ssi_file_append(to->file, bytes, count, error);
}

static ss_status get(rewriter *to, uint64_t at, size_t count, ss_error *error)
{
    const ss_progress *progress = to->env->progress;
    if (progress != NULL &&
        !progress->report(progress->context, (float)to->bytes_done / (float)to->bytes_total))
        return ssi_fail(error, SS_ERROR_CANCELLED, "cancelled at %llu of %llu bytes",
                        (unsigned long long)to->bytes_done,
                        (unsigned long long)to->bytes_total);
    SSI_TRY(ssi_source_read(to->job->base->source, at, to->bytes, count, error));
    ssi_hash_update(to->old_hash, to->bytes, count);
    to->bytes_done += count;
    return SS_OK;
}

static ss_status carry_over(rewriter *to, const ssi_gguf_tensor *tensor, ss_error *error)
{
    for (uint64_t done = 0; done < tensor->bytes; done += CARRY_BYTES) {
        uint64_t left = tensor->bytes - done;
        size_t count = left < CARRY_BYTES ? (size_t)left : CARRY_BYTES;
        SSI_TRY(get(to, tensor->offset + done, count, error));
        SSI_TRY(put(to, to->bytes, count, error));
    }
    return SS_OK;
}

static ss_status encode_anew(rewriter *to, uint32_t index, ss_error *error)
{
    const ssi_slot *slot = &to->job->base->slots[index];
    strip *rows = &to->strip;
    *rows = (strip){.tensor = &to->job->base->gguf.tensors[index],
                    .from = slot->type,
                    .to = to->job->base->types[index],
                    .row_bytes = slot->row_bytes};
    rows->new_row_bytes = row_bytes_of(rows->to, slot->columns);
    if (to->job->begin != NULL)
        SSI_TRY(to->job->begin(to->job->context, index, error));
    for (; rows->first_row < slot->rows; rows->first_row += rows->row_count) {
        rows->row_count = rows_in_strip(slot->columns, slot->rows - rows->first_row);
        rows->task_count = rows->row_count < to->task_count ? rows->row_count : to->task_count;
        SSI_TRY(get(to, slot->offset + (uint64_t)rows->first_row * rows->row_bytes,
                    rows->row_count * rows->row_bytes, error));
        ssi_parallel_run(to->env->parallel, rows->task_count, run_task, to);
        for (uint32_t task = 0; task < rows->task_count; task++)
            if (to->bad_rows[task] != NO_ROW)
                return ssi_fail(
                    error, SS_ERROR_FORMAT,
                    "tensor %.*s: row %llu holds a number that is not finite, or too "
                    "large for %s",
                    SSI_SHOW(rows->tensor->name), (unsigned long long)to->bad_rows[task],
                    rows->to->name);
        SSI_TRY(put(to, to->new_bytes, rows->row_count * rows->new_row_bytes, error));
    }
    return SS_OK;
}

static ss_status pad(rewriter *to, uint64_t bytes, ss_error *error)
{
    static const unsigned char zeros[1024];
    size_t left = (size_t)(-bytes & (to->job->base->gguf.alignment - 1));
    while (left > 0) {
        size_t count = left < sizeof zeros ? left : sizeof zeros;
        SSI_TRY(ssi_file_append(to->file, zeros, count, error));
        left -= count;
    }
    return SS_OK;
}

static ss_status write_all(rewriter *to, ss_error *error)
{
    const ssi_base_file *base = to->job->base;
    SSI_TRY(write_header(to, error));
    ssi_hash_begin(to->old_hash);
    ssi_hash_begin(to->new_hash);
    for (uint32_t i = 0; i < base->gguf.tensor_count; i++) {
        SSI_TRY(base->types[i] == NULL ? carry_over(to, &base->gguf.tensors[i], error)
                                       : encode_anew(to, i, error));
        SSI_TRY(pad(to, new_bytes_of(base, i), error));
    }
    if (to->job->end == NULL)
        return SS_OK;
    return to->job->end(to->job->context, ssi_hash_end(to->old_hash),
                        ssi_hash_end(to->new_hash), error);
}

/* ── memory ── */

static void measure(rewriter *to)
{
    const ssi_base_file *base = to->job->base;
    to->task_count = to->env->parallel->thread_count * 4;
    to->task_count = to->task_count < TASKS ? to->task_count : TASKS;
    to->strip_bytes = CARRY_BYTES;
    for (uint32_t i = 0; i < base->gguf.tensor_count; i++) {
        const ssi_slot *slot = &base->slots[i];
        to->bytes_total += base->gguf.tensors[i].bytes;
        if (base->types[i] == NULL)
            continue;
        size_t rows = rows_in_strip(slot->columns, slot->rows);
        size_t bytes = rows * slot->row_bytes;
        size_t new_bytes = rows * row_bytes_of(base->types[i], slot->columns);
        to->strip_bytes = bytes > to->strip_bytes ? bytes : to->strip_bytes;
        to->new_strip_bytes = new_bytes > to->new_strip_bytes ? new_bytes : to->new_strip_bytes;
        to->widest = slot->columns > to->widest ? slot->columns : to->widest;
    }
}

static void lay_out(rewriter *to, ssi_arena *arena)
{
    to->old_hash = ssi_arena_take(arena, 1, ssi_hash_state_bytes());
    to->new_hash = ssi_arena_take(arena, 1, ssi_hash_state_bytes());
    to->bytes = ssi_arena_take(arena, to->strip_bytes, 1);
    to->new_bytes = ssi_arena_take(arena, to->new_strip_bytes, 1);
    to->values = ssi_arena_take(arena, (size_t)to->task_count * to->widest, sizeof(float));
    to->bad_rows = ssi_arena_take(arena, to->task_count, sizeof *to->bad_rows);
}

ss_status ssi_rewrite_run(const ssi_rewrite *job, const ssi_convert_env *env, ss_error *error)
{
    ssi_file_maker file;
    ssi_arena arena = {0};
    rewriter to = {.job = job, .env = env, .file = &file};
    measure(&to);
    lay_out(&to, &arena);
    size_t bytes = arena.used;
    arena = (ssi_arena){.base = arena.overflow ? NULL : ssi_allocate(env->memory, bytes, 4096)};
    if (arena.base == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for a strip of rows",
                        bytes);
    void *block = arena.base;
    lay_out(&to, &arena);
    ss_status status = ssi_file_begin(&file, job->path, error);
    if (status == SS_OK) {
        status = write_all(&to, error);
        if (status == SS_OK)
            status = ssi_file_commit(&file, error);
        else
            ssi_file_discard(&file);
    }
    ssi_release(env->memory, block, bytes);
    return status;
}
