/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to the spool: its calls by name, and the row of those that have to be looked at. */
#ifndef SPOOL_ENTRIES_H
#define SPOOL_ENTRIES_H

#include <sys/types.h>

#include "base/clock.h"
#include "spool/change.h"
#include "spool/pcapmeta.h"

enum entry_state {
	ENTRY_NEW,  /* not told yet */
	ENTRY_LIVE, /* told */
	ENTRY_OVER, /* refused or ended, while its file is still there */
};

struct entry {
	struct entry *chain, *next_marked;
	uint32_t hash;
	enum spool_layout layout;
	enum entry_state state;
	bool marked;

	/* hints since the last visit */
	bool look;    /* its metadata may have changed */
	bool grew;    /* its pcap or PCM file was written */
	bool closed;  /* the same file was closed */
	bool remade;  /* its metafile was removed, and may be there again */
	bool discard; /* its metafile was renamed to .DISCARD, or (pcap) closed and removed */
	bool finished; /* pcap: its metadata came up in metadata/ */
	bool idle;    /* nobody has written to it for its time-out */

	unsigned again;    /* [ticks] until it is looked at without a hint; 0: never */
	unsigned failures; /* times in a row that it could not be read */

	uint64_t position; /* [bytes] of the metafile understood */
	bool torn;         /* proc: the metafile holds what is no section */
	off_t size;        /* of the metadata or PCM file when last seen */
	ino_t inode;
	usec_t moved;      /* clock_wall: last write we know of */
	bool named;        /* pcap: the name of its metadata came up, not only that of its pcap */
	usec_t shut;       /* clock_mono: pcap: its metadata was closed by a writer */
	bool has_text;     /* pcap: its metadata was read */
	bool missing;      /* pcap: and is not there any more */
	bool running;      /* pcap: its metadata was seen in tmp/ */
	bool asleep;       /* pcap: over for as long as its pcap has this many */
	off_t bytes;
	bool file_told;    /* pcap: CHANGE_FILE_OPEN */
	struct pcapmeta *meta;
	const char *suffix; /* pcm */
	char parent[];
};

struct entries {
	struct entry **bucket;
	uint32_t buckets; /* a power of two */
	uint32_t count;
	struct entry *first, **last; /* marked, oldest first */
};

void entries_init(struct entries *);
void entries_fini(struct entries *);

struct entry *entries_find(const struct entries *, enum spool_layout, struct span parent);
struct entry *entries_make(struct entries *, enum spool_layout, struct span parent);
void entries_drop(struct entries *, struct entry **); /* must not be marked */

void entries_mark(struct entries *, struct entry *); /* once is enough */
struct entry *entries_next(struct entries *);        /* unmarks the oldest; NULL when none */

/* After a visit; error: errno of what could not be read, 0: all could. */
void entry_try_later(struct entry *, int error);

void entries_each(struct entries *, void (*fn)(void *arg, struct entry *), void *arg);

#endif
