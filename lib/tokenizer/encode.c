/* SPDX-License-Identifier: Apache-2.0 */
/* From text to ids: BOS, the text with its special tokens taken out, EOS. */
#include "tokenizer/vocabulary.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30) /* three times that, with spaces marked, fits 32 bits */

ss_status ssi_encode_text(ssi_encoder *encoder, ssi_text text, bool special)
{
    if (text.length > TEXT_BYTES_MAX)
        return ssi_fail(encoder->error, SS_ERROR_ARGUMENT, "text of %zu bytes, at most %zu",
                        text.length, TEXT_BYTES_MAX);
    if (text.length == 0)
        return SS_OK;
    if (ssi_specials_present(encoder->tokenizer, text, special))
        return ssi_specials_encode(encoder, text, special);
    return encoder->tokenizer->byte_pairs ? ssi_bpe_encode(encoder, text)
                                          : ssi_sentencepiece_encode(encoder, text, true);
}

static bool choose(ss_choice choice, bool by_default)
{
    return choice == SS_CHOICE_DEFAULT ? by_default : choice == SS_CHOICE_YES;
}

ss_status ssi_tokenizer_encode(const ssi_tokenizer *tokenizer, const char *text,
                               size_t text_bytes, const ss_tokenize_params *params,
                               int32_t *tokens, size_t capacity, size_t *count,
                               ss_error *error)
{
    ss_tokenize_params defaults = {.struct_size = sizeof defaults};
    if (params == NULL)
        params = &defaults;
    bool add_bos = choose(params->add_bos, tokenizer->add_bos);
    bool add_eos = choose(params->add_eos, tokenizer->add_eos);
    if (add_bos && tokenizer->bos < 0)
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "add_bos: the file has no tokenizer.ggml.bos_token_id");
    if (add_eos && tokenizer->eos < 0)
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "add_eos: the file has no tokenizer.ggml.eos_token_id");

    ssi_encoder encoder;
    ssi_encode_begin(&encoder, tokenizer, tokens, capacity, error);
    if (add_bos)
        ssi_emit(&encoder, tokenizer->bos);
    ss_status status = ssi_encode_text(&encoder, (ssi_text){text, text_bytes},
                                       choose(params->special, true));
    if (add_eos)
        ssi_emit(&encoder, tokenizer->eos);
    return ssi_encode_end(&encoder, status, count);
}
