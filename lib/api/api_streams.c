/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/session.h about drafting: adapter, streams, the tree to look at. */
#include "api/api.h"
#include "base/float_env.h"
#include "session/session.h"

SSI_NO_TAIL_PADDING(ss_stream_config, reserved0);

ss_status ss_stream_config_init(ss_stream_config *config, size_t struct_size)
{
    ss_stream_config ours;
    ssi_stream_config_default(&ours);
    return ssi_params_fill(config, struct_size, &ours, sizeof ours);
}

ss_status ss_session_set_adapter(ss_session *session, const ss_adapter *adapter, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_set_adapter(session, adapter, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_set_streams(ss_session *session, const ss_stream_config *config,
                                 ss_error *error)
{
    ss_stream_config ours;
    SSI_TRY(ssi_need(session, "session", error));
    ssi_stream_config_default(&ours);
    if (config != NULL)
        SSI_TRY(ssi_params_read(&ours, sizeof ours, config, "ss_stream_config", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_session_set_streams(session, &ours, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_session_get_tree(const ss_session *session, const ss_tree_node **nodes,
                              size_t *count, ss_error *error)
{
    SSI_TRY(ssi_need(session, "session", error));
    SSI_TRY(ssi_need(nodes, "nodes", error));
    SSI_TRY(ssi_need(count, "count", error));
    ssi_session_get_tree(session, nodes, count);
    return SS_OK;
}
