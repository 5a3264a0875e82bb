/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of ssi_tokenizer_create, in the order in which they run. */
#ifndef SSI_TOKENIZER_BUILD_H
#define SSI_TOKENIZER_BUILD_H

#include "tokenizer/vocabulary.h"

/* Text of a file in a message: as much as is worth showing. */
#define SSI_SHOWN(text) (int)((text).length < 48 ? (text).length : 48), (text).bytes

/* token_table.c. `map` finds a token by the text the file gives it. */
ss_status ssi_build_types(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                          ss_error *error) SSI_MUST_CHECK;
ss_status ssi_build_map(ssi_token_map *map, const ssi_tokenizer_source *source,
                        ss_error *error) SSI_MUST_CHECK;
uint32_t ssi_named_token_count(void);
void ssi_build_named_types(ssi_tokenizer *tokenizer, const ssi_token_map *map);
ss_status ssi_build_pieces(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                           ss_error *error) SSI_MUST_CHECK;
void ssi_build_byte_tokens(ssi_tokenizer *tokenizer, const ssi_token_map *map);

/* merge_table.c. `room` holds the longest token. */
ss_status ssi_build_merges(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                           const ssi_token_map *map, char *room,
                           ss_error *error) SSI_MUST_CHECK;

#endif
