/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread is real, and so are the files; what is waited for is what it hands over. */
#include "spool/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CALL     42
#define DEADLINE (10 * SEC)

static char dir[64], path[96];
static struct budget budget;
static struct packetq *queue;
static struct packet *packet; /* the one that is being looked at */
static struct tail *tail;
static _Atomic(uint64_t) told_position;
static _Atomic(unsigned) told, told_finished;

static void on_consumed(void *arg, uint64_t call, uint64_t position, bool finished)
{
	(void)arg;
	assert_int_equal(call, CALL);
	told_position = position;
	told++;
	told_finished += finished;
}

static void start(unsigned max_chunks, unsigned max_speed)
{
	struct tail_opts opts = {
		.queues = 1,
		.queue = &queue,
		.consumed = on_consumed,
		.max_speed = max_speed,
	};

	queue = packetq_new(&budget, max_chunks);
	tail = tail_start(&opts);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/spoolwire-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	budget = (struct budget){ .limit = SIZE_MAX / 2 };
	told = told_finished = 0;
	told_position = 0;
	start(16, 1000000);
	return 0;
}

static void done_with(struct packet **p)
{
	if (*p)
		packetq_done(*p);
	*p = NULL;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(tail_stop(&tail, clock_mono() + DEADLINE));
	done_with(&packet);
	packetq_free(&queue);
	unlink(path);
	return rmdir(dir) || budget_used(&budget);
}

static void append(const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void give(enum source_kind kind, uint64_t position)
{
	struct source *s = source_new(kind, CALL, path);

	s->queue = queue;
	s->position = position;
	s->rate_hz = 8000;
	s->channels = 1;
	tail_give(tail, &s);
	assert_null(s);
}

/* Valid until the next one is asked for. */
static const struct packet *next_packet(void)
{
	usec_t until = clock_mono() + DEADLINE;

	done_with(&packet);
	while (!(packet = packetq_get(queue)) && clock_mono() < until)
		sched_yield();
	assert_non_null(packet);
	return packet;
}

static struct source *next_end(void)
{
	const struct packet *p = next_packet();
	struct source *s = p->to;

	assert_int_equal(p->kind, PACKET_END);
	assert_int_equal(s->magic, SOURCE_MAGIC);
	assert_int_equal(s->fd, -1);
	return s;
}

static void expect_end(enum source_end end, uint64_t packets)
{
	struct source *s = next_end();

	assert_int_equal(s->end, end);
	assert_int_equal(s->packets, packets);
	assert_int_equal(s->refused, 0);
	source_free(&s);
	assert_null(packetq_get(queue));
}

/* ---- pcap ---- */

static const uint32_t header[6] = { 0xa1b2c3d4, 0x00040002, 0, 0, 65535, 101 };

struct record {
	uint32_t sec, usec, bytes, original;
	uint8_t ip[200];
} __attribute__((packed));

static struct record record(uint32_t number)
{
	struct record r = { 1700000000 + number / 50, number % 50 * 20000, 200, 200, { 0x45 } };

	memcpy(r.ip + 100, &number, sizeof(number));
	return r;
}

static void append_records(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct record r = record(i);

		append(&r, sizeof(r));
	}
}

static void expect_records(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		const struct packet *p = next_packet();
		struct record r = record(i);

		assert_int_equal(p->kind, PACKET_IP);
		assert_int_equal(p->bytes, sizeof(r.ip));
		assert_memory_equal(p->data, r.ip, sizeof(r.ip));
		assert_int_equal(p->time, (usec_t)r.sec * SEC + r.usec);
	}
}

static void test_pcap_that_grows_from_nothing(void **state)
{
	struct record r = record(2);

	(void)state;
	append("", 0);
	give(SOURCE_PCAP, 0);
	append(header, 10);
	tail_grew(tail, CALL);
	append((const uint8_t *)header + 10, sizeof(header) - 10);
	append_records(0, 2);
	append(&r, 100);
	tail_grew(tail, CALL);
	expect_records(0, 2);
	append((uint8_t *)&r + 100, sizeof(r) - 100);
	tail_grew(tail, CALL);
	expect_records(2, 3);
	append(&r, 17); /* cut for ever */
	tail_finish(tail, CALL);
	expect_end(SOURCE_END_EOF, 3);
	/* a longer one some day is another recording's */
	assert_int_equal(told_position, sizeof(header) + 3 * sizeof(r) + 17);
	assert_int_equal(told_finished, 1);
}

static void test_pcap_of_the_next_recording(void **state)
{
	struct source *s;

	(void)state;
	append(header, sizeof(header));
	append_records(0, 10);
	give(SOURCE_PCAP, 0);
	expect_records(0, 10);
	assert_int_equal(truncate(path, 0), 0);
	append(header, sizeof(header));
	tail_finish(tail, CALL);
	s = next_end();
	assert_int_equal(s->end, SOURCE_END_BAD);
	source_free(&s);
	assert_int_equal(told_position, sizeof(header) + 10 * sizeof(struct record));
	assert_int_equal(told_finished, 1);
}

static void test_pcap_resumes_where_it_was(void **state)
{
	(void)state;
	append(header, sizeof(header));
	append_records(0, 10);
	give(SOURCE_PCAP, sizeof(header) + 4 * sizeof(struct record));
	tail_finish(tail, CALL);
	expect_records(4, 10);
	expect_end(SOURCE_END_EOF, 6);
}

static void test_pcap_with_a_hostile_record(void **state)
{
	static const uint32_t hostile[4] = { 0, 0, 0xffffffff, 0 };
	struct source *s;

	(void)state;
	append(header, sizeof(header));
	append_records(0, 1);
	append(hostile, sizeof(hostile));
	give(SOURCE_PCAP, 0);
	expect_records(0, 1);
	s = next_end();
	assert_int_equal(s->end, SOURCE_END_BAD);
	source_free(&s);
	assert_int_equal(told_finished, 1);
}

static void test_records_that_are_no_packets_are_counted(void **state)
{
	static const uint32_t empty[4] = { 1700000000, 0, 0, 0 };
	struct source *s;

	(void)state;
	append(header, sizeof(header));
	append(empty, sizeof(empty));
	append_records(0, 1);
	append(empty, sizeof(empty));
	give(SOURCE_PCAP, 0);
	tail_finish(tail, CALL);
	expect_records(0, 1);
	s = next_end();
	assert_int_equal(s->bad_records, 2);
	assert_int_equal(s->packets, 1);
	source_free(&s);
}

static void test_record_longer_than_a_round(void **state)
{
	uint32_t head[4] = { 1700000000, 0, 200000, 200000 };
	uint8_t *nothing = calloc(1, 200000);

	(void)state;
	append(header, sizeof(header));
	append(head, sizeof(head));
	append(nothing, 200000);
	free(nothing);
	append_records(0, 1);
	give(SOURCE_PCAP, 0);
	tail_finish(tail, CALL);
	expect_records(0, 1);
	expect_end(SOURCE_END_EOF, 1);
}

/* More than the queue holds: the file waits, and nothing is lost. */
static void test_full_queue_loses_nothing(void **state)
{
	(void)state;
	assert_true(tail_stop(&tail, clock_mono() + DEADLINE));
	packetq_free(&queue);
	start(2, 1000000);
	append(header, sizeof(header));
	append_records(0, 5000);
	give(SOURCE_PCAP, 0);
	tail_finish(tail, CALL);
	expect_records(0, 5000);
	expect_end(SOURCE_END_EOF, 5000);
}

static void test_never_faster_than_asked(void **state)
{
	usec_t begin = clock_mono();

	(void)state;
	assert_true(tail_stop(&tail, clock_mono() + DEADLINE));
	packetq_free(&queue);
	start(16, 8);
	append(header, sizeof(header));
	append_records(0, 125); /* 2.5 s, of which 0.5 s may go at once */
	give(SOURCE_PCAP, 0);
	tail_finish(tail, CALL);
	expect_records(0, 125);
	assert_true(clock_mono() - begin >= 240 * MSEC);
	expect_end(SOURCE_END_EOF, 125);
}

/* ---- what becomes of the file ---- */

static void test_file_that_shrinks(void **state)
{
	(void)state;
	append(header, sizeof(header));
	append_records(0, 2);
	give(SOURCE_PCAP, 0);
	expect_records(0, 2);
	assert_int_equal(truncate(path, 100), 0);
	tail_grew(tail, CALL);
	expect_end(SOURCE_END_BAD, 2);
}

static void test_file_that_is_replaced(void **state)
{
	char away[112];

	(void)state;
	append(header, sizeof(header));
	append_records(0, 2);
	give(SOURCE_PCAP, 0);
	expect_records(0, 2);
	snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	append(header, sizeof(header));
	tail_grew(tail, CALL);
	expect_end(SOURCE_END_BAD, 2);
	unlink(away);
}

static void test_file_that_is_unlinked_is_read_to_its_end(void **state)
{
	(void)state;
	append(header, sizeof(header));
	append_records(0, 2);
	give(SOURCE_PCAP, 0);
	expect_records(0, 2);
	unlink(path);
	tail_finish(tail, CALL);
	expect_end(SOURCE_END_EOF, 2);
}

static void expect_failed(int error)
{
	struct source *s;

	give(SOURCE_PCAP, 0);
	s = next_end();
	assert_int_equal(s->end, SOURCE_END_FAILED);
	assert_int_equal(s->error, error);
	source_free(&s);
	assert_int_equal(told, 0);
}

static void test_only_regular_files(void **state)
{
	(void)state;
	expect_failed(ENOENT);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_failed(ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_failed(EINVAL);
}

static void test_closed_when_asked(void **state)
{
	(void)state;
	append(header, sizeof(header));
	append_records(0, 1);
	give(SOURCE_PCAP, 0);
	expect_records(0, 1);
	tail_close_call(tail, CALL);
	expect_end(SOURCE_END_STOPPED, 1);
	assert_int_equal(told_finished, 0);
	tail_close_call(tail, CALL);
	tail_grew(tail, CALL);
	tail_finish(tail, 4711);
}

static void test_stop_ends_what_is_open(void **state)
{
	(void)state;
	append(header, sizeof(header));
	give(SOURCE_PCAP, 0);
	assert_true(tail_stop(&tail, clock_mono() + DEADLINE));
	expect_end(SOURCE_END_STOPPED, 0);
}

/* ---- PCM ---- */

static void test_raw_pcm_in_blocks(void **state)
{
	static int16_t samples[400];
	const struct packet *p;
	usec_t first;

	(void)state;
	append(samples, 2 * 160 + 10);
	give(SOURCE_PCM, 0);
	p = next_packet();
	assert_int_equal(p->kind, PACKET_PCM);
	assert_int_equal(p->bytes, 320);
	first = p->time;
	append(samples, 2 * 160);
	tail_grew(tail, CALL);
	p = next_packet();
	assert_int_equal(p->bytes, 320);
	assert_int_equal(p->time - first, 20 * MSEC);
	append("x", 1); /* half a sample, nobody's */
	tail_finish(tail, CALL);
	p = next_packet();
	assert_int_equal(p->bytes, 10);
	assert_int_equal(p->time - first, 40 * MSEC);
	expect_end(SOURCE_END_EOF, 3);
}

static void put_wav_header(uint32_t data_bytes)
{
	static uint8_t wav[44] = "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\2\0\x80\x3e\0\0\0\xfa\0\0\4\0\x10\0"
		"data";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	memcpy(wav + 40, &data_bytes, 4);
	assert_int_equal(pwrite(fd, wav, sizeof(wav), 0), sizeof(wav));
	close(fd);
}

static void test_wav_overrides_rate_and_channels(void **state)
{
	static int16_t samples[640];
	const struct packet *p;
	struct source *s;

	(void)state;
	put_wav_header(0);
	append(samples, sizeof(samples));
	give(SOURCE_PCM, 0);
	p = next_packet();
	s = p->to;
	assert_int_equal(s->rate_hz, 16000);
	assert_int_equal(s->channels, 2);
	assert_int_equal(p->bytes, sizeof(samples));
	tail_finish(tail, CALL);
	expect_end(SOURCE_END_EOF, 1);
}

static void test_wav_ends_where_its_header_says(void **state)
{
	static int16_t samples[640];

	(void)state;
	put_wav_header(sizeof(samples));
	append(samples, sizeof(samples));
	append("LIST\4\0\0\0abcd", 12);
	give(SOURCE_PCM, 0);
	assert_int_equal(next_packet()->bytes, sizeof(samples));
	put_wav_header(2 * sizeof(samples)); /* the writer goes on, over what was its end */
	assert_int_equal(truncate(path, 44 + (off_t)sizeof(samples)), 0);
	append(samples, sizeof(samples));
	append("LIST\4\0\0\0abcd", 12);
	tail_finish(tail, CALL);
	assert_int_equal(next_packet()->bytes, sizeof(samples));
	expect_end(SOURCE_END_EOF, 2);
}

static void test_unplayable_wav_is_refused(void **state)
{
	(void)state;
	append("RIFF....AVI ", 12);
	give(SOURCE_PCM, 0);
	expect_end(SOURCE_END_BAD, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pcap_that_grows_from_nothing),
		TEST(test_pcap_of_the_next_recording),
		TEST(test_pcap_resumes_where_it_was),
		TEST(test_pcap_with_a_hostile_record),
		TEST(test_records_that_are_no_packets_are_counted),
		TEST(test_record_longer_than_a_round),
		TEST(test_full_queue_loses_nothing),
		TEST(test_never_faster_than_asked),
		TEST(test_file_that_shrinks),
		TEST(test_file_that_is_replaced),
		TEST(test_file_that_is_unlinked_is_read_to_its_end),
		TEST(test_only_regular_files),
		TEST(test_closed_when_asked),
		TEST(test_stop_ends_what_is_open),
		TEST(test_raw_pcm_in_blocks),
		TEST(test_wav_overrides_rate_and_channels),
		TEST(test_wav_ends_where_its_header_says),
		TEST(test_unplayable_wav_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
