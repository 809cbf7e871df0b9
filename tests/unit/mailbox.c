/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct gift {
	struct mail mail;
	unsigned giver, number;
};

static void test_oldest_first_and_only_the_first_wakes(void **state)
{
	struct mailbox box = { NULL };
	struct gift g[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct mail *m;

	(void)state;
	assert_null(mailbox_take(&box));
	assert_true(mailbox_put(&box, &g[0].mail));
	assert_false(mailbox_put(&box, &g[1].mail));
	assert_false(mailbox_put(&box, &g[2].mail));
	m = mailbox_take(&box);
	for (unsigned i = 0; i < 3; i++, m = m->next)
		assert_ptr_equal(m, &g[i].mail);
	assert_null(m);
	assert_null(mailbox_take(&box));
	assert_true(mailbox_put(&box, &g[0].mail));
}

#define GIVERS 3
#define GIFTS  20000

static struct mailbox shared;
static struct gift gifts[GIVERS][GIFTS];

static void *give_all(void *arg)
{
	struct gift *mine = arg;

	for (unsigned i = 0; i < GIFTS; i++)
		mailbox_put(&shared, &mine[i].mail);
	return NULL;
}

/* From each giver everything arrives, once and in its order. */
static void test_many_givers(void **state)
{
	unsigned next[GIVERS] = { 0 }, total = 0;
	pthread_t thread[GIVERS];

	(void)state;
	for (unsigned i = 0; i < GIVERS; i++) {
		for (unsigned k = 0; k < GIFTS; k++)
			gifts[i][k] = (struct gift){ .giver = i, .number = k };
		assert_int_equal(pthread_create(&thread[i], NULL, give_all, gifts[i]), 0);
	}
	while (total < GIVERS * GIFTS) {
		struct mail *m = mailbox_take(&shared);

		if (!m)
			sched_yield();
		while (m) {
			struct gift *g = (struct gift *)(void *)m;

			m = m->next;
			assert_int_equal(g->number, next[g->giver]);
			next[g->giver]++;
			total++;
		}
	}
	for (unsigned i = 0; i < GIVERS; i++)
		pthread_join(thread[i], NULL);
	assert_null(mailbox_take(&shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest_first_and_only_the_first_wakes),
		cmocka_unit_test(test_many_givers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
