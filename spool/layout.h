/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to the spool: what its three layouts share, and what each has to give. */
#ifndef SPOOL_LAYOUT_H
#define SPOOL_LAYOUT_H

#include <sys/stat.h>

#include "spool/entries.h"
#include "spool/spool.h"
#include "spool/watch.h"

enum spool_dir { DIR_PROC, DIR_TMP, DIR_METADATA, DIR_PCAPS, DIR_PCM, SPOOL_DIRS };

enum visit {
	VISIT_DONE,
	VISIT_AGAIN, /* there is more: when others have had their turn */
	VISIT_DROP,  /* nothing is left to know of it */
};

/* Events are hints: name() finds or makes the call and marks it, visit() looks at its files and
 * tells what is new. So the order of events never matters, and a scan is only many names. */
struct layout {
	void (*name)(struct spool *, enum spool_dir, const char *name, enum watch_what);
	enum visit (*visit)(struct spool *, struct entry *);
	/* once a second, of each call: sets idle and marks it when its time is over */
	void (*tick)(struct spool *, struct entry *, usec_t wall);
};

extern const struct layout procdir, pcapdir, pcmdir;

struct entry *layout_find(struct spool *, enum spool_layout, struct span parent);
/* NULL when too many are known. */
struct entry *layout_find_or_make(struct spool *, enum spool_layout, struct span parent);
void layout_mark(struct spool *, struct entry *);

/* First word of a call. Its state is ENTRY_OVER unless it is taken. file: see struct spool_events. */
enum spool_answer layout_begin(struct spool *, struct entry *, const struct spool_file *);
void layout_tell(struct spool *, const struct entry *, const struct change *);
bool layout_tell_call_id(struct spool *, const struct entry *); /* from its parent; false: a NUL */
void layout_tell_file(struct spool *, const struct entry *, enum spool_dir, const char *name);
void layout_grew(struct spool *, const struct entry *);
void layout_end(struct spool *, struct entry *, enum spool_end); /* the state is ENTRY_OVER */
void layout_discarded(struct spool *, struct span parent); /* after its entry was dropped */

/* Regular files only, never through a link. fd or 0; -ENOENT; -EINVAL: not a regular file;
 * -EAGAIN: cannot be told now, it will be looked at again, at first after a second. */
int layout_open(struct spool *, enum spool_dir, const char *name, struct stat *);
int layout_stat(struct spool *, enum spool_dir, const char *name, struct stat *);

/* The bytes of fd from position on, in the spool's one buffer (LAYOUT_BUFFER), and whether they
 * reach the file's end. */
#define LAYOUT_BUFFER ((size_t)128 * 1024)
struct span layout_read(struct spool *, int fd, uint64_t position, bool *at_end);

const struct spool_opts *layout_opts(const struct spool *);
usec_t layout_mtime(const struct stat *); /* as clock_wall */

/* "<prefix>PARENT<suffix>" to PARENT; false when it is not of that form. */
bool layout_parent(const char *name, const char *prefix, const char *suffix, struct span *out);

#define LAYOUT_NAME 512 /* [bytes] for prefix, parent and suffix */

#endif
