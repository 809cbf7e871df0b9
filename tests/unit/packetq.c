/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/packetq.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (1000 * SEC)

static struct budget plenty = { .limit = SIZE_MAX / 2 };
static uint8_t large[65535];

static bool put(struct packetq *q, unsigned number, size_t bytes)
{
	return packetq_put(q, &large[number], PACKET_IP, number, span_of(large, bytes));
}

static void assert_next(struct packetq *q, unsigned number, size_t bytes)
{
	struct packet *p = packetq_get(q);

	assert_non_null(p);
	assert_ptr_equal(p->to, &large[number]);
	assert_int_equal(p->time, number);
	assert_int_equal(p->kind, PACKET_IP);
	assert_int_equal(p->bytes, bytes);
	assert_memory_equal(p->data, large, bytes);
	packetq_done(p);
}

static void test_in_order_and_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 200, 1500, 65535, 65535, 3 };
	struct packetq *q = packetq_new(&plenty, 4);

	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 7);
	assert_null(packetq_get(q));
	for (unsigned i = 0; i < 10; i++)
		assert_true(put(q, i, sizes[i]));
	packetq_flush(q, NOW);
	packetq_flush(q, NOW + SEC);
	for (unsigned i = 0; i < 10; i++)
		assert_next(q, i, sizes[i]);
	assert_null(packetq_get(q));
	packetq_free(&q);
	assert_null(q);
}

static void test_visible_only_when_flushed(void **state)
{
	struct packetq *q = packetq_new(&plenty, 4);

	(void)state;
	assert_false(packetq_unflushed(q));
	assert_false(packetq_flush(q, NOW));
	put(q, 1, 10);
	assert_true(packetq_unflushed(q));
	assert_null(packetq_get(q));
	assert_true(packetq_flush(q, NOW));
	assert_false(packetq_unflushed(q));
	assert_next(q, 1, 10);
	packetq_free(&q);
}

/* While the consumer is behind, chunks are filled, but never held back for longer than 10 ms. */
static void test_gathers_while_the_consumer_is_behind(void **state)
{
	struct packetq *q = packetq_new(&plenty, 4);

	(void)state;
	put(q, 1, 10);
	assert_true(packetq_flush(q, NOW));
	put(q, 2, 10);
	assert_false(packetq_flush(q, NOW));
	assert_true(packetq_unflushed(q));
	put(q, 3, 10);
	assert_false(packetq_flush(q, NOW + 5 * MSEC));
	assert_false(packetq_flush(q, NOW + 10 * MSEC)); /* it has something to do anyway */
	assert_false(packetq_unflushed(q));
	for (unsigned i = 1; i <= 3; i++)
		assert_next(q, i, 10);
	packetq_free(&q);
}

static void test_full_refuses_the_newest_and_recovers(void **state)
{
	struct packetq *q = packetq_new(&plenty, 2);
	unsigned n = 0, more;

	(void)state;
	assert_false(packetq_half_full(q));
	while (put(q, n, 60000))
		n++;
	assert_int_equal(n, 4); /* two in each chunk, and none is begun without a place for it */
	assert_true(packetq_half_full(q));
	assert_false(put(q, n, 60000));
	for (unsigned i = 0; i < 4; i++)
		assert_next(q, i, 60000);
	assert_null(packetq_get(q));
	for (more = n; more < n + 2; more++)
		assert_true(put(q, more, 60000));
	packetq_flush(q, NOW);
	packetq_flush(q, NOW + SEC);
	for (unsigned i = 4; i < more; i++)
		assert_next(q, i, 60000);
	assert_null(packetq_get(q));
	packetq_free(&q);
}

static void test_budget_bounds_it_too_and_is_given_back(void **state)
{
	struct budget small = { .limit = 2 * PACKETQ_CHUNK };
	struct packetq *q = packetq_new(&small, 16);
	unsigned n = 0;

	(void)state;
	while (put(q, n, 60000))
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(budget_used(&small), 2 * PACKETQ_CHUNK);
	assert_false(put(q, n, 10));
	for (unsigned i = 0; i < 2; i++)
		assert_next(q, i, 60000);
	packetq_free(&q);
	assert_int_equal(budget_used(&small), 0);
}

static void test_warm_queue_takes_no_more_memory(void **state)
{
	struct budget b = { .limit = SIZE_MAX / 2 };
	struct packetq *q = packetq_new(&b, 8);

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		put(q, 1, 1500);
		packetq_flush(q, NOW);
		assert_next(q, 1, 1500);
		assert_null(packetq_get(q));
	}
	assert_true(budget_used(&b) <= 2 * PACKETQ_CHUNK);
	packetq_free(&q);
	assert_int_equal(budget_used(&b), 0);
}

/* After a crowd memory goes back, little by little and by the producer's hand: the consumer, who
 * may lose the processor at any moment, locks no allocator for it. */
static void test_producer_gives_memory_back(void **state)
{
	struct budget b = { .limit = SIZE_MAX / 2 };
	struct packetq *q = packetq_new(&b, 64);
	size_t most;

	(void)state;
	for (unsigned i = 0; i < 128; i++)
		assert_true(put(q, i, 60000));
	packetq_flush(q, NOW);
	packetq_flush(q, NOW + SEC);
	most = budget_used(&b);
	assert_int_equal(most, 64 * PACKETQ_CHUNK);
	for (unsigned i = 0; i < 128; i++)
		assert_next(q, i, 60000);
	assert_null(packetq_get(q));
	assert_int_equal(budget_used(&b), most);
	packetq_flush(q, NOW + SEC);
	assert_in_range(budget_used(&b), most - 8 * PACKETQ_CHUNK, most - PACKETQ_CHUNK);
	for (unsigned i = 0; i < 64; i++)
		packetq_flush(q, NOW + SEC);
	assert_in_range(budget_used(&b), PACKETQ_CHUNK, 16 * PACKETQ_CHUNK);
	packetq_free(&q);
	assert_int_equal(budget_used(&b), 0);
}

/* It counts when it is used, and is used again before anything is asked for. */
static void test_pool(void **state)
{
	struct budget b = { .limit = SIZE_MAX / 2 };
	struct packetq_pool *pool = packetq_pool_new(20);
	struct packetq *q[2] = { packetq_new(&b, 64), packetq_new(&b, 64) };

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		packetq_use(q[i], pool);
	assert_int_equal(budget_used(&b), 0);
	for (unsigned turn = 0; turn < 3; turn++)
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned i = 0; i < 80; i++)
				assert_true(put(q[k], i, 60000));
			packetq_flush(q[k], NOW);
			packetq_flush(q[k], NOW + SEC);
			for (unsigned i = 0; i < 80; i++)
				assert_next(q[k], i, 60000);
			for (unsigned i = 0; i < 64; i++)
				packetq_flush(q[k], NOW + SEC);
		}
	for (unsigned i = 0; i < 2; i++)
		packetq_free(&q[i]);
	assert_int_equal(budget_used(&b), 0);
	packetq_pool_free(&pool);
	assert_null(pool);
}

/* What the consumer keeps stays as it is, and bounds what it can get. */
static void test_kept_packets(void **state)
{
	struct packetq *q = packetq_new(&plenty, 2);
	struct packet *p;
	struct inbox box;

	(void)state;
	inbox_init(&box);
	assert_null(inbox_take(&box));
	for (unsigned i = 0; i < 4; i++)
		assert_true(put(q, i, 60000));
	packetq_flush(q, NOW);
	packetq_flush(q, NOW + SEC);
	while ((p = packetq_get(q)))
		inbox_put(&box, p);
	for (unsigned i = 4; i < 8; i++)
		assert_true(put(q, i, 60000));
	packetq_flush(q, NOW + SEC);
	assert_null(packetq_get(q)); /* two chunks are out */
	for (unsigned i = 0; i < 4; i++) {
		p = inbox_take(&box);
		assert_int_equal(p->time, i);
		assert_memory_equal(p->data, large, 60000);
		packetq_done(p);
	}
	assert_null(inbox_take(&box));
	inbox_put(&box, packetq_get(q));
	assert_int_equal(inbox_take(&box)->time, 4);
	packetq_free(&q);
}

static void test_free_of_nothing(void **state)
{
	struct packetq *none = NULL;

	(void)state;
	packetq_free(&none);
}

#define NUMBERS 200000

struct pair {
	struct packetq *q;
	unsigned refused;
};

static void *produce(void *arg)
{
	struct pair *pair = arg;
	usec_t now = 0;

	for (uint32_t i = 0; i < NUMBERS; i++) {
		while (!packetq_put(pair->q, NULL, PACKET_PCM, i, span_of(&i, sizeof(i)))) {
			pair->refused++;
			packetq_flush(pair->q, now += MSEC);
			sched_yield();
		}
		if (i % 97 == 0)
			packetq_flush(pair->q, now += MSEC);
	}
	while (packetq_unflushed(pair->q))
		packetq_flush(pair->q, now += 10 * MSEC);
	return NULL;
}

/* Two threads: all that was not refused arrives, in order, with its bytes. */
static void test_two_threads(void **state)
{
	struct pair pair = { .q = packetq_new(&plenty, 2) };
	pthread_t thread;
	uint32_t next = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, &pair), 0);
	while (next < NUMBERS) {
		struct packet *p = packetq_get(pair.q);

		if (!p) {
			sched_yield();
			continue;
		}
		assert_int_equal(p->time, next);
		assert_int_equal(p->bytes, sizeof(next));
		assert_memory_equal(p->data, &next, sizeof(next));
		packetq_done(p);
		next++;
	}
	pthread_join(thread, NULL);
	assert_null(packetq_get(pair.q));
	packetq_free(&pair.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_and_whole),
		cmocka_unit_test(test_visible_only_when_flushed),
		cmocka_unit_test(test_gathers_while_the_consumer_is_behind),
		cmocka_unit_test(test_full_refuses_the_newest_and_recovers),
		cmocka_unit_test(test_budget_bounds_it_too_and_is_given_back),
		cmocka_unit_test(test_warm_queue_takes_no_more_memory),
		cmocka_unit_test(test_producer_gives_memory_back),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_kept_packets),
		cmocka_unit_test(test_free_of_nothing),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
