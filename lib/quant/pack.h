/* SPDX-License-Identifier: Apache-2.0 */
/* What the block types share: walking a strip of file rows group by group, interleaving, and the
 * search for a scale that is not finite. Plain C on purpose: packing is bound by one 4-byte store
 * a cycle, well above what the page cache delivers. */
#ifndef SSI_QUANT_PACK_H
#define SSI_QUANT_PACK_H

#include "base/bytes.h"
#include "quant/quant.h"

#define SSI_INLINE static inline __attribute__((always_inline))

/* The planes are const for kernels; packing alone writes them. */
SSI_INLINE unsigned char *ssi_plane_at(const ssi_matrix *matrix, uint32_t plane, size_t offset)
{
    return (unsigned char *)matrix->plane[plane] + offset;
}

/* Words of 4 bytes of `lanes` rows, row_stride bytes apart, side by side: to[word][lane]. */
SSI_INLINE void ssi_interleave4(const unsigned char *rows, size_t row_stride, uint32_t lanes,
                                uint32_t word_count, unsigned char *to)
{
    for (uint32_t word = 0; word < word_count; word++)
        for (uint32_t lane = 0; lane < lanes; lane++)
            memcpy(to + (word * SSI_GROUP + lane) * 4, rows + lane * row_stride + word * 4, 4);
}

/* One binary16 of each of `lanes` rows; returns not 0 when one is infinite or NaN. */
SSI_INLINE unsigned ssi_gather_scales(const unsigned char *rows, size_t row_stride,
                                      uint32_t lanes, uint16_t *to)
{
    unsigned bad = 0;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        to[lane] = ssi_load_u16le(rows + lane * row_stride);
        bad |= (to[lane] & 0x7c00u) == 0x7c00u;
    }
    return bad;
}

/* A block type's part of the walk: packs `lanes` rows of one group into planes zeroed before where
 * lanes < 16; returns not 0 when a scale is not finite. */
typedef unsigned ssi_pack_group(ssi_matrix *matrix, uint32_t group, const unsigned char *rows,
                                size_t row_stride, uint32_t lanes);

/* The lane, of a group known to have one, of the first row with a scale that is not finite. */
static inline uint32_t ssi_bad_lane(const unsigned char *rows, size_t row_stride,
                                    uint32_t block_count, uint32_t block_bytes,
                                    uint32_t scale_count)
{
    for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
        for (uint32_t block = 0; block < block_count; block++)
            for (uint32_t i = 0; i < scale_count; i++) {
                const unsigned char *at = rows + lane * row_stride + block * (size_t)block_bytes;
                if ((ssi_load_u16le(at + i * 2) & 0x7c00u) == 0x7c00u)
                    return lane;
            }
    return 0;
}

/* ssi_type_info.pack for block types. Inlined, so that a whole group's lane count is a literal.
 * scale_count: binary16 numbers at the head of a block. */
SSI_INLINE bool ssi_pack_blocks(ssi_pack_group *pack_group, uint32_t scale_count,
                                ssi_matrix *matrix, uint32_t first_row, uint32_t row_count,
                                const void *file_rows, size_t row_stride, uint32_t *bad_row)
{
    const ssi_type_info *info = ssi_type_get(matrix->type);
    const unsigned char *rows = file_rows;
    for (uint32_t done = 0; done < row_count; done += SSI_GROUP, rows += SSI_GROUP * row_stride) {
        uint32_t group = (first_row + done) / SSI_GROUP;
        unsigned bad;
        if (row_count - done >= SSI_GROUP) {
            bad = pack_group(matrix, group, rows, row_stride, SSI_GROUP);
        } else {
            for (uint32_t i = 0; i < SSI_PLANES && matrix->plane[i] != NULL; i++) {
                size_t bytes = (size_t)matrix->block_count * info->group_block_bytes[i];
                memset(ssi_plane_at(matrix, i, group * bytes), 0, bytes);
            }
            bad = pack_group(matrix, group, rows, row_stride, row_count - done);
        }
        if (bad) {
            *bad_row = first_row + done
                     + ssi_bad_lane(rows, row_stride, matrix->block_count, info->block_bytes,
                                    scale_count);
            return false;
        }
    }
    return true;
}

#endif
