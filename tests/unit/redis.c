/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "calldata/redis.h"

/* Every split of the bytes gives the same reply. */
static void one_byte_at_a_time(void **state)
{
	static const char wire[] = "*4\r\n$3\r\na\0b\r\n:-7\r\n$-1\r\n*1\r\n+ok\r\n-ERR x\r\n";
	struct redis_reader *r = redis_reader_new(10, 1000);
	struct redis_reply *reply = NULL;
	size_t i;

	(void)state;
	for (i = 0; !reply; i++) {
		assert_true(i < sizeof(wire) - 1);
		redis_reader_feed(r, span_of(wire + i, 1));
		assert_int_equal(redis_reader_next(r, &reply), 0);
	}
	assert_int_equal(reply->kind, REDIS_LIST);
	assert_int_equal(reply->n, 4);
	assert_int_equal(reply->list[0]->text.n, 3);
	assert_memory_equal(reply->list[0]->text.p, "a\0b", 4);
	assert_int_equal(reply->list[1]->number, -7);
	assert_int_equal(reply->list[2]->kind, REDIS_NONE);
	assert_int_equal(reply->list[3]->list[0]->kind, REDIS_STATUS);
	redis_reply_free(&reply);
	redis_reader_feed(r, span_of(wire + i, sizeof(wire) - 1 - i));
	assert_int_equal(redis_reader_next(r, &reply), 0);
	assert_int_equal(reply->kind, REDIS_FAILURE);
	assert_true(span_is(reply->text, "ERR x"));
	redis_reply_free(&reply);
	assert_int_equal(redis_reader_next(r, &reply), 0);
	assert_null(reply);
	redis_reader_free(&r);
	assert_null(r);
}

static void long_text_comes_with_its_head(void **state)
{
	struct redis_reader *r = redis_reader_new(100, 1000);
	struct redis_reply *reply;
	char wire[300];

	(void)state;
	snprintf(wire, sizeof(wire), "$101\r\n%0101d\r\n$100\r\n%0100d\r\n", 1, 1);
	redis_reader_feed(r, span_text(wire));
	assert_int_equal(redis_reader_next(r, &reply), 0);
	assert_true(reply->too_long);
	assert_int_equal(reply->text.n, 64);
	redis_reply_free(&reply);
	assert_int_equal(redis_reader_next(r, &reply), 0);
	assert_false(reply->too_long);
	assert_int_equal(reply->text.n, 100);
	redis_reply_free(&reply);
	redis_reader_free(&r);
}

static void expect_error(const char *wire, int error)
{
	struct redis_reader *r = redis_reader_new(100, 100);
	struct redis_reply *reply;

	redis_reader_feed(r, span_text(wire));
	assert_int_equal(redis_reader_next(r, &reply), error);
	assert_null(reply);
	redis_reader_free(&r);
}

static void caps_and_garbage(void **state)
{
	char wire[300];

	(void)state;
	expect_error("HTTP/1.1 200 OK\r\n", -EPROTO);
	expect_error("*2\r\n:1\r\nx\r\n", -EPROTO);
	expect_error("*9999999\r\n", -EMSGSIZE);
	snprintf(wire, sizeof(wire), "*2\r\n:1\r\n$200\r\n%0100d", 1);
	expect_error(wire, -EMSGSIZE);
}

/* Two whole replies are not one that is too large. */
static void the_cap_is_of_one_reply(void **state)
{
	struct redis_reader *r = redis_reader_new(100, 100);
	struct redis_reply *reply;
	char wire[300];

	(void)state;
	snprintf(wire, sizeof(wire), "$80\r\n%080d\r\n$80\r\n%080d\r\n:1\r\n", 1, 1);
	redis_reader_feed(r, span_text(wire));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(redis_reader_next(r, &reply), 0);
		assert_non_null(reply);
		redis_reply_free(&reply);
	}
	assert_int_equal(redis_reader_next(r, &reply), 0);
	redis_reader_free(&r);
}

static void commands_hold_any_bytes(void **state)
{
	struct span argv[2] = { span_text("GET"), span_of("a\0\r\n%s", 6) };
	size_t bytes;
	char *wire = redis_command(argv, 2, &bytes);

	(void)state;
	assert_int_equal(bytes, 25);
	assert_memory_equal(wire, "*2\r\n$3\r\nGET\r\n$6\r\na\0\r\n%s\r\n", 25);
	free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_at_a_time),
		cmocka_unit_test(long_text_comes_with_its_head),
		cmocka_unit_test(caps_and_garbage),
		cmocka_unit_test(the_cap_is_of_one_reply),
		cmocka_unit_test(commands_hold_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
