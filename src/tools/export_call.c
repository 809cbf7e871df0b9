/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pcap through a call of the daemon: its metadata as changes, its records as packets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mem.h"
#include "call/call.h"
#include "spool/pcap.h"
#include "tools/export_stall.h"
#include "tools/export_text.h"

#define READ_BYTES ((size_t)1 << 20)
#define TICK       (100 * MSEC)      /* of the file's time */
#define MEMORY     ((size_t)256 << 20)
#define MUCH       ((size_t)8 << 20)  /* [bytes] waiting for the disk: it goes first */
#define NAP_US     500

_Static_assert(READ_BYTES >= PCAP_MAX_RECORD + PCAP_RECORD_HEADER, "a record must fit");

struct export_call {
	const struct export_file *file;
	struct export_stats *stats;
	struct call *call;
	struct call_opts opts;
	struct budget budget;
	struct source *source;
	int fd;
	struct pcap pcap;
	struct export_text *text; /* NULL: a pcap alone; streams are found by their packets */
	uint64_t packets;
	usec_t first, last;   /* of its records */
	char *why;            /* the file is not what it should be */
	struct export_stall stall;
	bool cut;             /* given up */
};

/* What the account calls now: the time in the file that this thread is reading. */
static _Thread_local usec_t file_now;

static usec_t wall(void)
{
	return file_now;
}

/* ---- metadata ---- */

static void on_change(void *arg, const struct change *change)
{
	struct export_call *x = arg;

	call_change(x->call, change);
}

/* "<escaped call-id>-<16 hex>" */
static void tell_call_id(struct export_call *x)
{
	size_t n = strlen(x->file->parent);
	uint8_t *id = xalloc(n + 1);
	ptrdiff_t bytes = span_unescape(span_of(x->file->parent, n > 17 ? n - 17 : n), id, n);

	if (bytes > 0)
		call_change(x->call, &(struct change){ .kind = CHANGE_CALL_ID,
			.text = span_of(id, (size_t)bytes) });
	free(id);
}

/* ---- the disk ---- */

static void tick(struct export_call *x)
{
	file_now = x->last;
	call_tick(x->call, clock_mono());
}

/* Of a call that can do nothing but wait for it. */
static void look_at_disk(struct export_call *x)
{
	tick(x);
	if (x->cut || call_is_over(x->call) ||
	    !export_stall_look(&x->stall, counter_sum(COUNT_DISK_BYTES), call_disk_refuses(x->call),
		clock_mono()))
		return;
	x->cut = true;
	atomic_store(&x->stats->stop, true);
	call_cut(x->call);
}

/* False: it does not take anything any more. */
static bool wait_for_disk(struct export_call *x)
{
	while (budget_used(&x->budget) > MUCH && !x->cut) {
		look_at_disk(x);
		usleep(NAP_US);
	}
	return !x->cut;
}

/* ---- packets ---- */

static struct packet *new_packet(struct export_call *x)
{
	struct packet *p = xalloc(sizeof(*p) + PCAP_MAX_IP);

	p->to = x->source;
	p->kind = PACKET_IP;
	return p;
}

static bool take_record(struct export_call *x, const struct pcap_record *r, struct packet *p,
	usec_t *ticked)
{
	if (++x->packets >= export_text_due(x->text)) {
		file_now = r->time;
		export_text_tell(x->text, x->packets);
	}
	if (!r->ip.n || r->ip.n > PCAP_MAX_IP) {
		x->source->bad_records++;
		return true;
	}
	if (!x->first)
		x->first = r->time;
	if (r->time > x->last)
		x->last = r->time;
	p->time = r->time;
	p->bytes = (uint32_t)r->ip.n;
	memcpy(p->data, r->ip.p, r->ip.n);
	call_packet(x->source, p);
	if (x->last - *ticked < TICK)
		return true;
	*ticked = x->last;
	tick(x);
	return budget_used(&x->budget) <= MUCH || wait_for_disk(x);
}

/* All whole records of what is there: how many bytes. -1: it is no pcap from here on. */
static ssize_t take_records(struct export_call *x, struct span in, struct packet *p,
	usec_t *ticked)
{
	struct span rest = in;
	struct pcap_record r;
	ssize_t n = 0;

	if (!x->pcap.link && (n = pcap_header(&x->pcap, rest)) <= 0)
		return n;
	rest = span_skip(rest, (size_t)n);
	while ((n = pcap_next(&x->pcap, rest, &r)) > 0) {
		if (!take_record(x, &r, p, ticked))
			return -1;
		rest = span_skip(rest, (size_t)n);
	}
	return n < 0 ? -1 : (ssize_t)(in.n - rest.n);
}

/* A last record that was cut off is no fault: rtpengine was killed, or its disk was full. */
static void read_all(struct export_call *x)
{
	struct packet *p = new_packet(x);
	uint8_t *buffer = xalloc(READ_BYTES);
	size_t have = 0;
	ssize_t n, used = 0;
	usec_t ticked = 0;

	while ((n = read(x->fd, buffer + have, READ_BYTES - have)) > 0) {
		atomic_fetch_add(&x->stats->bytes, (unsigned long long)n);
		have += (size_t)n;
		used = take_records(x, span_of(buffer, have), p, &ticked);
		if (used < 0)
			break;
		have -= (size_t)used;
		memmove(buffer, buffer + used, have);
	}
	if (n < 0)
		x->why = xasprintf("cannot be read: %s", strerror(errno));
	else if (used < 0 && !x->cut)
		x->why = xasprintf("damaged at byte %llu: %s",
			(unsigned long long)x->pcap.position, x->pcap.why ? x->pcap.why : "?");
	else if (!x->pcap.link && have)
		x->why = xstrdup("this is no pcap: it ends within its header");
	free(buffer);
	free(p);
}

/* The time of the first record, for what is told before any packet: SDPs. */
static usec_t first_time(const struct export_file *f, int fd)
{
	uint8_t head[PCAP_HEADER + PCAP_RECORD_HEADER + 4096];
	ssize_t n = pread(fd, head, sizeof(head), 0), used;
	struct pcap pcap;
	struct pcap_record r;

	pcap_init(&pcap);
	if (n <= 0 || (used = pcap_header(&pcap, span_of(head, (size_t)n))) <= 0)
		return f->mtime;
	if (pcap_next(&pcap, span_of(head + used, (size_t)(n - used)), &r) <= 0)
		return f->mtime;
	return r.time;
}

/* ---- life ---- */

static int open_pcap(const struct export_file *f)
{
	int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return fd;
}

struct export_call *export_call_new(const struct export_env *env, const struct export_file *f,
	unsigned number, char **why)
{
	int fd = open_pcap(f);
	struct export_call *x;

	if (fd < 0) {
		*why = xstrdup(strerror(-fd));
		return NULL;
	}
	x = xnew(struct export_call);
	x->file = f;
	x->stats = env->stats;
	x->fd = fd;
	x->opts = (struct call_opts){ .record = env->record, .wall = wall };
	x->budget.limit = MEMORY;
	pcap_init(&x->pcap);
	file_now = x->last = first_time(f, fd);
	x->call = call_new(&(struct call_env){ .opts = &x->opts, .budget = &x->budget }, number,
		f->parent, SPOOL_PCAP, clock_mono());
	x->source = source_new(SOURCE_PCAP, number, f->path);
	call_expect_source(x->call, x->source);
	tell_call_id(x);
	x->text = export_text_open(f, on_change, x, &x->why);
	read_all(x);
	file_now = x->last;
	export_text_close(&x->text);
	x->source->end = x->why ? SOURCE_END_BAD : SOURCE_END_EOF;
	call_source_ended(&x->source);
	call_data_done(x->call);
	call_end(x->call, "ended", clock_mono());
	return x;
}

bool export_call_is_over(struct export_call *x)
{
	look_at_disk(x);
	return call_is_over(x->call);
}

const struct export_file *export_call_file(const struct export_call *x)
{
	return x->file;
}

char *export_call_end(struct export_call **xp)
{
	struct export_call *x = *xp;
	unsigned published, failed;
	char *why = x->why;
	struct account *a;

	*xp = NULL;
	call_recordings(x->call, &published, &failed);
	if (!why && (failed || x->cut))
		why = xstrdup("the disk did not take all of it");
	atomic_fetch_add(&x->stats->recordings, published);
	if (x->first)
		atomic_fetch_add(&x->stats->calls, x->last - x->first);
	a = call_take_account(x->call);
	account_free(&a);
	call_free(&x->call);
	must(budget_used(&x->budget) == 0);
	close(x->fd);
	free(x);
	return why;
}
