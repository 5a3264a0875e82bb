/* SPDX-License-Identifier: Apache-2.0 */
/* BF16: the upper half of a binary32, rounded to nearest even. */
#include "base/bytes.h"

#define SSI_FLOAT_NAME ssi_type_bf16
#define SSI_FLOAT_TYPE SSI_TYPE_BF16
#define SSI_FLOAT_GGML 30
#define SSI_FLOAT_TEXT "BF16"
#define SSI_FLOAT_BITS uint16_t
#define SSI_FLOAT_LOAD ssi_load_u16le
#define SSI_FLOAT_STORE ssi_store_u16le
#define SSI_FLOAT_EXPONENT 0x7f80u
#define SSI_FLOAT_TO_FLOAT ssi_float_from_bf16
#define SSI_FLOAT_FROM_FLOAT ssi_bf16_from_float
#include "quant/float_template.h"
