/* SPDX-License-Identifier: Apache-2.0 */
/* The load's hot path: every byte of tensor data is read once, hashed, and packed to its place.
 *
 *     strip k + 1:  read, hash          task 0
 *     strip k:      pack, pack, pack …  tasks 1, 2, 3 …
 *
 * A strip is about a megabyte cut into pieces of whole groups of 16 rows, so it stays in the
 * caches between the reading and the packing. Two strips is all the memory it takes. */
#include <math.h>

#include "model/load.h"

enum {
    STRIP_BYTES = 1 << 20,
    PIECE_BYTES = 64 << 10, /* one read, one hash update, one pack */
    PIECES = 64             /* most in a strip: small vectors make many */
};

typedef struct piece {
    const ssi_slot *slot;
    uint32_t first_row, row_count;
    const unsigned char *bytes;
    bool finite;      /* result of the packing */
    uint32_t bad_row; /* where not */
} piece;

typedef struct strip {
    unsigned char *buffer;
    piece pieces[PIECES];
    uint32_t piece_count;
} strip;

typedef struct stream {
    const ssi_source *source;
    const ssi_slot *slots;
    uint32_t slot_count;
    uint32_t next_slot, next_row; /* where reading stands */
    size_t strip_bytes;
    uint64_t bytes_read, bytes_total;
    ssi_hash_state *hash;
    strip strips[2];
    strip *reading, *packing;
    ss_status status; /* of the reading */
    ss_error error;
} stream;

static uint32_t rows_in_piece(const ssi_slot *slot, uint32_t rows_left)
{
    size_t rows = PIECE_BYTES / slot->row_bytes / SSI_GROUP * SSI_GROUP;
    if (rows < SSI_GROUP)
        rows = SSI_GROUP;
    return rows < rows_left ? (uint32_t)rows : rows_left;
}

static ss_status read_strip(stream *in)
{
    strip *to = in->reading;
    size_t used = 0;
    to->piece_count = 0;
    while (in->next_slot < in->slot_count && to->piece_count < PIECES) {
        const ssi_slot *slot = &in->slots[in->next_slot];
        uint32_t rows = rows_in_piece(slot, slot->rows - in->next_row);
        size_t bytes = rows * slot->row_bytes;
        uint64_t at = slot->offset + (uint64_t)in->next_row * slot->row_bytes;
        if (bytes > in->strip_bytes - used)
            break;
        piece *next = &to->pieces[to->piece_count++];
        *next = (piece){ .slot = slot, .first_row = in->next_row, .row_count = rows };
        if (in->source->data != NULL) {
            next->bytes = in->source->data + at;
        } else {
            next->bytes = to->buffer + used;
            SSI_TRY(ssi_source_read(in->source, at, to->buffer + used, bytes, &in->error));
        }
        ssi_hash_update(in->hash, next->bytes, bytes);
        used += bytes;
        in->next_row += rows;
        if (in->next_row == slot->rows) {
            in->next_row = 0;
            in->next_slot++;
        }
    }
    in->bytes_read += used;
    return SS_OK;
}

static void pack_vector(piece *work)
{
    const ssi_slot *slot = work->slot;
    slot->type->decode(work->bytes, slot->columns, slot->vector);
    for (uint32_t i = 0; i < slot->columns && work->finite; i++)
        work->finite = isfinite(slot->vector[i]);
    for (uint32_t i = slot->columns; i % SSI_GROUP != 0; i++)
        slot->vector[i] = 0;
}

static void run_task(void *context, uint32_t task)
{
    stream *in = context;
    if (task == 0) {
        in->status = read_strip(in);
        return;
    }
    piece *work = &in->packing->pieces[task - 1];
    work->finite = true;
    if (work->slot->role->kind == SSI_SLOT_VECTOR) {
        pack_vector(work);
    } else {
        ssi_matrix matrix = work->slot->matrix;
        work->finite = work->slot->type->pack(&matrix, work->first_row, work->row_count,
                                              work->bytes, work->slot->row_bytes,
                                              &work->bad_row);
    }
}

static ss_status check_pieces(const strip *packed, ss_error *error)
{
    for (uint32_t i = 0; i < packed->piece_count; i++)
        if (!packed->pieces[i].finite)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor %s: row %u holds a number that is not finite",
                            packed->pieces[i].slot->name, packed->pieces[i].bad_row);
    return SS_OK;
}

static ss_status run(stream *in, const ssi_parallel *parallel, const ss_progress *progress,
                     ss_error *error)
{
    in->reading = &in->strips[0];
    in->packing = &in->strips[1]; /* empty the first time: only task 0 runs */
    do {
        ssi_parallel_run(parallel, 1 + in->packing->piece_count, run_task, in);
        SSI_TRY(check_pieces(in->packing, error));
        if (in->status != SS_OK)
            return ssi_fail(error, in->status, "%s", in->error.message);
        strip *read = in->reading;
        in->reading = in->packing;
        in->packing = read;
        float fraction = (float)in->bytes_read / (float)in->bytes_total;
        if (progress != NULL && !progress->report(progress->context, fraction))
            return ssi_fail(error, SS_ERROR_CANCELLED, "load cancelled at %u of %u tensors",
                            in->next_slot, in->slot_count);
    } while (in->packing->piece_count > 0);
    return SS_OK;
}

/* What the strips need: all of a small file, and any one piece. */
static size_t measure_strip(const ssi_slot *slots, uint32_t slot_count, uint64_t *bytes_total)
{
    size_t largest_piece = 0;
    *bytes_total = 0;
    for (uint32_t i = 0; i < slot_count; i++) {
        size_t bytes = rows_in_piece(&slots[i], slots[i].rows) * slots[i].row_bytes;
        largest_piece = bytes > largest_piece ? bytes : largest_piece;
        *bytes_total += (uint64_t)slots[i].rows * slots[i].row_bytes;
    }
    size_t bytes = *bytes_total < STRIP_BYTES ? (size_t)*bytes_total : STRIP_BYTES;
    return bytes > largest_piece ? bytes : largest_piece;
}

static stream *lay_out(ssi_arena *arena, size_t buffer_bytes)
{
    stream *in = ssi_arena_take(arena, 1, sizeof *in);
    void *hash = ssi_arena_take(arena, 1, ssi_hash_state_bytes());
    void *first = ssi_arena_take(arena, buffer_bytes, 1);
    void *second = ssi_arena_take(arena, buffer_bytes, 1);
    if (in != NULL)
        *in = (stream){ .hash = hash, .strips = { { .buffer = first }, { .buffer = second } } };
    return in;
}

ss_status ssi_weights_pack(const ssi_source *source, const ssi_slot *slots, uint32_t slot_count,
                           const ssi_parallel *parallel, const ss_progress *progress,
                           const ssi_memory *memory, ssi_hash128 *hash, ss_error *error)
{
    uint64_t bytes_total;
    ssi_arena arena = { 0 };
    size_t strip_bytes = measure_strip(slots, slot_count, &bytes_total);
    size_t buffer_bytes = source->data != NULL ? 0 : strip_bytes;
    lay_out(&arena, buffer_bytes);
    size_t bytes = arena.used;
    arena = (ssi_arena){ .base = ssi_allocate(memory, bytes, 4096) };
    if (arena.base == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes to read tensors",
                        bytes);
    void *block = arena.base;
    stream *in = lay_out(&arena, buffer_bytes);
    in->source = source;
    in->slots = slots;
    in->slot_count = slot_count;
    in->strip_bytes = strip_bytes;
    in->bytes_total = bytes_total;
    in->error.struct_size = sizeof in->error;
    ssi_hash_begin(in->hash);
    ss_status status = run(in, parallel, progress, error);
    if (status == SS_OK)
        *hash = ssi_hash_end(in->hash);
    ssi_release(memory, block, bytes);
    return status;
}
