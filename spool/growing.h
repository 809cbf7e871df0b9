/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One growing file and how far it has been passed on. Reads may wait for a disk: only the tail
 * thread calls these. */
#ifndef SPOOL_GROWING_H
#define SPOOL_GROWING_H

#include "spool/pace.h"
#include "spool/pcap.h"
#include "spool/source.h"
#include "spool/wav.h"

#define GROWING_ROUND  (64 * 1024)  /* [bytes] read of one file before it is the next one's turn */
#define GROWING_BUFFER (PCAP_MAX_RECORD + PCAP_RECORD_HEADER) /* and of the header, before all */

enum growing_state {
	GROWING_DRY,   /* all that is there was passed on */
	GROWING_MORE,  /* there is more to read now */
	GROWING_WAIT,  /* the queue is full, or it is too early: look again after wait */
	GROWING_ENDED, /* source->end says how */
};

struct growing {
	struct source *source;
	bool begun;         /* the header was understood */
	bool whole_buffer;  /* the last round moved nothing: is a record longer? */
	uint64_t position;  /* [bytes] everything before is passed on */
	uint64_t begin;     /* PCM: [bytes] of the first sample; */
	uint64_t end;       /* behind the last one as the header has it, WAV_UNKNOWN: none */
	uint64_t resumed;   /* PCM: [bytes] of the first sample we read; */
	usec_t wall;        /* and our clock at that moment */
	unsigned frame;     /* PCM: [bytes] of a sample of all channels */
	struct pcap pcap;
	struct pace pace;
	const char *why;    /* what is wrong with it, of SOURCE_END_BAD */
};

/* False: it could not be opened, source->end and error say why. */
bool growing_open(struct growing *, struct source *);

/* Passes on at most a round. finishing: nobody writes it any more. buffer: GROWING_BUFFER bytes. */
enum growing_state growing_read(struct growing *, uint8_t *buffer, bool finishing,
	unsigned max_speed, usec_t *wait);

void growing_close(struct growing *); /* the source is free to go; end and error stay */

#endif
