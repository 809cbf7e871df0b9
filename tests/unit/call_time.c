/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pcap of two participants, mixed in a channel each: time that does not go as it should. */
#include "call/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_peer.h"
#include "packets.h"

#define YEAR   (365 * 86400 * SEC)
#define START  (50 * YEAR) /* of the file */
#define PACKET 160         /* [frames] 20 ms */

static const struct call_opts opts = { .forward_kind = "tcp", .mixed = true, .rate_hz = 8000,
	.mix_method = MIXER_CHANNELS, .mix_channels = 2, .buffer_ms = 2000, .latency_ms = 20,
	.linger = SEC };
static struct budget budget = { .limit = SIZE_MAX / 2 };
static struct call *call;
static struct source *source;
static usec_t now;

static int setup(void **state)
{
	struct call_env env = { .opts = &opts, .budget = &budget };

	(void)state;
	now = 1000 * SEC;
	call = call_new(&env, 1, "parent", SPOOL_PCAP, now);
	source = source_new(SOURCE_PCAP, 1, "test.pcap");
	call_expect_source(call, source);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_peers_free();
	return call ? -1 : 0;
}

/* PCMU, 32124 or -32124; each participant has a port. */
static void deliver(unsigned i, unsigned k, uint32_t ts, usec_t time)
{
	struct span data = packets_rtp(&(struct made){ .port = 30000 + 2 * i, .seq = k, .ts = ts,
		.ssrc = 100 + i, .payload = packets_filled(i ? 0x00 : 0x80, PACKET) });
	struct packet *p = xalloc(sizeof(*p) + data.n);

	p->to = source;
	p->time = time;
	p->bytes = (uint32_t)data.n;
	p->kind = PACKET_IP;
	memcpy(p->data, data.p, data.n);
	call_packet(source, p);
	free(p);
}

static usec_t time_of(unsigned k)
{
	return START + k * 20 * MSEC;
}

static void tick(void)
{
	call_tick(call, now += 20 * MSEC);
}

/* Returns the audio of both, interleaved, and of how many packets it is. */
static const int16_t *finish(size_t *packets, struct account **account)
{
	call_data_done(call);
	call_end(call, "ended", now);
	source->end = SOURCE_END_EOF;
	call_source_ended(&source);
	for (unsigned i = 0; i < 5 && !call_is_over(call); i++)
		tick();
	assert_true(call_is_over(call));
	*account = call_take_account(call);
	call_free(&call);
	assert_int_equal(fake_peers, 1);
	*packets = fake_peer[0]->n / 4 / PACKET;
	return fake_peer[0]->sample;
}

static void check(const int16_t *samples, unsigned from, unsigned to, unsigned i)
{
	for (size_t n = (size_t)from * PACKET; n < (size_t)to * PACKET; n++)
		if (samples[n * 2 + i] != (i ? -32124 : 32124))
			fail_msg("frame %zu of participant %u is %d", n, i, samples[n * 2 + i]);
}

/* One whose timestamps run a second ahead from its 100th packet on, for ten seconds. */
static void test_one_steps_ahead(void **state)
{
	struct account *account;
	const int16_t *samples;
	size_t packets;

	(void)state;
	for (unsigned k = 0; k < 550; k++) {
		deliver(0, k, k * PACKET + (k < 100 ? 0 : 8000), time_of(k));
		deliver(1, k, k * PACKET, time_of(k));
		tick();
	}
	samples = finish(&packets, &account);
	assert_int_equal(packets, 550);
	check(samples, 0, 100, 0);
	check(samples, 150, 550, 0);
	check(samples, 0, 550, 1);
	assert_int_equal(account->stream[0].count.jumps + account->stream[1].count.jumps, 1);
	account_free(&account);
}

/* Neither a damaged record nor a clock that is set makes a hole in what was said. */
static void test_record_times(void **state)
{
	struct account *account;
	const int16_t *samples;
	size_t packets;

	(void)state;
	for (unsigned k = 0; k < 400; k++) {
		usec_t damage = k == 100 ? 80 * YEAR : k == 200 ? -10 * SEC : 0;
		usec_t time = time_of(k) + (k < 150 ? 0 : k < 250 ? 7200 * SEC : -30 * YEAR);

		deliver(0, k, k * PACKET, time + damage);
		deliver(1, k, k * PACKET, time);
		tick();
	}
	samples = finish(&packets, &account);
	assert_int_equal(packets, 400);
	check(samples, 0, 400, 0);
	check(samples, 0, 400, 1);
	assert_int_equal(account->stream[0].count.jumps + account->stream[1].count.jumps, 0);
	account_free(&account);
}

/* On hold for ten seconds without a packet: that is silence, and no audio that has to wait. */
static void test_a_hold(void **state)
{
	struct account *account;
	const struct sink_stats *sink;
	size_t packets;

	(void)state;
	for (unsigned k = 0; k < 50; k++) {
		deliver(0, k, k * PACKET, time_of(k));
		tick();
	}
	for (unsigned k = 50; k < 100; k++) {
		deliver(0, k, (k + 500) * PACKET, time_of(k + 500));
		tick();
	}
	finish(&packets, &account);
	sink = &account->sink[0].stats;
	assert_int_equal(packets, 600);
	assert_in_range(sink->put, 100 * PACKET, 250 * PACKET); /* and what the mix held */
	assert_int_equal(sink->put + sink->silence, 600 * PACKET);
	account_free(&account);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_steps_ahead),
		TEST(test_record_times),
		TEST(test_a_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
