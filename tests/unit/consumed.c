/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/consumed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"

#define DAY (86400 * SEC)

static char dir[64], path[96];
static struct consumed_opts opts;
static usec_t now;

static int make_dir(void **state)
{
	(void)state;
	opts = (struct consumed_opts){ .dir = dir, .max = CONSUMED_MAX, .forget_after = DAY };
	now = 100 * DAY;
	strcpy(dir, "/tmp/spoolwire-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/consumed", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct consumed *load(void)
{
	int error = 1;
	struct consumed *c = consumed_open(&opts, now, &error);

	assert_non_null(c);
	assert_int_equal(error, 0);
	return c;
}

static void note(struct consumed *c, const char *name, uint64_t inode, uint64_t position,
	bool finished)
{
	consumed_note(c, name, inode, position, finished, now);
}

static void save(struct consumed *c)
{
	char *text;
	enum consumed_work work = consumed_take(c, &text);

	assert_int_equal(work, CONSUMED_APPEND);
	assert_int_equal(consumed_write(consumed_path(c), work, text), 0);
	free(text);
}

static void write_journal(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_known(struct consumed *c, const char *name, uint64_t inode, uint64_t position,
	bool finished)
{
	uint64_t p = 0;
	bool f = !finished;

	assert_true(consumed_find(c, name, inode, &p, &f));
	assert_int_equal(p, position);
	assert_int_equal(f, finished);
}

static void assert_unknown(struct consumed *c, const char *name, uint64_t inode)
{
	uint64_t p;
	bool f;

	assert_false(consumed_find(c, name, inode, &p, &f));
}

static void test_remembers_across_a_restart(void **state)
{
	static const char odd[] = "-rf \n%2F#\xd0\xb7\x7f.pcap";
	struct consumed *c = load();

	(void)state;
	note(c, "a.pcap", 7, 4096, false);
	note(c, odd, UINT64_MAX, UINT64_MAX, true);
	assert_known(c, "a.pcap", 7, 4096, false);
	save(c);
	note(c, "a.pcap", 7, 8192, false);
	note(c, "a.pcap", 7, 9000, true);
	save(c);
	consumed_free(&c);
	assert_null(c);
	for (int i = 0; i < 2; i++) { /* the second time from what the first one wrote anew */
		c = load();
		assert_known(c, "a.pcap", 7, 9000, true);
		assert_known(c, odd, UINT64_MAX, UINT64_MAX, true);
		consumed_free(&c);
	}
}

static void test_another_inode_is_another_file(void **state)
{
	struct consumed *c = load();

	(void)state;
	note(c, "a", 7, 100, true);
	assert_unknown(c, "a", 8);
	note(c, "a", 8, 5, false);
	assert_unknown(c, "a", 7);
	assert_known(c, "a", 8, 5, false);
	consumed_free(&c);
}

static void test_take_says_each_thing_once(void **state)
{
	struct consumed *c = load();
	char *text;

	(void)state;
	assert_int_equal(consumed_take(c, &text), CONSUMED_NOTHING);
	assert_null(text);
	for (uint64_t i = 0; i < 1000; i++)
		note(c, "a", 7, i, false);
	assert_int_equal(consumed_take(c, &text), CONSUMED_APPEND);
	assert_string_equal(text, "\na 7 999 running\n");
	free(text);
	assert_int_equal(consumed_take(c, &text), CONSUMED_NOTHING);
	consumed_free(&c);
}

static void test_torn_and_corrupt_lines_cost_only_themselves(void **state)
{
	uint64_t before = counter_sum(COUNT_CONSUMED_BAD_LINES);
	struct consumed *c;

	(void)state;
	write_journal("a 1 10 finished\n"
		"b 2 x running\n"
		"c 3 30\n"
		"d 4 40 maybe\n"
		"e 5 50 running more\n"
		"%00 6 60 running\n"
		"\n"
		"f 7 99999999999999999999 running\n"
		"g 8 80 running\n"
		"a 1 20 finish");
	c = load();
	assert_known(c, "a", 1, 10, true);
	assert_known(c, "g", 8, 80, false);
	assert_int_equal(counter_sum(COUNT_CONSUMED_BAD_LINES) - before, 6);
	consumed_free(&c);
}

static bool keep_b(void *arg, const char *name, uint64_t inode)
{
	(void)arg;
	return strcmp(name, "b") == 0 && inode == 2;
}

static void test_files_that_are_gone_are_left_out(void **state)
{
	struct consumed *c;
	char line[64] = "";
	int error;
	FILE *f;

	(void)state;
	write_journal("a 1 10 finished\nb 1 5 running\nb 2 20 finished\n");
	opts.keep = keep_b;
	c = consumed_open(&opts, now, &error);
	assert_non_null(c);
	assert_unknown(c, "a", 1);
	assert_known(c, "b", 2, 20, true);
	consumed_free(&c);
	f = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "b 2 20 finished\n");
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
}

static void test_says_when_it_cannot(void **state)
{
	int error = 0;

	(void)state;
	opts.dir = "/nonexistent/spoolwire";
	assert_null(consumed_open(&opts, now, &error));
	assert_true(error < 0);
}

static void test_journal_that_grew_is_replaced(void **state)
{
	struct consumed *c = load();
	enum consumed_work work = CONSUMED_APPEND;
	char name[900], *text;
	unsigned rounds = 0;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	while (work == CONSUMED_APPEND && rounds < 100000) {
		note(c, name, 1, rounds++, false);
		work = consumed_take(c, &text);
		if (work == CONSUMED_APPEND)
			free(text);
	}
	assert_int_equal(work, CONSUMED_REPLACE);
	assert_int_equal(consumed_write(consumed_path(c), work, text), 0);
	free(text);
	consumed_free(&c);
	c = load();
	assert_known(c, name, 1, rounds - 1, false);
	consumed_free(&c);
}

static void note_number(struct consumed *c, unsigned i)
{
	char name[64];

	snprintf(name, sizeof(name), "%08x-%08x%%40sip.example.net-%016x", i * 2654435761u, i, i);
	note(c, name, 0, i, true);
}

static bool knows_number(struct consumed *c, unsigned i)
{
	char name[64];
	uint64_t position;
	bool finished;

	snprintf(name, sizeof(name), "%08x-%08x%%40sip.example.net-%016x", i * 2654435761u, i, i);
	return consumed_find(c, name, 0, &position, &finished) && finished && position == i;
}

static void test_bounded(void **state)
{
	uint64_t before = counter_sum(COUNT_CONSUMED_DROPPED);
	struct consumed *c;

	(void)state;
	opts.max = 1000;
	c = load();
	for (unsigned i = 0; i < 1000; i++)
		note_number(c, i);
	note_number(c, 0); /* not noted for longest: another one */
	note_number(c, 1000);
	assert_true(knows_number(c, 0));
	assert_false(knows_number(c, 1));
	assert_true(knows_number(c, 2));
	assert_int_equal(counter_sum(COUNT_CONSUMED_DROPPED) - before, 1);
	save(c);
	consumed_free(&c);
	opts.max = 100; /* of a journal that is too long, the last ones */
	c = load();
	assert_true(knows_number(c, 1000));
	assert_true(knows_number(c, 901));
	assert_false(knows_number(c, 900));
	consumed_free(&c);
}

/* 10 calls a second, and their pcaps are kept for a day: none is consumed again. */
static void test_a_day_of_a_large_node(void **state)
{
	const unsigned day = 864000, more = 1000;
	uint64_t before = counter_sum(COUNT_CONSUMED_DROPPED);
	struct consumed *c = load();
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < day; i++, now += SEC / 10)
		note_number(c, i);
	for (unsigned i = 0; i < day; i++)
		known += knows_number(c, i);
	assert_int_equal(known, day);
	for (unsigned i = day; i < day + more; i++, now += SEC / 10)
		note_number(c, i);
	assert_false(knows_number(c, 0)); /* older than a day: nobody asks for it again */
	assert_false(knows_number(c, more - 2));
	assert_true(knows_number(c, more));
	assert_int_equal(counter_sum(COUNT_CONSUMED_DROPPED), before);
	consumed_free(&c);
}

/* What is not finished goes on at any age, and so may a PCM file. */
static void test_only_finished_pcaps_grow_old(void **state)
{
	struct consumed *c = load();

	(void)state;
	note(c, "running", 0, 10, false);
	note(c, "pcm", 7, 20, true);
	note(c, "pcap", 0, 30, true);
	for (unsigned i = 0; i < 3; i++) {
		now += DAY + 1;
		note(c, "another", 0, 40, true);
	}
	assert_known(c, "running", 0, 10, false);
	assert_known(c, "pcm", 7, 20, true);
	assert_unknown(c, "pcap", 0);
	assert_known(c, "another", 0, 40, true);
	consumed_free(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remembers_across_a_restart),
		TEST(test_another_inode_is_another_file),
		TEST(test_take_says_each_thing_once),
		TEST(test_torn_and_corrupt_lines_cost_only_themselves),
		TEST(test_files_that_are_gone_are_left_out),
		TEST(test_says_when_it_cannot),
		TEST(test_journal_that_grew_is_replaced),
		TEST(test_bounded),
		TEST(test_a_day_of_a_large_node),
		TEST(test_only_finished_pcaps_grow_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
