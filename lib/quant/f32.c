/* SPDX-License-Identifier: Apache-2.0 */
/* F32: IEEE binary32. */
#include "base/bytes.h"

#define SSI_FLOAT_NAME ssi_type_f32
#define SSI_FLOAT_TYPE SSI_TYPE_F32
#define SSI_FLOAT_GGML 0
#define SSI_FLOAT_TEXT "F32"
#define SSI_FLOAT_BITS uint32_t
#define SSI_FLOAT_LOAD ssi_load_u32le
#define SSI_FLOAT_STORE ssi_store_u32le
#define SSI_FLOAT_EXPONENT 0x7f800000u
#define SSI_FLOAT_TO_FLOAT ssi_float_from_bits
#define SSI_FLOAT_FROM_FLOAT ssi_bits_from_float
#include "quant/float_template.h"
