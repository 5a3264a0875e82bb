/* SPDX-License-Identifier: Apache-2.0 */
/* F16: IEEE binary16. */
#include "base/bytes.h"

#define SSI_FLOAT_NAME ssi_type_f16
#define SSI_FLOAT_TYPE SSI_TYPE_F16
#define SSI_FLOAT_GGML 1
#define SSI_FLOAT_TEXT "F16"
#define SSI_FLOAT_BITS uint16_t
#define SSI_FLOAT_LOAD ssi_load_u16le
#define SSI_FLOAT_STORE ssi_store_u16le
#define SSI_FLOAT_EXPONENT 0x7c00u
#define SSI_FLOAT_TO_FLOAT ssi_float_from_f16
#define SSI_FLOAT_FROM_FLOAT ssi_f16_from_float
#include "quant/float_template.h"
