/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/source.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

struct source *source_new(enum source_kind kind, uint64_t call, const char *path)
{
	struct source *s = xnew(struct source);

	s->magic = SOURCE_MAGIC;
	s->kind = kind;
	s->call = call;
	s->path = xstrdup(path);
	s->fd = -1;
	return s;
}

void source_free(struct source **sp)
{
	struct source *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	must(s->magic == SOURCE_MAGIC && s->fd < 0 && !s->reader);
	s->magic = 0;
	free(s->path);
	free(s);
}
