/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "media/rtp.h"
#include "tests/unit/packets.h"

#define READ (10 * SEC) /* when the first one was read */

static struct opening *opening;
static struct span packet;
static usec_t came;

static int setup(void **state)
{
	(void)state;
	opening = opening_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	opening_free(&opening);
	assert_null(opening);
	return 0;
}

static bool put(unsigned pt, uint32_t ssrc, uint32_t ts, usec_t now)
{
	struct made m = { .pt = pt, .ssrc = ssrc, .ts = ts, .seq = ts / 160,
		.payload = packets_filled(0xd5, 160) };

	return opening_put(opening, packets_rtp(&m), now);
}

static usec_t next(struct payloads *p)
{
	assert_true(opening_get(opening, p, &packet, &came));
	return came;
}

/* Ten that waited: the newest has just come, the others one ptime each before the next. */
static void test_what_waited_came_before(void **state)
{
	uint32_t ts = UINT32_MAX - 500; /* wraps */

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(put(8, 1, ts + i * 160, READ + i * MSEC / 10));
	assert_false(opening_is_over(opening, READ + 9 * MSEC));
	assert_true(opening_is_over(opening, READ + 10 * MSEC));
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(next(NULL), READ + 900 - (9 - i) * 20 * MSEC);
	assert_int_equal(packet.n, 28 + 12 + 160);
	assert_false(opening_get(opening, NULL, &packet, &came));
}

static void test_the_opening_ends(void **state)
{
	(void)state;
	assert_false(opening_is_over(opening, READ)); /* nothing has come */
	assert_true(put(8, 1, 0, READ));
	assert_false(put(8, 1, 160, READ + 10 * MSEC));
	assert_int_equal(next(NULL), READ); /* it did not wait, or nobody knows */
	assert_false(opening_get(opening, NULL, &packet, &came));
}

static void test_caps(void **state)
{
	struct span large = packets_filled(0, 2000);
	unsigned n = 0;

	(void)state;
	while (put(8, 1, n * 160, READ))
		n++;
	assert_int_equal(n, 32);
	opening_free(&opening);
	opening = opening_new();
	for (n = 0; opening_put(opening, packets_udp(0, span_head(large, 1900)), READ); n++)
		;
	assert_int_equal(n, 8); /* 16 KiB */
}

/* Times are by what is known of the payload type; of what is not, and of what is no RTP, it is the
 * time of reading. */
static void test_strangers(void **state)
{
	struct payloads *p = payloads_new();

	(void)state;
	payloads_set_rtpmap(p, 100, span_text("opus/48000/2"));
	assert_true(opening_put(opening, span_of(NULL, 0), READ));
	assert_true(put(100, 1, 0, READ));
	assert_true(put(101, 1, 0, READ));
	assert_true(put(8, 2, 4000, READ));
	assert_true(put(100, 1, 4800, READ));
	assert_true(put(101, 1, 4800, READ));
	assert_true(put(8, 2, 160, READ + 1)); /* backwards */
	assert_int_equal(next(p), READ);
	assert_int_equal(packet.n, 0);
	assert_int_equal(next(p), READ - 100 * MSEC);
	assert_int_equal(next(p), READ);
	assert_int_equal(next(p), READ);
	assert_int_equal(next(p), READ);
	assert_int_equal(next(p), READ);
	assert_int_equal(next(p), READ + 1);
	payloads_free(&p);
}

/* A jump of the sender's clock is no wait. */
static void test_no_wait_is_that_long(void **state)
{
	(void)state;
	assert_true(put(8, 1, 0, READ));
	assert_true(put(8, 1, 4000, READ));
	assert_true(put(8, 1, 4160, READ));
	assert_int_equal(next(NULL), READ); /* 520 ms */
	assert_int_equal(next(NULL), READ - 20 * MSEC);
	assert_int_equal(next(NULL), READ);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_waited_came_before),
		TEST(test_the_opening_ends),
		TEST(test_caps),
		TEST(test_strangers),
		TEST(test_no_wait_is_that_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
