/* SPDX-License-Identifier: Apache-2.0 */
/* The layers that main rows alone run through. */
#include "step/step.h"

void ssi_lower_run(ssi_workspace *work)
{
    uint32_t end = ssi_msa_first_layer(work->model, &work->streams);
    for (uint32_t layer = 0; layer < end; layer++)
        ssi_layer_run(work, layer);
}
