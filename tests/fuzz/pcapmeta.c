/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first byte is where the text is cut for a first reading; the rest is the text. */
#include <stdlib.h>

#include "spool/pcapmeta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_change(void *arg, const struct change *c)
{
	(void)arg;
	if (c->kind >= CHANGE_KINDS || c->n >= CHANGE_MAX_NUMBER || c->tag > 1 || c->pt > 127)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data + (size > 0), size - (size > 0));
	struct pcapmeta m;

	pcapmeta_init(&m);
	if (size && pcapmeta_feed(&m, span_head(in, in.n * data[0] / 256), false, on_change, NULL) < 0)
		return 0;
	if (m.position > in.n)
		abort();
	pcapmeta_feed(&m, span_skip(in, (size_t)m.position), true, on_change, NULL);
	return 0;
}
