/* SPDX-License-Identifier: Apache-2.0 */
/* A model file's header, read and checked as a load does: its architecture, its sizes, and that
 * every tensor is one the architecture knows, in shape and type. The weights stay in the file. */
#include "model/convert.h"

static void lay_out(ssi_base_file *base, ssi_arena *arena)
{
    base->slots = ssi_arena_take(arena, base->gguf.tensor_count, sizeof *base->slots);
    base->types = ssi_arena_take(arena, base->gguf.tensor_count, sizeof *base->types);
}

static ss_status plan(ssi_base_file *base, ss_error *error)
{
    ssi_hyper hyper;
    ssi_arena arena = {0};
    SSI_TRY(ssi_arch_read(&base->gguf, &base->arch, error));
    SSI_TRY(ssi_hyper_read(&base->gguf, base->arch, &hyper, error));
    lay_out(base, &arena);
    base->block_bytes = arena.used;
    base->block = ssi_allocate(&base->memory, arena.used, SSI_ALIGN);
    if (base->block == NULL && arena.used > 0)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for %u tensors",
                        arena.used, base->gguf.tensor_count);
    arena = (ssi_arena){.base = base->block};
    lay_out(base, &arena);
    for (uint32_t i = 0; i < base->gguf.tensor_count; i++)
        base->types[i] = NULL;
    return ssi_plan_tensors(&base->gguf, base->arch, &hyper, base->slots, error);
}

ss_status ssi_base_file_open(ssi_base_file *base, const ssi_source *source,
                             const ssi_memory *memory, ss_error *error)
{
    *base = (ssi_base_file){.source = source, .memory = *memory};
    SSI_TRY(ssi_gguf_open(&base->gguf, source, memory, error));
    ss_status status = plan(base, error);
    if (status != SS_OK)
        ssi_base_file_close(base);
    return status;
}

void ssi_base_file_close(ssi_base_file *base)
{
    ssi_release(&base->memory, base->block, base->block_bytes);
    ssi_gguf_close(&base->gguf);
}
