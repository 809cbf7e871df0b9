/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A line: name (percent-escaped), inode, position [bytes], then "running", "finished" or "gone". */
#include "spool/consumed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/span.h"

#define CONSUMED_MAGIC   0xc0e50bedu
#define MAX_JOURNAL      ((off_t)1 << 30)          /* [bytes] beyond: not ours */
#define REPLACE_AT_LEAST ((size_t)16 * 1024 * 1024) /* [bytes] appended before it is worth it */

struct entry {
	UT_hash_handle hh;
	uint64_t inode, position;
	usec_t noted;
	struct entry *changed; /* next that the journal does not have yet */
	bool is_changed;
	bool finished;
	bool gone;             /* to be said in the journal, then freed */
	char name[];
};

struct line {
	char name[CONSUMED_MAX_NAME + 1];
	uint64_t inode, position;
	bool finished, gone;
};

struct consumed {
	MAGIC_MEMBER;
	char *path;
	unsigned max;
	usec_t forget_after;
	bool loaded;
	struct entry *entries; /* in the order in which they were noted last */
	struct entry *changed, **last_changed; /* in the order it happened */
	size_t appended;       /* [bytes] since the journal was replaced */
	size_t size;           /* [bytes] after that */
};

/* ---- lines ---- */

static void put_escaped(FILE *f, const char *name)
{
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '%' || *p == '#')
			fprintf(f, "%%%02X", (unsigned char)*p);
		else
			putc_unlocked(*p, f);
}

static void put_line(FILE *f, const struct entry *e)
{
	put_escaped(f, e->name);
	fprintf(f, " %" PRIu64 " %" PRIu64 " %s\n", e->inode, e->position,
		e->gone ? "gone" : e->finished ? "finished" : "running");
}

static bool parse_line(struct span line, struct line *out)
{
	struct span word[4];
	ptrdiff_t n;

	for (unsigned i = 0; i < 4; i++)
		if (!span_word(&line, &word[i]))
			return false;
	n = span_unescape(word[0], (uint8_t *)out->name, CONSUMED_MAX_NAME);
	if (n <= 0 || memchr(out->name, '\0', (size_t)n) || line.n)
		return false;
	out->name[n] = '\0';
	out->finished = span_is(word[3], "finished");
	out->gone = span_is(word[3], "gone");
	return span_number(word[1], UINT64_MAX, &out->inode) &&
	       span_number(word[2], UINT64_MAX, &out->position) &&
	       (out->finished || out->gone || span_is(word[3], "running"));
}

/* ---- the table ---- */

static struct entry *find(struct consumed *c, const char *name)
{
	struct entry *e;

	HASH_FIND_STR(c->entries, name, e);
	return e;
}

static void take_out(struct consumed *c, struct entry *e)
{
	must(!e->gone);
	HASH_DEL(c->entries, e);
	if (e->is_changed)
		e->gone = true; /* consumed_take frees it */
	else
		free(e);
}

static void append(struct consumed *c, struct entry *e, usec_t now)
{
	e->noted = now;
	HASH_ADD_KEYPTR(hh, c->entries, e->name, strlen(e->name), e);
}

/* What has to be kept goes to the end, so that it keeps no other. */
static void forget_old(struct consumed *c, usec_t now)
{
	struct entry *e;

	while ((e = c->entries) && now - e->noted > c->forget_after) {
		if (e->finished && !e->inode) {
			take_out(c, e);
			continue;
		}
		HASH_DEL(c->entries, e);
		append(c, e, now);
	}
}

/* Of a journal that holds more, the last ones count. */
static void make_room(struct consumed *c)
{
	if (HASH_COUNT(c->entries) < c->max)
		return;
	if (c->loaded) {
		counter_add(COUNT_CONSUMED_DROPPED, 1);
		if (c->entries->finished)
			log_warn_limited("more than %u pcaps have been consumed that are not older "
				"than pcap-max-age: after a restart the oldest would be consumed "
				"again; a lower pcap-max-age prevents it", c->max);
	}
	take_out(c, c->entries);
}

static struct entry *set(struct consumed *c, const char *name, const struct entry *to)
{
	struct entry *e = find(c, name);
	size_t n = strlen(name);

	if (e) {
		HASH_DEL(c->entries, e);
	} else {
		make_room(c);
		e = xalloc(sizeof(*e) + n + 1);
		memcpy(e->name, name, n);
	}
	append(c, e, to->noted);
	e->inode = to->inode;
	e->position = to->position;
	e->finished = to->finished;
	return e;
}

static void mark_changed(struct consumed *c, struct entry *e)
{
	must(!e->gone);
	if (e->is_changed)
		return;
	must(!e->changed);
	e->is_changed = true;
	*c->last_changed = e;
	c->last_changed = &e->changed;
}

bool consumed_find(struct consumed *c, const char *name, uint64_t inode,
	uint64_t *position, bool *finished)
{
	const struct entry *e = find(c, name);

	must(c->magic == CONSUMED_MAGIC);
	if (!e || e->inode != inode)
		return false;
	*position = e->position;
	*finished = e->finished;
	return true;
}

void consumed_note(struct consumed *c, const char *name, uint64_t inode,
	uint64_t position, bool finished, usec_t now)
{
	struct entry to = { .inode = inode, .position = position, .finished = finished,
		.noted = now };

	must(c->magic == CONSUMED_MAGIC && *name);
	if (strlen(name) > CONSUMED_MAX_NAME)
		return; /* longer than any file name of the spool */
	forget_old(c, now);
	mark_changed(c, set(c, name, &to));
}

/* ---- the journal ---- */

static void write_all(struct consumed *c, FILE *f)
{
	struct entry *e, *tmp;

	HASH_ITER(hh, c->entries, e, tmp)
		put_line(f, e);
}

static void write_changed(struct consumed *c, FILE *f)
{
	/* An append that failed half-way must not swallow the line behind it. */
	putc('\n', f);
	for (const struct entry *e = c->changed; e; e = e->changed)
		put_line(f, e);
}

static void settle_changed(struct consumed *c)
{
	struct entry *e = c->changed;

	c->changed = NULL;
	c->last_changed = &c->changed;
	while (e) {
		struct entry *next = e->changed;

		e->is_changed = false;
		e->changed = NULL;
		if (e->gone)
			free(e);
		e = next;
	}
}

static char *text_of(struct consumed *c, void (*write)(struct consumed *, FILE *), size_t *size)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, size);

	if (!f)
		die("out of memory");
	write(c, f);
	if (fclose(f) != 0)
		die("out of memory");
	return text;
}

enum consumed_work consumed_take(struct consumed *c, char **text)
{
	bool replace = c->appended > REPLACE_AT_LEAST && c->appended > 2 * c->size;
	size_t size;

	must(c->magic == CONSUMED_MAGIC);
	*text = NULL;
	if (!c->changed)
		return CONSUMED_NOTHING;
	*text = text_of(c, replace ? write_all : write_changed, &size);
	settle_changed(c);
	c->appended = replace ? 0 : c->appended + size;
	if (replace)
		c->size = size;
	return replace ? CONSUMED_REPLACE : CONSUMED_APPEND;
}

const char *consumed_path(const struct consumed *c)
{
	return c->path;
}

static int write_fully(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/* Text is on the disk, or an error says that it may not be. */
static int write_file(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	int err;

	if (fd < 0)
		return -errno;
	err = write_fully(fd, text);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

static void sync_directory_of(const char *path)
{
	char *dir;
	int fd;

	must(strchr(path, '/'));
	dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Should the rename be lost in a crash, the old journal is there. */
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

int consumed_write(const char *path, enum consumed_work work, const char *text)
{
	char *part;
	int err;

	if (work == CONSUMED_NOTHING)
		return 0;
	if (work == CONSUMED_APPEND)
		return write_file(path, O_APPEND, text);
	part = xasprintf("%s.part", path);
	err = write_file(part, O_TRUNC, text);
	if (!err && rename(part, path) < 0)
		err = -errno;
	if (err)
		unlink(part);
	else
		sync_directory_of(path);
	free(part);
	return err;
}

/* ---- start ---- */

static void load_line(struct consumed *c, struct span text, usec_t now)
{
	struct line l;
	struct entry *known;

	if (!text.n)
		return;
	if (!parse_line(text, &l)) {
		counter_add(COUNT_CONSUMED_BAD_LINES, 1);
		return;
	}
	if (!l.gone) {
		set(c, l.name, &(struct entry){ .inode = l.inode, .position = l.position,
			.finished = l.finished, .noted = now });
		return;
	}
	known = find(c, l.name);
	if (known)
		take_out(c, known);
}

static void load(struct consumed *c, struct span text, usec_t now)
{
	struct span line;

	/* What follows the last LF was torn while it was written. */
	while (text.n && text.p[text.n - 1] != '\n')
		text.n--;
	while (span_line(&text, &line))
		load_line(c, line, now);
}

static int read_journal(struct consumed *c, usec_t now)
{
	int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	uint8_t *text;
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_JOURNAL) {
		close(fd);
		return -EFBIG;
	}
	text = xalloc((size_t)st.st_size);
	while (have < (size_t)st.st_size &&
	       (n = read(fd, text + have, (size_t)st.st_size - have)) > 0)
		have += (size_t)n;
	load(c, span_of(text, have), now);
	free(text);
	close(fd);
	return n < 0 ? -EIO : 0;
}

static void drop_unwanted(struct consumed *c, consumed_keep_fn *keep, void *arg)
{
	struct entry *e, *tmp;

	HASH_ITER(hh, c->entries, e, tmp)
		if (!keep(arg, e->name, e->inode))
			take_out(c, e);
}

struct consumed *consumed_open(const struct consumed_opts *o, usec_t now, int *error)
{
	struct consumed *c = xnew(struct consumed);
	char *text;

	c->magic = CONSUMED_MAGIC;
	c->last_changed = &c->changed;
	c->path = xasprintf("%s/consumed", o->dir);
	c->max = o->max;
	c->forget_after = o->forget_after;
	*error = read_journal(c, now);
	c->loaded = true;
	if (!*error) {
		if (o->keep)
			drop_unwanted(c, o->keep, o->arg);
		text = text_of(c, write_all, &c->size);
		*error = consumed_write(c->path, CONSUMED_REPLACE, text);
		free(text);
	}
	if (*error)
		consumed_free(&c);
	return c;
}

void consumed_free(struct consumed **cp)
{
	struct consumed *c = *cp;
	struct entry *e, *tmp;

	*cp = NULL;
	if (!c)
		return;
	settle_changed(c);
	HASH_ITER(hh, c->entries, e, tmp)
		take_out(c, e);
	c->magic = 0;
	free(c->path);
	free(c);
}
