/* SPDX-License-Identifier: GPL-3.0-or-later */
/*   UP --failure--> DOWN --back-off over--> PROBE --leave given--> PROBING --success--> UP
 *                    ^                                                |
 *                    +-------------------- failure -------------------+  */
#include "tls/dest.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "tls/dest_start.h"

#define DEST_MAGIC 0x44455354u
#define LOOKUP_MAGIC 0x4c4f4f4bu
#define ADDRESSES_MAX 16u
#define ADDRESSES_AGE SEC /* reconnections that begin together share one look-up */
#define LOOKUP_PATIENCE (SEC / 2) /* of who knows addresses, older ones */

enum dest_state { DEST_UP, DEST_DOWN, DEST_PROBE, DEST_PROBING };

struct dest_notice {
	atomic_uint said;       /* bits: the faults that have been said since it was up */
	_Atomic(usec_t) since;  /* the first of them */
	atomic_uint attempts;   /* that failed */
};

/* Outlives its dest when the resolver does not answer. */
struct lookup {
	MAGIC_MEMBER;
	uv_getaddrinfo_t request;
	struct dest *dest; /* NULL: nobody waits any more */
};

struct dest {
	MAGIC_MEMBER;
	struct uv_loop_s *loop;
	struct dest_opts opts;
	struct dest_notice *notice;
	struct conn_session *session;
	enum dest_state state;
	usec_t now, retry_at;
	unsigned epoch;    /* verdicts so far: what began under an older one changes nothing */
	unsigned failures; /* in a row */
	unsigned starts_left, starting;
	uint32_t seed;     /* of the jitter */

	union dest_address address[ADDRESSES_MAX];
	unsigned addresses;
	union dest_address worked; /* after others had not: tried first from then on. While the
				    * first one works, whoever made their order spreads the load */
	bool numeric;              /* there is nothing to resolve */
	usec_t resolved_at;        /* or when it had to do without */
	struct lookup *lookup;     /* under way */
	usec_t lookup_since;
};

struct dest_notice *dest_notice_new(void)
{
	return xnew(struct dest_notice);
}

void dest_notice_free(struct dest_notice **np)
{
	free(*np);
	*np = NULL;
}

/* "tls-send-to host:port", as the operator wrote it. */
static char *describe(const struct dest *d)
{
	bool colon = strchr(d->opts.host, ':') != NULL;

	return xasprintf("%s %s%s%s:%s", d->opts.ctx ? "tls-send-to" : "tcp-send-to",
		colon ? "[" : "", d->opts.host, colon ? "]" : "", d->opts.service);
}

static void say_failure(struct dest *d, enum conn_fault fault, const char *reason)
{
	unsigned bit = 1u << fault;
	unsigned said = atomic_fetch_or(&d->notice->said, bit);
	char *what;

	atomic_fetch_add(&d->notice->attempts, 1);
	if (said & bit)
		return;
	if (!said)
		atomic_store(&d->notice->since, d->now);
	what = describe(d);
	log_warn("%s: %s", what, reason);
	free(what);
}

static void say_back(struct dest *d)
{
	unsigned attempts;
	char *what;

	if (!atomic_load(&d->notice->said) || !atomic_exchange(&d->notice->said, 0))
		return;
	attempts = atomic_exchange(&d->notice->attempts, 0);
	what = describe(d);
	log_info("%s: is back after %lld s, %u attempts", what,
		(long long)((d->now - atomic_load(&d->notice->since)) / SEC), attempts);
	free(what);
}

static uint32_t random_below(struct dest *d, uint32_t n)
{
	d->seed = d->seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)d->seed * n >> 32);
}

usec_t dest_backoff(struct dest *d, unsigned failures)
{
	usec_t wait = d->opts.backoff_min;

	while (failures-- > 1 && wait < d->opts.backoff_max)
		wait *= 2;
	if (wait > d->opts.backoff_max)
		wait = d->opts.backoff_max;
	return wait * 3 / 4 + wait * random_below(d, 1000) / 2000;
}

static void go_down(struct dest *d, enum conn_fault fault, const char *reason)
{
	d->failures++;
	d->epoch++;
	d->state = DEST_DOWN;
	d->retry_at = d->now + dest_backoff(d, d->failures);
	say_failure(d, fault, reason);
}

/* Who is still trying the old ones goes on with these. */
static void take_addresses(struct dest *d, const struct addrinfo *list)
{
	d->resolved_at = d->now;
	d->addresses = 0;
	for (; list && d->addresses < ADDRESSES_MAX; list = list->ai_next) {
		union dest_address *a = &d->address[d->addresses];

		must(list->ai_addrlen <= sizeof(*a)); /* there are no others with AF_UNSPEC */
		memset(a, 0, sizeof(*a)); /* they are compared as bytes */
		memcpy(a, list->ai_addr, list->ai_addrlen);
		d->addresses++;
	}
}

/* An endpoint that is where it was needs no DNS. */
static void do_without(struct dest *d, const char *why)
{
	char *reason = xasprintf("cannot resolve the name: %s (check it and the DNS)", why);
	char *what = describe(d);

	d->resolved_at = d->now;
	if (d->addresses)
		log_warn_limited("%s: %s; what it was before is used", what, reason);
	else
		go_down(d, CONN_UNREACHABLE, reason);
	free(reason);
	free(what);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct lookup *l = OBJ(request->data, struct lookup, LOOKUP_MAGIC);
	struct dest *d = l->dest;

	if (d) {
		d->lookup = NULL;
		if (status == 0 && list)
			take_addresses(d, list);
		else
			do_without(d, status ? uv_strerror(status) : "no address");
	}
	uv_freeaddrinfo(list);
	l->magic = 0;
	free(l);
}

static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };

static void look_up(struct dest *d)
{
	struct lookup *l = xnew(struct lookup);

	l->magic = LOOKUP_MAGIC;
	l->request.data = l;
	l->dest = d;
	if (uv_getaddrinfo(d->loop, &l->request, on_resolved, d->opts.host, d->opts.service,
		&hints) < 0) {
		free(l);
		do_without(d, "it is not a valid one");
		return;
	}
	d->lookup = l;
	d->lookup_since = d->now;
}

/* Addresses written as such need no resolver. */
static void try_numeric(struct dest *d)
{
	struct addrinfo numeric = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list;

	if (getaddrinfo(d->opts.host, d->opts.service, &numeric, &list) != 0)
		return;
	take_addresses(d, list);
	d->numeric = true;
	freeaddrinfo(list);
}

struct dest *dest_new(struct uv_loop_s *loop, const struct dest_opts *o, struct dest_notice *notice)
{
	struct dest *d = xnew(struct dest);

	must(o->backoff_min > 0 && o->starts_per_tick > 0 && o->max_starting > 0);
	d->magic = DEST_MAGIC;
	d->loop = loop;
	d->opts = *o;
	d->opts.host = xstrdup(o->host);
	d->opts.service = xstrdup(o->service);
	d->opts.server_name = xstrdup(o->server_name ? o->server_name : o->host);
	d->notice = notice;
	d->session = conn_session_new();
	d->seed = (uint32_t)uv_hrtime();
	try_numeric(d);
	return d;
}

void dest_free(struct dest **dp)
{
	struct dest *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	must(d->magic == DEST_MAGIC && d->starting == 0);
	if (d->lookup) {
		d->lookup->dest = NULL;
		uv_cancel((uv_req_t *)&d->lookup->request);
	}
	conn_session_free(&d->session);
	free((char *)d->opts.host);
	free((char *)d->opts.service);
	free((char *)d->opts.server_name);
	d->magic = 0;
	free(d);
}

void dest_tick(struct dest *d, usec_t now)
{
	d->now = now;
	d->starts_left = d->opts.starts_per_tick;
	if (d->state == DEST_DOWN && now >= d->retry_at)
		d->state = DEST_PROBE;
	if (d->lookup && !d->addresses && d->state != DEST_DOWN &&
	    now - d->lookup_since >= d->opts.connect_timeout) {
		d->lookup_since = now;
		go_down(d, CONN_UNREACHABLE, "the name is not resolved in time (check the DNS)");
	}
}

/* An endpoint may have moved, so its name is looked up again; but who knows where it was does not
 * wait for a DNS that does not answer. */
static bool knows_where(struct dest *d)
{
	if (d->numeric || (d->addresses && d->now - d->resolved_at < ADDRESSES_AGE))
		return true;
	if (!d->lookup)
		look_up(d);
	return d->addresses && d->now - d->lookup_since >= LOOKUP_PATIENCE;
}

static unsigned first_address(const struct dest *d)
{
	for (unsigned i = 0; i < d->addresses; i++)
		if (memcmp(&d->address[i], &d->worked, sizeof(d->worked)) == 0)
			return i;
	return 0;
}

bool dest_begin(struct dest *d, struct dest_start *s)
{
	must(!s->held);
	if (d->state == DEST_DOWN || d->state == DEST_PROBING)
		return false;
	if (!d->starts_left || d->starting >= d->opts.max_starting || !knows_where(d))
		return false;
	if (d->state == DEST_PROBE)
		d->state = DEST_PROBING;
	d->starts_left--;
	d->starting++;
	*s = (struct dest_start){ .held = true, .next = first_address(d),
		.left = d->addresses, .epoch = d->epoch };
	return true;
}

struct conn *dest_connect(struct dest *d, struct dest_start *s, void (*on_change)(void *), void *arg)
{
	unsigned i;

	must(s->held && s->left > 0 && d->addresses > 0);
	i = s->next % d->addresses;
	s->next = i + 1;
	s->left--;
	s->again = s->tried.any.sa_family != AF_UNSPEC;
	s->tried = d->address[i];
	return conn_new(&(struct conn_opts){
		.loop = d->loop,
		.address = &s->tried.any,
		.ctx = d->opts.ctx,
		.session = d->session,
		.name = d->opts.server_name,
		.connect_timeout = d->opts.connect_timeout,
		.handshake_timeout = d->opts.handshake_timeout,
		.write_timeout = d->opts.write_timeout,
	}, on_change, arg);
}

/* False: the leave has been given back before. */
static bool give_back(struct dest *d, struct dest_start *s)
{
	if (!s->held)
		return false;
	must(d->starting > 0);
	s->held = false;
	d->starting--;
	return true;
}

void dest_opened(struct dest *d, struct dest_start *s)
{
	if (!give_back(d, s))
		return;
	if (s->again)
		d->worked = s->tried;
	if (d->state != DEST_UP)
		d->epoch++;
	d->state = DEST_UP;
	s->epoch = d->epoch;
}

void dest_failed(struct dest *d, struct dest_start *s, enum conn_fault fault, const char *reason)
{
	give_back(d, s);
	if (s->epoch == d->epoch)
		go_down(d, fault, reason);
	else
		atomic_fetch_add(&d->notice->attempts, 1);
}

void dest_abandoned(struct dest *d, struct dest_start *s)
{
	if (give_back(d, s) && d->state == DEST_PROBING && s->epoch == d->epoch)
		d->state = DEST_PROBE;
}

void dest_settled(struct dest *d)
{
	d->failures = 0;
	say_back(d);
}
