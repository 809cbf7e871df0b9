/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "reread.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "config.h"
#include "sink/writer.h"
#include "tls/ctx.h"

#define REREAD_MAGIC 0x4e4ead01u

struct reread {
	MAGIC_MEMBER;
	struct writer *writer;
	struct ctx *ctx;
	int argc;
	char **argv;
	atomic_uint asked; /* 0: none is reading */
};

static void read_levels(struct reread *r)
{
	char *reason;
	const struct config *c = config_new(r->argc, r->argv, &reason);

	if (!c) {
		log_err("log levels stay as they were: %s", reason);
		free(reason);
		return;
	}
	log_set_level(LOG_CLASS_CORE, c->log_level_core);
	log_set_level(LOG_CLASS_FFMPEG, c->log_level_ffmpeg);
	log_set_level(LOG_CLASS_INTERNALS, c->log_level_internals);
	config_free(&c);
	log_info("log levels read again");
}

static void read_certificates(struct reread *r)
{
	char *reason;

	if (ctx_reload(r->ctx, &reason) == 0) {
		log_info("certificates read again");
		return;
	}
	log_err("certificates stay as they were: %s", reason);
	free(reason);
}

/* On a writer's thread. Who asks meanwhile may have changed what was read before. */
static void read_all(void *arg)
{
	struct reread *r = OBJ(arg, struct reread, REREAD_MAGIC);
	unsigned asked;

	do {
		asked = atomic_load(&r->asked);
		read_levels(r);
		if (r->ctx)
			read_certificates(r);
	} while (!atomic_compare_exchange_strong(&r->asked, &asked, 0));
}

struct reread *reread_new(struct writer *writer, struct ctx *ctx, int argc, char **argv)
{
	struct reread *r = xnew(struct reread);

	r->magic = REREAD_MAGIC;
	r->writer = writer;
	r->ctx = ctx;
	r->argc = argc;
	r->argv = argv;
	return r;
}

void reread_free(struct reread **rp)
{
	free(*rp);
	*rp = NULL;
}

void reread_ask(struct reread *r)
{
	if (atomic_fetch_add(&r->asked, 1))
		return; /* who reads now reads once more */
	if (writer_put(r->writer, WRITER_WRITE, NULL, read_all, r))
		return;
	atomic_store(&r->asked, 0);
	log_err("not read again: the disk is too slow");
}
