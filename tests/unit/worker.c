/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker on a thread of its own: what it is told of a call takes its turn among the call's
 * packets, and who is behind is late with everything and wrong with nothing. */
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/packetq.h"
#include "fake_peer.h"
#include "packets.h"

#define CALLS    2   /* one in each turn; those behind them only keep the worker busy */
#define PT       96
#define FRAMES   160
#define DEADLINE (20 * SEC)

/* In place of base/clock.c: time can be made to fly, and the worker with all it can do is behind. */
static _Atomic(usec_t) flown;

usec_t clock_mono(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * SEC + ts.tv_nsec / 1000 + flown;
}

usec_t clock_steady(usec_t mono)
{
	return mono + 1000000 * SEC;
}

usec_t clock_wall(void)
{
	return clock_steady(clock_mono());
}

void clock_format(usec_t wall, char out[CLOCK_TEXT])
{
	snprintf(out, CLOCK_TEXT, "%lld", (long long)wall);
}

static struct budget budget;
static struct packetq *queue[2]; /* the kernel's streams, files */
static struct worker *worker;
static struct call_opts opts;
static struct source *source[CALLS];
static _Atomic(struct account *) account[CALLS];
static atomic_uint busy_with, done_with;

static void on_over(void *arg, uint64_t call, struct account **a)
{
	(void)arg;
	if (call < CALLS) {
		atomic_store(&account[call], *a);
		*a = NULL;
		return;
	}
	account_free(a);
	busy_with = (unsigned)call;
	while (done_with < call)
		usleep(1000);
}

static void start(void)
{
	worker = worker_start(&(struct worker_opts){ .latency_ms = 40, /* two turns */
		.call = &opts, .budget = &budget, .queues = 2, .queue = queue, .over = on_over });
}

static int setup(void **state)
{
	(void)state;
	budget = (struct budget){ .limit = SIZE_MAX / 2 };
	opts = (struct call_opts){ .rate_hz = 8000, .forward_kind = "tls", .single = true,
		.mixed = true, .mix_method = MIXER_DIRECT, .mix_channels = 2, .buffer_ms = 2000,
		.latency_ms = 20, .linger = SEC };
	busy_with = done_with = 0;
	for (unsigned i = 0; i < CALLS; i++)
		account[i] = NULL;
	for (unsigned i = 0; i < 2; i++)
		queue[i] = packetq_new(&budget, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(worker_stop(&worker, true, &(usec_t){ 10 * SEC }));
	for (unsigned i = 0; i < CALLS; i++) {
		struct account *a = account[i];

		account_free(&a);
	}
	for (unsigned i = 0; i < 2; i++)
		packetq_free(&queue[i]);
	fake_peers_free();
	return budget_used(&budget) ? -1 : 0;
}

/* ---- what a call is told ---- */

static void tell(unsigned call, const struct change *ch)
{
	worker_change(worker, call, ch);
}

static void codec(unsigned call, const char *name)
{
	tell(call, &(struct change){ .kind = CHANGE_MEDIA_CODEC, .pt = PT,
		.text = span_text(name) });
}

static void forwarding(unsigned call, bool on)
{
	tell(call, &(struct change){ .kind = CHANGE_FORWARDING, .value = on,
		.text = span_text("") });
}

static void announce(unsigned call, enum spool_layout layout, enum source_kind kind)
{
	source[call] = source_new(kind, call, "test");
	worker_new_call(worker, call, "parent", layout);
}

/* What a source is announced after is read before its packets, however old these are. */
static void begin(unsigned call, bool forwarded)
{
	announce(call, SPOOL_PROC, SOURCE_PROC);
	tell(call, &(struct change){ .kind = CHANGE_STREAM, .component = 1,
		.text = span_text("") });
	codec(call, "L16/8000");
	forwarding(call, forwarded);
	worker_expect_source(worker, call, source[call]);
}

static void end(unsigned call)
{
	worker_data_done(worker, call);
	worker_end_call(worker, call, "ended");
}

/* ---- what it hears ---- */

/* Comes when there is room: no packet is lost here. */
static void put(unsigned call, enum packet_kind kind, struct span data)
{
	usec_t over = clock_mono() + DEADLINE;

	while (!packetq_put(queue[0], source[call], kind, clock_wall(), data)) {
		assert_true(clock_mono() < over);
		usleep(1000);
	}
}

static void say(unsigned call, unsigned k)
{
	put(call, PACKET_IP, packets_rtp(&(struct made){ .pt = PT, .seq = k, .ts = k * FRAMES,
		.payload = packets_l16(k * FRAMES, FRAMES) }));
}

/* To where the worker sees it. */
static void flush(void)
{
	usec_t over = clock_mono() + DEADLINE;

	while (packetq_unflushed(queue[0]) && clock_mono() < over)
		packetq_flush(queue[0], clock_mono());
	assert_false(packetq_unflushed(queue[0]));
}

static void talk(unsigned call, unsigned from, unsigned to)
{
	for (; from < to; from++)
		say(call, from);
	flush();
	flown++; /* what is said next comes after it */
}

static void hang_up(unsigned call)
{
	source[call]->end = SOURCE_END_EOF;
	put(call, PACKET_END, span_of(NULL, 0));
	flush();
}

static const struct stream_counts *wait_for_account(unsigned call)
{
	usec_t until = clock_mono() + DEADLINE;

	while (!account[call] && clock_mono() < until)
		usleep(1000);
	assert_non_null(account[call]);
	assert_int_equal(account[call]->streams, 1);
	assert_true(account_stream_balances(account[call]->stream));
	return &account[call]->stream->count;
}

/* ---- tests ---- */

/* All of it lies there before the worker looks, or comes while it does: the same either way. */
static void test_in_turn(void **state)
{
	const struct stream_counts *count;

	(void)state;
	start();
	begin(0, true);
	talk(0, 0, 50);
	codec(0, "what-is-this/8000"); /* no decoder */
	talk(0, 50, 80);
	codec(0, "L16/8000");
	talk(0, 80, 100);
	forwarding(0, false);
	talk(0, 100, 110);
	hang_up(0);
	end(0);
	count = wait_for_account(0);
	assert_int_equal(count->packets, 110);
	assert_int_equal(count->decoded, 70);
	assert_int_equal(count->undecodable, 30);
	assert_int_equal(count->unwanted, 10);
}

#define LATE 600 /* packets, 12 s */

static void keep_busy(unsigned call)
{
	worker_new_call(worker, call, "busy", SPOOL_PROC);
	end(call);
}

static void wait_until_busy(unsigned call)
{
	usec_t over = clock_mono() + DEADLINE;

	while (busy_with != call && clock_mono() < over)
		usleep(1000);
	assert_int_equal(busy_with, call);
}

/* Pairs are swapped: a hole stays open until its packet is read. */
static void let_time_fly(unsigned from, unsigned to)
{
	for (unsigned k = from; k < to; k++) {
		for (unsigned call = 0; call < CALLS; call++)
			say(call, k < 10 ? k : k ^ 1);
		flown += 20 * MSEC;
	}
	flush();
}

/* First it is given all that it may hold, then, before each call has had its turn, as much again:
 * what the first call heard last is 6 s older than the clock, and the rest is still in the queue. */
static void test_behind(void **state)
{
	(void)state;
	start();
	for (unsigned call = 0; call < CALLS; call++)
		begin(call, true);
	keep_busy(2);
	wait_until_busy(2);
	let_time_fly(0, LATE / 2);
	keep_busy(3);
	done_with = 2;
	wait_until_busy(3);
	let_time_fly(LATE / 2, LATE);
	done_with = 3;
	for (unsigned call = 0; call < CALLS; call++) {
		forwarding(call, false); /* of no concern to what came before */
		talk(call, LATE, LATE + 50);
		hang_up(call);
		end(call);
	}
	for (unsigned call = 0; call < CALLS; call++) {
		const struct stream_counts *count = wait_for_account(call);

		assert_int_equal(count->decoded, LATE);
		assert_int_equal(count->unwanted, 50);
		assert_int_equal(count->lost + count->late, 0);
		assert_int_equal(account[call]->sinks, 2);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(account[call]->sink[i].stats.put, LATE * FRAMES);
	}
	assert_int_equal(fake_peers, 2 * CALLS);
	for (unsigned i = 0; i < fake_peers; i++)
		assert_int_equal(fake_peer[i]->silence, 0);
}

/* The deadline of a shutdown waits for nobody: what was not heard by then is only counted. */
/* A file's packets lie there before all that its metadata says of it is told: it holds for them,
 * however old they are. */
static void test_file(void **state)
{
	static const int16_t samples[FRAMES] = { 1 };
	usec_t over = clock_mono() + DEADLINE;

	(void)state;
	start();
	keep_busy(2);
	wait_until_busy(2);
	announce(0, SPOOL_PCM, SOURCE_PCM);
	source[0]->rate_hz = 8000;
	source[0]->channels = 1;
	tell(0, &(struct change){ .kind = CHANGE_STREAM, .component = 1, .text = span_text("") });
	forwarding(0, false);
	worker_expect_source(worker, 0, source[0]);
	for (unsigned k = 0; k < 100; k++)
		assert_true(packetq_put(queue[1], source[0], PACKET_PCM, (1 + k) * 20 * MSEC,
			span_of(samples, sizeof(samples))));
	while (packetq_unflushed(queue[1]) && clock_mono() < over)
		packetq_flush(queue[1], clock_mono());
	flown++;
	forwarding(0, true);
	flown++;
	done_with = 2;
	source[0]->end = SOURCE_END_EOF;
	assert_true(packetq_put(queue[1], source[0], PACKET_END, 101 * 20 * MSEC, span_of(NULL, 0)));
	while (packetq_unflushed(queue[1]) && clock_mono() < over)
		packetq_flush(queue[1], clock_mono());
	end(0);
	wait_for_account(0);
	assert_int_equal(account[0]->sinks, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(account[0]->sink[i].stats.put, 100 * FRAMES);
}

static void test_cut(void **state)
{
	(void)state;
	start();
	begin(0, false);
	talk(0, 0, 50);
	worker_cut(worker);
	hang_up(0);
	assert_int_equal(wait_for_account(0)->packets, 50);
	assert_string_equal(account[0]->end, "shutdown");
}

/* Stopped in the midst of it: what nobody has read is in the account all the same. */
static void test_stop(void **state)
{
	(void)state;
	start();
	begin(0, false);
	talk(0, 0, 50);
	hang_up(0);
	assert_true(worker_stop(&worker, true, &(usec_t){ 10 * SEC }));
	assert_int_equal(wait_for_account(0)->packets, 50);
	assert_string_equal(account[0]->end, "shutdown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_turn),
		TEST(test_behind),
		TEST(test_file),
		TEST(test_cut),
		TEST(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
