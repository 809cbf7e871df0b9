/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "sink/unix_peer.h"

#define META "tag:a"

static char path[64];
static uint64_t puts_so_far;
static struct budget budget = { .limit = 1 << 20 };

static int listen_there(int backlog)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	memcpy(sun.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int accept_there(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void stop_there(int listener)
{
	close(listener);
	unlink(path);
}

static struct unix_peer *make(size_t max_bytes, const char *meta)
{
	struct unix_peer *u = unix_peer_new(&(struct unix_peer_opts){ .budget = &budget,
		.path = path, .max_bytes = max_bytes });

	unix_peer_metadata(u, span_text(meta));
	puts_so_far = 0;
	return u;
}

struct counts {
	uint64_t sent, dropped, waiting;
};

static struct counts counts_of(const struct unix_peer *u)
{
	struct counts c;

	unix_peer_counts(u, &c.sent, &c.dropped, &c.waiting);
	assert_int_equal(puts_so_far, c.sent + c.dropped + c.waiting);
	return c;
}

static void expect(int fd, const char *message)
{
	char got[256];
	ssize_t n = recv(fd, got, sizeof(got), 0);

	assert_int_equal(n, strlen(message));
	assert_memory_equal(got, message, (size_t)n);
}

static void put(struct unix_peer *u, const char *packet)
{
	unix_peer_put(u, span_text(packet));
	puts_so_far++;
}

static void metadata_first_then_whole_packets(void **state)
{
	int listener = listen_there(4), fd;
	struct unix_peer *u = make(1000, META);

	(void)state;
	put(u, "before");
	unix_peer_tick(u, SEC);
	put(u, "one");
	put(u, "two");
	assert_int_equal(counts_of(u).sent, 3);
	unix_peer_metadata(u, span_text("tag:b")); /* again when it changes */
	unix_peer_metadata(u, span_text("tag:b"));
	put(u, "three");
	unix_peer_free(&u);
	fd = accept_there(listener);
	expect(fd, META);
	expect(fd, "before");
	expect(fd, "one");
	expect(fd, "two");
	expect(fd, "tag:b");
	expect(fd, "three");
	expect(fd, "");
	close(fd);
	stop_there(listener);
	assert_int_equal(budget_used(&budget), 0);
}

static void no_metadata_no_empty_message(void **state)
{
	int listener = listen_there(4), fd;
	struct unix_peer *u = make(1000, "");

	(void)state;
	unix_peer_tick(u, SEC);
	put(u, "one");
	fd = accept_there(listener);
	expect(fd, "one");
	close(fd);
	unix_peer_free(&u);
	stop_there(listener);
}

/* Nobody reads: the bound holds, the newest go, and what waited comes in order later. */
static void full_queue_drops_the_newest(void **state)
{
	int listener = listen_there(4), fd;
	struct unix_peer *u = make(50000, META);
	char packet[1400] = "", got[1400];
	uint64_t first_dropped, read = 0;

	(void)state;
	unix_peer_tick(u, SEC);
	while (counts_of(u).dropped < 100) {
		uint64_t number = puts_so_far++;

		memcpy(packet, &number, sizeof(number));
		unix_peer_put(u, span_of(packet, sizeof(packet)));
	}
	first_dropped = puts_so_far - 100;
	assert_int_equal(counts_of(u).waiting, 50000 / 1400);
	assert_true(budget_used(&budget) <= 5 * 16384);
	fd = accept_there(listener);
	expect(fd, META);
	for (unsigned i = 0; i < 10; i++) {
		while (recv(fd, got, sizeof(got), 0) == sizeof(got)) {
			assert_memory_equal(got, &read, sizeof(read));
			read++;
		}
		unix_peer_tick(u, 2 * SEC + i);
	}
	assert_int_equal(read, first_dropped);
	assert_int_equal(counts_of(u).waiting, 0);
	close(fd);
	unix_peer_free(&u);
	stop_there(listener);
	assert_int_equal(budget_used(&budget), 0);
}

static void reconnects_with_back_off_and_metadata(void **state)
{
	struct unix_peer *u = make(1000, META);
	int listener, fd;

	(void)state;
	signal(SIGPIPE, SIG_DFL); /* it must never come */
	unix_peer_tick(u, SEC); /* nobody there */
	put(u, "kept");
	listener = listen_there(4);
	unix_peer_tick(u, SEC + 100 * MSEC);
	assert_int_equal(counts_of(u).waiting, 1); /* too early */
	unix_peer_tick(u, 2 * SEC);
	assert_int_equal(counts_of(u).waiting, 0);
	fd = accept_there(listener);
	expect(fd, META);
	expect(fd, "kept");
	close(fd);
	put(u, "later"); /* into the closed one: waits */
	assert_int_equal(counts_of(u).waiting, 1);
	unix_peer_tick(u, 10 * SEC);
	fd = accept_there(listener);
	expect(fd, META);
	expect(fd, "later");
	assert_int_equal(counts_of(u).sent, 2);
	assert_int_equal(counts_of(u).dropped, 0);
	close(fd);
	unix_peer_free(&u);
	stop_there(listener);
}

static void what_waits_at_the_end_is_counted(void **state)
{
	uint64_t before = counter_sum(COUNT_UNIX_DROPPED);
	struct unix_peer *u = make(1000, META);

	(void)state;
	put(u, "one");
	unix_peer_tick(u, SEC);
	unix_peer_free(&u);
	assert_int_equal(counter_sum(COUNT_UNIX_DROPPED), before + 1);
	assert_int_equal(budget_used(&budget), 0);
}

static int choose_path(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/spoolwire-unix-%d.sock", (int)getpid());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_first_then_whole_packets),
		cmocka_unit_test(no_metadata_no_empty_message),
		cmocka_unit_test(full_queue_drops_the_newest),
		cmocka_unit_test(reconnects_with_back_off_and_metadata),
		cmocka_unit_test(what_waits_at_the_end_is_counted),
	};

	return cmocka_run_group_tests(tests, choose_path, NULL);
}
