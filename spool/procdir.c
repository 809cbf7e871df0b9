/* SPDX-License-Identifier: GPL-3.0-or-later */
/* <spool>/PARENT.meta: one file a call, appended to section by section, unlinked at the end. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "spool/layout.h"
#include "spool/metafile.h"
#include "spool/section.h"

#define MAX_READS 4 /* buffers a visit: a huge file waits for the others */

_Static_assert(LAYOUT_BUFFER >= METAFILE_MAX_SECTION, "a section must fit");

static void on_name(struct spool *s, enum spool_dir dir, const char *name, enum watch_what what)
{
	struct span parent;
	struct entry *e;

	(void)dir;
	if (layout_parent(name, "", ".meta.DISCARD", &parent)) {
		e = layout_find(s, SPOOL_PROC, parent);
		if (what == WATCH_GONE)
			return;
		if (!e) { /* looked at, and its end told, before this was read */
			layout_discarded(s, parent);
			return;
		}
		e->discard = true;
	} else if (layout_parent(name, "", ".meta", &parent)) {
		e = what == WATCH_GONE ? layout_find(s, SPOOL_PROC, parent)
				       : layout_find_or_make(s, SPOOL_PROC, parent);
		if (!e)
			return;
		e->remade |= what == WATCH_GONE;
	} else {
		return;
	}
	layout_mark(s, e);
}

static void tell_section(struct spool *s, struct entry *e, const struct metafile_section *section)
{
	struct change change;
	enum section_kind kind = section->too_long ?
		SECTION_UNKNOWN : section_read(section->label, section->content, &change);

	counter_add(COUNT_SPOOL_SECTIONS, 1);
	if (kind == SECTION_UNKNOWN)
		counter_add(COUNT_SPOOL_SECTIONS_UNKNOWN, 1);
	else if (kind == SECTION_CHANGE)
		layout_tell(s, e, &change);
}

/* Goes on behind the last whole one. 0 or -EBADMSG. */
static int tell_sections(struct spool *s, struct entry *e, struct span in)
{
	struct metafile_section section;
	ssize_t used;

	while ((used = metafile_next(in, &section)) > 0) {
		tell_section(s, e, &section);
		in = span_skip(in, (size_t)used);
		e->position += (uint64_t)used;
	}
	return (int)used;
}

/* 0, -EBADMSG, or -EAGAIN when there is more. */
static int read_on(struct spool *s, struct entry *e, int fd)
{
	bool at_end = false;

	for (unsigned i = 0; i < MAX_READS && !at_end; i++) {
		uint64_t before = e->position;
		struct span in = layout_read(s, fd, before, &at_end);

		if (tell_sections(s, e, in) < 0 || (e->position == before && !at_end))
			return -EBADMSG;
	}
	return at_end ? 0 : -EAGAIN;
}

/* Leaves out a torn section: as read_on, and 0 also while what follows it is not there. */
static int step_over(struct spool *s, struct entry *e, int fd)
{
	bool at_end;
	struct span in = layout_read(s, fd, e->position, &at_end);
	size_t torn = section_find(in);

	e->torn = true;
	if (!torn)
		return in.n < METAFILE_MAX_SECTION ? 0 : -EBADMSG;
	counter_add(COUNT_SPOOL_BAD_FILES, 1);
	log_warn_limited("call %s: %zu bytes of its metadata file cannot be understood, and are "
		"left out", log_mark(e->parent), torn);
	e->position += torn;
	return -EAGAIN;
}

static enum visit gone(struct spool *s, struct entry *e)
{
	char name[LAYOUT_NAME];
	struct stat st;

	snprintf(name, sizeof(name), "%s.meta.DISCARD", e->parent);
	if (e->state == ENTRY_LIVE)
		layout_end(s, e, e->discard || layout_stat(s, DIR_PROC, name, &st) == 0 ?
			SPOOL_END_DISCARD : SPOOL_END_UNLINK);
	return VISIT_DROP;
}

static enum visit bad(struct spool *s, struct entry *e, const char *why)
{
	counter_add(COUNT_SPOOL_BAD_FILES, 1);
	log_warn_limited("call %s: its metadata file %s", log_mark(e->parent), why);
	if (e->state == ENTRY_LIVE)
		layout_end(s, e, SPOOL_END_BAD);
	e->state = ENTRY_OVER;
	return VISIT_DONE;
}

/* The same name may be another file: rtpengine restored the call and made it anew. */
static void compare(struct entry *e, const struct stat *st)
{
	if (e->remade || st->st_ino != e->inode || st->st_size < e->size) {
		e->position = 0;
		e->torn = false;
		if (e->state == ENTRY_OVER)
			e->state = ENTRY_NEW;
	}
	e->remade = e->discard = false;
	e->inode = st->st_ino;
	e->size = st->st_size;
}

static enum visit read_call(struct spool *s, struct entry *e, int fd)
{
	uint64_t began = e->position;
	int result;

	if (e->state == ENTRY_NEW && layout_begin(s, e, NULL) != SPOOL_TAKEN)
		return VISIT_DONE;
	if (e->state == ENTRY_OVER)
		return VISIT_DONE;
	result = read_on(s, e, fd);
	if (result == -EBADMSG && began && e->position == began && !e->torn) {
		/* made anew unseen, with an inode used again: from its start it makes sense */
		e->position = 0;
		result = read_on(s, e, fd);
	}
	if (result == -EBADMSG && e->position) /* nothing understood yet: it is no metafile */
		result = step_over(s, e, fd);
	if (result == -EBADMSG)
		return bad(s, e, "cannot be understood");
	return result == -EAGAIN ? VISIT_AGAIN : VISIT_DONE;
}

static enum visit on_visit(struct spool *s, struct entry *e)
{
	char name[LAYOUT_NAME];
	enum visit visit;
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%s.meta", e->parent);
	fd = layout_open(s, DIR_PROC, name, &st);
	if (fd == -ENOENT)
		return gone(s, e);
	if (fd == -EINVAL)
		return e->state == ENTRY_OVER ? VISIT_DONE : bad(s, e, "is no regular file");
	if (fd < 0)
		return VISIT_DONE;
	if (e->discard && e->state == ENTRY_LIVE) {
		layout_end(s, e, SPOOL_END_DISCARD);
		e->remade = true; /* what is there now is another recording's */
	}
	compare(e, &st);
	visit = read_call(s, e, fd);
	close(fd);
	return visit;
}

static void on_tick(struct spool *s, struct entry *e, usec_t wall)
{
	(void)s;
	(void)e;
	(void)wall; /* only rtpengine ends such a call, or its streams */
}

const struct layout procdir = { .name = on_name, .visit = on_visit, .tick = on_tick };
