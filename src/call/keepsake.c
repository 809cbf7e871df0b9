/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/keepsake.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/sidecar.h"
#include "sink/writer.h"

#define KEEPSAKE_MAGIC 0x4ee95a4eu
#define MODE           0640 /* where output-chmod says nothing */

struct keepsake {
	MAGIC_MEMBER;
	bool sidecar;
	int mode;
	const char *format;
	char *label, *account;
	uint32_t rate_hz;
	unsigned channels;
	char **who; /* NULL at the end */
};

struct keepsake *keepsake_new(const struct call_record_opts *o, const char *label,
	uint32_t rate_hz, unsigned channels, const char *const *who)
{
	struct keepsake *k = xnew(struct keepsake);

	k->magic = KEEPSAKE_MAGIC;
	k->sidecar = o->sidecar;
	k->mode = o->file.mode >= 0 ? o->file.mode : MODE;
	k->format = o->format;
	k->label = xstrdup(label);
	k->rate_hz = rate_hz;
	k->channels = channels;
	k->who = xalloc((channels + 1) * sizeof(*k->who));
	for (unsigned i = 0; i < channels; i++)
		k->who[i] = xstrdup(who[i]);
	return k;
}

void keepsake_set_account(struct keepsake *k, char **account_json)
{
	free(k->account);
	k->account = *account_json;
	*account_json = NULL;
}

/* x.wav -> x.json; a name without suffix gets one. */
char *keepsake_path(const char *path)
{
	const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
	size_t n = dot && (!slash || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);

	return xasprintf("%.*s.json", (int)n, path);
}

int keepsake_write(void *arg, const struct recording_result *r)
{
	struct keepsake *k = OBJ(arg, struct keepsake, KEEPSAKE_MAGIC);
	struct sidecar_file file = {
		.path = r->path, .format = k->format, .label = k->label, .rate_hz = k->rate_hz,
		.channels = k->channels, .frames = r->frames, .bytes = r->bytes,
		.recovered = r->recovered, .started = r->started,
		.channel_map = (const char *const *)k->who };
	char *json, *path;
	int err;

	if (!k->sidecar)
		return 0;
	memcpy(file.sha256, r->sha256, sizeof(file.sha256));
	json = sidecar_json(&file, 1, k->account);
	path = keepsake_path(r->path);
	err = writer_publish(path, span_text(json), (unsigned)k->mode);
	free(path);
	free(json);
	return err;
}

void keepsake_free(void *arg)
{
	struct keepsake *k = OBJ(arg, struct keepsake, KEEPSAKE_MAGIC);

	for (unsigned i = 0; i < k->channels; i++)
		free(k->who[i]);
	free(k->who);
	free(k->label);
	free(k->account);
	k->magic = 0;
	free(k);
}
