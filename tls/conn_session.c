/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/conn_session.h"

#include <stdlib.h>

#include <openssl/ssl.h>

#include "base/mem.h"

struct conn_session {
	SSL_SESSION *session;
	unsigned generation; /* of the certificates it was verified with */
	bool refused;
};

struct conn_session *conn_session_new(void)
{
	return xnew(struct conn_session);
}

void conn_session_free(struct conn_session **sp)
{
	if (*sp)
		SSL_SESSION_free((*sp)->session);
	free(*sp);
	*sp = NULL;
}

bool conn_session_offer(const struct conn_session *s, SSL *ssl, unsigned generation)
{
	return s && s->session && s->generation == generation &&
		SSL_set_session(ssl, s->session) == 1;
}

int conn_session_keep(struct conn_session *s, SSL_SESSION *session, unsigned generation)
{
	if (!s || s->refused)
		return 0;
	SSL_SESSION_free(s->session);
	s->session = session;
	s->generation = generation;
	return 1;
}

bool conn_session_refused(struct conn_session *s)
{
	if (s->refused)
		return false;
	SSL_SESSION_free(s->session);
	*s = (struct conn_session){ .refused = true };
	return true;
}
