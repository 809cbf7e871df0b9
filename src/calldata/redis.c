/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Only hiredis' reader and formatter are used. Its asynchronous context (0.14) resolves names
 * while the loop waits, asserts what a server sends when it did not ask for it, and has no cap. */
#include "calldata/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define MAX_NODES 8192    /* replies within one reply: lists in lists are small on the wire */
#define HEAD_BYTES ((size_t)64) /* kept of a text that is too long: tells it from others */

#if HIREDIS_MAJOR >= 1
typedef size_t list_length;
#else
typedef int list_length;
#endif

struct redis_reader {
	redisReader *parser;
	size_t max_text, max_reply;
	size_t waiting; /* [bytes] of the reply that is not complete */
	unsigned nodes; /* in it so far */
};

static struct redis_reply *add(const redisReadTask *task, enum redis_kind kind)
{
	struct redis_reader *r = task->privdata;
	struct redis_reply *reply, *parent;

	if (++r->nodes > MAX_NODES)
		return NULL; /* hiredis says that it is out of memory */
	reply = xnew(struct redis_reply);
	reply->kind = kind;
	if (task->parent) {
		parent = task->parent->obj;
		parent->list[task->idx] = reply;
	}
	return reply;
}

static void *on_text(const redisReadTask *task, char *text, size_t bytes)
{
	struct redis_reader *r = task->privdata;
	enum redis_kind kind = task->type == REDIS_REPLY_ERROR ? REDIS_FAILURE :
			       task->type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_TEXT;
	struct redis_reply *reply = add(task, kind);

	if (!reply)
		return NULL;
	reply->too_long = bytes > r->max_text;
	if (reply->too_long && bytes > HEAD_BYTES)
		bytes = HEAD_BYTES;
	reply->text = span_of(xstrndup(text, bytes), bytes);
	return reply;
}

static void *on_list(const redisReadTask *task, list_length n)
{
	struct redis_reply *reply;

	if (n > MAX_NODES)
		return NULL;
	reply = add(task, REDIS_LIST);
	if (!reply)
		return NULL;
	reply->n = (unsigned)n;
	reply->list = xalloc((size_t)n * sizeof(*reply->list));
	return reply;
}

static void *on_number(const redisReadTask *task, long long number)
{
	struct redis_reply *reply = add(task, REDIS_NUMBER);

	if (reply)
		reply->number = number;
	return reply;
}

static void *on_none(const redisReadTask *task)
{
	return add(task, REDIS_NONE);
}

/* Members of a list that was cut short are NULL. Depth: hiredis takes at most nine. */
static void drop(void *object)
{
	struct redis_reply *reply = object;

	if (!reply)
		return;
	for (unsigned i = 0; i < reply->n; i++)
		drop(reply->list[i]);
	free(reply->list);
	free((void *)(uintptr_t)reply->text.p);
	free(reply);
}

static redisReplyObjectFunctions functions = {
	.createString = on_text,
	.createArray = on_list,
	.createInteger = on_number,
	.createNil = on_none,
	.freeObject = drop,
};

struct redis_reader *redis_reader_new(size_t max_text, size_t max_reply)
{
	struct redis_reader *r = xnew(struct redis_reader);

	r->max_text = max_text;
	r->max_reply = max_reply;
	r->parser = redisReaderCreateWithFunctions(&functions);
	must(r->parser);
	r->parser->privdata = r;
	return r;
}

void redis_reader_free(struct redis_reader **r)
{
	if (!*r)
		return;
	redisReaderFree((*r)->parser);
	free(*r);
	*r = NULL;
}

void redis_reader_feed(struct redis_reader *r, struct span bytes)
{
	redisReaderFeed(r->parser, (const char *)bytes.p, bytes.n);
	r->waiting += bytes.n;
}

int redis_reader_next(struct redis_reader *r, struct redis_reply **reply)
{
	void *whole = NULL;

	*reply = NULL;
	if (redisReaderGetReply(r->parser, &whole) != REDIS_OK)
		return r->parser->err == REDIS_ERR_OOM ? -EMSGSIZE : -EPROTO;
	if (whole) {
		r->waiting = r->parser->len - r->parser->pos;
		r->nodes = 0;
		*reply = whole;
		return 0;
	}
	return r->waiting > r->max_reply ? -EMSGSIZE : 0;
}

void redis_reply_free(struct redis_reply **reply)
{
	drop(*reply);
	*reply = NULL;
}

char *redis_command(const struct span *argv, unsigned n, size_t *bytes)
{
	const char *text[8];
	size_t length[8];
	char *out;
	int used;

	must(n <= 8);
	for (unsigned i = 0; i < n; i++) {
		text[i] = (const char *)argv[i].p;
		length[i] = argv[i].n;
	}
	used = redisFormatCommandArgv(&out, (int)n, text, length);
	must(used > 0);
	*bytes = (size_t)used;
	return out;
}
