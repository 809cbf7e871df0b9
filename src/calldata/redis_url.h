/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where Redis is, from the option redis-url. Pure. */
#ifndef CALLDATA_REDIS_URL_H
#define CALLDATA_REDIS_URL_H

#include <stdbool.h>

struct redis_url {
	char *path;           /* of a unix socket; NULL: TCP */
	char *host, *service; /* of TCP */
	char *user, *pass;    /* NULL: none */
	unsigned db;
	char *shown;          /* for the log: without user and password */
};

/* redis://[user:pass@]host[:port][/db], unix:///path[?db=n] or /path; user and pass may be
 * percent-encoded. False: *reason is a sentence, malloc'd; nothing has to be freed but that. */
bool redis_url_parse(const char *text, struct redis_url *, char **reason);
void redis_url_fini(struct redis_url *);

#endif
