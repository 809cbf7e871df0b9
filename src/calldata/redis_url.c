/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/redis_url.h"

#include <stdlib.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/span.h"

#define MAX_DB 65535 /* Redis has 16 unless told otherwise */

static char *copy(struct span s)
{
	return xstrndup((const char *)s.p, s.n);
}

/* All before the first (or last) such byte is cut off *rest into *head. False: there is none. */
static bool cut(struct span *rest, int at, bool last, struct span *head)
{
	const uint8_t *p;

	if (rest->n == 0)
		return false;
	p = last ? memrchr(rest->p, at, rest->n) : memchr(rest->p, at, rest->n);
	if (!p)
		return false;
	*head = span_head(*rest, (size_t)(p - rest->p));
	*rest = span_skip(*rest, head->n + 1);
	return true;
}

static char *unescape(struct span s)
{
	char *text = xalloc(s.n + 1);

	span_unescape(s, (uint8_t *)text, s.n);
	return text;
}

/* "user:pass" or ":pass" */
static const char *parse_login(struct span login, struct redis_url *u)
{
	struct span user;

	if (!cut(&login, ':', false, &user))
		return "before the @ there must be user:password or :password";
	if (user.n)
		u->user = unescape(user);
	u->pass = unescape(login);
	return NULL;
}

static const char *parse_db(struct span text, struct redis_url *u)
{
	uint64_t db;

	if (!span_number(text, MAX_DB, &db))
		return "the database must be a number";
	u->db = (unsigned)db;
	return NULL;
}

static const char *parse_host(struct span s, struct redis_url *u)
{
	struct span host = s, port = span_text("6379");
	uint64_t number;

	if (span_starts(s, "[")) {
		s = span_skip(s, 1);
		if (!cut(&s, ']', false, &host))
			return "an IPv6 address needs its closing bracket";
		if (s.n && s.p[0] != ':')
			return "after the bracket only a port may follow";
		if (s.n)
			port = span_skip(s, 1);
	} else if (cut(&s, ':', false, &host)) {
		port = s;
	}
	if (host.n == 0)
		return "the host is missing";
	if (!span_number(port, 65535, &number) || number == 0)
		return "the port must be a number from 1 to 65535";
	u->host = copy(host);
	u->service = copy(port);
	u->shown = xasprintf(memchr(host.p, ':', host.n) ? "[%s]:%s" : "%s:%s", u->host, u->service);
	return NULL;
}

static const char *parse_tcp(struct span s, struct redis_url *u)
{
	struct span login, host;
	const char *bad = NULL;

	if (cut(&s, '@', true, &login))
		bad = parse_login(login, u);
	if (!cut(&s, '/', false, &host)) {
		host = s;
		s = span_text("");
	}
	if (!bad)
		bad = parse_host(host, u);
	if (!bad && s.n)
		bad = parse_db(s, u);
	return bad;
}

static const char *parse_path(struct span s, struct redis_url *u)
{
	struct span path;
	const char *bad = NULL;

	if (cut(&s, '?', false, &path)) {
		if (!span_starts(s, "db="))
			return "after the ? only db=number may follow";
		bad = parse_db(span_skip(s, 3), u);
	} else {
		path = s;
	}
	if (!span_starts(path, "/"))
		return "the path of the socket must begin with /";
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "the path of the socket is too long (107 bytes)";
	u->path = copy(path);
	u->shown = xstrdup(u->path);
	return bad;
}

bool redis_url_parse(const char *text, struct redis_url *u, char **reason)
{
	struct span s = span_text(text);
	const char *bad;

	*u = (struct redis_url){ 0 };
	*reason = NULL;
	if (span_starts(s, "redis://"))
		bad = parse_tcp(span_skip(s, 8), u);
	else if (span_starts(s, "unix://"))
		bad = parse_path(span_skip(s, 7), u);
	else if (span_starts(s, "/"))
		bad = parse_path(s, u);
	else
		bad = "it must be redis://[user:pass@]host:port/db, unix:///path?db=0 or /path";
	if (!bad)
		return true;
	*reason = xasprintf("redis-url cannot be understood: %s", bad);
	redis_url_fini(u);
	return false;
}

void redis_url_fini(struct redis_url *u)
{
	free(u->path);
	free(u->host);
	free(u->service);
	free(u->user);
	free(u->pass);
	free(u->shown);
	*u = (struct redis_url){ 0 };
}
