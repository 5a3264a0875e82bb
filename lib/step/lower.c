/* SPDX-License-Identifier: Apache-2.0 */
/* The layers that main rows alone run through. */
#include "step/step.h"

void ssi_lower_run(ssi_workspace *work)
{
    const ss_adapter *adapter = work->streams.adapter;
    uint32_t end = work->model->hyper.layer_count - (adapter ? adapter->msa_layer_count : 0);
    for (uint32_t layer = 0; layer < end; layer++)
        ssi_layer_run(work, layer);
}
