/* SPDX-License-Identifier: GPL-3.0-or-later */
/* P = <escaped call-id>-<16 hex>: <spool>/tmp/rtpengine-meta-P.tmp while the call runs, renamed to
 * <spool>/metadata/rtpengine-meta-P.txt when it is over, and <spool>/pcaps/P.pcap, which is never
 * removed. A name too long for the metadata has only the pcap.
 *
 * A second recording of a call may have the names of the first (rtpengine 12.2 to 13.5, and when a
 * call is restored from Redis): the pcap is cut to nothing, the metadata is another file. It is a
 * call of its own, which begins when the first has ended altogether. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/layout.h"
#include "spool/spool.h"

#define PREFIX    "rtpengine-meta-"
#define MAX_READS 4 /* buffers a visit */
#define CLOSED_TIMEOUT (5 * SEC)    /* and metadata in tmp/ that is not finished: rtpengine died */
#define DISCARD_WITHIN (200 * MSEC) /* rtpengine closes metadata and removes it at once */

_Static_assert(LAYOUT_BUFFER >= PCAPMETA_MAX_READ, "a reading must fit");

struct telling {
	struct spool *spool;
	struct entry *entry;
};

static bool has_random_tag(struct span name)
{
	if (name.n < 18 || name.p[name.n - 17] != '-')
		return false;
	for (size_t i = name.n - 16; i < name.n; i++)
		if (!strchr("0123456789abcdef", name.p[i]))
			return false;
	return true;
}

static bool parent_of(enum spool_dir dir, const char *name, struct span *parent)
{
	bool known = dir == DIR_TMP ? layout_parent(name, PREFIX, ".tmp", parent) :
		dir == DIR_METADATA ? layout_parent(name, PREFIX, ".txt", parent) :
		layout_parent(name, "", ".pcap", parent);

	return known && has_random_tag(*parent);
}

static void on_name(struct spool *s, enum spool_dir dir, const char *name, enum watch_what what)
{
	struct span parent;
	struct entry *e;

	if (!parent_of(dir, name, &parent))
		return;
	e = what == WATCH_GONE ? layout_find(s, SPOOL_PCAP, parent)
			       : layout_find_or_make(s, SPOOL_PCAP, parent);
	if (!e)
		return;
	if (what != WATCH_FOUND)
		e->moved = clock_wall();
	if (dir == DIR_TMP && what == WATCH_CLOSED)
		e->shut = clock_mono();
	else if (dir == DIR_TMP && what == WATCH_GONE)
		e->discard = clock_mono() - e->shut < DISCARD_WITHIN;
	else if (dir == DIR_METADATA && what != WATCH_GONE)
		e->finished = true;
	if (dir != DIR_PCAPS) {
		e->look = e->named = true;
	} else if (what != WATCH_GONE) {
		e->grew = true;
		e->closed |= what == WATCH_CLOSED;
	}
	layout_mark(s, e);
}

static int stat_pcap(struct spool *s, const struct entry *e, struct stat *st)
{
	char name[LAYOUT_NAME];

	snprintf(name, sizeof(name), "%s.pcap", e->parent);
	return layout_stat(s, DIR_PCAPS, name, st);
}

/* Only once it is there: whoever is told opens it at once. */
static void tell_file(struct spool *s, struct entry *e)
{
	char name[LAYOUT_NAME];
	struct stat st;

	if (e->file_told || stat_pcap(s, e, &st) < 0)
		return;
	snprintf(name, sizeof(name), "%s.pcap", e->parent);
	e->file_told = true;
	e->grew = st.st_size > 0;
	layout_tell_file(s, e, DIR_PCAPS, name);
}

static usec_t last_write(struct spool *s, const struct entry *e, const struct stat *text)
{
	struct stat st;
	usec_t last = text ? layout_mtime(text) : 0;

	if (stat_pcap(s, e, &st) == 0 && layout_mtime(&st) > last)
		last = layout_mtime(&st);
	return last;
}

static usec_t timeout_of(struct spool *s, const struct entry *e)
{
	usec_t timeout = layout_opts(s)->orphan_timeout;

	return e->closed && timeout > CLOSED_TIMEOUT ? CLOSED_TIMEOUT : timeout;
}

static bool too_old(struct spool *s, const struct entry *e, const struct stat *text, bool whole)
{
	const struct spool_opts *o = layout_opts(s);
	usec_t age = clock_wall() - last_write(s, e, text);

	return age > o->pcap_max_age && (whole || age > o->orphan_timeout);
}

/* False: not now; it is still ENTRY_NEW when it is to be told again. */
static bool begin(struct spool *s, struct entry *e)
{
	struct stat st;
	bool there = stat_pcap(s, e, &st) == 0;
	struct spool_file file = { .bytes = there ? (uint64_t)st.st_size : 0 };

	e->bytes = (off_t)file.bytes;
	switch (layout_begin(s, e, there ? &file : NULL)) {
	case SPOOL_TAKEN:
		break;
	case SPOOL_ENDING:
		e->state = ENTRY_NEW;
		e->again = 1;
		return false;
	case SPOOL_CONSUMED:
		e->asleep = true; /* until its pcap is written on */
		return false;
	case SPOOL_REFUSED:
		return false;
	}
	if (!layout_tell_call_id(s, e)) {
		counter_add(COUNT_SPOOL_BAD_FILES, 1);
		layout_end(s, e, SPOOL_END_BAD);
		return false;
	}
	if (!e->meta)
		e->meta = xnew(struct pcapmeta);
	pcapmeta_init(e->meta);
	return true;
}

static void on_change(void *arg, const struct change *change)
{
	struct telling *t = arg;

	if (change->kind == CHANGE_MEDIA_SDP || change->kind == CHANGE_METADATA)
		counter_add(COUNT_SPOOL_SECTIONS, 1);
	layout_tell(t->spool, t->entry, change);
}

/* 0, -EBADMSG, or -EAGAIN when there is more. whole: nothing will be written after its end. */
static int read_text(struct spool *s, struct entry *e, int fd, bool whole)
{
	struct telling telling = { .spool = s, .entry = e };
	bool at_end = false;

	for (unsigned i = 0; i < MAX_READS && !at_end; i++) {
		struct span in = layout_read(s, fd, e->meta->position, &at_end);
		int result = pcapmeta_feed(e->meta, in, whole && at_end, on_change, &telling);

		if (result < 0)
			return result;
	}
	return at_end ? 0 : -EAGAIN;
}

static int open_running(struct spool *s, const struct entry *e, struct stat *st)
{
	char name[LAYOUT_NAME];

	snprintf(name, sizeof(name), PREFIX "%s.tmp", e->parent);
	return layout_open(s, DIR_TMP, name, st);
}

static int open_whole(struct spool *s, const struct entry *e, struct stat *st)
{
	char name[LAYOUT_NAME];

	snprintf(name, sizeof(name), PREFIX "%s.txt", e->parent);
	return layout_open(s, DIR_METADATA, name, st);
}

static int open_text(struct spool *s, const struct entry *e, struct stat *st, bool *whole)
{
	int fd = open_running(s, e, st);

	/* a rename: what is not in tmp/ any more is in metadata/ already */
	*whole = fd == -ENOENT;
	return *whole ? open_whole(s, e, st) : fd;
}

/* An SDP was written, or packets: so the metafile is there, too, that rtpengine makes next to these
 * files with recording-method = all (daemon/recording.c, init_all). */
static bool has_begun(struct spool *s, const struct entry *e, int fd)
{
	struct stat st;
	struct span text;
	bool at_end;

	if (stat_pcap(s, e, &st) == 0 && st.st_size)
		return true;
	text = layout_read(s, fd, 0, &at_end);
	return memmem(text.p, text.n, "SDP mode: ", 10);
}

static void tell_growth(struct spool *s, struct entry *e)
{
	tell_file(s, e);
	if (e->grew && e->file_told)
		layout_grew(s, e);
	e->grew = false;
}

/* Why its metadata is not there any more. rtpengine's discard (rec_pcap_meta_discard_file) removes
 * it and means to remove the pcap, but has forgotten its name by then. Whatever else removes
 * metadata that was closed some time ago cleans up behind a dead rtpengine: what it has recorded is
 * kept. */
static enum spool_end why_gone(const struct entry *e)
{
	if (e->finished)
		return SPOOL_END_UNLINK;
	return e->discard ? SPOOL_END_DISCARD : SPOOL_END_ORPHAN;
}

/* Neither in tmp/ nor in metadata/. Why is told by events, which may not have been read yet. */
static enum visit text_is_gone(struct spool *s, struct entry *e)
{
	if (!e->missing)
		e->again = 2;
	e->missing = true;
	if (e->again)
		return VISIT_DONE;
	layout_end(s, e, why_gone(e));
	return VISIT_DROP;
}

/* A call without metadata: over when its pcap is closed. */
static enum visit visit_alone(struct spool *s, struct entry *e)
{
	struct stat st;
	int err;

	if (e->state == ENTRY_LIVE && e->has_text)
		return text_is_gone(s, e);
	if (e->state == ENTRY_OVER || (e->state == ENTRY_NEW && e->running))
		return VISIT_DROP;
	err = stat_pcap(s, e, &st);
	if (err == -EAGAIN)
		return VISIT_DONE;
	if (err < 0) {
		if (e->state == ENTRY_LIVE)
			layout_end(s, e, SPOOL_END_ORPHAN);
		return VISIT_DROP;
	}
	if (e->state == ENTRY_NEW && !st.st_size && !e->closed)
		return VISIT_DROP; /* it is named again when it is written */
	if (e->state == ENTRY_NEW)
		e->moved = layout_mtime(&st);
	if (e->state == ENTRY_NEW && (too_old(s, e, NULL, true) || !begin(s, e)))
		return e->again ? VISIT_DONE : VISIT_DROP;
	tell_growth(s, e);
	if (!e->closed && !e->idle)
		return VISIT_DONE;
	layout_end(s, e, e->closed ? SPOOL_END_UNLINK : SPOOL_END_ORPHAN);
	return VISIT_DROP;
}

/* Until its pcap is written on: who was silent for so long was on hold, or rtpengine has died. */
static void fall_asleep(struct spool *s, struct entry *e)
{
	struct stat st;

	e->asleep = true;
	e->bytes = stat_pcap(s, e, &st) == 0 ? st.st_size : 0;
}

static enum visit after_reading(struct spool *s, struct entry *e, int result, bool whole)
{
	if (result == -EAGAIN) {
		e->look = true;
		return VISIT_AGAIN;
	}
	if (result < 0) {
		counter_add(COUNT_SPOOL_BAD_FILES, 1);
		log_warn_limited("call %s: its metadata cannot be understood",
			log_mark(e->parent));
		layout_end(s, e, SPOOL_END_BAD);
	} else if (whole) {
		layout_grew(s, e);
		layout_end(s, e, SPOOL_END_UNLINK);
	} else if (e->idle) {
		layout_end(s, e, SPOOL_END_ORPHAN);
		fall_asleep(s, e);
	}
	return whole ? VISIT_DROP : VISIT_DONE;
}

/* A rename keeps the inode. That of what was discarded may be used again at once. */
static bool is_another(const struct entry *e, const struct stat *st, bool whole)
{
	return e->inode && (st->st_ino != e->inode || st->st_size < e->size ||
		(e->discard && !whole));
}

static bool is_written(struct spool *s, const struct entry *e)
{
	struct stat st;

	return stat_pcap(s, e, &st) == 0 && st.st_size != e->bytes;
}

static void renew(struct entry *e)
{
	e->state = ENTRY_NEW;
	e->inode = 0;
	e->grew = true;
	e->asleep = e->has_text = e->missing = e->file_told = false;
	e->discard = e->finished = e->closed = false;
}

/* The end of its metadata may still be in metadata/. */
static void end_replaced(struct spool *s, struct entry *e, enum spool_end why)
{
	struct stat st;
	int fd = open_whole(s, e, &st);

	if (fd >= 0 && st.st_ino == e->inode)
		read_text(s, e, fd, true);
	if (fd >= 0)
		close(fd);
	layout_grew(s, e);
	layout_end(s, e, why);
}

/* False: nothing new is there. */
static bool make_way(struct spool *s, struct entry *e, bool whole)
{
	enum spool_end why = why_gone(e);
	bool live = e->state == ENTRY_LIVE;

	if (live)
		end_replaced(s, e, why);
	renew(e);
	/* what comes to light when the second recording is discarded is the first's */
	return !(live && whole && why == SPOOL_END_DISCARD);
}

static enum visit visit_text(struct spool *s, struct entry *e, int fd, const struct stat *st,
	bool whole)
{
	if (e->state == ENTRY_NEW && !e->named)
		return VISIT_DROP; /* its metadata will tell, or has told */
	if (is_another(e, st, whole) && !make_way(s, e, whole))
		return VISIT_DROP;
	if (e->asleep && is_written(s, e))
		renew(e);
	e->inode = st->st_ino;
	e->size = st->st_size;
	e->running |= !whole;
	if (!whole)
		e->discard = e->finished = false; /* that was an earlier recording */
	if (e->state == ENTRY_NEW && !whole && !has_begun(s, e, fd))
		return VISIT_DONE;
	if (e->state == ENTRY_NEW || e->idle)
		e->moved = last_write(s, e, st);
	if (e->state == ENTRY_NEW && too_old(s, e, st, whole)) {
		e->state = ENTRY_OVER;
		if (!whole)
			fall_asleep(s, e);
	}
	if (e->state == ENTRY_NEW)
		begin(s, e);
	if (e->state != ENTRY_LIVE)
		return whole && e->state == ENTRY_OVER ? VISIT_DROP : VISIT_DONE;
	e->has_text = true;
	e->missing = false;
	e->idle = e->idle && !whole &&
		clock_wall() - e->moved > timeout_of(s, e);
	tell_growth(s, e);
	return after_reading(s, e, read_text(s, e, fd, whole || e->idle), whole);
}

static enum visit on_visit(struct spool *s, struct entry *e)
{
	enum visit visit;
	struct stat st;
	bool whole;
	int fd;

	if (!e->look && !e->idle && !e->asleep && e->state != ENTRY_NEW && e->has_text) {
		if (e->state == ENTRY_LIVE)
			tell_growth(s, e);
		return VISIT_DONE;
	}
	e->look = false;
	fd = open_text(s, e, &st, &whole);
	if (fd == -EAGAIN) {
		e->look = true;
		return VISIT_DONE;
	}
	if (fd < 0)
		return visit_alone(s, e);
	visit = visit_text(s, e, fd, &st, whole);
	close(fd);
	e->idle = false;
	return visit;
}

static void on_tick(struct spool *s, struct entry *e, usec_t wall)
{
	if (e->state != ENTRY_LIVE || wall - e->moved <= timeout_of(s, e))
		return;
	e->idle = true;
	layout_mark(s, e);
}

const struct layout pcapdir = { .name = on_name, .visit = on_visit, .tick = on_tick };
