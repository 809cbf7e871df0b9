/* SPDX-License-Identifier: GPL-3.0-or-later */
/* <pcm-dir>/NAME.pcm|.wav: one file, one call, one stream; whole when its writer closes it. */
#include <errno.h>
#include <stdio.h>

#include "spool/layout.h"
#include "spool/spool.h"

static void on_name(struct spool *s, enum spool_dir dir, const char *name, enum watch_what what)
{
	struct span parent;
	const char *suffix = ".pcm";
	struct entry *e;

	(void)dir;
	if (!layout_parent(name, "", suffix, &parent)) {
		suffix = ".wav";
		if (!layout_parent(name, "", suffix, &parent))
			return;
	}
	e = what == WATCH_GONE ? layout_find(s, SPOOL_PCM, parent)
			       : layout_find_or_make(s, SPOOL_PCM, parent);
	if (!e || (e->suffix && e->suffix[1] != suffix[1]))
		return; /* NAME.pcm and NAME.wav: the first to come is the call */
	e->suffix = suffix;
	e->grew = true;
	e->closed |= what == WATCH_CLOSED;
	layout_mark(s, e);
}

static enum spool_answer tell_call(struct spool *s, struct entry *e, const char *name)
{
	struct spool_file file = { .inode = e->inode, .bytes = (uint64_t)e->size };
	enum spool_answer answer = layout_begin(s, e, &file);

	if (answer != SPOOL_TAKEN)
		return answer;
	if (!layout_tell_call_id(s, e)) {
		layout_end(s, e, SPOOL_END_BAD);
		return SPOOL_REFUSED;
	}
	layout_tell(s, e, &(struct change){ .kind = CHANGE_TAG });
	layout_tell(s, e, &(struct change){ .kind = CHANGE_STREAM, .component = 1 });
	layout_tell_file(s, e, DIR_PCM, name);
	return SPOOL_TAKEN;
}

static enum visit on_visit(struct spool *s, struct entry *e)
{
	const struct spool_opts *o = layout_opts(s);
	enum spool_answer answer = SPOOL_TAKEN;
	usec_t wall = clock_wall();
	char name[LAYOUT_NAME];
	struct stat st;
	int err;

	snprintf(name, sizeof(name), "%s%s", e->parent, e->suffix);
	err = layout_stat(s, DIR_PCM, name, &st);
	if (err == -EAGAIN)
		return VISIT_DONE;
	if (err < 0) {
		if (e->state == ENTRY_LIVE)
			layout_end(s, e, SPOOL_END_UNLINK);
		return VISIT_DROP;
	}
	if (e->state == ENTRY_OVER && (st.st_ino != e->inode || st.st_size < e->size))
		e->state = ENTRY_NEW;
	e->moved = layout_mtime(&st);
	e->inode = st.st_ino;
	e->size = st.st_size;
	if (e->state == ENTRY_NEW && wall - e->moved > o->pcap_max_age)
		return VISIT_DROP;
	if (e->state == ENTRY_NEW)
		answer = tell_call(s, e, name);
	if (answer == SPOOL_CONSUMED || answer == SPOOL_ENDING)
		return VISIT_DROP; /* asked again at its next write */
	if (e->state == ENTRY_OVER)
		return VISIT_DONE; /* refused: its next write is no other call */
	layout_grew(s, e);
	/* an empty file that is closed was only made: its writer comes back */
	if ((e->closed && st.st_size) || wall - e->moved > o->pcm_idle_timeout) {
		layout_end(s, e, SPOOL_END_UNLINK);
		return VISIT_DROP;
	}
	e->closed = false;
	return VISIT_DONE;
}

static void on_tick(struct spool *s, struct entry *e, usec_t wall)
{
	if (e->state == ENTRY_LIVE && wall - e->moved > layout_opts(s)->pcm_idle_timeout)
		layout_mark(s, e);
}

const struct layout pcmdir = { .name = on_name, .visit = on_visit, .tick = on_tick };
