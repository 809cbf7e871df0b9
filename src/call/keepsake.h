/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording takes along to the writer's thread, to put it in the sidecar beside the file.
 * Made and filled on the worker; the writer's once its sink was told to finish. */
#ifndef CALL_KEEPSAKE_H
#define CALL_KEEPSAKE_H

#include "call/call.h"

struct keepsake;

/* channels: who is in which, "caller", a tag or ""; copied. */
struct keepsake *keepsake_new(const struct call_record_opts *, const char *label,
	uint32_t rate_hz, unsigned channels, const char *const *who);
void keepsake_set_account(struct keepsake *, char **account_json); /* takes it */
int keepsake_write(void *keepsake, const struct recording_result *); /* before the file appears */
void keepsake_free(void *keepsake);
char *keepsake_path(const char *recording); /* of its sidecar: x.wav -> x.json; malloc'd */

#endif
