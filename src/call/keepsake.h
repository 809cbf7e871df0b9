/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording takes along to the writer's thread, to put it in the sidecar beside the file.
 * Made and filled on the worker; the writer's once its sink was told to finish. */
#ifndef CALL_KEEPSAKE_H
#define CALL_KEEPSAKE_H

#include "call/call.h"

#define KEEPSAKE_CHANNELS 16 /* named; those beyond are not */

struct keepsake;

struct keepsake *keepsake_new(const struct call_record_opts *, const char *label,
	uint32_t rate_hz, unsigned channels);
/* Who is in a channel, "caller", a tag; "" unless it is set. Takes it. */
void keepsake_set_who(struct keepsake *, unsigned channel, char **who);
/* An earlier run may have known more of that call. */
void keepsake_set_parent(struct keepsake *, const char *state, const char *parent);
void keepsake_set_account(struct keepsake *, char **account_json); /* takes it */
int keepsake_write(void *keepsake, const struct recording_result *); /* before the file appears */
void keepsake_free(void *keepsake);

#endif
