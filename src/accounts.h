/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is written when calls are over: accounts (log line, JSON file), and the journal of consumed
 * files. On the control thread; the writing is done by writers. */
#ifndef ACCOUNTS_H
#define ACCOUNTS_H

#include "call/account.h"

struct consumed;
struct writer;
struct accounts;

struct accounts *accounts_new(struct writer *, const char *dir); /* dir NULL: log lines only */
void accounts_free(struct accounts **);

/* Takes the account: logs its line, and has it written where a directory is given. done is called
 * from a writer's thread when it is on disk or could not be written. -errno: no writer had room,
 * done is not called; the account is gone all the same. */
int accounts_write(struct accounts *, uint64_t call, struct account **,
	void (*done)(void *arg, uint64_t call, bool written), void *arg);

/* Hands what is new in the journal to a writer; one hand-over at a time. */
void accounts_tick(struct accounts *, struct consumed *);

#endif
