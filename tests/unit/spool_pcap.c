/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pcap layout: metadata in tmp/ and metadata/, audio in pcaps/. */
#include "spool_dir.h"

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
	int fd, alone;

	(void)state;
	make_pcap_dirs();
	start();
	append("spool/tmp/rtpengine-meta-" P ".tmp", "/a.pcap\n\n");
	append("spool/tmp/rtpengine-meta-run" TAG_A ".tmp", "/b.pcap\n\n");
	fd = open(path_of("spool/pcaps/run" TAG_A ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	alone = open(path_of("spool/pcaps/alone" TAG_A ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(alone >= 0);
	section("spool/z" TAG_A ".meta", "CALL-ID", "z");
	want("[z]"); /* all that came before has been looked at */
	assert_int_equal(count("call 1"), 0);
	assert_int_equal(write(alone, "x", 1), 1);
	want("grew alone");
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	want("call 1 " P);
	assert_int_equal(write(fd, "x", 1), 1);
	want("grew run");
	close(fd);
	close(alone);
	assert_int_equal(count("call 1"), 3);
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

static void discard_pcap(void *arg)
{
	close(*(int *)arg);
	unlink(path_of("spool/pcaps/" P ".pcap"));
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
}

static void discarded_pcap_is_looked_at_too_early(void **state)
{
	int fd = begin_pcap();

	(void)state;
	do_before_its_turn("spool/tmp/rtpengine-meta-" P ".tmp", discard_pcap, &fd);
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

#define OFFER_2 "/wrong.pcap\n\n\nTimestamp started ms: 2.0\nSDP mode: offer\n" \
	"SDP before RTP packet: 1\n\nv=0\r\nm=audio 300 RTP/AVP 8\r\na=rtcp-mux\r\n"

/* rtpengine begins a recording whose names are those of the last one. */
static void begin_second(void)
{
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER_2);
	assert_int_equal(truncate(path_of("spool/pcaps/" P ".pcap"), 0), 0);
}

static void finish_first(int fd)
{
	assert_int_equal(write(fd, END, strlen(END)), (ssize_t)strlen(END));
	close(fd);
	move("spool/tmp/rtpengine-meta-" P ".tmp", "spool/metadata/rtpengine-meta-" P ".txt");
}

static void second_recording_ends_the_first(void **state)
{
	int fd = begin_pcap();

	(void)state;
	finish_first(fd);
	begin_second();
	want(P " kind11 n0 v300");
	want_order("[k:v]", "end 0 " P);
	want_order("end 0 " P, "v300");
	assert_int_equal(count("call 1 " P), 2);
	assert_int_equal(count("end "), 1);
	append("spool/tmp/rtpengine-meta-" P ".tmp", "\n");
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
	want("end 1 " P); /* and not the first once more, whose metadata is still there */
	section("spool/z" TAG_A ".meta", "CALL-ID", "z");
	want("[z]");
	assert_int_equal(count("call 1 " P), 2);
}

static void second_recording_waits_for_the_first(void **state)
{
	int fd = begin_pcap();

	(void)state;
	finish_first(fd);
	want("end 0 " P);
	t.answer = SPOOL_ENDING;
	begin_second();
	want_times("call 1 " P, 2);
	assert_int_equal(count("v300"), 0);
	t.answer = SPOOL_TAKEN;
	want(P " kind11 n0 v300"); /* asked again, though nothing happens to its files */
	assert_int_equal(count("end "), 1);
}

static void second_recording_after_a_discard(void **state)
{
	int fd = begin_pcap();

	(void)state;
	close(fd);
	unlink(path_of("spool/tmp/rtpengine-meta-" P ".tmp"));
	begin_second();
	want(P " kind11 n0 v300");
	want_order("end 1 " P, "v300");
	assert_int_equal(count("call 1 " P), 2);
	assert_int_equal(count("end "), 1);
}

static void restored_call_is_another_recording(void **state)
{
	int fd = begin_pcap();

	(void)state;
	close(fd);
	assert_int_equal(truncate(path_of("spool/tmp/rtpengine-meta-" P ".tmp"), 0), 0);
	want("end 2 " P);
	begin_second();
	want(P " kind11 n0 v300");
	assert_int_equal(count("call 1 " P), 2);
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
	t.answer = SPOOL_REFUSED;
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
	append("spool/pcaps/" P ".pcap", "x");
	set_age("spool/tmp/rtpengine-meta-" P ".tmp", 7200);
	set_age("spool/pcaps/" P ".pcap", 7200);
	append("spool/tmp/rtpengine-meta-live" TAG_A ".tmp", OFFER);
	set_age("spool/tmp/rtpengine-meta-live" TAG_A ".tmp", 7200);
	append("spool/pcaps/live" TAG_A ".pcap", "x");
	start();
	want("end 2 " P);
	want("call 1 live");
	assert_int_equal(count("end "), 1);
}

/* Killed, while the call runs: its pcap is closed, its metadata stays in tmp/. */
static void orphan_of_a_dead_rtpengine_ends_soon(void **state)
{
	int fd = begin_pcap();

	(void)state;
	close(fd);
	want("end 2 " P); /* orphan_timeout is an hour */
	assert_int_equal(count("end "), 1);
}

static void held_call_goes_on(void **state)
{
	(void)state;
	make_pcap_dirs();
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	append("spool/pcaps/" P ".pcap", "x");
	set_age("spool/tmp/rtpengine-meta-" P ".tmp", 7200);
	set_age("spool/pcaps/" P ".pcap", 7200);
	start();
	want("end 2 " P);
	append("spool/tmp/rtpengine-meta-" P ".tmp", "\n");
	append("spool/pcaps/" P ".pcap", "xxxx");
	want_times("call 1 " P, 2);
	want_times(P " kind11 n0 v100", 2);
	append("spool/pcaps/" P ".pcap", "xxxx");
	want_times("grew " P, 3);
	assert_int_equal(count("end "), 1);
	assert_int_equal(count("call 1 " P), 2);
}

static void consumed_pcap_is_told_when_it_grows(void **state)
{
	(void)state;
	make_pcap_dirs();
	append("spool/tmp/rtpengine-meta-" P ".tmp", OFFER);
	append("spool/pcaps/" P ".pcap", "x");
	t.answer = SPOOL_CONSUMED;
	start();
	want("call 1 " P);
	t.answer = SPOOL_TAKEN;
	append("spool/tmp/rtpengine-meta-" P ".tmp", ANSWER);
	section("spool/z" TAG_A ".meta", "CALL-ID", "z");
	want("[z]");
	assert_int_equal(count("call 1"), 1);
	append("spool/pcaps/" P ".pcap", "xxxx");
	want(P " kind11 n0 v100");
	assert_int_equal(count("call 1"), 2);
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

static void unreadable_directory_ends_no_call(void **state)
{
	uint64_t before = counter_sum(COUNT_SPOOL_ERRORS);
	int fd;

	(void)state;
	make_pcap_dirs();
	chmod(t.dir, 0755);
	fd = open(path_of("spool/pcaps/" P ".pcap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	be(NOBODY);
	start();
	want("kind13");
	be(0);
	chmod(path_of("spool/pcaps"), 0);
	be(NOBODY);
	assert_int_equal(write(fd, "x", 1), 1);
	for (unsigned i = 0; i < 100 && counter_sum(COUNT_SPOOL_ERRORS) == before; i++)
		uv_run(&t.loop, UV_RUN_ONCE);
	assert_true(counter_sum(COUNT_SPOOL_ERRORS) > before);
	be(0);
	chmod(path_of("spool/pcaps"), 0755);
	be(NOBODY);
	close(fd);
	want("end 0 " P);
	assert_int_equal(count("end "), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pcap_call_lives_and_dies),
		TEST(pcap_call_begins_with_what_is_written),
		TEST(discarded_pcap_is_told),
		TEST(discarded_pcap_is_looked_at_too_early),
		TEST(finished_metadata_is_taken_away_at_once),
		TEST(metadata_removed_by_others_is_no_discard),
		TEST(second_recording_ends_the_first),
		TEST(second_recording_waits_for_the_first),
		TEST(second_recording_after_a_discard),
		TEST(restored_call_is_another_recording),
		TEST(finished_pcap_is_told_at_once),
		TEST(refused_calls_are_not_told),
		TEST(orphans_end),
		TEST(orphan_of_a_dead_rtpengine_ends_soon),
		TEST(held_call_goes_on),
		TEST(consumed_pcap_is_told_when_it_grows),
		TEST(pcap_without_metadata_is_a_call),
		TEST(unreadable_directory_ends_no_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
