/* SPDX-License-Identifier: Apache-2.0 */
/* The host may have changed rounding or flush-to-zero; every entry from the API and every
 * parallel body sets round-to-nearest with denormals and gives the host's mode back. */
#ifndef SSI_BASE_FLOAT_ENV_H
#define SSI_BASE_FLOAT_ENV_H

#include <stdint.h>

typedef uint64_t ssi_float_env;

ssi_float_env ssi_float_env_enter(void);
void ssi_float_env_leave(ssi_float_env before);

#endif
