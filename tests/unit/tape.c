/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls that are recorded: packets in, real writers and files. */
#include "call/call.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/counters.h"
#include "base/mem.h"
#include "record/memo.h"
#include "sink/writer.h"

#include "folder.h"
#include "packets.h"

#define PT_L16   96
#define PT_WIDE  97 /* 3528 bytes in 20 ms */
#define PARENT   "call-0123456789abcdef"
#define THREADS  2
#define DEADLINE (10 * SEC)

static struct call_record_opts record;
static struct call_opts opts;
static struct budget budget;
static struct writer *writer;
static struct call *call;
static struct source *source;
static char out[128], state_dir[128], notes_dir[160];
static usec_t now;

static int setup(void **state)
{
	if (folder_make(state) < 0)
		return -1;
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	snprintf(notes_dir, sizeof(notes_dir), "%s/recordings", state_dir);
	return 0;
}

static void begin(void)
{
	writer = writer_start(THREADS, 1000);
	writer_add_dir(writer, out);
	record = (struct call_record_opts){ .writer = writer, .single = true,
		.name = { .dir = out, .pattern = "%c-%t", .suffix = "wav" },
		.file = { .state = state_dir, .format = RECORDING_WAV, .mode = -1, .dir_mode = -1,
			.owner = -1, .group = -1 },
		.buffer_ms = 5000 };
	opts = (struct call_opts){ .record = &record };
	budget = (struct budget){ .limit = 64 << 20 };
	now = 1000 * SEC;
	call = call_new(&(struct call_env){ .opts = &opts, .budget = &budget }, 1, PARENT,
		SPOOL_PROC, now);
	call_change(call, &(struct change){ .kind = CHANGE_CALL_ID, .text = span_text("call") });
	call_change(call, &(struct change){ .kind = CHANGE_STREAM, .component = 1,
		.text = span_text("") });
	call_change(call, &(struct change){ .kind = CHANGE_MEDIA_CODEC, .pt = PT_L16,
		.text = span_text("L16/8000") });
	call_change(call, &(struct change){ .kind = CHANGE_MEDIA_CODEC, .pt = PT_WIDE,
		.text = span_text("L16/44100/2") });
	source = source_new(SOURCE_PROC, 1, "/proc/test");
	call_expect_source(call, source);
}

static void tick(void)
{
	call_tick(call, now);
	now += 20 * MSEC;
}

static void send_packet(const struct made *m)
{
	struct span ip = packets_rtp(m);
	struct packet *p = xalloc(sizeof(*p) + ip.n);

	p->to = source;
	p->time = clock_steady(now);
	p->bytes = (uint32_t)ip.n;
	p->kind = PACKET_IP;
	memcpy(p->data, ip.p, ip.n);
	call_packet(source, p);
	free(p);
	tick();
}

static void send(unsigned k, uint32_t ssrc)
{
	send_packet(&(struct made){ .pt = PT_L16, .seq = k, .ts = k * 160, .ssrc = ssrc,
		.payload = packets_l16(k * 160, 160) });
}

static void end(const char *reason)
{
	call_data_done(call);
	call_end(call, reason, now);
	source->end = SOURCE_END_EOF;
	call_source_ended(&source);
	tick();
}

/* The worker goes on ticking while the writers work. */
static void wait_until(bool (*done)(void))
{
	usec_t over = clock_mono() + DEADLINE;

	while (!done() && clock_mono() < over) {
		tick();
		usleep(100);
	}
	must(done());
}

static bool is_over(void)
{
	return call_is_over(call);
}

/* Names that end so. */
static unsigned count(const char *path, const char *suffix)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		size_t bytes = strlen(e->d_name), end = strlen(suffix);

		n += bytes >= end && strcmp(e->d_name + bytes - end, suffix) == 0;
	}
	if (d)
		closedir(d);
	return n;
}

/* ---- the tests ---- */

static void finish(struct account **account)
{
	end("ended");
	wait_until(is_over);
	*account = call_take_account(call);
	call_free(&call);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
}

/* Every second packet of another SSRC would begin a file, and end the last one. */
static void test_many_ssrcs(void **state)
{
	uint64_t unsplit = counter_sum(COUNT_SSRCS_UNSPLIT);
	struct account *account;
	uint64_t frames = 0;

	(void)state;
	begin();
	for (unsigned k = 0; k < 400; k++)
		send(k, 1 + k / 2);
	finish(&account);
	assert_int_equal(account->sinks, STREAM_MAX_SSRCS);
	assert_int_equal(count(out, ".wav"), STREAM_MAX_SSRCS);
	assert_int_equal(counter_sum(COUNT_SSRCS_UNSPLIT) - unsplit, 200 - STREAM_MAX_SSRCS);
	for (unsigned i = 0; i < account->sinks; i++) {
		assert_true(account_sink_balances(&account->sink[i]));
		frames += account->sink[i].stats.put;
	}
	assert_int_equal(frames, 400 * 160); /* nothing is lost by it */
	account_free(&account);
}

/* The first one is too large to be kept until the second one proves it. */
static void test_ssrc_changes_in_large_packets(void **state)
{
	const struct stream_counts *packets;
	struct account *account;

	(void)state;
	begin();
	for (unsigned k = 0; k < 100; k++)
		send_packet(&(struct made){ .pt = PT_WIDE, .seq = k, .ts = k * 882,
			.ssrc = k < 50 ? 1 : 2, .payload = packets_l16(k * 1764, 1764) });
	finish(&account);
	packets = &account->stream[0].count;
	assert_true(account_stream_balances(&account->stream[0]));
	assert_int_equal(account->stream[0].ssrcs, 2);
	assert_int_equal(packets->stray, 1);
	assert_int_equal(packets->decoded, 99);
	assert_int_equal(account->sinks, 2);
	account_free(&account);
}

/* ---- a discard that a hung disk holds up ---- */

static atomic_uint at_gate;
static bool was_discarded, was_kept;

static void on_over(void *arg, const char *parent, bool discarded, bool kept)
{
	(void)arg;
	must(strcmp(parent, PARENT) == 0);
	was_discarded = discarded;
	was_kept = kept;
}

static void hang(void *arg)
{
	(void)arg;
	at_gate++;
	for (;;)
		pause();
}

static bool is_recorded(void)
{
	return count(out, ".part") == 1 && count(notes_dir, ".json") == 1 &&
		count(notes_dir, ".call") == 1;
}

static bool all_hang(void)
{
	return at_gate == THREADS;
}

static bool is_marked(void)
{
	return memo_is_discarded(state_dir, PARENT);
}

/* In a process of its own, that ends by kill -9, or by a stop whose deadline passes. */
static void discard_and_die(bool stop)
{
	struct account *account;

	begin();
	record.over = on_over;
	for (unsigned k = 0; k < 200; k++)
		send(k, 1);
	wait_until(is_recorded);
	for (unsigned i = 0; i < THREADS; i++)
		must(writer_put(writer, WRITER_WRITE, out, hang, NULL));
	wait_until(all_hang);
	end("discarded");
	wait_until(is_marked);
	must(!is_over());
	if (stop) {
		call_cut(call);
		wait_until(is_over);
		account = call_take_account(call);
		account_free(&account);
		call_free(&call);
		must(was_discarded && was_kept);
	}
	_exit(0);
}

static int on_recovered(void *arg, const char *parent, const char *label,
	const struct recording_result *result)
{
	(void)arg;
	(void)parent;
	(void)label;
	fail_msg("%s was discarded", result->path);
	return 0;
}

static void check_discard(bool stop)
{
	pid_t child;
	int status;

	child = fork();
	if (child == 0)
		discard_and_die(stop);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(count(out, ".part"), 1);
	recording_recover(state_dir, NULL, on_recovered, NULL);
	assert_int_equal(count(out, ".part"), 0);
	assert_int_equal(count(out, ".wav"), 0);
	assert_int_equal(count(notes_dir, ".json"), 0);
}

static void test_killed_while_a_discard_waits(void **state)
{
	(void)state;
	check_discard(false);
}

static void test_stopped_while_a_discard_waits(void **state)
{
	(void)state;
	check_discard(true);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_killed_while_a_discard_waits), /* forks: before there are threads */
		TEST(test_stopped_while_a_discard_waits),
		TEST(test_many_ssrcs),
		TEST(test_ssrc_changes_in_large_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
