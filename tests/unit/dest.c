/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Endpoints by name. The DNS is ours: it answers at the next turn, says that it cannot, or nothing. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "base/counters.h"
#include "tests/unit/endpoint.h"
#include "tests/unit/peers.h"
#include "tls/peer.h"

static enum { DNS_ANSWERS, DNS_FAILS, DNS_HANGS } dns;
static const char *address[2]; /* what it says; NULL: no more. Nobody listens but at 127.0.0.1 */
static unsigned asked;
static uv_getaddrinfo_t *question;
static uv_getaddrinfo_cb tell;

/* In place of libuv's. */
int uv_getaddrinfo(uv_loop_t *on, uv_getaddrinfo_t *request, uv_getaddrinfo_cb cb, const char *name,
	const char *service, const struct addrinfo *hints)
{
	(void)on, (void)service, (void)hints;
	assert_string_equal(name, "endpoint.test");
	assert_null(question);
	asked++;
	question = request;
	tell = cb;
	return 0;
}

void uv_freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

static void answer(int status, struct addrinfo *list)
{
	uv_getaddrinfo_t *to = question;

	question = NULL;
	tell(to, status, list);
}

int uv_cancel(uv_req_t *request)
{
	assert_ptr_equal(request, question);
	answer(UV_ECANCELED, NULL);
	return 0;
}

static void answer_question(void)
{
	struct sockaddr_in sin[2] = { { 0 } };
	struct addrinfo list[2] = { { 0 } };
	unsigned n;

	if (!question || dns == DNS_HANGS)
		return;
	for (n = 0; n < 2 && address[n]; n++) {
		sin[n] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(end.port) };
		assert_int_equal(inet_pton(AF_INET, address[n], &sin[n].sin_addr), 1);
		list[n] = (struct addrinfo){ .ai_addr = (struct sockaddr *)&sin[n],
			.ai_addrlen = sizeof(sin[n]), .ai_next = n ? NULL : &list[1] };
	}
	if (n == 1)
		list[0].ai_next = NULL;
	if (dns == DNS_ANSWERS)
		answer(0, list);
	else
		answer(UV_EAI_AGAIN, NULL);
}

static void turns(struct peer **p, unsigned n)
{
	while (n--) {
		turn(p, 1);
		answer_question();
	}
}

#define AT_ONCE 8 /* [ticks] less than any back-off */

/* Connections begun until a new peer has one, 0 when it has none in time. Then it goes, and two
 * seconds pass. */
static unsigned tries_within(unsigned ticks)
{
	struct peer *p = make_peer(BACKLOG_DROP_OLDEST);
	uint64_t before = counter_sum(COUNT_TLS_CONNECTS);
	unsigned tries;

	for (unsigned i = 0; i < ticks && !is_live(p); i++)
		turns(&p, 1);
	tries = is_live(p) ? (unsigned)(counter_sum(COUNT_TLS_CONNECTS) - before) : 0;
	turns(&p, 100);
	peer_free(&p);
	return tries;
}

static int setup(void **state)
{
	(void)state;
	endpoint_open(&end, 0, NULL);
	make_dest("endpoint.test", end.port, NULL);
	dns = DNS_ANSWERS;
	asked = 0;
	address[0] = "127.0.0.1";
	address[1] = NULL;
	return 0;
}

static int teardown(void **state)
{
	struct peer *none = NULL;

	(void)state;
	tear_down(&none);
	return question ? -1 : 0;
}

static void test_the_one_that_worked_is_first(void **state)
{
	(void)state;
	address[0] = "127.0.0.2";
	address[1] = "127.0.0.1";
	assert_int_equal(tries_within(AT_ONCE), 2);
	assert_int_equal(tries_within(AT_ONCE), 1);
	address[0] = "127.0.0.1";
	address[1] = "127.0.0.2";
	assert_int_equal(tries_within(AT_ONCE), 1);
	address[0] = "127.0.0.3";
	address[1] = "127.0.0.1";
	assert_int_equal(tries_within(AT_ONCE), 1);
	assert_int_equal(asked, 4);
}

/* It has spread its load by their order: nobody is held to what has been the first. */
static void test_their_order_is_kept(void **state)
{
	(void)state;
	assert_int_equal(tries_within(AT_ONCE), 1);
	address[0] = "127.0.0.2";
	address[1] = "127.0.0.1";
	assert_int_equal(tries_within(AT_ONCE), 2);
}

static void test_known_addresses_need_no_dns(void **state)
{
	(void)state;
	assert_int_equal(tries_within(AT_ONCE), 1);
	dns = DNS_FAILS;
	assert_int_equal(tries_within(AT_ONCE), 1);
	assert_int_equal(tries_within(AT_ONCE), 1);
	assert_int_equal(asked, 3);
	dns = DNS_HANGS;
	assert_int_equal(tries_within(50), 1);
	assert_int_equal(tries_within(AT_ONCE), 1);
	assert_int_equal(asked, 4);
	dns = DNS_ANSWERS; /* it comes back with another one */
	address[0] = "127.0.0.2";
	answer_question();
	assert_int_equal(tries_within(AT_ONCE), 0);
}

/* Nothing is known: the endpoint is down, and up again with the DNS. */
static void test_no_dns_at_all(void **state)
{
	struct peer *p = make_peer(BACKLOG_DROP_OLDEST);

	(void)state;
	dns = DNS_FAILS;
	turns(&p, 500);
	assert_false(is_live(p));
	assert_in_range(asked, 3, 10); /* with back-off */
	dns = DNS_HANGS;
	turns(&p, 600);
	assert_false(is_live(p));
	dns = DNS_ANSWERS;
	turns(&p, 1200);
	assert_true(is_live(p));
	peer_free(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int make_loop(void **state)
{
	(void)state;
	now = SEC;
	return uv_loop_init(&loop);
}

static int close_loop(void **state)
{
	(void)state;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_one_that_worked_is_first),
		TEST(test_their_order_is_kept),
		TEST(test_known_addresses_need_no_dns),
		TEST(test_no_dns_at_all),
	};

	return cmocka_run_group_tests(tests, make_loop, close_loop);
}
