/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-receive: the reference endpoint, polite or as rude as asked.
 *   accept -> conn (handshake, faults) -> take (header, samples, files) -> totals */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "tools/receive_conn.h"
#include "tools/receive_opts.h"
#include "tools/receive_tls.h"

#define EVENTS     256
#define TICK       (20 * MSEC)  /* while a fault has to be timed */
#define FLUSH      (500 * MSEC) /* how old a file may be */
#define ACCEPT_MAX 64           /* in one turn: those that run are served too */
#define BACKLOG    4096

struct receive {
	struct receive_opts opts;
	struct receive_totals totals;
	struct conn_env env;
	int listener, signals;
	bool deaf;        /* out of descriptors: not accepting until the next flush */
	bool stop, timed;
	usec_t tick_at, flush_at, stats_at;
};

/* ---- listening ---- */

/* "ADDR:PORT", "[ADDR]:PORT" */
static struct addrinfo *resolve(const char *where)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char *host = xstrdup(where), *bare = host, *colon = strrchr(host, ':');
	struct addrinfo *list = NULL;
	int err;

	if (!colon)
		die("--listen %s: it is ADDR:PORT", where);
	*colon = '\0';
	if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		bare++;
	}
	err = getaddrinfo(*bare ? bare : NULL, colon + 1, &hints, &list);
	if (err)
		die("--listen %s: %s", where, gai_strerror(err));
	free(host);
	return list;
}

static void print_name(char *out, size_t max, const struct sockaddr_storage *a, socklen_t n)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	getnameinfo((const struct sockaddr *)a, n, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, max, a->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int listen_at(const struct receive_opts *o)
{
	struct addrinfo *a = resolve(o->listen);
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1, least = 1;

	if (fd < 0)
		die("cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it; the kernel rounds up to its minimum. */
	if (o->small_buffers)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		die("cannot listen on %s: %s", o->listen, strerror(errno));
	freeaddrinfo(a);
	return fd;
}

static void say_where(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	char name[NI_MAXHOST + NI_MAXSERV + 8];

	must(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	print_name(name, sizeof(name), &a, n);
	printf("listening on %s\n", name);
	fflush(stdout);
}

static void listen_again(struct receive *r, bool yes)
{
	struct epoll_event ev = { .events = yes ? EPOLLIN : 0, .data.ptr = &r->listener };

	r->deaf = !yes;
	must(epoll_ctl(r->env.epoll, EPOLL_CTL_MOD, r->listener, &ev) == 0);
}

static void accept_some(struct receive *r)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		struct sockaddr_storage a;
		socklen_t n = sizeof(a);
		char name[NI_MAXHOST + NI_MAXSERV + 8];
		int fd = accept4(r->listener, (struct sockaddr *)&a, &n,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				listen_again(r, false);
			return;
		}
		print_name(name, sizeof(name), &a, n);
		conn_start(&r->env, fd, name);
	}
}

/* ---- totals ---- */

static void print_stats(struct receive *r)
{
	struct receive_totals *t = &r->totals;

	printf("{\"connections\": %" PRIu64 ", \"running\": %" PRIu64 ", \"ended\": %" PRIu64
	       ", \"headers\": %" PRIu64 ", \"resumed\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"audio_bytes\": %" PRIu64 ", \"audio_ms\": %" PRIu64 ", \"silence_ms\": %" PRIu64
	       ", \"file_errors\": %" PRIu64,
		t->connections, t->connections - t->ended, t->ended, t->headers, t->resumed, t->bytes,
		t->audio_bytes, t->audio_ms, t->silence_ms, t->file_errors);
	printf(", \"handshake_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}",
		(double)histogram_quantile(&t->handshake, .5) / 1000,
		(double)histogram_quantile(&t->handshake, .99) / 1000,
		(double)histogram_max(&t->handshake) / 1000);
	printf(", \"header_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}",
		(double)histogram_quantile(&t->header, .5) / 1000,
		(double)histogram_quantile(&t->header, .99) / 1000,
		(double)histogram_max(&t->header) / 1000);
	if (t->late.n)
		printf(", \"latency_ms\": {\"n\": %" PRIu64 ", \"p50\": %.2f, \"p99\": %.2f, "
		       "\"max\": %.2f}, \"displaced\": %" PRIu64, t->late.n,
			(double)receive_late_quantile(&t->late, .5) / 1000,
			(double)receive_late_quantile(&t->late, .99) / 1000,
			(double)t->late.max / 1000, t->displaced);
	printf(", \"longest_pause_ms\": %.3f, \"ends\": {", (double)t->longest_pause / 1000);
	for (unsigned i = 0; i < RECEIVE_ENDS; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", receive_end_name(i), t->ends[i]);
	printf("}}\n");
	fflush(stdout);
}

/* ---- the loop ---- */

static bool has_timed_faults(const struct receive_opts *o)
{
	return o->stall_after != RECEIVE_NEVER || o->close_after != RECEIVE_NEVER ||
	       o->reset_after != RECEIVE_NEVER || o->handshake_after || o->rate || o->send_rubbish;
}

static void on_time(struct receive *r, usec_t now)
{
	if (r->timed && now >= r->tick_at) {
		conn_tick_all(&r->env, now);
		r->tick_at = now + TICK;
	}
	if (now >= r->flush_at) {
		conn_flush_all(&r->env);
		if (r->deaf)
			listen_again(r, true);
		r->flush_at = now + FLUSH;
	}
	if (r->opts.stats_every && now >= r->stats_at) {
		print_stats(r);
		r->stats_at = now + r->opts.stats_every * SEC;
	}
}

static void on_event(struct receive *r, const struct epoll_event *ev)
{
	if (ev->data.ptr == &r->listener)
		accept_some(r);
	else if (ev->data.ptr == &r->signals)
		r->stop = true;
	else
		conn_event(&r->env, ev->data.ptr, ev->events);
}

static void run(struct receive *r)
{
	struct epoll_event events[EVENTS];

	while (!r->stop && (!r->opts.expect || r->totals.ended < r->opts.expect)) {
		int n = epoll_wait(r->env.epoll, events, EVENTS,
			(int)((r->timed ? TICK : FLUSH) / MSEC));

		must(n >= 0 || errno == EINTR);
		for (int i = 0; i < n; i++)
			on_event(r, &events[i]);
		on_time(r, clock_mono());
	}
}

/* ---- start and end ---- */

static void watch(struct receive *r, int fd, void *who)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = who };

	must(epoll_ctl(r->env.epoll, EPOLL_CTL_ADD, fd, &ev) == 0);
}

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	static struct receive r; /* distributions are large */

	receive_opts_parse(argc, argv, &r.opts);
	raise_limits();
	if (r.opts.dir && mkdir(r.opts.dir, 0750) < 0 && errno != EEXIST)
		die("cannot make %s: %s", r.opts.dir, strerror(errno));
	r.env = (struct conn_env){
		.opts = &r.opts,
		.totals = &r.totals,
		.ctx = r.opts.tcp ? NULL : receive_tls_ctx(&r.opts),
		.epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	r.timed = has_timed_faults(&r.opts);
	r.stats_at = clock_mono() + r.opts.stats_every * SEC;
	r.signals = catch_signals();
	r.listener = listen_at(&r.opts);
	if (r.env.epoll < 0 || r.signals < 0)
		die("cannot start: %s", strerror(errno));
	watch(&r, r.listener, &r.listener);
	watch(&r, r.signals, &r.signals);
	say_where(r.listener);
	run(&r);
	conn_stop_all(&r.env);
	if (r.opts.stats || r.opts.stats_every)
		print_stats(&r);
	receive_tls_ctx_free(&r.env.ctx);
	close(r.listener);
	close(r.signals);
	close(r.env.epoll);
	return 0;
}
