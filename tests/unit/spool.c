/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real spool on a directory of its own, in a real loop: things are done to files, and the loop
 * runs until what must be told was told, or a deadline is over. */
#include "spool/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/counters.h"
#include "base/mem.h"

#define TAG_A    "-0123456789abcdef"
#define DEADLINE (10 * SEC)
#define MAX_LOG  (1024 * 1024)

static struct {
	uv_loop_t loop;
	struct spool *spool;
	struct spool_opts opts;
	char dir[64];
	char log[MAX_LOG]; /* what was told, a line each */
	size_t bytes;
	unsigned changes;
	bool refuse;
} t;

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t.bytes += (size_t)vsnprintf(t.log + t.bytes, MAX_LOG - t.bytes, fmt, ap);
	va_end(ap);
	assert_true(t.bytes < MAX_LOG);
}

static bool on_call(void *arg, const char *parent, enum spool_layout layout,
	const struct spool_file *file)
{
	(void)arg;
	assert_int_equal(file != NULL, layout == SPOOL_PCM);
	note("call %d %s\n", (int)layout, parent);
	return !t.refuse;
}

static void on_change(void *arg, const char *parent, const struct change *c)
{
	(void)arg;
	t.changes++;
	note("%s kind%d n%u v%llu [%.*s]\n", parent, (int)c->kind, c->n,
		(unsigned long long)c->value, (int)(c->text.n < 200 ? c->text.n : 200),
		(const char *)c->text.p);
}

static void on_grew(void *arg, const char *parent)
{
	(void)arg;
	note("grew %s\n", parent);
}

static void on_end(void *arg, const char *parent, enum spool_end why)
{
	(void)arg;
	note("end %d %s\n", (int)why, parent);
}

static const struct spool_events events = {
	.call = on_call, .change = on_change, .grew = on_grew, .end = on_end,
};

static char *path_of(const char *name)
{
	static char path[8][512];
	static unsigned i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", t.dir, name);
	return path[i];
}

static void append(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void section(const char *file, const char *label, const char *content)
{
	char *text = xasprintf("%s\n%zu:\n%s\n\n", label, strlen(content), content);

	append(file, text);
	free(text);
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(path_of(name), 0777), 0);
}

static void make_pcap_dirs(void)
{
	make_dir("spool");
	make_dir("spool/tmp");
	make_dir("spool/pcaps");
	make_dir("spool/metadata");
}

static void move(const char *from, const char *to)
{
	assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

static void start(void)
{
	t.spool = spool_start(&t.loop, &t.opts, &events, NULL);
}

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
}

static unsigned count(const char *line)
{
	unsigned n = 0;

	for (const char *at = t.log; (at = strstr(at, line)); at++)
		n++;
	return n;
}

/* Runs the loop until the text was told so many times. */
static void want_times(const char *line, unsigned times)
{
	usec_t end = clock_mono() + DEADLINE;
	uv_timer_t timer;

	uv_timer_init(&t.loop, &timer);
	uv_timer_start(&timer, on_deadline, 50, 50); /* so that the loop comes back */
	while (count(line) < times && clock_mono() < end)
		uv_run(&t.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	if (count(line) < times)
		print_message("not told: %s\n%s", line, t.log);
	assert_true(count(line) >= times);
}

static void want(const char *line)
{
	want_times(line, 1);
}

static void want_order(const char *first, const char *second)
{
	const char *a = strstr(t.log, first), *b = strstr(t.log, second);

	assert_true(a && b && a < b);
}

/* Root may read everything: tests of what may not be read are somebody else meanwhile. */
static void be(uid_t uid)
{
	if (getuid() != 0)
		return;
	assert_int_equal(seteuid(uid), 0);
	prctl(PR_SET_DUMPABLE, 1); /* for leak checkers: a change of user clears it */
}

#define NOBODY 65534

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/spoolwire-test-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	uv_loop_init(&t.loop);
	t.opts = (struct spool_opts){ .dir = xstrdup(path_of("spool")),
		.pcm_dir = xstrdup(path_of("pcm")), .orphan_timeout = 3600 * SEC,
		.pcap_max_age = 86400 * SEC, .pcm_idle_timeout = 3600 * SEC, .max_calls = 5000 };
	return 0;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf '%s'", t.dir);
	int failed;

	(void)state;
	be(0);
	spool_stop(&t.spool);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	failed = uv_loop_close(&t.loop);
	failed |= system(command);
	free(command);
	free((char *)t.opts.dir);
	free((char *)t.opts.pcm_dir);
	return failed;
}

static void proc_call_lives_and_dies(void **state)
{
	(void)state;
	make_dir("spool");
	append("spool/old" TAG_A ".meta", "CALL-ID\n3:\nold\n\nTAG 0\n");
	start();
	want("old" TAG_A " kind0 n0 v0 [old]");
	section("spool/.a%2F" TAG_A ".meta", "CALL-ID", ".a/");
	want("call 0 .a%2F" TAG_A);
	section("spool/.a%2F" TAG_A ".meta", "STREAM 2 interface", "tag-0");
	section("spool/.a%2F" TAG_A ".meta", "STREAM 3 interface", "../../etc/passwd");
	append("spool/old" TAG_A ".meta", "1:\nx\n\n");
	want("old" TAG_A " kind2 n0 v0 [x]");
	want(".a%2F" TAG_A " kind12 n2 v0 [tag-0]");
	assert_int_equal(count("passwd"), 0);
	assert_true(spool_has(t.spool, ".a%2F" TAG_A, SPOOL_PROC));
	unlink(path_of("spool/.a%2F" TAG_A ".meta"));
	want("end 0 .a%2F" TAG_A);
	assert_false(spool_has(t.spool, ".a%2F" TAG_A, SPOOL_PROC));
	move("spool/old" TAG_A ".meta", "spool/old" TAG_A ".meta.DISCARD");
	unlink(path_of("spool/old" TAG_A ".meta.DISCARD"));
	want("end 1 old" TAG_A);
	assert_int_equal(count("call 0"), 2);
}

static void made_anew_is_the_same_call(void **state)
{
	(void)state;
	make_dir("spool");
	start();
	section("spool/x" TAG_A ".meta", "CALL-ID", "a long one");
	section("spool/x" TAG_A ".meta", "METADATA", "first");
	want("[first]");
	unlink(path_of("spool/x" TAG_A ".meta"));
	section("spool/x" TAG_A ".meta", "METADATA", "second, and much longer than before");
	want("[second, and much");
	assert_int_equal(count("end "), 0);
	assert_int_equal(count("call "), 1);
	unlink(path_of("spool/x" TAG_A ".meta"));
	want("end 0");
	section("spool/x" TAG_A ".meta", "METADATA", "third");
	want("[third]");
	assert_int_equal(count("call "), 2);
}

/* More names than one turn looks at, so that the call behind them is looked at in the next turn,
 * and before what happens to it meanwhile is read. */
static void mark_behind_others(const char *file)
{
	char name[64];

	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "spool/f%u" TAG_A ".meta", i);
		section(name, "CALL-ID", "f");
	}
	append(file, "\n");
	uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_true(count("[f]") > 0 && count("[f]") < 1200);
}

static void discard_is_told_after_the_end(void **state)
{
	(void)state;
	make_dir("spool");
	start();
	section("spool/x" TAG_A ".meta", "CALL-ID", "x");
	want("[x]");
	mark_behind_others("spool/x" TAG_A ".meta");
	move("spool/x" TAG_A ".meta", "spool/x" TAG_A ".meta.DISCARD");
	unlink(path_of("spool/x" TAG_A ".meta.DISCARD"));
	want("end 1 x");
	want_order("end 0 x", "end 1 x");
}

static void discard_ends_what_came_before_it(void **state)
{
	(void)state;
	make_dir("spool");
	start();
	section("spool/x" TAG_A ".meta", "CALL-ID", "first");
	want("[first]");
	move("spool/x" TAG_A ".meta", "spool/x" TAG_A ".meta.DISCARD");
	unlink(path_of("spool/x" TAG_A ".meta.DISCARD"));
	section("spool/x" TAG_A ".meta", "CALL-ID", "the second is a recording of its own");
	want("[the second");
	assert_int_equal(count("call 0 x"), 2);
	assert_int_equal(count("end 1 x"), 1);
	assert_int_equal(count("end "), 1);
	want_order("end 1 x", "[the second");
}

static void bad_files_end_only_themselves(void **state)
{
	(void)state;
	make_dir("spool");
	start();
	section("spool/bad" TAG_A ".meta", "CALL-ID", "bad");
	want("[bad]");
	append("spool/bad" TAG_A ".meta", "\n\n\n");
	want("end 3 bad");
	assert_int_equal(symlink("/etc/passwd", path_of("spool/link.meta")), 0);
	assert_int_equal(mkfifo(path_of("spool/fifo.meta"), 0666), 0);
	make_dir("spool/dir.meta");
	section("spool/good" TAG_A ".meta", "CALL-ID", "good");
	want("[good]");
	assert_int_equal(count("call "), 2);
}

/* What a look at everything would tell once more: that the PCM file grew. */
static void unreadable_file_is_tried_again_alone(void **state)
{
	unsigned grew;

	(void)state;
	make_dir("spool");
	make_dir("pcm");
	chmod(t.dir, 0755);
	append("pcm/other.pcm", "xx");
	section("spool/x" TAG_A ".meta", "CALL-ID", "x");
	chmod(path_of("spool/x" TAG_A ".meta"), 0);
	be(NOBODY);
	start();
	want("grew other");
	assert_int_equal(count("call 0"), 0);
	grew = count("grew other");
	be(0);
	chmod(path_of("spool/x" TAG_A ".meta"), 0644);
	be(NOBODY);
	want("[x]");
	assert_int_equal(count("grew other"), grew);
}

static void scan_waits_for_descriptors(void **state)
{
	uint64_t before = counter_sum(COUNT_SPOOL_ERRORS);
	struct rlimit usual, none;
	int next;

	(void)state;
	make_dir("new");
	section("new/x" TAG_A ".meta", "CALL-ID", "x");
	start();
	next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = usual.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	move("new", "spool");
	for (unsigned i = 0; i < 100 && counter_sum(COUNT_SPOOL_ERRORS) == before; i++)
		uv_run(&t.loop, UV_RUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_true(counter_sum(COUNT_SPOOL_ERRORS) > before);
	want("[x]");
}

static void looking_again_loses_nothing_and_repeats_nothing(void **state)
{
	char name[64];

	(void)state;
	make_dir("spool");
	start();
	/* more events than fs.inotify.max_queued_events are there before the loop runs; in turns,
	 * because equal ones in a row become one */
	for (unsigned k = 0; k < 500; k++) {
		for (unsigned i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "spool/c%u" TAG_A ".meta", i);
			section(name, "TAG 0", i == 39 && k == 499 ? "last" : "t");
		}
	}
	want("[last]");
	want_times("call 0", 40);
	assert_int_equal(t.changes, 40 * 500);
	assert_true(counter_sum(COUNT_SPOOL_OVERFLOWS) > 0);
	assert_int_equal(count("end "), 0);
}

static void directories_come_and_go(void **state)
{
	(void)state;
	start();
	make_pcap_dirs();
	section("spool/x" TAG_A ".meta", "CALL-ID", "one");
	want("[one]");
	unlink(path_of("spool/x" TAG_A ".meta"));
	rmdir(path_of("spool/tmp"));
	rmdir(path_of("spool/pcaps"));
	rmdir(path_of("spool/metadata"));
	rmdir(path_of("spool"));
	want("end 0 x");
	make_dir("new");
	section("new/y" TAG_A ".meta", "CALL-ID", "two");
	move("new", "spool");
	want("[two]");
	move("spool", "away");
	want("end 0 y");
	move("away", "spool");
	want_times("[two]", 2);
	make_dir("pcm");
	append("pcm/rec.pcm", "xx");
	want("grew rec");
}

#define P "ci%40h" TAG_A
#define OFFER "/wrong.pcap\n\n\nTimestamp started ms: 1.0\nSDP mode: offer\n" \
	"SDP before RTP packet: 1\n\nv=0\r\nm=audio 100 RTP/AVP 8\r\na=rtcp-mux\r\n"
#define ANSWER "\nTimestamp started ms: 1.0\nSDP mode: answer\n" \
	"SDP before RTP packet: 1\n\nv=0\r\nm=audio 200 RTP/AVP 8\r\na=rtcp-mux\r\n"
#define END "\nTimestamp terminated ms(first monologue): 1\n\ncall start time: a\n" \
	"call end time: b\n\n\nk:v\n"

static void pcap_call_lives_and_dies(void **state)
{
	char *file;

	(void)state;
	make_pcap_dirs();
	start();
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	want("call 1 " P);
	want(P " kind0 n0 v0 [ci@h]");
	want(P " kind11 n0 v100");
	append("spool/pcaps/" P ".pcap", "xxxx");
	want("grew " P);
	file = xasprintf("kind13 n0 v0 [%s/spool/pcaps/%s.pcap]", t.dir, P);
	want(file);
	free(file);
	append("spool/tmp/rtpengine-meta-" P ".tmp", ANSWER);
	want(P " kind11 n1 v200");
	assert_true(spool_has(t.spool, P, SPOOL_PCAP));
	assert_false(spool_has(t.spool, P, SPOOL_PROC));
	append("spool/tmp/rtpengine-meta-" P ".tmp", END);
	move("spool/tmp/rtpengine-meta-" P ".tmp", "spool/metadata/rtpengine-meta-" P ".txt");
	want("end 0 " P);
	want_order("kind1 n0 v0 [k:v]", "end 0");
	assert_int_equal(count("call "), 1);
	assert_int_equal(count("kind13"), 1);
	assert_int_equal(count("wrong"), 0);
}

/* With recording-method = all rtpengine makes these files, then a metafile, and writes then. */
static void pcap_call_begins_with_what_is_written(void **state)
{
	int fd;

	(void)state;
	make_pcap_dirs();
	start();
	append("spool/tmp/rtpengine-meta-" P ".tmp", "/a.pcap\n\n");
	append("spool/tmp/rtpengine-meta-run" TAG_A ".tmp", "/b.pcap\n\n");
	fd = open(path_of("spool/pcaps/run" TAG_A ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	close(open(path_of("spool/pcaps/long" TAG_A ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	want("end 0 long" TAG_A); /* all that came before has been looked at */
	assert_int_equal(count("call "), 1);
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	want("call 1 " P);
	assert_int_equal(write(fd, "x", 1), 1);
	want("grew run");
	close(fd);
	assert_int_equal(count("call "), 3);
}

/* The descriptor that rtpengine has of metadata in tmp/. */
static int begin_pcap(void)
{
	int fd;

	make_pcap_dirs();
	start();
	fd = open(path_of("spool/tmp/rtpengine-meta-" P ".tmp"),
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, OFFER, strlen(OFFER)), (ssize_t)strlen(OFFER));
	append("spool/pcaps/" P ".pcap", "xxxx");
	want("grew " P);
	return fd;
}

static void discarded_pcap_is_told(void **state)
{
	int fd = begin_pcap();

	(void)state;
	close(fd);
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
	want("end 1 " P);
	assert_int_equal(count("end "), 1);
}

static void discarded_pcap_is_looked_at_too_early(void **state)
{
	int fd = begin_pcap();

	(void)state;
	mark_behind_others("spool/tmp/rtpengine-meta-" P ".tmp");
	close(fd);
	unlink(path_of("spool/pcaps/" P ".pcap"));
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
	want("end 1 " P);
	assert_int_equal(count("end "), 1);
}

static void finished_metadata_is_taken_away_at_once(void **state)
{
	int fd = begin_pcap();

	(void)state;
	close(fd);
	move("spool/tmp/rtpengine-meta-" P ".tmp", "spool/metadata/rtpengine-meta-" P ".txt");
	unlink(path_of("spool/metadata/rtpengine-meta-" P ".txt"));
	want("end 0 " P);
	assert_int_equal(count("end "), 1);
}

static void metadata_removed_by_others_is_no_discard(void **state)
{
	int fd = begin_pcap();

	(void)state;
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
	want("end 2 " P);
	close(fd);
	assert_int_equal(count("end "), 1);
}

static void set_age(const char *name, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - seconds },
		{ .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static void finished_pcap_is_told_at_once(void **state)
{
	(void)state;
	make_pcap_dirs();
	append("spool/metadata/rtpengine-meta-" P ".txt", OFFER ANSWER END);
	append("spool/pcaps/" P ".pcap", "xxxx");
	append("spool/metadata/rtpengine-meta-old" TAG_A ".txt", OFFER ANSWER END);
	append("spool/pcaps/old" TAG_A ".pcap", "xxxx");
	append("spool/pcaps/stranger.pcap", "xxxx");
	set_age("spool/metadata/rtpengine-meta-old" TAG_A ".txt", 100000);
	set_age("spool/pcaps/old" TAG_A ".pcap", 100000);
	start();
	want("end 0 " P);
	want_order("kind13", "grew");
	want_order("grew", "end 0");
	/* whatever else there is has been looked at when this is told */
	section("spool/z" TAG_A ".meta", "CALL-ID", "z");
	want("[z]");
	assert_int_equal(count("call 1"), 1);
}

static void refused_calls_are_not_told(void **state)
{
	(void)state;
	make_pcap_dirs();
	append("spool/metadata/rtpengine-meta-" P ".txt", OFFER END);
	append("spool/tmp/rtpengine-meta-run" TAG_A ".tmp", OFFER);
	t.refuse = true;
	start();
	want_times("call 1", 2);
	append("spool/tmp/rtpengine-meta-run" TAG_A ".tmp", ANSWER);
	append("spool/pcaps/run" TAG_A ".pcap", "x");
	section("spool/z" TAG_A ".meta", "CALL-ID", "z");
	want("call 0 z");
	assert_int_equal(count("call 1"), 2);
	assert_int_equal(count("kind"), 0);
	assert_int_equal(count("grew"), 0);
}

static void orphans_end(void **state)
{
	(void)state;
	make_pcap_dirs();
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	set_age("spool/tmp/rtpengine-meta-" P ".tmp", 7200);
	append("spool/tmp/rtpengine-meta-live" TAG_A ".tmp", OFFER);
	set_age("spool/tmp/rtpengine-meta-live" TAG_A ".tmp", 7200);
	append("spool/pcaps/live" TAG_A ".pcap", "x");
	start();
	want("end 2 " P);
	want("call 1 live");
	assert_int_equal(count("end "), 1);
}

static void pcap_without_metadata_is_a_call(void **state)
{
	int fd;

	(void)state;
	make_pcap_dirs();
	start();
	fd = open(path_of("spool/pcaps/" P ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	want("[ci@h]");
	want("kind13");
	assert_int_equal(count("end "), 0);
	close(fd);
	want("end 0 " P);
}

static void pcm_file_is_a_call(void **state)
{
	int fd;

	(void)state;
	make_dir("pcm");
	start();
	fd = open(path_of("pcm/a%2Fb.wav"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	want("call 2 a%2Fb");
	want("a%2Fb kind0 n0 v0 [a/b]");
	want("a%2Fb kind10 n0");
	want("/pcm/a%2Fb.wav]");
	assert_int_equal(write(fd, "xx", 2), 2);
	want_times("grew a%2Fb", 2);
	assert_int_equal(count("end "), 0);
	close(fd);
	want("end 0 a%2Fb");
}

static void idle_pcm_file_ends(void **state)
{
	int fd;

	(void)state;
	make_dir("pcm");
	t.opts.pcm_idle_timeout = MSEC;
	start();
	fd = open(path_of("pcm/i.pcm"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	want("end 0 i");
	close(fd);
}

static void calls_beyond_the_limit_are_refused(void **state)
{
	(void)state;
	make_dir("spool");
	t.opts.max_calls = 1;
	start();
	section("spool/a" TAG_A ".meta", "CALL-ID", "a");
	section("spool/b" TAG_A ".meta", "CALL-ID", "b");
	want("[a]");
	unlink(path_of("spool/a" TAG_A ".meta"));
	want("end 0 a");
	section("spool/c" TAG_A ".meta", "CALL-ID", "c");
	want("[c]");
	assert_int_equal(count("call "), 2);
}

static void given_up_call_leaves_its_place(void **state)
{
	(void)state;
	make_dir("spool");
	t.opts.max_calls = 1;
	start();
	section("spool/a" TAG_A ".meta", "CALL-ID", "a");
	want("[a]");
	spool_give_up(t.spool, "a" TAG_A);
	spool_give_up(t.spool, "a" TAG_A);
	section("spool/a" TAG_A ".meta", "METADATA", "unheard");
	section("spool/b" TAG_A ".meta", "CALL-ID", "b");
	want("[b]");
	unlink(path_of("spool/b" TAG_A ".meta"));
	want("end 0 b");
	/* rtpengine makes it anew at once */
	unlink(path_of("spool/a" TAG_A ".meta"));
	section("spool/a" TAG_A ".meta", "METADATA", "heard");
	want("[heard]");
	assert_int_equal(count("call 0 a"), 2);
	assert_int_equal(count("unheard"), 0);
	assert_int_equal(count("end "), 1);
	unlink(path_of("spool/a" TAG_A ".meta"));
	want("end 0 a");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proc_call_lives_and_dies),
		TEST(made_anew_is_the_same_call),
		TEST(discard_is_told_after_the_end),
		TEST(discard_ends_what_came_before_it),
		TEST(bad_files_end_only_themselves),
		TEST(unreadable_file_is_tried_again_alone),
		TEST(scan_waits_for_descriptors),
		TEST(looking_again_loses_nothing_and_repeats_nothing),
		TEST(directories_come_and_go),
		TEST(pcap_call_lives_and_dies),
		TEST(pcap_call_begins_with_what_is_written),
		TEST(discarded_pcap_is_told),
		TEST(discarded_pcap_is_looked_at_too_early),
		TEST(finished_metadata_is_taken_away_at_once),
		TEST(metadata_removed_by_others_is_no_discard),
		TEST(finished_pcap_is_told_at_once),
		TEST(refused_calls_are_not_told),
		TEST(orphans_end),
		TEST(pcap_without_metadata_is_a_call),
		TEST(pcm_file_is_a_call),
		TEST(idle_pcm_file_ends),
		TEST(calls_beyond_the_limit_are_refused),
		TEST(given_up_call_leaves_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
