/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an idle TLS connection costs: printed, because it depends on the OpenSSL that is installed.
 * The endpoint is a process of its own, so that only our half is measured. */
#include <malloc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <uv.h>

#include "base/clock.h"
#include "tests/unit/endpoint.h"
#include "tls/peer.h"

#define PEERS 400u

static struct endpoint end;
static struct peer *peers[PEERS];

/* Serves until its parent is gone. */
static _Noreturn void serve_for_ever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct pollfd p = { .fd = end.fd, .events = POLLIN };

		poll(&p, 1, 2);
		endpoint_serve(&end);
	}
}

static unsigned count_greeted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS; i++) {
		struct peer_stats s;

		peer_get_stats(peers[i], &s);
		n += s.sent > 0;
	}
	return n;
}

static void turn(uv_loop_t *loop, struct dest *dest, usec_t *now)
{
	struct pollfd p = { .fd = uv_backend_fd(loop), .events = POLLIN };

	*now += 2 * MSEC;
	dest_tick(dest, *now);
	for (unsigned i = 0; i < PEERS; i++)
		peer_tick(peers[i], *now);
	poll(&p, 1, 2);
	uv_run(loop, UV_RUN_NOWAIT);
}

static void idle_connections_are_small(void **state)
{
	struct budget budget = { .limit = 64 << 20 };
	struct pair self = make_pair(NULL, "self", "IP:127.0.0.1", false, 10);
	struct dest_notice *notice = dest_notice_new();
	usec_t now = SEC, give_up = clock_mono() + 60 * SEC;
	size_t before, after;
	struct ctx *ctx;
	struct dest *dest;
	char service[8], *reason = NULL;
	uv_loop_t loop;
	pid_t child;

	(void)state;
	endpoint_open(&end, 0, serve_with(&self));
	snprintf(service, sizeof(service), "%u", end.port);
	child = fork();
	if (child == 0)
		serve_for_ever();
	uv_loop_init(&loop);
	ctx = ctx_new(&(struct ctx_opts){ .no_verify = true, .ca_option = "tls-ca-file",
		.certificate_option = "tls-certificate" }, &reason);
	dest = dest_new(&loop, &(struct dest_opts){ .host = "127.0.0.1", .service = service,
		.ctx = ctx, .connect_timeout = 60 * SEC, .handshake_timeout = 60 * SEC,
		.write_timeout = 60 * SEC, .backoff_min = MSEC, .backoff_max = SEC,
		.starts_per_tick = 8, .max_starting = 32 }, notice);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = peer_new(&(struct peer_opts){ .dest = dest, .budget = &budget,
			.name = "p", .max_bytes = 160000, .frame = 2, .bytes_per_second = 16000,
			.coalesce = 960, .max_speed = 8 });
		peer_set_header(peers[i], span_text("metadata"));
		peer_put(peers[i], span_text("audio!"));
	}
	while (count_greeted() < PEERS && clock_mono() < give_up)
		turn(&loop, dest, &now);
	/* OpenSSL keeps a buffer after a session ticket until the next write: there is one. */
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 0; i < 100; i++)
			turn(&loop, dest, &now);
		for (unsigned i = 0; i < PEERS; i++)
			peer_put(peers[i], span_text("audio!"));
	}
	for (unsigned i = 0; i < 100; i++)
		turn(&loop, dest, &now);
	assert_int_equal(count_greeted(), PEERS);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	print_message("%u idle TLS peers: %zu bytes of heap each, backlog included\n", PEERS,
		(after - before) / PEERS);
	for (unsigned i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
	dest_free(&dest);
	dest_notice_free(&notice);
	ctx_free(&ctx);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&loop), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	endpoint_forget(&end);
	free_pair(&self);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(idle_connections_are_small) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
