/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of calls with everything around it in the test's hands: what the spool tells, which
 * streams can be opened, what time it is. */
#include "calls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "accounts.h"
#include "base/mem.h"
#include "spool/consumed.h"

#define PARENT  "call-0123456789abcdef"
#define SOURCES 16

static struct {
	uv_loop_t loop;
	struct calls *calls;
	uv_timer_cb tick;
	uv_timer_t *timer;
	usec_t now;
	bool there;                     /* its metafile */
	unsigned given_up;
	char noted[64];                 /* as consumed to its end */
	uint64_t noted_position;
	uint64_t read_from;             /* position of the last file that was given to be read */
	uint64_t number;                /* of the last call begun */
	struct source *asked[SOURCES], *open[SOURCES];
	unsigned n_asked, n_open;
	unsigned calls_begun;
	const char *end;                /* of the last call that ended */
} t;

/* ---- in place of what is around ---- */

usec_t clock_mono(void)
{
	return t.now;
}

usec_t clock_steady(usec_t mono)
{
	return mono;
}

usec_t clock_wall(void)
{
	return t.now;
}

void clock_format(usec_t wall, char out[CLOCK_TEXT])
{
	snprintf(out, CLOCK_TEXT, "%lld", (long long)wall);
}

/* The tests are the timer. */
int uv_timer_start(uv_timer_t *timer, uv_timer_cb tick, uint64_t after, uint64_t every)
{
	(void)after, (void)every;
	t.timer = timer;
	t.tick = tick;
	return 0;
}

/* Notices are read when the tests say so. */
int uv_async_send(uv_async_t *async)
{
	(void)async;
	return 0;
}

void worker_new_call(struct worker *w, uint64_t call, const char *parent, enum spool_layout layout)
{
	(void)w, (void)parent, (void)layout;
	t.number = call;
	t.calls_begun++;
}

void worker_change(struct worker *w, uint64_t call, const struct change *change)
{
	(void)w, (void)call, (void)change;
}

void worker_expect_source(struct worker *w, uint64_t call, struct source *s)
{
	(void)w, (void)call, (void)s;
}

void worker_data(struct worker *w, uint64_t call, struct span json, unsigned elements)
{
	(void)w, (void)call, (void)json, (void)elements;
}

void worker_data_done(struct worker *w, uint64_t call)
{
	(void)w, (void)call;
}

void worker_end_call(struct worker *w, uint64_t call, const char *reason)
{
	(void)w, (void)call;
	t.end = reason;
}

static bool is_among(struct source **list, unsigned n, const struct source *s)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i]->path, s->path) == 0)
			return true;
	return false;
}

/* Two readers of one stream would share its packets. */
void opener_give(struct opener *o, struct source **s)
{
	(void)o;
	assert_false(is_among(t.open, t.n_open, *s) || is_among(t.asked, t.n_asked, *s));
	assert_true(t.n_asked < SOURCES);
	t.asked[t.n_asked++] = *s;
	*s = NULL;
}

void opener_check(struct opener *o, usec_t now)
{
	(void)o, (void)now;
}

void intake_give(struct intake *in, struct source **s)
{
	(void)in;
	if ((*s)->fd < 0) {
		source_free(s);
		return;
	}
	assert_true(t.n_open < SOURCES);
	t.open[t.n_open++] = *s;
	*s = NULL;
}

void intake_close_call(struct intake *in, uint64_t call)
{
	(void)in, (void)call;
}

void tail_give(struct tail *tail, struct source **s)
{
	(void)tail;
	t.read_from = (*s)->position;
	source_free(s);
}

void tail_grew(struct tail *tail, uint64_t call)
{
	(void)tail, (void)call;
}

void tail_finish(struct tail *tail, uint64_t call)
{
	(void)tail, (void)call;
}

void tail_close_call(struct tail *tail, uint64_t call)
{
	(void)tail, (void)call;
}

struct accounts *accounts_new(struct writer *w, const char *dir)
{
	(void)w, (void)dir;
	return NULL;
}

void accounts_free(struct accounts **a)
{
	(void)a;
}

int accounts_write(struct accounts *a, uint64_t call, struct account **account,
	void (*done)(void *arg, uint64_t call, bool written), void *arg)
{
	(void)a;
	*account = NULL;
	done(arg, call, true);
	return 0;
}

void accounts_tick(struct accounts *a, struct consumed *consumed)
{
	(void)a, (void)consumed;
}

bool consumed_find(struct consumed *c, const char *name, uint64_t inode, uint64_t *position,
	bool *finished)
{
	(void)c, (void)inode;
	*finished = strcmp(t.noted, name) == 0;
	if (*finished)
		*position = t.noted_position;
	return *finished;
}

void consumed_note(struct consumed *c, const char *name, uint64_t inode, uint64_t position,
	bool finished, usec_t now)
{
	(void)c, (void)now;
	assert_true(finished && !inode);
	t.noted_position = position;
	snprintf(t.noted, sizeof(t.noted), "%s", name);
}

bool spool_has(struct spool *s, const char *parent, enum spool_layout layout)
{
	(void)s, (void)parent;
	return t.there && layout == SPOOL_PROC;
}

void spool_give_up(struct spool *s, const char *parent)
{
	(void)s;
	assert_string_equal(parent, PARENT);
	t.given_up++;
}

/* ---- what happens ---- */

static bool see(const char *parent, enum spool_layout layout)
{
	return calls_spool_events.call(t.calls, parent, layout, NULL) == SPOOL_TAKEN;
}

static enum spool_answer see_pcap(uint64_t bytes)
{
	return calls_spool_events.call(t.calls, PARENT, SPOOL_PCAP,
		&(struct spool_file){ .bytes = bytes });
}

static void tell_stream(unsigned n)
{
	char name[32];

	snprintf(name, sizeof(name), "stream-%u", n);
	calls_spool_events.change(t.calls, PARENT, &(struct change){ .kind = CHANGE_STREAM_OPEN,
		.n = n, .text = span_text(name) });
}

/* What was asked for first is open, or could not be opened. */
static void answer(int error)
{
	struct source *s = t.asked[0];

	assert_true(t.n_asked > 0);
	memmove(t.asked, t.asked + 1, --t.n_asked * sizeof(t.asked[0]));
	s->fd = error ? -1 : 0;
	s->error = error;
	calls_opened(t.calls, &s);
	calls_flush(t.calls);
}

static void answer_all(int error)
{
	for (unsigned n = t.n_asked; n > 0; n--)
		answer(error);
}

static void close_source(struct source **s)
{
	(*s)->fd = -1;
	source_free(s);
}

/* All streams of the call are at their end, and closed. */
static void streams_end(void)
{
	uint64_t call = t.open[0]->call, epoch = t.open[0]->epoch;

	while (t.n_open)
		close_source(&t.open[--t.n_open]);
	calls_streams_ended(t.calls, call, epoch);
	calls_flush(t.calls);
}

static void pass(usec_t time)
{
	t.now += time;
	t.tick(t.timer);
}

static int setup(void **state)
{
	static struct worker *workers[1];
	static struct packetq *queues[1], **queue[2] = { queues, queues };
	static struct intake *intakes[1];

	(void)state;
	memset(&t, 0, sizeof(t));
	t.now = 1000 * SEC;
	t.there = true;
	if (uv_loop_init(&t.loop) < 0)
		return -1;
	t.calls = calls_new(&(struct calls_opts){ .loop = &t.loop, .proc_root = "/proc",
		.max_calls = 10, .intakes = 1, .workers = 1 });
	calls_connect(t.calls, &(struct calls_parts){ .worker = workers, .queue = queue,
		.intake = intakes,
		.consumed = (struct consumed *)(void *)&t }); /* as the spool: only passed on */
	calls_set_spool(t.calls, (struct spool *)(void *)&t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (t.n_asked)
		close_source(&t.asked[--t.n_asked]);
	while (t.n_open)
		close_source(&t.open[--t.n_open]);
	calls_free(&t.calls);
	return uv_loop_close(&t.loop);
}

/* ---- streams that cannot be opened ---- */

static void test_for_want_of_descriptors(void **state)
{
	(void)state;
	see(PARENT, SPOOL_PROC);
	tell_stream(0);
	tell_stream(1);
	answer(EMFILE);
	answer(ENOENT); /* does not put the other one off */
	pass(SEC);
	assert_int_equal(t.n_asked, 1);
	answer(0);
	pass(20 * SEC);
	assert_int_equal(t.n_asked, 0);
	assert_null(t.end);
}

static void test_for_want_of_descriptors_and_made_anew(void **state)
{
	(void)state;
	see(PARENT, SPOOL_PROC);
	tell_stream(0);
	answer(EMFILE);
	calls_spool_events.end(t.calls, PARENT, SPOOL_END_UNLINK);
	see(PARENT, SPOOL_PROC);
	tell_stream(0);
	answer(0);
	tell_stream(1);
	answer(EMFILE);
	pass(SEC); /* opener_give: none twice */
	assert_int_equal(t.n_asked, 1);
	assert_int_equal(t.calls_begun, 1);
}

static void test_one_opens_after_others_could_not(void **state)
{
	(void)state;
	see(PARENT, SPOOL_PROC);
	tell_stream(0);
	answer(ENOENT);
	tell_stream(1);
	answer(0);
	pass(20 * SEC); /* opener_give: not twice */
	assert_null(t.end);
}

/* ---- rtpengine killed, and started again with what it keeps in Redis ---- */

static void run_and_lose_rtpengine(void)
{
	see(PARENT, SPOOL_PROC);
	tell_stream(0);
	tell_stream(1);
	answer_all(0);
	streams_end();
	pass(SEC);
	assert_int_equal(t.n_asked, 2); /* its metafile is still there */
}

static void assert_runs(void)
{
	pass(20 * SEC);
	assert_null(t.end);
	assert_int_equal(t.calls_begun, 1);
	assert_int_equal(t.n_asked, 0);
	assert_int_equal(t.n_open, 2);
}

static void test_restored_late(void **state)
{
	(void)state;
	run_and_lose_rtpengine();
	answer_all(ENOENT);
	pass(2 * SEC);
	tell_stream(0);
	tell_stream(1);
	assert_int_equal(t.n_asked, 2);
	answer_all(0);
	assert_runs();
}

/* Thousands of calls lose their streams at once: openers are late. */
static void test_restored_while_its_streams_are_opened(void **state)
{
	(void)state;
	run_and_lose_rtpengine();
	tell_stream(0);
	tell_stream(1);
	answer_all(ENOENT);
	assert_int_equal(t.n_asked, 2);
	answer_all(0);
	assert_runs();
}

static void test_restored_by_halves(void **state)
{
	(void)state;
	run_and_lose_rtpengine();
	answer_all(ENOENT);
	tell_stream(1);
	answer(0);
	tell_stream(0);
	answer(0);
	assert_runs();
}

/* Each failed open costs the kernel module a reference. */
static void test_not_restored(void **state)
{
	(void)state;
	run_and_lose_rtpengine();
	answer_all(ENOENT);
	pass(9 * SEC);
	assert_int_equal(t.n_asked, 0);
	assert_null(t.end);
	pass(SEC);
	assert_int_equal(t.n_asked, 0);
	assert_string_equal(t.end, "stale");
	assert_int_equal(t.given_up, 1); /* the spool does not count it any more */
	see(PARENT, SPOOL_PROC);
	assert_int_equal(t.calls_begun, 2);
}

/* ---- recording-method = all ---- */

static void end_and_forget(void)
{
	struct account *none = NULL;

	t.there = false;
	calls_spool_events.end(t.calls, PARENT, SPOOL_END_UNLINK);
	pass(2 * SEC);
	assert_string_equal(t.end, "ended");
	calls_over(t.calls, t.number, &none);
	calls_flush(t.calls);
	calls_flush(t.calls); /* it is written */
	assert_int_equal(calls_running(t.calls), 0);
}

static void test_metafile_and_pcap(void **state)
{
	(void)state;
	assert_true(see(PARENT, SPOOL_PROC));
	assert_false(see(PARENT, SPOOL_PCAP));
	tell_stream(0);
	answer(0);
	end_and_forget();
	assert_int_equal(see_pcap(4096), SPOOL_REFUSED); /* finished, however long it is */
	assert_int_equal(t.calls_begun, 1);
}

static void test_pcap_before_its_metafile_is_told(void **state)
{
	(void)state;
	assert_false(see(PARENT, SPOOL_PCAP));
	assert_true(see(PARENT, SPOOL_PROC));
	assert_string_equal(t.noted, PARENT);
}

static void test_metafile_of_a_pcap_that_is_read(void **state)
{
	(void)state;
	t.there = false;
	assert_true(see(PARENT, SPOOL_PCAP));
	assert_false(see(PARENT, SPOOL_PROC));
	assert_string_equal(t.noted, "");
	end_and_forget();
}

static void test_streams_of_a_pcap_have_no_interfaces_without_end(void **state)
{
	(void)state;
	t.there = false;
	assert_true(see(PARENT, SPOOL_PCAP));
	tell_stream(CALL_MAX_STREAMS);
	assert_int_equal(t.n_asked, 0);
}

/* ---- files that are told again ---- */

static void consume_pcap(uint64_t bytes)
{
	t.there = false;
	assert_int_equal(see_pcap(0), SPOOL_TAKEN);
	calls_spool_events.end(t.calls, PARENT, SPOOL_END_UNLINK);
	calls_consumed(t.calls, t.number, bytes, true);
}

static void test_pcap_that_is_being_read_and_was(void **state)
{
	(void)state;
	consume_pcap(100);
	assert_int_equal(see_pcap(100), SPOOL_ENDING);
	end_and_forget();
	assert_int_equal(see_pcap(100), SPOOL_CONSUMED);
	assert_false(see(PARENT, SPOOL_PCAP)); /* it has been removed */
}

/* The second recording of a call has the names of the first: it is one more call. */
static void test_pcap_of_another_length(void **state)
{
	static const uint64_t lengths[] = { 0, 99, 101 };

	(void)state;
	consume_pcap(100);
	end_and_forget();
	for (unsigned i = 0; i < 3; i++) {
		t.read_from = 4711;
		assert_int_equal(see_pcap(lengths[i]), SPOOL_TAKEN);
		calls_spool_events.change(t.calls, PARENT, &(struct change){
			.kind = CHANGE_FILE_OPEN, .text = span_text("/pcap") });
		calls_spool_events.grew(t.calls, PARENT);
		assert_int_equal(t.read_from, 0);
		end_and_forget();
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_for_want_of_descriptors),
		TEST(test_for_want_of_descriptors_and_made_anew),
		TEST(test_one_opens_after_others_could_not),
		TEST(test_restored_late),
		TEST(test_restored_while_its_streams_are_opened),
		TEST(test_restored_by_halves),
		TEST(test_not_restored),
		TEST(test_metafile_and_pcap),
		TEST(test_pcap_before_its_metafile_is_told),
		TEST(test_metafile_of_a_pcap_that_is_read),
		TEST(test_streams_of_a_pcap_have_no_interfaces_without_end),
		TEST(test_pcap_that_is_being_read_and_was),
		TEST(test_pcap_of_another_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
