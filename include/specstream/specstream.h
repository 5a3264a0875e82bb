/* SPDX-License-Identifier: Apache-2.0 */
/* libspecstream: on-device decoding of GGUF language models with Speculative Streaming.
 *
 *     ss_model *model;      ss_model_load("model.gguf", NULL, &model, &error);
 *     ss_session *session;  ss_session_create(model, NULL, &session, &error);
 *     ss_tokenize(...);     ss_session_prefill(session, tokens, count, &error);
 *     while (...)           ss_session_step(session, 0, &step, &error);
 *
 * What is not mentioned in these headers is not promised. */
#ifndef SPECSTREAM_SPECSTREAM_H
#define SPECSTREAM_SPECSTREAM_H

#include "specstream/adapter.h"
#include "specstream/model.h"
#include "specstream/session.h"
#include "specstream/status.h"
#include "specstream/tokenizer.h"
#include "specstream/train.h"
#include "specstream/version.h"

#endif
