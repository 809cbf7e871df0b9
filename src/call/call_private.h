/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of a call, long because its parts see each other here and nowhere else: call.c (life),
 * changes.c (what the spool says), forward.c and tape.c (where audio goes), and
 * report.c (account) only. */
#ifndef CALL_CALL_PRIVATE_H
#define CALL_CALL_PRIVATE_H

#include "base/check.h"
#include "call/call.h"
#include "call/mix.h"

#define CALL_MAGIC 0xca11ca11u
#define LEG_MAGIC  0x1e61e601u

#define CALL_MAX_PARTIES 64
#define CALL_MAX_MEDIA  64

struct party { /* a tag: one participant */
	struct party *next;
	unsigned number;
	char *tag, *label, *metadata;
	const char *role;
	bool holds;          /* the other one, by its last SDP */
};

struct media {
	struct media *next;
	unsigned number;
	struct payloads *payloads;
};

struct tape { /* a recording that is being made */
	struct sink *sink;       /* NULL: none */
	int64_t next;            /* call position after what was put */
	struct keepsake *keepsake; /* the writer's as soon as the sink is made */
	unsigned channels;
	unsigned count;          /* of recordings in this run: only the first may go on with one */
};

struct leg { /* a stream and where its audio goes */
	MAGIC_MEMBER;
	struct leg *next;
	struct call *call;
	unsigned number, tag, media, component;
	unsigned section;        /* of its SDP, from 0 on */
	bool forwarding;         /* switched on for this stream alone */
	char *interface;
	unsigned ports[CHANGE_MAX_PORTS]; /* pcap: local ports, oldest first */
	unsigned n_ports;
	bool by_chance;          /* pcap: found by its packets, no SDP told of it */
	struct stream *stream;
	struct outlet *outlet;   /* NULL while nothing is forwarded */
	struct sink *sink;       /* NULL before the first audio */
	unsigned connections;    /* sinks so far */
	struct outlet *to_record, *to_record_mix; /* NULL while nothing is recorded */
	struct tape tape;
	const char *end;         /* why its last source ended */
	int error;
};

struct closing { /* a sink that only drains */
	struct closing *next;
	struct sink *sink;
	char *label;
	bool file;
};

struct call {
	MAGIC_MEMBER;
	const struct call_opts *opts;
	struct dest *dest;
	struct budget *budget;
	uint64_t number;
	char *parent, *call_id;
	size_t call_id_bytes;
	enum spool_layout layout;
	usec_t seen;             /* clock_mono */
	usec_t epoch;            /* call time 0, by the clock of its sources; 0: no packet yet */
	usec_t first;            /* when the first packet was read, by the same clock */
	usec_t behind;           /* proc: its packets are read that long after they came */
	usec_t file_now;         /* pcap, pcm: newest time in the file, less: */
	usec_t clock_set;        /* pcap: by how much the clock of the host that wrote it was set */
	unsigned strange;        /* pcap: records in a row whose time is far off */
	char *metadata;
	bool forwarding, recording;
	bool answered;           /* an offer from now on is a re-INVITE */
	struct party *parties;
	struct media *medias;
	struct leg *legs;
	unsigned n_parties, n_medias, n_legs;
	unsigned sources;        /* that have not ended */
	struct mix *mix;
	struct mix *record_mix;
	struct tape mix_tape;
	uint32_t record_rate;    /* of the mix; 0: not known yet */
	usec_t paused, left_out; /* recording switched off: since when; left out in all */
	uint64_t changes;        /* of what the spool and call data say */
	struct reminder *reminder; /* NULL before the first recording */
	bool discard;            /* nothing of its recordings may stay */
	char **published;        /* paths of finished recordings, to be discarded by */
	unsigned n_published, n_unpublished; /* the latter stay as .part */
	char *record_file, *record_path, *record_pattern; /* overrides, or NULL */
	struct closing *closing;
	struct unix_peer *unix_peer;
	uint64_t unclaimed;
	char *data;              /* call data, JSON */
	size_t data_bytes;
	unsigned data_elements;
	usec_t joined;           /* clock_mono; 0: not yet */
	bool data_done, headers_waiting, drained, cut;
	const char *ending;      /* why; NULL: the call runs */
	struct account *account; /* collects events while the call runs */
};

/* call.c */
struct leg *call_leg(struct call *, unsigned number);          /* made when new; NULL: too many */
struct party *call_party(struct call *, unsigned number, bool make);
/* leg or tag (a number): of none is NULL, -1. */
void call_event(struct call *, const struct leg *, int tag, const char *kind, const char *text);
usec_t call_time(const struct call *, usec_t now); /* clock_mono: how far its packets are */
usec_t call_wall(const struct call *);              /* likewise */

/* changes.c */
struct media *call_media(struct call *, unsigned number); /* made when new; NULL: too many */
void call_add_port(struct call *, struct leg *, unsigned port); /* and no other leg's any more */

/* forward.c */
void forward_update(struct leg *);  /* begins or ends forwarding as the switches say */
void forward_end(struct call *);    /* all audio is in: mix the rest, finish all sinks */
void forward_cut(struct call *);
void forward_tick(struct call *, usec_t now);
bool forward_done(const struct call *);
void forward_headers(struct call *, usec_t now); /* gives headers to sinks that may have them */
void forward_ssrc_changed(struct leg *);
void forward_packet(struct call *, struct span packet); /* whole, to forward-to */
void forward_metadata(struct call *);
void forward_free(struct call *);

/* tape.c */
void tape_update(struct leg *);
void tape_switched(struct call *, usec_t now); /* c->recording has changed */
void tape_ssrc_changed(struct leg *);
void tape_tick(struct call *, usec_t now);
int tape_channel(const struct leg *); /* of the mix, before any is shared; -1: of none */
void tape_end(struct call *);
void tape_free(struct leg *);
void tape_over(struct call *); /* all sinks are done */
void tape_discard(struct call *); /* what is recorded, and what will be, must go */
void tape_published(struct call *, const struct sink *); /* a file sink is done */

/* forward.c, for tape.c too: from here on the sink only drains. Takes label. */
void call_let_go(struct call *, struct sink **, char *label, bool file);
/* False: the leg has had so many recordings, or connections, that it goes on in the last one. */
bool call_splits(const struct leg *, unsigned had);

/* report.c */
void report_sink(struct call *, const char *label, const struct sink *);
void report_fill(struct call *);
char *report_json(struct call *); /* the account as of now; malloc'd */

#endif
