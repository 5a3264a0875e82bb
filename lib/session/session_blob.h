/* SPDX-License-Identifier: Apache-2.0 */
/* A saved session, little-endian, pieces in this order, nothing between them:
 *
 *     ssi_blob_head, as its fields follow one another; there is no padding
 *     tokens      int32 [token_count]
 *     bias        int32 [bias_count], float [bias_count]
 *     acceptance  SSI_ACCEPTANCE_BYTES where has_acceptance
 *     logits      float [vocabulary_size] where has_logits
 *     rows        [row_count][ssi_kv_row_bytes]
 *     checksum    XXH3-128 of all before it
 */
#ifndef SSI_SESSION_SESSION_BLOB_H
#define SSI_SESSION_SESSION_BLOB_H

#include "session/session_state.h"

#define SSI_BLOB_MAGIC 0x31535353u /* "SSS1" */
#define SSI_BLOB_FORMAT 2u

typedef struct ssi_blob_head {
    uint32_t magic, format, arithmetic, number_bytes;
    ssi_hash128 tensors, parsed, main_half, adapter; /* zeros: none */
    uint64_t seed;
    uint32_t token_count, dropped, prompt_count, row_count;
    uint32_t has_logits, has_acceptance, bias_count, ignore_end;
    int32_t stop;
    float temperature, top_p, min_p;
    uint32_t top_k;
    float repetition_penalty, frequency_penalty, presence_penalty;
    uint32_t penalty_window, reserved0;
} ssi_blob_head;

_Static_assert(sizeof(ssi_blob_head) == 16 + 64 + 8 + 16 + 16 + 40, "no padding in a blob's head");

/* The head that this session's blob would have. */
void ssi_blob_head_fill(const ss_session *session, ssi_blob_head *head);
/* Bytes of the pieces of a blob with such a head; true on overflow. */
bool ssi_blob_bytes(const ss_session *session, const ssi_blob_head *head, size_t *bytes);

#endif
