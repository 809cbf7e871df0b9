/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call on its worker: participants, media, streams, sinks; life, death, account.
 * Everything here is called on the worker's thread only. */
#ifndef CALL_CALL_H
#define CALL_CALL_H

#include "base/backlog.h"
#include "call/account.h"
#include "media/mixer.h"
#include "record/name.h"
#include "record/recording.h"
#include "spool/change.h"
#include "spool/source.h"

#define CALL_MAX_STREAMS 256 /* stream numbers of one call are below; others are not taken */

enum call_pause { CALL_PAUSE_SILENCE, CALL_PAUSE_CUT, CALL_PAUSE_NEW_FILE };

/* Recordings, as the options ask for them. */
struct call_record_opts {
	struct writer *writer;
	struct budget *budget;         /* NULL: that of all else */
	struct name_opts name;
	struct name_opts fallback;     /* dir NULL: none */
	struct recording_opts file;    /* what is the same for all */
	bool single, mixed, per_media, cut_gaps, keep_empty, sidecar;
	uint32_t rate_hz;              /* 0: as it comes */
	enum mixer_method mix_method;
	unsigned mix_channels;
	unsigned buffer_ms;
	enum call_pause on_pause;
	/* All its files are closed; kept: some of them for the next start. NULL: nobody goes on
	 * after a crash, and no memo is written for it. */
	void (*over)(void *arg, const char *parent, bool discarded, bool kept);
	bool (*known)(void *arg, const char *parent); /* an earlier run has recorded it; or NULL */
	void *arg;
};

enum call_header { CALL_HEADER_METADATA, CALL_HEADER_JSON };

struct call_opts {
	const char *forward_kind;   /* "tls", "tcp"; NULL: nothing is forwarded as audio */
	bool single, mixed;         /* a connection for each stream; one for the call */
	bool connection_per_ssrc;   /* else a stream keeps its connection when its SSRC changes */
	uint32_t rate_hz;
	enum mixer_method mix_method;
	unsigned mix_channels;
	unsigned buffer_ms, latency_ms;
	usec_t linger;
	enum backlog_policy when_full;
	enum call_header header;
	bool expects_data;          /* call data may come */
	usec_t header_wait;         /* how long a header waits for it */
	const char *forward_to;     /* Unix socket for whole packets, or NULL */
	const struct call_record_opts *record; /* NULL: nothing is recorded */
	usec_t (*wall)(void);       /* time of the account and its events; NULL: clock_wall */
};

struct call_env {
	const struct call_opts *opts;
	struct dest *dest;          /* the worker's view of the endpoint, or NULL */
	struct budget *budget;
};

struct call;

struct call *call_new(const struct call_env *, uint64_t number, const char *parent,
	enum spool_layout, usec_t now);
void call_free(struct call **); /* all its sources have ended */

void call_change(struct call *, const struct change *);
/* A source was made for this call and will send packets; it comes back by call_source_ended. */
void call_expect_source(struct call *, struct source *);
void call_data(struct call *, struct span json, unsigned elements, usec_t now);
void call_data_done(struct call *); /* no more call data will come */
void call_end(struct call *, const char *reason, usec_t now); /* reason: static */
void call_cut(struct call *); /* shutdown's deadline: what cannot go at once is given up */

void call_packet(struct source *, const struct packet *);  /* the source knows its call */
struct call *call_source_ended(struct source **);          /* frees the source */

/* For who cannot keep up: packets are read that long after they came, and the call's time, by which
 * it gives up what is late and fills what is missing, goes as they do. */
void call_set_behind(struct call *, usec_t behind);
void call_tick(struct call *, usec_t now); /* clock_mono; about every 20 ms */
bool call_is_over(const struct call *);    /* ended, all sinks done, call data final */
struct account *call_take_account(struct call *); /* once, when it is over */
/* Of its recordings that are finished, how many were published and how many could not be. */
void call_recordings(const struct call *, unsigned *published, unsigned *failed);
bool call_disk_refuses(const struct call *); /* a disk has refused a recording, and not taken it since */

#endif
