/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/export_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_TEXT ((off_t)64 << 20) /* [bytes] */
#define BEFORE   "SDP before RTP packet: "

struct export_text {
	pcapmeta_fn tell;
	void *arg;
	uint8_t *bytes;
	size_t n;
	struct pcapmeta meta;
	size_t until;  /* [bytes] that are told up to */
	uint64_t due;  /* packet before which the SDP behind them came; UINT64_MAX: none is left */
};

static int load(const char *path, uint8_t **bytes, size_t *n)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), err = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_TEXT) {
		close(fd);
		return -EFBIG;
	}
	*bytes = xalloc((size_t)st.st_size + 1);
	got = read(fd, *bytes, (size_t)st.st_size);
	err = got < 0 ? -errno : 0;
	*n = got < 0 ? 0 : (size_t)got;
	close(fd);
	return err;
}

/* From what is due now to what is due next. A block told without its SDP says nothing yet. */
static void step(struct export_text *t)
{
	struct span rest = span_skip(span_of(t->bytes, t->n), t->until), line;

	t->due = UINT64_MAX;
	while (span_line(&rest, &line)) {
		t->until = t->n - rest.n;
		if (span_starts(line, BEFORE) &&
		    span_number(span_skip(line, strlen(BEFORE)), INT64_MAX, &t->due))
			return;
	}
	t->until = t->n;
}

static void feed(struct export_text *t, bool whole)
{
	struct span in = span_of(t->bytes, t->until);

	pcapmeta_feed(&t->meta, span_skip(in, (size_t)t->meta.position), whole, t->tell, t->arg);
}

static void on_first_change(void *arg, const struct change *change)
{
	struct export_text *t = arg;

	if (change->kind != CHANGE_MEDIA_SDP)
		t->tell(t->arg, change);
}

struct export_text *export_text_open(const struct export_file *f, pcapmeta_fn tell, void *arg,
	char **why)
{
	bool whole;
	char *path = export_find_text(f, &whole);
	struct export_text *t;
	int err;

	if (!path)
		return NULL;
	t = xnew(struct export_text);
	t->tell = tell;
	t->arg = arg;
	err = load(path, &t->bytes, &t->n);
	if (err)
		*why = xasprintf("%s: %s", path, strerror(-err));
	pcapmeta_init(&t->meta);
	if (!err && pcapmeta_feed(&t->meta, span_of(t->bytes, t->n), true, on_first_change, t) < 0)
		*why = xasprintf("%s cannot be understood", path);
	free(path);
	pcapmeta_init(&t->meta);
	step(t);
	return t;
}

uint64_t export_text_due(const struct export_text *t)
{
	return t ? t->due : UINT64_MAX;
}

void export_text_tell(struct export_text *t, uint64_t packet)
{
	while (t->due <= packet)
		step(t);
	feed(t, false);
}

void export_text_close(struct export_text **tp)
{
	struct export_text *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	t->until = t->n;
	feed(t, true);
	free(t->bytes);
	free(t);
}
