/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole calls: changes, sources and packets in; connections and the account out. */
#include "call/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_peer.h"
#include "packets.h"

#define PT_L16 96
#define NUMBER 42

static struct call_opts opts;
static struct budget budget = { .limit = SIZE_MAX / 2 };
static struct call *call;
static struct account *account;
static struct source *source[8];
static usec_t now, behind; /* behind: packets are delivered so late */

static int setup(void **state)
{
	(void)state;
	opts = (struct call_opts){ .forward_kind = "tcp", .single = true, .rate_hz = 8000,
		.mix_method = MIXER_DIRECT, .mix_channels = 2, .buffer_ms = 2000,
		.latency_ms = 20, .linger = SEC, .header_wait = 2 * SEC };
	now = 1000 * SEC;
	behind = 0;
	memset(source, 0, sizeof(source));
	fake_peers = 0;
	call = NULL;
	account = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	account_free(&account);
	for (unsigned i = 0; i < fake_peers; i++)
		if (!fake_peer[i]->freed)
			return -1;
	fake_peers_free();
	return call ? -1 : 0;
}

static void begin(enum spool_layout layout)
{
	struct call_env env = { .opts = &opts, .budget = &budget };

	call = call_new(&env, NUMBER, "parent", layout, now);
}

/* ---- what the spool says ---- */

static void say(enum change_kind kind, unsigned n, const char *text)
{
	call_change(call, &(struct change){ .kind = kind, .n = n, .text = span_text(text) });
}

static void say_value(enum change_kind kind, unsigned n, uint64_t value)
{
	call_change(call,
		&(struct change){ .kind = kind, .n = n, .value = value, .text = span_text("") });
}

static void say_stream(unsigned n, unsigned tag, unsigned component)
{
	call_change(call, &(struct change){ .kind = CHANGE_STREAM, .n = n, .tag = tag,
		.media = tag, .component = component, .text = span_text("") });
	call_change(call, &(struct change){ .kind = CHANGE_MEDIA_CODEC, .n = tag, .pt = PT_L16,
		.text = span_text("L16/8000") });
}

/* Two participants; said twice, as rtpengine does. */
static void say_two(void)
{
	for (int i = 0; i < 2; i++) {
		say(CHANGE_CALL_ID, 0, "one@example");
		say(CHANGE_METADATA, 0, "of:call");
		say(CHANGE_TAG, 0, "caller-tag");
		say(CHANGE_TAG, 1, "");
		say(CHANGE_TAG, 1, "callee-tag");
		say(CHANGE_TAG_METADATA, 1, "of:tag");
		say_stream(0, 0, 1);
		say_stream(1, 1, 1);
		say_stream(2, 1, 2);
	}
}

static void expect(unsigned i, enum source_kind kind)
{
	source[i] = source_new(kind, NUMBER, "/proc/test");
	source[i]->stream = i;
	source[i]->rate_hz = 8000;
	source[i]->channels = 1;
	call_expect_source(call, source[i]);
}

static void end_source(unsigned i, enum source_end end)
{
	source[i]->end = end;
	assert_ptr_equal(call_source_ended(&source[i]), call);
	assert_null(source[i]);
}

/* ---- packets ---- */

static void deliver(unsigned i, enum packet_kind kind, struct span data)
{
	struct packet *p = xalloc(sizeof(*p) + data.n);

	p->to = source[i];
	p->time = clock_steady(now) - behind;
	p->bytes = (uint32_t)data.n;
	p->kind = kind;
	memcpy(p->data, data.p, data.n);
	call_packet(source[i], p);
	free(p);
}

/* The sample of participant i at frame n of the call: never 0, and they differ. */
static int16_t sample_of(unsigned i, int64_t n)
{
	return (int16_t)(n % 5000 + 1 + 6000 * (int)i);
}

static struct span l16_of(unsigned i, int64_t k)
{
	static uint8_t out[320];

	for (int64_t n = 0; n < 160; n++)
		packets_be16(out + n * 2, (uint16_t)sample_of(i, k * 160 + n));
	return span_of(out, sizeof(out));
}

/* Packet k of participant i, at source s. */
static void send_to(unsigned s, unsigned i, int64_t k, unsigned port, uint32_t ssrc)
{
	deliver(s, PACKET_IP,
		packets_rtp(&(struct made){ .pt = PT_L16, .seq = (unsigned)k, .port = port,
			.ts = (uint32_t)(k * 160), .ssrc = ssrc, .payload = l16_of(i, k) }));
}

static void send(unsigned i, int64_t k)
{
	send_to(i, i, k, PACKETS_PORT + 2 * i, 100 + i);
}

static void tick(void)
{
	call_set_behind(call, behind);
	call_tick(call, now);
	now += 20 * MSEC;
}

/* Both speak from packet `from` to `to` - 1, 20 ms each. */
static void talk(int64_t from, int64_t to)
{
	for (; from < to; from++) {
		for (unsigned i = 0; i < 2; i++)
			if (source[i])
				send(i, from);
		tick();
	}
}

/* ---- ends ---- */

static void finish(void)
{
	call_data_done(call);
	call_end(call, "ended", now);
	for (unsigned i = 0; i < 3; i++)
		if (source[i])
			end_source(i, i ? SOURCE_END_GROUP : SOURCE_END_EOF);
	for (int i = 0; i < 5 && !call_is_over(call); i++)
		tick();
	assert_true(call_is_over(call));
	account = call_take_account(call);
	call_free(&call);
	for (unsigned i = 0; i < account->streams; i++)
		assert_true(account_stream_balances(&account->stream[i]));
	for (unsigned i = 0; i < account->sinks; i++)
		assert_true(account_sink_balances(&account->sink[i]));
	assert_int_equal(account->sinks, fake_peers);
}

static struct peer *peer_named(const char *name)
{
	for (unsigned i = 0; i < fake_peers; i++)
		if (strstr(fake_peer[i]->name, name))
			return fake_peer[i];
	fail_msg("no connection of %s", name);
	return NULL;
}

static const struct account_stream *stream_of(unsigned number)
{
	for (unsigned i = 0; i < account->streams; i++)
		if (account->stream[i].number == number)
			return &account->stream[i];
	fail_msg("no stream %u", number);
	return NULL;
}

/* Exactly the audio of participant i from packet `from` to `to` - 1. */
static void check_audio(const struct peer *p, unsigned i, int64_t from, int64_t to)
{
	assert_int_equal(p->n, (to - from) * 320);
	for (int64_t n = 0; n < (to - from) * 160; n++)
		if (p->sample[n] != sample_of(i, from * 160 + n))
			fail_msg("%s: sample %d is %d", p->name, (int)n, p->sample[n]);
}

/* ---- the tests ---- */

static void test_a_call(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 3; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 50);
	assert_false(call_is_over(call));
	finish();
	assert_int_equal(fake_peers, 2);
	check_audio(peer_named("stream 0"), 0, 0, 50);
	check_audio(peer_named("stream 1"), 1, 0, 50);
	assert_string_equal(peer_named("stream 0")->header, "of:call");
	assert_string_equal(peer_named("stream 1")->header, "of:tag");
	assert_string_equal(account->call_id, "one@example");
	assert_string_equal(account->parent, "parent");
	assert_string_equal(account->end, "ended");
	assert_string_equal(account->layout, "proc");
	assert_int_equal(account->joined_after, -1);
	assert_int_equal(account->tags, 2);
	assert_int_equal(account->streams, 3);
	assert_int_equal(stream_of(0)->count.decoded, 50);
	assert_string_equal(stream_of(0)->end, "end of stream");
	assert_string_equal(stream_of(1)->end, "closed with its call");
	assert_int_equal(stream_of(2)->component, 2);
	assert_int_equal(stream_of(1)->ssrc[0].ssrc, 101);
	assert_int_equal(account->sink[0].stats.put, 8000);
}

static void test_nothing_is_forwarded(void **state)
{
	(void)state;
	opts.forward_kind = NULL;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 20);
	source[0]->refused = 7;
	finish();
	assert_int_equal(stream_of(0)->count.unwanted, 20);
	assert_int_equal(stream_of(0)->count.refused, 7);
	assert_int_equal(stream_of(0)->count.packets, 27);
}

static void test_a_call_without_anything(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	tick();
	finish();
	assert_int_equal(account->first_packet, 0);
	assert_int_equal(account->streams, 0);
}

static void test_forwarding_off_and_on(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	talk(0, 10);
	assert_int_equal(fake_peers, 0);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(10, 30);
	assert_int_equal(fake_peers, 2);
	say_value(CHANGE_FORWARDING, 0, 0);
	talk(30, 50);
	assert_true(fake_peer[0]->freed && fake_peer[1]->freed);
	say_value(CHANGE_FORWARDING, 0, 1);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(50, 60);
	finish();
	assert_int_equal(fake_peers, 4);
	check_audio(peer_named("stream 1"), 1, 10, 30);
	check_audio(fake_peer[2], strstr(fake_peer[2]->name, "stream 1") != NULL, 50, 60);
	assert_int_equal(stream_of(0)->count.unwanted, 30);
	assert_int_equal(stream_of(0)->count.decoded, 30);
}

static void test_one_stream_is_forwarded(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	talk(0, 10);
	say_value(CHANGE_STREAM_FORWARDING, 1, 1);
	say_value(CHANGE_STREAM_FORWARDING, 999999, 1);
	talk(10, 20);
	say_value(CHANGE_STREAM_FORWARDING, 1, 0);
	talk(20, 30);
	finish();
	assert_int_equal(fake_peers, 1);
	check_audio(peer_named("stream 1"), 1, 10, 20);
}

static void test_mixed(void **state)
{
	const struct peer *p;

	(void)state;
	opts.single = false;
	opts.mixed = true;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 20);
	say_value(CHANGE_FORWARDING, 0, 0);
	talk(20, 40);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(40, 60);
	finish();
	assert_int_equal(fake_peers, 2); /* nobody was forwarded in between */
	for (unsigned c = 0; c < 2; c++) {
		p = fake_peer[c];
		assert_string_equal(p->header, "of:call");
		assert_int_equal(p->n, 20 * 320);
		for (int64_t n = 0; n < 20 * 160; n++) {
			int64_t at = c * 40 * 160 + n;

			assert_int_equal(p->sample[n], sample_of(0, at) + sample_of(1, at));
		}
	}
}

static void test_mixed_in_channels(void **state)
{
	const struct peer *p;

	(void)state;
	opts.mixed = true;
	opts.mix_method = MIXER_CHANNELS;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 10);
	end_source(1, SOURCE_END_EOF); /* nobody waits for one that is gone */
	talk(10, 40);
	finish();
	assert_int_equal(fake_peers, 3);
	p = peer_named("mixed");
	assert_int_equal(p->n, 40 * 640);
	for (int64_t n = 0; n < 40 * 160; n++) {
		assert_int_equal(p->sample[n * 2], sample_of(0, n));
		assert_int_equal(p->sample[n * 2 + 1], n < 1600 ? sample_of(1, n) : 0);
	}
}

/* A header waits for call data, and no longer than it may. */
static void json_header(usec_t data_after, bool comes)
{
	usec_t seen = now;

	opts.header = CALL_HEADER_JSON;
	opts.expects_data = true;
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	for (int64_t k = 0; k < 150; k++) {
		if (comes && now - seen == data_after)
			call_data(call, span_text("{\"merged\":{\"who\":\"alice\"},\"texts\":[]}"), 1,
				now);
		send(0, k);
		call_tick(call, now);
		if (k > 0) /* the first one is held, in case that others waited with it */
			assert_int_equal(fake_peer[0]->header != NULL,
				now - seen >= (comes ? data_after : 2 * SEC));
		now += 20 * MSEC;
	}
	assert_int_equal(strstr(fake_peer[0]->header, "alice") != NULL, comes);
	assert_non_null(strstr(fake_peer[0]->header, "one@example"));
	finish();
	assert_int_equal(account->joined_after, comes ? data_after : -1);
	check_audio(fake_peer[0], 0, 0, 150);
}

static void test_json_header_waits(void **state)
{
	(void)state;
	json_header(500 * MSEC, true);
}

static void test_json_header_waits_no_longer(void **state)
{
	(void)state;
	json_header(0, false);
}

/* The call is over before its data came: the header goes all the same. */
static void test_json_header_at_the_end(void **state)
{
	(void)state;
	opts.header = CALL_HEADER_JSON;
	opts.expects_data = true;
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 5);
	assert_null(fake_peer[0]->header);
	finish();
	check_audio(fake_peer[0], 0, 0, 5);
	assert_non_null(fake_peer[0]->header);
}

static void change_ssrc(int64_t packets, int64_t each)
{
	opts.connection_per_ssrc = true;
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	for (int64_t k = 0; k < packets; k++) {
		send_to(0, 0, k, 0, (uint32_t)(100 + k / each));
		tick();
	}
	finish();
}

static void test_connection_per_ssrc(void **state)
{
	(void)state;
	change_ssrc(40, 20);
	assert_int_equal(fake_peers, 2);
	check_audio(fake_peer[0], 0, 0, 20);
	check_audio(fake_peer[1], 0, 20, 40);
	assert_int_equal(stream_of(0)->ssrcs, 2);
	teardown(state);
	setup(state);
	change_ssrc(100, 2); /* whoever sends can do so */
	assert_int_equal(fake_peers, STREAM_MAX_SSRCS);
	check_audio(fake_peer[31], 0, 62, 100);
}

/* rtpengine makes a call's streams anew: the same stream goes on with another source. */
static void test_source_comes_again(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 10);
	end_source(0, SOURCE_END_EOF);
	tick();
	expect(0, SOURCE_PROC);
	now -= 20 * MSEC;
	talk(10, 20);
	finish();
	assert_int_equal(fake_peers, 1);
	check_audio(fake_peer[0], 0, 0, 20);
}

static void test_failed_source(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	source[0]->error = 2;
	end_source(0, SOURCE_END_FAILED);
	finish();
	assert_string_equal(stream_of(0)->end, "failed");
	assert_int_equal(stream_of(0)->error, 2);
}

/* The end was said, but a stream is still to come back: the call is not over before. */
static void test_late_source(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	say_value(CHANGE_FORWARDING, 0, 1);
	call_data_done(call);
	call_end(call, "ended", now);
	tick();
	assert_true(call_is_over(call));
	expect(0, SOURCE_PROC);
	assert_false(call_is_over(call));
	talk(0, 10);
	assert_false(call_is_over(call));
	finish();
	check_audio(fake_peer[0], 0, 0, 10);
}

/* ---- a worker that is behind ---- */

/* Packets that waited for us are late and nothing else: what is still to come is not taken for a
 * hole, nor for the silence of who has stopped talking. */
static void test_behind(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 50);
	for (int64_t k = 50; k < 250; k += 2) { /* ever more so, up to 8 s; each pair is swapped */
		now += 80 * MSEC;
		behind += 80 * MSEC;
		for (unsigned i = 0; i < 2; i++)
			send(i, k + 1);
		tick();
		for (unsigned i = 0; i < 2; i++)
			send(i, k);
		tick();
	}
	for (int64_t k = 250; k < 650; k++) { /* and the way back */
		for (unsigned i = 0; i < 2; i++)
			send(i, k);
		behind -= 20 * MSEC;
		call_set_behind(call, behind);
		call_tick(call, now);
	}
	assert_int_equal(behind, 0);
	talk(650, 700);
	finish();
	assert_int_equal(fake_peers, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(stream_of(i)->count.decoded, 700);
		assert_int_equal(stream_of(i)->count.lost, 0);
		assert_int_equal(stream_of(i)->count.jumps, 0);
		assert_int_equal(account->sink[i].stats.put, 700 * 160);
		check_audio(fake_peer[i], strstr(fake_peer[i]->name, "stream 1") != NULL, 0, 700);
	}
}

/* ---- a shutdown's deadline ---- */

/* Behind it packets are counted only. */
static void test_cut_while_behind(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 10);
	call_end(call, "shutdown", now);
	call_cut(call);
	assert_false(call_is_over(call)); /* its sources have not ended */
	talk(10, 30);
	finish();
	assert_int_equal(stream_of(0)->count.decoded, 10);
	assert_int_equal(stream_of(0)->count.unwanted, 20);
	assert_int_equal(account->sink[0].stats.put, 10 * 160);
}

static void test_cut(void **state)
{
	(void)state;
	fake_stuck = true;
	begin(SPOOL_PROC);
	say_two();
	for (unsigned i = 0; i < 2; i++)
		expect(i, SOURCE_PROC);
	say_value(CHANGE_FORWARDING, 0, 1);
	talk(0, 10);
	call_end(call, "shutdown", now);
	end_source(0, SOURCE_END_STOPPED);
	call_cut(call); /* the other source has not come back yet */
	tick();
	assert_false(call_is_over(call));
	end_source(1, SOURCE_END_STOPPED);
	tick();
	assert_true(call_is_over(call));
	finish();
	assert_string_equal(account->end, "shutdown");
	assert_int_equal(account->sink[0].stats.dropped, 1600);
}

/* ---- files ---- */

/* Without an SDP only static payload types are known. */
static void send_mulaw(uint8_t level, unsigned k, unsigned port)
{
	deliver(0, PACKET_IP,
		packets_rtp(&(struct made){ .pt = 0, .seq = k, .port = port, .ts = k * 160,
			.ssrc = 100, .payload = packets_filled(level, 160) }));
}

static void check_level(const struct peer *p, int16_t level, unsigned packets)
{
	assert_int_equal(p->n, packets * 320);
	for (unsigned i = 0; i < packets * 160; i++)
		assert_int_equal(p->sample[i], level);
}

/* Every port that hears RTP is a stream, even with one SSRC on both sides. */
static void test_pcap_without_sdp(void **state)
{
	(void)state;
	begin(SPOOL_PCAP);
	expect(0, SOURCE_PCAP);
	for (unsigned k = 0; k < 20; k++) {
		send_mulaw(0x80, k, 30000);
		send_mulaw(0x00, k, 30002);
		deliver(0, PACKET_IP, packets_udp(30001, packets_filled(0x55, 40)));
		tick();
	}
	finish();
	assert_int_equal(fake_peers, 2);
	check_level(peer_named("stream 0"), 32124, 20);
	check_level(peer_named("stream 1"), -32124, 20);
	assert_int_equal(account->unclaimed, 20);
	assert_int_equal(account->streams, 2);
	assert_int_equal(stream_of(0)->count.packets, 20);
	assert_int_equal(stream_of(1)->count.packets, 20);
}

static void test_pcap_with_ports(void **state)
{
	(void)state;
	begin(SPOOL_PCAP);
	say_two();
	say_value(CHANGE_STREAM_PORT, 0, 30000);
	say_value(CHANGE_STREAM_PORT, 1, 30002);
	say_value(CHANGE_STREAM_PORT, 2, 30003);
	expect(0, SOURCE_PCAP);
	for (int64_t k = 0; k < 20; k++) {
		send_to(0, 0, k, 30000, 100);
		send_to(0, 1, k, 30002, 100);
		send_to(0, 1, k, 39999, 300); /* in no SDP */
		tick();
	}
	source[0]->bad_records = 3;
	finish();
	assert_int_equal(fake_peers, 2);
	check_audio(peer_named("stream 0"), 0, 0, 20);
	check_audio(peer_named("stream 1"), 1, 0, 20);
	assert_int_equal(account->unclaimed, 23);
	assert_int_equal(stream_of(1)->ssrc[0].ssrc, 100);
}

/* What was heard before its SDP was read goes on where the SDP says. */
static void test_pcap_sdp_comes_later(void **state)
{
	(void)state;
	begin(SPOOL_PCAP);
	expect(0, SOURCE_PCAP);
	for (int64_t k = 0; k < 40; k++) {
		if (k == 20) {
			say_two();
			say_value(CHANGE_STREAM_PORT, 0, 30000);
			say_value(CHANGE_STREAM_PORT, 1, 30002);
		}
		send_to(0, 1, k, 30002, 200);
		send_to(0, 0, k, 30000, 100);
		tick();
	}
	finish();
	assert_int_equal(account->unclaimed, 0);
	assert_int_equal(stream_of(0)->count.packets + stream_of(1)->count.packets, 80);
}

static void test_pcm(void **state)
{
	int16_t samples[160];

	(void)state;
	begin(SPOOL_PCM);
	say_stream(0, 0, 1);
	expect(0, SOURCE_PCM);
	for (int64_t k = 0; k < 20; k++) {
		for (unsigned n = 0; n < 160; n++)
			samples[n] = sample_of(0, k * 160 + n);
		deliver(0, PACKET_PCM, span_of(samples, sizeof(samples)));
		tick();
		if (k % 2)
			tick(); /* it comes unevenly */
	}
	finish();
	assert_int_equal(fake_peers, 1);
	check_audio(fake_peer[0], 0, 0, 20);
	assert_string_equal(account->layout, "pcm");
}

static void test_forward_to(void **state)
{
	(void)state;
	opts.forward_kind = NULL;
	opts.forward_to = "/run/somebody.sock";
	begin(SPOOL_PROC);
	say_two();
	expect(0, SOURCE_PROC);
	assert_string_equal(fake_metadata, "of:call");
	talk(0, 10);
	deliver(0, PACKET_IP, packets_filled(0x55, 10)); /* whatever it is */
	finish();
	assert_int_equal(account->unix_messages, 11);
	assert_int_equal(fake_bytes, 10 * 360 + 10);
}

static void say_sdp(unsigned from, bool answer, bool hold)
{
	for (unsigned passed_on = 0; passed_on < 2; passed_on++)
		call_change(call, &(struct change){ .kind = CHANGE_MEDIA_SDP, .n = from,
			.value = passed_on, .answer = answer, .hold = passed_on && hold,
			.text = span_text("") });
}

static void assert_event(unsigned i, const char *kind, int tag, const char *text)
{
	assert_true(i < account->events);
	assert_string_equal(account->event[i].kind, kind);
	assert_int_equal(account->event[i].tag, tag);
	assert_string_equal(account->event[i].text, text);
}

static void test_who_holds(void **state)
{
	(void)state;
	begin(SPOOL_PROC);
	say_two();
	say_sdp(0, false, false);
	say_sdp(1, true, false);
	say_sdp(0, false, true);
	say_sdp(1, true, true); /* it answers inactive */
	say_sdp(0, false, true);
	say_sdp(0, false, false);
	say_value(CHANGE_RECORDING, 0, 0);
	finish();
	assert_event(0, "sdp", 0, "offer");
	assert_event(1, "sdp", 1, "answer");
	assert_event(2, "sdp", 0, "re-invite");
	assert_event(3, "hold", 0, "on");
	assert_event(4, "sdp", 1, "answer");
	assert_event(5, "sdp", 0, "re-invite");
	assert_event(6, "sdp", 0, "re-invite");
	assert_event(7, "hold", 0, "off");
	assert_event(8, "recording", -1, "off");
	assert_int_equal(account->events, 9);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_call),
		TEST(test_nothing_is_forwarded),
		TEST(test_a_call_without_anything),
		TEST(test_forwarding_off_and_on),
		TEST(test_one_stream_is_forwarded),
		TEST(test_mixed),
		TEST(test_mixed_in_channels),
		TEST(test_json_header_waits),
		TEST(test_json_header_waits_no_longer),
		TEST(test_json_header_at_the_end),
		TEST(test_connection_per_ssrc),
		TEST(test_source_comes_again),
		TEST(test_failed_source),
		TEST(test_late_source),
		TEST(test_behind),
		TEST(test_cut_while_behind),
		TEST(test_cut),
		TEST(test_pcap_without_sdp),
		TEST(test_pcap_with_ports),
		TEST(test_pcap_sdp_comes_later),
		TEST(test_who_holds),
		TEST(test_pcm),
		TEST(test_forward_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
