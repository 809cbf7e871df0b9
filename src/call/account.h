/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The account of a call: what came in, what went out, what was lost and why. Filled by call.c when
 * the call is over; printed here, as one log line and as one JSON document (docs/account.md,
 * docs/account.schema.json). All strings are the account's own; input bytes may be anything, the
 * output is valid UTF-8. jansson inside. */
#ifndef CALL_ACCOUNT_H
#define CALL_ACCOUNT_H

#include "call/stream.h"
#include "sink/sink.h"

#define ACCOUNT_MAX_EVENTS 1000 /* more are counted: events_omitted */

struct account_tag {
	unsigned number;
	char *tag, *label, *metadata; /* NULL: not known */
	const char *role;             /* "caller", "callee" or "" */
};

struct account_event {
	usec_t at;        /* clock_wall */
	int stream, tag;  /* numbers; -1: of none */
	const char *kind; /* "digit", "signal", "ssrc", "codec", "jump", "forwarding" ...; static */
	const char *text; /* what of it: "5", "0x1234abcd", "PCMA", "on"; NULL: nothing */
	unsigned duration_ms;
};

struct account_stream {
	unsigned number, tag, media, component;
	int channel;         /* of the mixed recording, from 0 on; -1: it is in none */
	char *interface;     /* file name below the call's directory, or NULL */
	char *from, *to;     /* addresses of the first packet, or NULL */
	struct stream_counts count;
	uint64_t waiting;
	const char *end;     /* why its source ended; static */
	int error;           /* errno, with end "failed" */
	unsigned ssrcs;
	struct stream_ssrc ssrc[STREAM_MAX_SSRCS]; /* first: clock_wall */
};

struct account_sink {
	char *label;         /* "stream 2", "mixed" */
	struct sink_stats stats;
	usec_t first_byte_after; /* [us] since the call was seen; -1: nothing was sent */
};

struct account {
	uint64_t number;
	char *parent, *call_id;
	size_t call_id_bytes;
	const char *layout;  /* "proc", "pcap", "pcm" */
	const char *end;     /* "ended", "discarded", "orphaned", "unreadable metadata", "stale",
	                      * "shutdown", "running" */
	usec_t seen, first_packet, ended; /* clock_wall; 0: never */
	usec_t joined_after; /* [us] since seen; -1: no call data came */
	unsigned data_elements;
	char *data;          /* {"merged":{...},"texts":[...]} or NULL */
	char *metadata;      /* or NULL */
	uint64_t unix_messages, unix_dropped; /* forward-to */
	uint64_t unclaimed;  /* packets of a pcap that belong to no stream */
	unsigned tags, streams, sinks, events, events_omitted;
	struct account_tag *tag;
	struct account_stream *stream;
	struct account_sink *sink;
	struct account_event *event;
};

struct account *account_new(void);
void account_free(struct account **);

/* Room for one more; zeroed; valid until the next of its kind is added. */
struct account_tag *account_add_tag(struct account *);
struct account_stream *account_add_stream(struct account *);
struct account_sink *account_add_sink(struct account *);
/* Copies text; beyond ACCOUNT_MAX_EVENTS only counts. */
void account_add_event(struct account *, const struct account_event *);

/* in = out + dropped + buffered, at every stage. */
bool account_stream_balances(const struct account_stream *);
bool account_sink_balances(const struct account_sink *);

char *account_json(const struct account *); /* one line, malloc'd */
char *account_line(const struct account *); /* for the log: at most 1 KiB, malloc'd */

#endif
