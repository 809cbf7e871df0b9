/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For tests: peers against an endpoint on loopback, on one loop. Time is told, not waited for: each
 * turn is a tick of 20 ms, so back-offs of minutes pass in moments. */
#ifndef TESTS_PEERS_H
#define TESTS_PEERS_H

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "base/clock.h"
#include "tests/unit/endpoint.h"
#include "tls/peer.h"

#define TICK (20 * MSEC)
#define RATE 16000u /* bytes per second: 8 kHz mono */
#define TICK_BYTES 320u
#define BOUND 32000u /* two seconds */

static uv_loop_t loop;
static usec_t now;
static struct budget budget = { .limit = 64 << 20 };
static struct endpoint end;
static struct dest_notice *notice;
static struct dest *dest;
static struct ctx *ctx;

/* One tick for everybody; waits at most a millisecond of real time for the sockets. */
static inline void turn(struct peer **peers, unsigned n)
{
	struct pollfd sockets = { .fd = uv_backend_fd(&loop), .events = POLLIN };

	now += TICK;
	dest_tick(dest, now);
	for (unsigned i = 0; i < n; i++)
		peer_tick(peers[i], now);
	endpoint_serve(&end);
	uv_run(&loop, UV_RUN_NOWAIT); /* what was asked for is known to the kernel now */
	if (poll(&sockets, 1, 1) > 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	endpoint_serve(&end);
}

/* Turns until the condition holds; ends the test when it never does. */
#define TURN_UNTIL(p, condition) \
	do { \
		usec_t give_up_ = clock_mono() + 10 * SEC; \
		while (!(condition)) { \
			assert_true(clock_mono() < give_up_); \
			turn(&(p), 1); \
		} \
	} while (0)

static inline struct peer_stats stats_of(const struct peer *p)
{
	struct peer_stats s;

	peer_get_stats(p, &s);
	assert_int_equal(s.put, s.sent + s.dropped + peer_waiting(p));
	return s;
}

static inline void make_dest(const char *host, uint16_t port, const char *server_name)
{
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	notice = dest_notice_new();
	dest = dest_new(&loop, &(struct dest_opts){ .host = host, .service = service,
		.server_name = server_name, .ctx = ctx, .connect_timeout = 5 * SEC,
		.handshake_timeout = 5 * SEC, .write_timeout = 60 * SEC,
		.backoff_min = 250 * MSEC, .backoff_max = 15 * SEC, .starts_per_tick = 16,
		.max_starting = 64 }, notice);
}

/* Of so many times as many bytes in the same time. */
static inline struct peer *make_large_peer(enum backlog_policy policy, unsigned times, usec_t linger)
{
	return peer_new(&(struct peer_opts){ .dest = dest, .budget = &budget, .name = "call stream 0",
		.max_bytes = BOUND * times, .frame = 2, .bytes_per_second = RATE * times,
		.coalesce = 960 * times, .max_speed = 8, .linger = linger, .policy = policy });
}

static inline struct peer *make_peer(enum backlog_policy policy)
{
	return make_large_peer(policy, 1, 5 * SEC);
}

static inline void tear_down(struct peer **p)
{
	peer_free(p);
	if (dest)
		dest_free(&dest);
	uv_run(&loop, UV_RUN_NOWAIT);
	dest_notice_free(&notice);
	ctx_free(&ctx);
	endpoint_forget(&end);
	assert_int_equal(budget_used(&budget), 0);
}

/* The n-th sample of the test's audio: never zero, never the same twice in a row. */
static inline uint16_t sample(size_t i)
{
	return (uint16_t)(i % 65521 + 1);
}

static inline void put_audio(struct peer *p, size_t *at, size_t bytes)
{
	uint8_t pcm[TICK_BYTES];

	for (; bytes; bytes -= sizeof(pcm)) {
		for (size_t i = 0; i < sizeof(pcm); i += 2, ++*at) {
			pcm[i] = (uint8_t)sample(*at);
			pcm[i + 1] = (uint8_t)(sample(*at) >> 8);
		}
		peer_put(p, span_of(pcm, sizeof(pcm)));
	}
}

/* Every sample is what it should be at its time, or silence. How many were silence. */
static inline size_t check_audio(const uint8_t *pcm, size_t bytes, size_t first)
{
	size_t quiet = 0;

	assert_int_equal(bytes % 2, 0);
	for (size_t i = 0; i < bytes; i += 2) {
		uint16_t got = (uint16_t)(pcm[i] | pcm[i + 1] << 8);

		quiet += got == 0;
		if (got)
			assert_int_equal(got, sample(first + i / 2));
	}
	return quiet;
}

/* The header and its NUL are what came first; where the audio begins. */
static inline const uint8_t *after_header(const struct guest *g, const char *header)
{
	assert_true(g->n > strlen(header));
	assert_memory_equal(g->got, header, strlen(header) + 1);
	return g->got + strlen(header) + 1;
}

static inline bool is_live(struct peer *p)
{
	return stats_of(p).connects > 0;
}

#endif
