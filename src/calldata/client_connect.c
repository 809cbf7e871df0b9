/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Name, addresses, socket. */
#include <stdlib.h>

#include "base/mem.h"
#include "calldata/client_private.h"

static void on_link_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void client_drop_link(struct client *c)
{
	if (c->link) {
		c->link->owner = NULL;
		uv_close(&c->link->uv.handle, on_link_closed);
		c->link = NULL;
	}
	if (c->lookup) {
		c->lookup->owner = NULL;
		uv_cancel((uv_req_t *)&c->lookup->req);
		c->lookup = NULL;
	}
	redis_reader_free(&c->reader);
	free(c->out);
	c->out = NULL;
	c->out_used = c->out_room = 0;
}

void client_drop_addresses(struct client *c)
{
	if (c->found)
		uv_freeaddrinfo(c->found);
	c->found = c->next_address = NULL;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct link *link = handle->data;

	(void)suggested;
	*buf = uv_buf_init(link->bytes, CLIENT_READ_BYTES);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct link *link = req->data;
	struct client *c = link->owner;

	if (!c)
		return;
	if (status == 0)
		status = uv_read_start(&link->uv.stream, on_room, client_on_bytes);
	if (status < 0) {
		client_connect_next(c, uv_strerror(status));
		return;
	}
	c->reader = redis_reader_new(c->opts.max_text, CLIENT_MAX_REPLY);
	c->heard = uv_now(c->loop);
	client_enter(c, CLIENT_GREETING);
	client_greet(c);
}

static struct link *new_link(struct client *c)
{
	struct link *link = xnew(struct link);

	link->owner = c;
	link->connect.data = link;
	if (c->opts.url->path)
		uv_pipe_init(c->loop, &link->uv.pipe, 0);
	else
		uv_tcp_init(c->loop, &link->uv.tcp);
	link->uv.handle.data = link;
	c->link = link;
	return link;
}

/* The next address that the name has; none left: the reason why the last one failed counts. */
void client_connect_next(struct client *c, const char *reason)
{
	struct addrinfo *a;
	struct link *link;
	int error = -1;

	client_drop_link(c);
	while (error < 0 && (a = c->next_address)) {
		c->next_address = a->ai_next;
		link = new_link(c);
		uv_tcp_nodelay(&link->uv.tcp, 1);
		error = uv_tcp_connect(&link->connect, &link->uv.tcp, a->ai_addr, on_connected);
		if (error < 0) {
			reason = uv_strerror(error);
			client_drop_link(c);
		}
	}
	if (error < 0)
		client_lose(c, reason);
	else
		client_enter(c, CLIENT_CONNECTING);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct lookup *lookup = req->data;
	struct client *c = lookup->owner;

	free(lookup);
	if (!c) {
		uv_freeaddrinfo(found);
		return;
	}
	c->lookup = NULL;
	c->found = c->next_address = found;
	if (status < 0)
		client_lose(c, uv_strerror(status));
	else
		client_connect_next(c, "the name has no address");
}

void client_begin(struct client *c)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	const struct redis_url *u = c->opts.url;
	int error;

	if (u->path) {
		client_enter(c, CLIENT_CONNECTING);
		new_link(c);
		uv_pipe_connect(&c->link->connect, &c->link->uv.pipe, u->path, on_connected);
		return;
	}
	client_enter(c, CLIENT_RESOLVING);
	c->lookup = xnew(struct lookup);
	c->lookup->owner = c;
	c->lookup->req.data = c->lookup;
	error = uv_getaddrinfo(c->loop, &c->lookup->req, on_resolved, u->host, u->service, &hints);
	if (error < 0) {
		free(c->lookup);
		c->lookup = NULL;
		client_lose(c, uv_strerror(error));
	}
}
