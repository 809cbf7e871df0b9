/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pipes in packet mode are the kernel's streams: a read takes one whole packet, closing the other
 * end is the end of the stream. The thread is real; what is waited for is what it hands over. */
#include "spool/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define STREAMS  500
#define DEADLINE (10 * SEC)

struct line { /* one stream: our end of it, and what came out at the other */
	int fd;       /* -1: ended */
	uint32_t sent, got, refused;
	unsigned ends;
	enum source_end end;
	int error;
};

static struct line line[STREAMS];
static unsigned lines, ends;
static struct budget budget;
static struct packetq *queue;
static struct intake *intake;
static _Atomic(unsigned) told;
static _Atomic(uint64_t) told_call;

static void on_call_ended(void *arg, uint64_t call, uint64_t epoch)
{
	(void)arg;
	assert_int_equal(epoch, 7);
	told_call = call;
	told++;
}

static void start_with(unsigned max_chunks, usec_t period)
{
	memset(line, 0, sizeof(line));
	lines = ends = 0;
	told = 0;
	told_call = 0;
	budget = (struct budget){ .limit = SIZE_MAX / 2 };
	queue = packetq_new(&budget, max_chunks);
	intake = intake_start(&(struct intake_opts){ .period = period, .awake = 100,
		.queues = 1, .queue = &queue, .call_ended = on_call_ended });
}

static void start(unsigned max_chunks)
{
	start_with(max_chunks, MSEC);
}

static int setup(void **state)
{
	struct rlimit limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &limit);
	start(64);
	return 0;
}

/* Every source has come back, once. */
static int teardown(void **state)
{
	struct packet *p;

	(void)state;
	intake_stop(&intake);
	while ((p = packetq_get(queue))) {
		struct source *s = p->to;

		if (p->kind == PACKET_END) {
			line[s->stream].ends++;
			source_free(&s);
		}
		packetq_done(p);
	}
	packetq_free(&queue);
	for (unsigned i = 0; i < lines; i++) {
		if (line[i].fd >= 0)
			close(line[i].fd);
		if (line[i].ends != 1)
			return -1;
	}
	return budget_used(&budget) ? -1 : 0;
}

/* A source for this call; its number is that of its line. */
static unsigned begin(uint64_t call)
{
	struct source *s = source_new(SOURCE_PROC, call, "/proc/test");
	int ends_of[2];

	assert_int_equal(pipe2(ends_of, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	s->fd = ends_of[0];
	s->stream = lines;
	s->epoch = 7;
	s->queue = queue;
	s->asked = clock_mono();
	line[lines].fd = ends_of[1];
	intake_give(intake, &s);
	assert_null(s);
	return lines++;
}

static void fail_to_begin(uint64_t call)
{
	struct source *s = source_new(SOURCE_PROC, call, "/proc/test");

	s->stream = lines;
	s->queue = queue;
	s->end = SOURCE_END_FAILED;
	s->error = ENOENT;
	line[lines++].fd = -1;
	intake_give(intake, &s);
}

static void on_end(struct source *s)
{
	struct line *l = &line[s->stream];

	assert_int_equal(s->fd, -1);
	assert_int_equal(s->packets, l->got + s->refused);
	l->refused = (uint32_t)s->refused;
	l->end = s->end;
	l->error = s->error;
	l->ends++;
	ends++;
	source_free(&s);
}

/* All that is there now; each stream's packets come in their order and before its end. */
static void collect(void)
{
	struct packet *p;

	for (; (p = packetq_get(queue)); packetq_done(p)) {
		struct source *s = p->to;
		struct span data = span_of(p->data, p->bytes);

		if (p->kind == PACKET_END) {
			on_end(s);
			continue;
		}
		assert_int_equal(p->kind, PACKET_IP);
		assert_int_equal(line[s->stream].ends, 0);
		assert_int_equal(span_be32(data, 0), s->stream);
		assert_true(span_be32(data, 4) >= line[s->stream].got);
		line[s->stream].got++;
	}
}

/* Collects until it is so; false: it was not within the deadline. */
#define until(cond) \
	({ \
		usec_t over_ = clock_mono() + DEADLINE; \
		while (!(cond) && clock_mono() < over_) { \
			collect(); \
			sched_yield(); \
		} \
		(bool)(cond); \
	})

static void send(unsigned i, size_t bytes)
{
	static uint8_t packet[4096];
	uint32_t head[2] = { __builtin_bswap32(i), __builtin_bswap32(line[i].sent) };
	usec_t over = clock_mono() + DEADLINE;

	memcpy(packet, head, sizeof(head));
	while (write(line[i].fd, packet, bytes) < 0) {
		assert_true(errno == EAGAIN && clock_mono() < over);
		sched_yield();
	}
	line[i].sent++;
}

static void hang_up(unsigned i)
{
	close(line[i].fd);
	line[i].fd = -1;
}

/* All that was sent has been read from the pipe. */
static bool is_read(unsigned i)
{
	int left = 1;

	ioctl(line[i].fd, FIONREAD, &left);
	return left == 0;
}

static void wait_until_read(unsigned i)
{
	usec_t over = clock_mono() + DEADLINE;

	while (!is_read(i) && clock_mono() < over)
		sched_yield();
	assert_true(is_read(i));
}

/* Two rounds more: what was read before is handed over. */
static void wait_until_flushed(void)
{
	struct histogram *rounds = &intake_times(intake)->round;
	uint64_t before = histogram_total(rounds);
	usec_t over = clock_mono() + DEADLINE;

	while (histogram_total(rounds) < before + 2 && clock_mono() < over)
		sched_yield();
}

static void wait_until_told(void)
{
	usec_t over = clock_mono() + DEADLINE;

	while (!told && clock_mono() < over)
		sched_yield();
	assert_int_equal(told, 1);
}

/* The reader's end has been closed. */
static bool is_closed(unsigned i)
{
	struct pollfd p = { .fd = line[i].fd, .events = POLLOUT };

	return poll(&p, 1, 0) >= 0 && (p.revents & POLLERR);
}

static void test_all_packets_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		begin(1);
	for (unsigned n = 0; n < 1000; n++) {
		send(n % 3, 8 + n % 1400);
		collect();
	}
	assert_true(until(line[0].got == 334 && line[1].got == 333 && line[2].got == 333));
	assert_int_equal(ends, 0);
	assert_true(histogram_total(&intake_times(intake)->open) == 3);
}

static void test_first_end_closes_its_call(void **state)
{
	unsigned other;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		begin(1);
	other = begin(2);
	assert_true(until(histogram_total(&intake_times(intake)->open) == 5));
	for (unsigned n = 0; n < 10; n++)
		for (unsigned i = 0; i < 3; i++)
			send(i, 200);
	hang_up(1);
	assert_true(until(ends == 4));
	assert_int_equal(line[0].end, SOURCE_END_GROUP);
	assert_int_equal(line[1].end, SOURCE_END_EOF);
	assert_int_equal(line[2].end, SOURCE_END_GROUP);
	assert_int_equal(line[3].end, SOURCE_END_GROUP);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(line[i].got, i < 3 ? 10 : 0);
		assert_int_equal(line[i].error, 0);
		assert_true(i == 1 || is_closed(i));
	}
	assert_int_equal(told, 1);
	assert_int_equal(told_call, 1);
	assert_false(is_closed(other));
	send(other, 100);
	assert_true(until(line[other].got == 1));
	assert_int_equal(histogram_total(&intake_times(intake)->eof_close), 1);
}

/* Ended before it was ours: what it holds is read all the same, and no wake-up is needed. */
static void test_ended_before_it_came(void **state)
{
	struct source *s = source_new(SOURCE_PROC, 1, "/proc/test");
	int ends_of[2];

	(void)state;
	assert_int_equal(pipe2(ends_of, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	s->fd = ends_of[0];
	s->epoch = 7;
	s->queue = queue;
	s->asked = clock_mono();
	line[0].fd = ends_of[1];
	lines = 1;
	send(0, 100);
	send(0, 100);
	hang_up(0);
	intake_give(intake, &s);
	assert_true(until(ends == 1));
	assert_int_equal(line[0].got, 2);
	assert_int_equal(line[0].end, SOURCE_END_EOF);
	assert_int_equal(told, 1);
}

static void test_failed_sources_come_back(void **state)
{
	(void)state;
	fail_to_begin(1);
	begin(1);
	fail_to_begin(1);
	assert_true(until(ends == 2));
	assert_int_equal(line[0].end, SOURCE_END_FAILED);
	assert_int_equal(line[0].error, ENOENT);
	assert_int_equal(line[2].end, SOURCE_END_FAILED);
	send(1, 100);
	assert_true(until(line[1].got == 1));
	assert_int_equal(told, 0);
}

static void test_close_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		begin(i / 2);
	assert_true(until(histogram_total(&intake_times(intake)->open) == 4));
	for (unsigned n = 0; n < 10; n++)
		send(0, 100);
	intake_close_call(intake, 0);
	intake_close_call(intake, 99); /* never heard of */
	assert_true(until(ends == 2));
	assert_int_equal(line[0].end, SOURCE_END_STOPPED);
	assert_int_equal(line[0].got, 10);
	assert_int_equal(line[1].end, SOURCE_END_STOPPED);
	assert_int_equal(told, 0);
	assert_false(is_closed(2));
}

/* The kernel could not remove it before: who waits for that does not wait for a whole period. */
static void test_after_an_end_the_next_is_seen_soon(void **state)
{
	const usec_t period = 400 * MSEC;
	usec_t ended;

	(void)state;
	intake_stop(&intake);
	packetq_free(&queue);
	start_with(64, period);
	begin(1);
	begin(2);
	assert_true(until(histogram_total(&intake_times(intake)->open) == 2));
	hang_up(0);
	wait_until_told();
	ended = clock_mono();
	hang_up(1);
	while (told < 2 && clock_mono() - ended < DEADLINE)
		sched_yield();
	assert_true(clock_mono() - ended < period / 2);
	assert_true(until(ends == 2));
}

/* The worker is behind when the last stream ends: the end is seen all the same, although nothing
 * comes after it. */
static void test_last_end_is_seen(void **state)
{
	(void)state;
	begin(1);
	send(0, 100);
	wait_until_read(0);
	wait_until_flushed();
	hang_up(0);
	wait_until_told();
	assert_true(until(ends == 1));
	assert_int_equal(line[0].got, 1);
}

static void test_full_queue_refuses(void **state)
{
	(void)state;
	intake_stop(&intake);
	packetq_free(&queue);
	start(1);
	begin(1);
	for (unsigned n = 0; n < 200; n++)
		send(0, 4096);
	wait_until_read(0);
	hang_up(0);
	wait_until_told();
	assert_true(until(ends == 1));
	assert_true(line[0].refused > 0);
	assert_int_equal(line[0].got + line[0].refused, 200);
}

static void test_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STREAMS; i++) {
		if (i % 50 == 49)
			fail_to_begin(i / 4);
		else
			begin(i / 4);
	}
	for (unsigned n = 0; n < 10; n++)
		for (unsigned i = 0; i < STREAMS; i++)
			if (line[i].fd >= 0) {
				send(i, 172);
				collect();
			}
	for (unsigned i = 0; i < STREAMS; i += 4)
		hang_up(i);
	assert_true(until(ends == STREAMS));
	for (unsigned i = 0; i < STREAMS; i++) {
		assert_int_equal(line[i].ends, 1);
		assert_int_equal(line[i].got, line[i].sent);
	}
	assert_int_equal(told, STREAMS / 4);
}

static void *stop(void *arg)
{
	intake_stop(&intake);
	*(_Atomic(bool) *)arg = true;
	return NULL;
}

/* The queue is full when everything stops: the ends wait for room. */
static void test_stop_closes_all(void **state)
{
	_Atomic(bool) stopped = false;
	pthread_t thread;
	usec_t over;

	(void)state;
	intake_stop(&intake);
	packetq_free(&queue);
	start(1);
	for (unsigned i = 0; i < 10; i++)
		begin(i);
	send(0, 100);
	wait_until_read(0);
	wait_until_flushed();
	send(0, 100);
	wait_until_read(0);
	assert_int_equal(pthread_create(&thread, NULL, stop, &stopped), 0);
	over = clock_mono() + 50 * MSEC; /* so long the worker is busy with something else */
	while (!stopped && clock_mono() < over)
		sched_yield();
	assert_true(until(stopped));
	pthread_join(thread, NULL);
	collect();
	assert_int_equal(ends, 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(line[i].end, SOURCE_END_STOPPED);
		assert_true(is_closed(i));
	}
	assert_int_equal(line[0].got, 1); /* the other one, too, found no room */
	assert_int_equal(told, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_packets_in_order),
		TEST(test_first_end_closes_its_call),
		TEST(test_ended_before_it_came),
		TEST(test_failed_sources_come_back),
		TEST(test_after_an_end_the_next_is_seen_soon),
		TEST(test_close_call),
		TEST(test_last_end_is_seen),
		TEST(test_full_queue_refuses),
		TEST(test_many),
		TEST(test_stop_closes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
