/* SPDX-License-Identifier: Apache-2.0 */
/* The session as the api room calls it: include/specstream/session.h one to one, contracts
 * included. What api has done before it calls in: no pointer that must be set is NULL, params are
 * whole structs of this library's size (NULL in the public call: the defaults), results are whole
 * structs of ours, and the float environment is set. Ranges of fields are checked here. */
#ifndef SSI_SESSION_SESSION_H
#define SSI_SESSION_SESSION_H

#include "model/model.h"
#include "specstream/session.h"

/* Fill every field, struct_size included. */
void ssi_session_params_default(ss_session_params *params);
void ssi_sampler_params_default(ss_sampler_params *params);

/* session.c */
ss_status ssi_session_memory_bytes(const ss_model *model, const ss_session_params *params,
                                   uint64_t *bytes, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_create(const ss_model *model, const ss_session_params *params,
                             ss_session **session, ss_error *error) SSI_MUST_CHECK;
void ssi_session_free(ss_session *session); /* NULL is allowed */
ss_status ssi_session_set_sampler(ss_session *session, const ss_sampler_params *params,
                                  ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_set_stops(ss_session *session, const char *const *stops,
                                size_t stop_count, ss_error *error) SSI_MUST_CHECK;

/* set_adapter.c */
void ssi_stream_config_default(ss_stream_config *config);
ss_status ssi_session_set_adapter(ss_session *session, const ss_adapter *adapter,
                                  ss_error *error) SSI_MUST_CHECK; /* NULL is allowed */
ss_status ssi_session_set_streams(ss_session *session, const ss_stream_config *config,
                                  ss_error *error) SSI_MUST_CHECK;
void ssi_session_get_tree(const ss_session *session, const ss_tree_node **nodes, size_t *count);

/* session_run.c */
ss_status ssi_session_prefill(ss_session *session, const int32_t *tokens, size_t count,
                              ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_step(ss_session *session, uint32_t max_tokens, ss_step *step,
                           ss_error *error) SSI_MUST_CHECK;
void ssi_session_cancel(ss_session *session);
ss_status ssi_session_rewind(ss_session *session, size_t count, ss_error *error) SSI_MUST_CHECK;

/* session_inspect.c */
void ssi_session_get_tokens(const ss_session *session, const int32_t **tokens, size_t *count);
ss_status ssi_session_evaluate(ss_session *session, const int32_t *tokens,
                               const int32_t *parents, uint32_t row_count,
                               const float **logits, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_score(ss_session *session, const int32_t *tokens, size_t count,
                            size_t first, float *log_probabilities,
                            ss_error *error) SSI_MUST_CHECK;

/* session_save.c, session_restore.c */
ss_status ssi_session_save(const ss_session *session, void *buffer, size_t capacity,
                           size_t *bytes, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_save_file(const ss_session *session, const char *path,
                                ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_restore(ss_session *session, const void *data, size_t bytes,
                              ss_error *error) SSI_MUST_CHECK;
ss_status ssi_session_restore_file(ss_session *session, const char *path,
                                   ss_error *error) SSI_MUST_CHECK;

/* stats.c */
void ssi_session_get_stats(const ss_session *session, ss_stats *stats);
void ssi_session_reset_stats(ss_session *session);

#endif
