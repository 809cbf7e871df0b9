/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that reads growing files: pcap (rtpengine recording-method = pcap) and PCM. A file is
 * patient: when the worker's queue is half full, reading waits. It may wait for a disk, so it never
 * owns a kernel stream.
 *
 * pcap: classic 2.4, both byte orders, micro- and nanoseconds, link types RAW (101; 12 and 14 on
 * some systems), Ethernet (1), Linux cooked (113); each record becomes one PACKET_IP with the
 * record's time. A file may begin with 0 bytes and end in the middle of a record. Never read faster
 * than max_speed times the file's own time.
 * pcm: raw s16le, or WAV whose header sizes are not final: PACKET_PCM. */
#ifndef SPOOL_TAIL_H
#define SPOOL_TAIL_H

#include "spool/source.h"

struct tail_opts {
	unsigned queues;
	struct packetq **queue;
	/* How far a file has been consumed, at most once a second and at its end. On the tail's
	 * own thread; from tail_stop on the caller's. */
	void (*consumed)(void *arg, uint64_t call, uint64_t position, bool finished);
	void *arg;
	unsigned max_speed; /* times real time, 8 */
};

struct tail;

struct tail *tail_start(const struct tail_opts *);
/* False: by then (clock_mono) a disk holds its thread, which may yet touch what it was given. */
bool tail_stop(struct tail **, usec_t deadline);

void tail_give(struct tail *, struct source **); /* opens it itself; clears *s */
void tail_grew(struct tail *, uint64_t call);    /* there may be more */
void tail_finish(struct tail *, uint64_t call);  /* nothing more will come: read to the end, then end */
void tail_close_call(struct tail *, uint64_t call); /* end now */

#endif
