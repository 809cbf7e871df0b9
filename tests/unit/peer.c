/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/mem.h"
#include "tests/unit/endpoint.h"
#include "tests/unit/peers.h"
#include "tls/conn.h"
#include "tls/peer.h"

static char dir[64];
static struct pair authority, named, numbered, expired, alone, client;

static char *file(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void make_ctx(const char *ca, const char *certificate, bool no_verify)
{
	char *reason = NULL;

	ctx = ctx_new(&(struct ctx_opts){ .ca_file = ca, .certificate = certificate,
		.ca_option = "tls-ca-file", .certificate_option = "tls-certificate",
		.no_verify = no_verify }, &reason);
	assert_non_null(ctx);
}

/* ---- what is sent ----------------------------------------------------------------------- */

static void send_a_stream(const char *header)
{
	struct peer *p = make_peer(BACKLOG_DROP_OLDEST);
	size_t at = 0, from;

	TURN_UNTIL(p, is_live(p));
	put_audio(p, &at, 3200);
	for (unsigned i = 0; i < 10; i++)
		turn(&p, 1);
	assert_int_equal(stats_of(p).sent, 0); /* no header yet, no byte */
	assert_int_equal(stats_of(p).first_byte, 0);
	assert_false(peer_has_header(p));
	peer_set_header(p, span_text(header));
	assert_true(peer_has_header(p));
	for (unsigned i = 0; i < 100; i++) {
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
		assert_true(peer_waiting(p) <= 3200 + 960);
	}
	peer_put_silence(p, 640);
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	assert_int_equal(end.guests, 1);
	assert_true(end.guest[0].closed_in_order);
	from = strlen(header) + 1;
	assert_int_equal(end.guest[0].n, from + 3200 + 32000 + 640);
	assert_int_equal(check_audio(after_header(&end.guest[0], header),
		end.guest[0].n - from, 0), 320);
	assert_int_equal(stats_of(p).sent, 35200);
	assert_int_equal(stats_of(p).silence, 640);
	assert_int_equal(stats_of(p).dropped, 0);
	assert_true(stats_of(p).first_byte > 0);
	tear_down(&p);
}

static void plain_stream_is_byte_exact(void **state)
{
	(void)state;
	endpoint_open(&end, 0, NULL);
	make_dest("127.0.0.1", end.port, NULL);
	send_a_stream("tag:a|name:b");
}

static void tls_stream_is_byte_exact(void **state)
{
	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	send_a_stream("");
}

static void a_name_is_resolved(void **state)
{
	(void)state;
	endpoint_open(&end, 0, NULL);
	make_dest("localhost", end.port, NULL);
	send_a_stream("resolved");
}

static void a_large_header_goes_first(void **state)
{
	char *header = xalloc(100001);
	struct peer *p;

	(void)state;
	memset(header, 'h', 100000);
	endpoint_open(&end, 0, serve_with(&numbered));
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text(header));
	peer_put(p, span_text("audio!"));
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	assert_memory_equal(after_header(&end.guest[0], header), "audio!", 6);
	free(header);
	tear_down(&p);
}

static void small_writes_are_gathered(void **state)
{
	struct peer *p;
	size_t at = 0;
	uint64_t sent = 0;
	unsigned writes = 0;

	(void)state;
	endpoint_open(&end, 0, NULL);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("h"));
	TURN_UNTIL(p, is_live(p));
	for (unsigned i = 0; i < 60; i++) {
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
		writes += stats_of(p).sent > sent;
		sent = stats_of(p).sent;
	}
	assert_in_range(writes, 19, 21); /* one in 60 ms */
	put_audio(p, &at, TICK_BYTES); /* the last one does not wait for company */
	for (unsigned i = 0; i < 5; i++)
		turn(&p, 1);
	assert_int_equal(peer_waiting(p), 0);
	for (unsigned i = 0; i < 10; i++) { /* rare ticks send in real time all the same */
		put_audio(p, &at, RATE);
		now += SEC - TICK;
		turn(&p, 1);
		assert_int_equal(peer_waiting(p), 0);
	}
	tear_down(&p);
}

/* ---- outages ---------------------------------------------------------------------------- */

static void lost_connection_goes_on_with_the_header(void **state)
{
	struct peer *p;
	size_t at = 0, first;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("meta"));
	for (unsigned i = 0; i < 50; i++) {
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
	}
	guest_leave(&end.guest[0], true);
	first = (size_t)stats_of(p).sent / 2; /* nothing goes out before the loss is seen */
	for (unsigned i = 0; i < 100; i++) {
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
	}
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	assert_int_equal(end.guests, 2);
	assert_int_equal(stats_of(p).connects, 2);
	assert_int_equal(stats_of(p).dropped, 0);
	first = at - (end.guest[1].n - 5) / 2;
	assert_int_equal(check_audio(after_header(&end.guest[1], "meta"), end.guest[1].n - 5, first), 0);
	assert_true(end.guest[1].closed_in_order);
	tear_down(&p);
}

static void refused_then_accepted_keeps_what_is_within_the_bound(void **state)
{
	struct peer *p;
	size_t at = 0, quiet;
	uint16_t port;
	uint64_t before;

	(void)state;
	endpoint_open(&end, 0, NULL);
	port = end.port;
	endpoint_close(&end);
	make_dest("127.0.0.1", port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("m"));
	for (unsigned i = 0; i < 200; i++) { /* four seconds, of which two fit */
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
	}
	assert_int_equal(stats_of(p).dropped, 64000 - BOUND);
	assert_int_equal(stats_of(p).full_episodes, 1);
	endpoint_open(&end, port, NULL);
	TURN_UNTIL(p, is_live(p));
	do { /* never faster than eight times real time, once the burst is spent */
		before = stats_of(p).sent + stats_of(p).silence;
		turn(&p, 1);
		assert_true(stats_of(p).sent + stats_of(p).silence - before <=
			8 * RATE / 16 + 8 * TICK_BYTES + 960);
	} while (peer_waiting(p));
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	assert_int_equal(end.guest[0].n, 2 + 64000);
	quiet = check_audio(after_header(&end.guest[0], "m"), 64000, 0);
	assert_int_equal(quiet, (64000 - BOUND) / 2);
	assert_int_equal(check_audio(end.guest[0].got + 2 + 32000, 32000, 16000), 0);
	tear_down(&p);
}

static void an_outage_is_few_attempts(void **state)
{
	static struct peer *peers[200];
	uint64_t before = counter_sum(COUNT_TLS_CONNECTS), attempts;
	uint16_t port;

	(void)state;
	endpoint_open(&end, 0, NULL);
	port = end.port;
	endpoint_close(&end);
	make_dest("127.0.0.1", port, NULL);
	for (unsigned i = 0; i < 200; i++) {
		peers[i] = make_peer(BACKLOG_DROP_OLDEST);
		peer_set_header(peers[i], span_text("m"));
	}
	for (unsigned i = 0; i < 1500; i++) /* thirty seconds */
		turn(peers, 200);
	attempts = counter_sum(COUNT_TLS_CONNECTS) - before;
	assert_in_range(attempts, 4, 40);
	endpoint_open(&end, port, NULL);
	for (unsigned i = 0; i < 1000; i++)
		turn(peers, 200);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(stats_of(peers[i]).connects, 1);
		if (i)
			peer_free(&peers[i]);
	}
	tear_down(&peers[0]);
}

static void starts_are_budgeted(void **state)
{
	static struct peer *peers[100];
	uint64_t before;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	end.no_handshake = true;
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	for (unsigned i = 0; i < 100; i++)
		peers[i] = make_peer(BACKLOG_DROP_OLDEST);
	before = counter_sum(COUNT_TLS_CONNECTS);
	turn(peers, 100);
	assert_int_equal(counter_sum(COUNT_TLS_CONNECTS) - before, 16);
	for (unsigned i = 0; i < 20; i++)
		turn(peers, 100);
	assert_int_equal(counter_sum(COUNT_TLS_CONNECTS) - before, 64);
	for (unsigned i = 1; i < 100; i++)
		peer_free(&peers[i]);
	tear_down(&peers[0]);
}

static void unfinished_handshake_is_given_up(void **state)
{
	uint64_t before = counter_sum(COUNT_TLS_FAILED_HANDSHAKE);
	struct peer *p;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	end.no_handshake = true;
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	for (unsigned i = 0; i < 245; i++)
		turn(&p, 1);
	assert_int_equal(counter_sum(COUNT_TLS_FAILED_HANDSHAKE), before);
	for (unsigned i = 0; i < 20; i++)
		turn(&p, 1);
	assert_int_equal(counter_sum(COUNT_TLS_FAILED_HANDSHAKE), before + 1);
	tear_down(&p);
}

/* ---- an endpoint that does not read ----------------------------------------------------- */

/* Puts so much that everything on the way is full. */
static struct peer *stall(enum backlog_policy policy, size_t *at)
{
	struct peer *p;

	endpoint_open(&end, 0, NULL);
	end.no_read = true;
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(policy);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, is_live(p));
	TURN_UNTIL(p, (put_audio(p, at, 4 * TICK_BYTES), stats_of(p).dropped > 3 * BOUND));
	return p;
}

static void stalled_endpoint_costs_the_oldest(void **state)
{
	size_t at = 0, total;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DROP_OLDEST, &at);
	assert_int_equal(stats_of(p).full_episodes, 1);
	end.no_read = false;
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	total = end.guest[0].n - 2;
	assert_int_equal(total, at * 2); /* time is true */
	check_audio(after_header(&end.guest[0], "m"), total, 0);
	assert_int_equal(check_audio(end.guest[0].got + 2 + total - BOUND, BOUND, at - BOUND / 2), 0);
	assert_true(end.guest[0].closed_in_order);
	tear_down(&p);
}

static void stalled_endpoint_costs_the_newest(void **state)
{
	size_t at = 0, total;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DROP_NEWEST, &at);
	end.no_read = false;
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	total = end.guest[0].n - 2;
	assert_int_equal(total, at * 2);
	assert_int_equal(check_audio(after_header(&end.guest[0], "m"), total, 0) * 2,
		stats_of(p).dropped);
	assert_int_equal(check_audio(end.guest[0].got + 2 + total - BOUND, BOUND, at - BOUND / 2),
		BOUND / 2);
	tear_down(&p);
}

static void stalled_endpoint_is_disconnected(void **state)
{
	size_t at = 0;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DISCONNECT, &at);
	assert_true(stats_of(p).connects > 1);
	end.no_read = false;
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	tear_down(&p);
}

static void stalled_connection_is_lost_after_its_deadline(void **state)
{
	uint64_t before = counter_sum(COUNT_TLS_LOST);
	size_t at = 0;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DROP_OLDEST, &at);
	for (unsigned i = 0; i < 60 * 50 + 10 && counter_sum(COUNT_TLS_LOST) == before; i++)
		turn(&p, 1);
	assert_int_equal(counter_sum(COUNT_TLS_LOST), before + 1);
	tear_down(&p);
}

static void linger_is_the_last_word(void **state)
{
	size_t at = 0;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DROP_OLDEST, &at);
	peer_finish(p);
	for (unsigned i = 0; i < 50 * 6 + 10; i++)
		turn(&p, 1);
	assert_true(peer_done(p));
	assert_int_equal(peer_waiting(p), 0);
	stats_of(p);
	tear_down(&p);
}

/* For ever slower than real time: no more waits than the bound, and the writes by which it got less
 * for a moment. */
static void slow_endpoint_keeps_to_the_bound(void **state)
{
	const unsigned times = 4; /* 32 kHz: writes are shorter than what comes in between */
	struct peer *p;
	size_t at = 0;

	(void)state;
	endpoint_open(&end, 0, NULL);
	endpoint_narrow(&end);
	end.paced = true;
	make_dest("127.0.0.1", end.port, NULL);
	p = make_large_peer(BACKLOG_DROP_OLDEST, times, 5 * SEC);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, is_live(p));
	for (unsigned i = 0; i < 1500; i++) { /* thirty seconds */
		end.may_read = times * TICK_BYTES * 7 / 10;
		put_audio(p, &at, times * TICK_BYTES);
		turn(&p, 1);
		assert_true(peer_waiting(p) <= times * (BOUND + TICK_BYTES) + 2 * CONN_SEND_MAX);
	}
	assert_true(stats_of(p).dropped > times * BOUND);
	assert_true(stats_of(p).connects == 1 && stats_of(p).sent > 2 * CONN_SEND_MAX);
	tear_down(&p);
}

/* What was within the bound when it stalled is there, however much silence has to go out first. */
static void stall_is_made_good(void **state)
{
	size_t at = 0, kept;
	uint64_t out;
	struct peer *p;

	(void)state;
	p = stall(BACKLOG_DROP_OLDEST, &at);
	for (unsigned i = 0; i < 1000; i++) { /* and twenty seconds more */
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
	}
	kept = at - BOUND / 2;
	out = stats_of(p).sent + stats_of(p).silence;
	end.no_read = false;
	TURN_UNTIL(p, stats_of(p).sent + stats_of(p).silence > out);
	for (unsigned i = 0; i < 500; i++) {
		put_audio(p, &at, TICK_BYTES);
		turn(&p, 1);
	}
	assert_true(peer_waiting(p) < 3 * 960);
	peer_finish(p);
	TURN_UNTIL(p, peer_done(p));
	assert_int_equal(end.guest[0].n, 2 + at * 2);
	assert_int_equal(check_audio(end.guest[0].got + 2 + kept * 2, (at - kept) * 2, kept), 0);
	tear_down(&p);
}

/* All is with the connection, but not with the kernel: it is not closed over that. */
static void slow_endpoint_hears_the_end(void **state)
{
	struct peer *p;
	size_t at = 0;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	endpoint_narrow(&end);
	end.paced = true;
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_large_peer(BACKLOG_DROP_OLDEST, 4, 60 * SEC);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, is_live(p));
	put_audio(p, &at, 2 * CONN_SEND_MAX / TICK_BYTES * TICK_BYTES); /* one, the kernel takes */
	TURN_UNTIL(p, peer_waiting(p) == 0);
	peer_finish(p);
	for (unsigned i = 0; i < 100; i++) /* two seconds */
		turn(&p, 1);
	assert_false(peer_done(p));
	end.paced = false;
	TURN_UNTIL(p, peer_done(p));
	assert_int_equal(stats_of(p).sent, at * 2);
	assert_int_equal(end.guest[0].n, 2 + at * 2);
	assert_int_equal(check_audio(after_header(&end.guest[0], "m"), at * 2, 0), 0);
	assert_true(end.guest[0].closed_in_order);
	tear_down(&p);
}

/* ---- rude endpoints --------------------------------------------------------------------- */

static void rubbish_is_thrown_away(void **state)
{
	uint64_t before = counter_sum(COUNT_TLS_BYTES_REFUSED);

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	end.rubbish = true;
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	send_a_stream("x");
	assert_true(counter_sum(COUNT_TLS_BYTES_REFUSED) > before + 10000);
}

/* The endpoint resets one peer's connections again and again: that peer backs off, and another
 * one of the same endpoint does not notice. */
static void resets_are_the_peer_s_own_trouble(void **state)
{
	struct peer *peers[2];
	size_t at[2] = { 0 };

	(void)state;
	endpoint_open(&end, 0, NULL);
	make_dest("127.0.0.1", end.port, NULL);
	peers[0] = make_peer(BACKLOG_DROP_OLDEST);
	peers[1] = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(peers[0], span_text("good"));
	peer_set_header(peers[1], span_text("bad"));
	for (unsigned i = 0; i < 500; i++) {
		put_audio(peers[0], &at[0], TICK_BYTES);
		put_audio(peers[1], &at[1], TICK_BYTES);
		turn(peers, 2);
		for (unsigned g = 0; g < end.guests; g++)
			if (end.guest[g].n > 3 && end.guest[g].got[0] == 'b')
				guest_leave(&end.guest[g], true);
	}
	assert_int_equal(stats_of(peers[0]).connects, 1);
	assert_int_equal(stats_of(peers[0]).dropped, 0);
	assert_true(peer_waiting(peers[0]) <= 960);
	assert_in_range(stats_of(peers[1]).connects, 3, 12);
	peer_free(&peers[1]);
	tear_down(&peers[0]);
}

static void cut_still_says_goodbye(void **state)
{
	struct peer *p;
	size_t at = 0;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, is_live(p));
	put_audio(p, &at, TICK_BYTES);
	peer_cut(p);
	turn(&p, 1);
	assert_true(peer_done(p));
	assert_int_equal(stats_of(p).dropped, TICK_BYTES);
	for (unsigned i = 0; i < 3; i++)
		turn(&p, 1);
	assert_true(end.guest[0].closed_in_order);
	tear_down(&p);
}

/* ---- trust ------------------------------------------------------------------------------ */

static void whom_we_trust(void **state)
{
	const struct {
		const struct pair *shows;
		const char *ca, *server_name;
		bool no_verify, works;
	} rows[] = {
		{ &numbered, "authority", NULL, false, true },          /* IP address in it */
		{ &numbered, "authority", "127.0.0.2", false, false },
		{ &named, "authority", NULL, false, false },            /* no IP address in it */
		{ &named, "authority", "endpoint.test", false, true },
		{ &named, "authority", "other.test", false, false },
		{ &named, "authority", "other.test", true, true },
		{ &expired, "authority", NULL, false, false },
		{ &expired, "authority", NULL, true, true },
		{ &alone, "authority", NULL, false, false },            /* self-signed */
		{ &alone, "alone", NULL, false, true },
		{ &alone, NULL, NULL, false, false },                   /* the system's CAs */
		{ &alone, NULL, NULL, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t refused = counter_sum(COUNT_TLS_FAILED_VERIFY);
		struct peer *p;

		endpoint_open(&end, 0, serve_with(rows[i].shows));
		make_ctx(rows[i].ca ? file(rows[i].ca) : NULL, NULL, rows[i].no_verify);
		make_dest("127.0.0.1", end.port, rows[i].server_name);
		p = make_peer(BACKLOG_DROP_OLDEST);
		peer_set_header(p, span_text("secret"));
		TURN_UNTIL(p, is_live(p) || counter_sum(COUNT_TLS_FAILED_VERIFY) > refused);
		for (unsigned k = 0; k < 3; k++)
			turn(&p, 1);
		assert_int_equal(is_live(p), rows[i].works);
		assert_int_equal(end.guest[0].n, rows[i].works ? 7 : 0);
		tear_down(&p);
	}
}

static SSL_CTX *serve_certified(void)
{
	SSL_CTX *ssl = serve_with(&numbered);

	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	must(SSL_CTX_load_verify_locations(ssl, file("authority"), NULL) == 1);
	return ssl;
}

static void client_certificate_is_shown(void **state)
{
	struct peer *p;

	(void)state;
	endpoint_open(&end, 0, serve_certified());
	make_ctx(file("authority"), file("client"), false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, end.guests == 1 && end.guest[0].n == 2);
	assert_true(end.guest[0].certified);
	tear_down(&p);
}

/* In TLS 1.3 the refusal comes after our handshake: it still counts as one of the endpoint. */
static void missing_client_certificate_backs_off(void **state)
{
	uint64_t before = counter_sum(COUNT_TLS_FAILED_HANDSHAKE), connects;
	struct peer *p;

	(void)state;
	endpoint_open(&end, 0, serve_certified());
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	TURN_UNTIL(p, counter_sum(COUNT_TLS_FAILED_HANDSHAKE) > before);
	connects = counter_sum(COUNT_TLS_CONNECTS);
	for (unsigned i = 0; i < 500; i++) /* ten seconds */
		turn(&p, 1);
	assert_in_range(counter_sum(COUNT_TLS_CONNECTS) - connects, 2, 8);
	tear_down(&p);
}

static void session_is_resumed(void **state)
{
	uint64_t before = counter_sum(COUNT_TLS_RESUMED);
	struct peer *p;
	char *reason = NULL;

	(void)state;
	endpoint_open(&end, 0, serve_with(&numbered));
	make_ctx(file("authority"), NULL, false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("m"));
	TURN_UNTIL(p, end.guests == 1 && end.guest[0].n == 2);
	guest_leave(&end.guest[0], true);
	TURN_UNTIL(p, end.guests == 2 && end.guest[1].n == 2);
	assert_true(end.guest[1].resumed);
	assert_int_equal(counter_sum(COUNT_TLS_RESUMED), before + 1);
	/* Certificates read anew may trust others: nothing from before is resumed. */
	assert_int_equal(ctx_reload(ctx, &reason), 0);
	guest_leave(&end.guest[1], true);
	TURN_UNTIL(p, end.guests == 3 && end.guest[2].n == 2);
	assert_false(end.guest[2].resumed);
	tear_down(&p);
}

static unsigned greeted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < end.guests; i++)
		n += end.guest[i].n == 2;
	return n;
}

/* Without a session id context OpenSSL refuses its own sessions when it asks for certificates. */
static void refused_sessions_are_not_offered_again(void **state)
{
	uint64_t failed = counter_sum(COUNT_TLS_FAILED_HANDSHAKE);
	struct peer *p;
	SSL_CTX *ssl = serve_certified();

	(void)state;
	SSL_CTX_set_session_id_context(ssl, (const uint8_t *)"", 0);
	endpoint_open(&end, 0, ssl);
	make_ctx(file("authority"), file("client"), false);
	make_dest("127.0.0.1", end.port, NULL);
	p = make_peer(BACKLOG_DROP_OLDEST);
	peer_set_header(p, span_text("m"));
	for (unsigned n = 1; n <= 4; n++) {
		TURN_UNTIL(p, greeted() == n);
		guest_leave(&end.guest[end.guests - 1], true);
	}
	assert_int_equal(counter_sum(COUNT_TLS_FAILED_HANDSHAKE) - failed, 1);
	tear_down(&p);
}

static void bad_certificate_files_are_explained(void **state)
{
	char *reason = NULL;
	struct ctx_opts o = { .ca_file = file("nothing"), .ca_option = "tls-ca-file",
		.certificate_option = "tls-certificate" };

	(void)state;
	assert_null(ctx_new(&o, &reason));
	assert_non_null(strstr(reason, "tls-ca-file"));
	free(reason);
	reason = NULL;
	o.ca_file = NULL;
	o.certificate = file("client");
	o.private_key = file("alone");
	assert_null(ctx_new(&o, &reason));
	assert_non_null(strstr(reason, "tls-certificate"));
	free(reason);
}

static int make_files(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_DFL); /* it must never come */
	uv_loop_init(&loop);
	snprintf(dir, sizeof(dir), "/tmp/spoolwire-peer-XXXXXX");
	must(mkdtemp(dir));
	authority = make_pair(NULL, "authority", NULL, true, 10);
	named = make_pair(&authority, "named", "DNS:endpoint.test", false, 10);
	numbered = make_pair(&authority, "numbered", "IP:127.0.0.1", false, 10);
	expired = make_pair(&authority, "expired", "IP:127.0.0.1", false, -1);
	client = make_pair(&authority, "client", NULL, false, 10);
	alone = make_pair(NULL, "alone", "IP:127.0.0.1", false, 10);
	write_pair(&authority, file("authority"));
	write_pair(&alone, file("alone"));
	write_pair(&client, file("client"));
	now = SEC;
	return 0;
}

static int remove_files(void **state)
{
	struct pair *all[] = { &authority, &named, &numbered, &expired, &client, &alone };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		free_pair(all[i]);
	unlink(file("authority"));
	unlink(file("alone"));
	unlink(file("client"));
	rmdir(dir);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_stream_is_byte_exact),
		cmocka_unit_test(tls_stream_is_byte_exact),
		cmocka_unit_test(a_name_is_resolved),
		cmocka_unit_test(a_large_header_goes_first),
		cmocka_unit_test(small_writes_are_gathered),
		cmocka_unit_test(lost_connection_goes_on_with_the_header),
		cmocka_unit_test(refused_then_accepted_keeps_what_is_within_the_bound),
		cmocka_unit_test(an_outage_is_few_attempts),
		cmocka_unit_test(starts_are_budgeted),
		cmocka_unit_test(unfinished_handshake_is_given_up),
		cmocka_unit_test(stalled_endpoint_costs_the_oldest),
		cmocka_unit_test(stalled_endpoint_costs_the_newest),
		cmocka_unit_test(stalled_endpoint_is_disconnected),
		cmocka_unit_test(stalled_connection_is_lost_after_its_deadline),
		cmocka_unit_test(linger_is_the_last_word),
		cmocka_unit_test(slow_endpoint_keeps_to_the_bound),
		cmocka_unit_test(stall_is_made_good),
		cmocka_unit_test(slow_endpoint_hears_the_end),
		cmocka_unit_test(rubbish_is_thrown_away),
		cmocka_unit_test(resets_are_the_peer_s_own_trouble),
		cmocka_unit_test(cut_still_says_goodbye),
		cmocka_unit_test(whom_we_trust),
		cmocka_unit_test(client_certificate_is_shown),
		cmocka_unit_test(missing_client_certificate_backs_off),
		cmocka_unit_test(session_is_resumed),
		cmocka_unit_test(refused_sessions_are_not_offered_again),
		cmocka_unit_test(bad_certificate_files_are_explained),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
