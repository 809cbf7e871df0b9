/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A source of audio: a kernel stream, a growing pcap or a growing PCM file.
 *
 * Its life is a row of gifts: control makes it -> opener opens it -> intake (kernel streams) or
 * tail (files) reads it into the worker's packet queue -> PACKET_END gives it to the worker, which
 * reads the counts and frees it. One thread at a time; no lock. */
#ifndef SPOOL_SOURCE_H
#define SPOOL_SOURCE_H

#include "base/mailbox.h"
#include "base/packetq.h"

enum source_kind { SOURCE_PROC, SOURCE_PCAP, SOURCE_PCM };

/* Set at the end; the worker turns it into the account's words. */
enum source_end {
	SOURCE_END_EOF,      /* the kernel or the file said so */
	SOURCE_END_GROUP,    /* another stream of the call ended: closed with it */
	SOURCE_END_STOPPED,  /* we were asked to */
	SOURCE_END_FAILED,   /* could not be opened or read: error */
	SOURCE_END_BAD,      /* the file is not what it should be */
};

#define SOURCE_MAGIC 0x50c5ce01u

struct source {
	struct mail mail; /* travels through mailboxes */
	uint32_t magic;
	enum source_kind kind;
	uint64_t call;    /* the call's number: sources of one call are closed together */
	unsigned stream;  /* rtpengine's stream number; pcap: unused */
	unsigned instance; /* which intake or tail thread reads it */
	struct packetq *queue; /* of the call's worker, from the thread that reads */
	char *path;
	int fd;                /* -1 while not open */
	unsigned rate_hz, channels; /* SOURCE_PCM, raw: from the options; a WAV header overrides */
	uint64_t position;     /* files: [bytes] where to begin */
	uint64_t epoch;        /* proc: which opening of the call this belongs to */

	usec_t asked, opened, eof_seen, closed; /* clock_mono; 0: not yet */
	enum source_end end;
	int error;             /* errno of SOURCE_END_FAILED */
	uint64_t packets, bytes, refused; /* read; refused by the queue */
	uint64_t bad_records;  /* pcap: records that were no packets */
	void *reader;          /* the reading thread's own */
	void *consumer;        /* the worker's own */
	struct inbox *inbox;   /* the worker's own: where its packets wait for their call's turn */
};

struct source *source_new(enum source_kind, uint64_t call, const char *path);
void source_free(struct source **);

#endif
