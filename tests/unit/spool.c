/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all layouts share, proc and PCM files: what is done to files is told. */
#include "spool_dir.h"

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

static void discard_x(void *arg)
{
	(void)arg;
	move("spool/x" TAG_A ".meta", "spool/x" TAG_A ".meta.DISCARD");
	unlink(path_of("spool/x" TAG_A ".meta.DISCARD"));
}

static void discard_is_told_after_the_end(void **state)
{
	(void)state;
	make_dir("spool");
	start();
	section("spool/x" TAG_A ".meta", "CALL-ID", "x");
	want("[x]");
	do_before_its_turn("spool/x" TAG_A ".meta", discard_x, NULL);
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
	discard_x(NULL);
	section("spool/x" TAG_A ".meta", "CALL-ID", "the second is a recording of its own");
	want("[the second");
	assert_int_equal(count("call 0 x"), 2);
	assert_int_equal(count("end 1 x"), 1);
	assert_int_equal(count("end "), 1);
	want_order("end 1 x", "[the second");
}

static void bad_files_end_only_themselves(void **state)
{
	static char nonsense[80000]; /* more than any section may hold */

	(void)state;
	make_dir("spool");
	start();
	section("spool/bad" TAG_A ".meta", "CALL-ID", "bad");
	want("[bad]");
	memset(nonsense, '\n', sizeof(nonsense) - 1);
	append("spool/bad" TAG_A ".meta", nonsense);
	want("end 3 bad");
	append("spool/stranger.meta", "\n\n\n");
	want("end 3 stranger");
	assert_int_equal(symlink("/etc/passwd", path_of("spool/link.meta")), 0);
	assert_int_equal(mkfifo(path_of("spool/fifo.meta"), 0666), 0);
	make_dir("spool/dir.meta");
	section("spool/good" TAG_A ".meta", "CALL-ID", "good");
	want("[good]");
	assert_int_equal(count("call "), 3);
}

/* The disk was full for a moment. */
static void torn_section_is_left_out(void **state)
{
	uint64_t before = counter_sum(COUNT_SPOOL_BAD_FILES);

	(void)state;
	make_dir("spool");
	start();
	section("spool/x" TAG_A ".meta", "CALL-ID", "x");
	append("spool/x" TAG_A ".meta", "METADATA\n8:\ncut");
	section("spool/x" TAG_A ".meta", "RECORDING 0", "");
	want("x" TAG_A " kind14 n0 v0 []");
	append("spool/x" TAG_A ".meta", "TAG 0\n2:\n123\n\n"); /* and nothing behind it yet */
	section("spool/y" TAG_A ".meta", "CALL-ID", "y");
	want("[y]");
	section("spool/x" TAG_A ".meta", "TAG 1", "after");
	want("[after]");
	assert_int_equal(count("[x]"), 1);
	assert_int_equal(count("end "), 0);
	assert_int_equal(counter_sum(COUNT_SPOOL_BAD_FILES) - before, 2);
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

static void refused_pcm_file_is_refused_once(void **state)
{
	uint64_t before = counter_sum(COUNT_CALLS_REFUSED);

	(void)state;
	make_dir("spool");
	make_dir("pcm");
	t.opts.max_calls = 1;
	start();
	section("spool/a" TAG_A ".meta", "CALL-ID", "a");
	want("[a]");
	for (unsigned i = 0; i < 3; i++) {
		append("pcm/b.pcm", "xx");
		section("spool/a" TAG_A ".meta", "METADATA", "read");
		want_times("[read]", i + 1);
	}
	assert_int_equal(counter_sum(COUNT_CALLS_REFUSED) - before, 1);
	unlink(path_of("spool/a" TAG_A ".meta"));
	want("end 0 a");
	unlink(path_of("pcm/b.pcm"));
	append("pcm/b.pcm", "xx");
	want("call 2 b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proc_call_lives_and_dies),
		TEST(made_anew_is_the_same_call),
		TEST(discard_is_told_after_the_end),
		TEST(discard_ends_what_came_before_it),
		TEST(bad_files_end_only_themselves),
		TEST(torn_section_is_left_out),
		TEST(unreadable_file_is_tried_again_alone),
		TEST(scan_waits_for_descriptors),
		TEST(looking_again_loses_nothing_and_repeats_nothing),
		TEST(directories_come_and_go),
		TEST(pcm_file_is_a_call),
		TEST(idle_pcm_file_ends),
		TEST(calls_beyond_the_limit_are_refused),
		TEST(given_up_call_leaves_its_place),
		TEST(refused_pcm_file_is_refused_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
