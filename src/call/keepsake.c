/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/keepsake.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/disk.h"
#include "record/memo.h"
#include "record/sidecar.h"
#include "sink/writer.h"

#define KEEPSAKE_MAGIC 0x4ee95a4eu
#define MODE           0640 /* where output-chmod says nothing */

struct keepsake {
	MAGIC_MEMBER;
	bool sidecar;
	struct disk_access access; /* that of the recording */
	char *label, *account, *state, *parent;
	uint32_t rate_hz;
	unsigned channels;
	char *who[KEEPSAKE_CHANNELS + 1]; /* NULL at the end */
};

struct keepsake *keepsake_new(const struct call_record_opts *o, const char *label,
	uint32_t rate_hz, unsigned channels)
{
	struct keepsake *k = xnew(struct keepsake);

	k->magic = KEEPSAKE_MAGIC;
	k->sidecar = o->sidecar;
	k->access = (struct disk_access){ o->file.mode, -1, o->file.owner, o->file.group };
	k->label = xstrdup(label);
	k->rate_hz = rate_hz;
	k->channels = channels < KEEPSAKE_CHANNELS ? channels : KEEPSAKE_CHANNELS;
	for (unsigned i = 0; i < k->channels; i++)
		k->who[i] = xstrdup("");
	return k;
}

void keepsake_set_who(struct keepsake *k, unsigned channel, char **who)
{
	must(channel < k->channels);
	free(k->who[channel]);
	k->who[channel] = *who;
	*who = NULL;
}

void keepsake_set_parent(struct keepsake *k, const char *state, const char *parent)
{
	k->state = xstrdup(state);
	k->parent = xstrdup(parent);
}

void keepsake_set_account(struct keepsake *k, char **account_json)
{
	free(k->account);
	k->account = *account_json;
	*account_json = NULL;
}

/* Call data comes once: what an earlier run had of it is in the memo alone. */
static char *remember(const struct keepsake *k)
{
	char *memo = memo_load(k->state, k->parent), *account = memo_join(memo, k->account);

	free(memo);
	return account;
}

/* Changes nothing: a recording and its fallback may be published by two threads at once. */
int keepsake_write(void *arg, const struct recording_result *r)
{
	const struct keepsake *k = OBJ(arg, struct keepsake, KEEPSAKE_MAGIC);
	struct sidecar_file file = {
		.path = r->path, .format = name_format(r->format), .label = k->label,
		.rate_hz = k->rate_hz, .channels = r->channels, .frames = r->frames,
		.bytes = r->bytes, .recovered = r->recovered, .started = r->started,
		.channel_map = (const char *const *)k->who };
	char *json, *path, *account;
	int err;

	if (!k->sidecar)
		return 0;
	account = r->resumed && k->parent ? remember(k) : NULL;
	memcpy(file.sha256, r->sha256, sizeof(file.sha256));
	json = sidecar_json(&file, !r->dropped, account ? account : k->account);
	path = name_sidecar(r->path);
	err = writer_publish(path, span_text(json), MODE, &k->access);
	free(path);
	free(json);
	free(account);
	return err;
}

void keepsake_free(void *arg)
{
	struct keepsake *k = OBJ(arg, struct keepsake, KEEPSAKE_MAGIC);

	for (unsigned i = 0; i < k->channels; i++)
		free(k->who[i]);
	free(k->label);
	free(k->state);
	free(k->parent);
	free(k->account);
	k->magic = 0;
	free(k);
}
