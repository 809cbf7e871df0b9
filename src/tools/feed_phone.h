/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One participant with real sockets: sends its tone as RTP, counts what comes back. */
#ifndef TOOLS_FEED_PHONE_H
#define TOOLS_FEED_PHONE_H

#include <netinet/in.h>

#include "tools/feed_plan.h"
#include "tools/feed_tone.h"

struct feed_phone {
	int rtp, rtcp;            /* sockets, -1 */
	unsigned port;            /* of our RTP; RTCP is one more */
	char address[64];
	struct sockaddr_in to;    /* rtpengine's, port 0: not known yet */
	const struct feed_tone *tone;
	const struct feed_codec *codec;
	struct feed_plan plan;
	struct feed_packet next;
	bool has_next;
	usec_t rtcp_due;
	uint64_t sent, received;
};

void feed_phone_init(struct feed_phone *);
/* A pair of ports at that address, in place of the ones before. 0 or -errno. */
int feed_phone_bind(struct feed_phone *, const char *address);
bool feed_phone_aim(struct feed_phone *, const char *address, unsigned port);
/* since: the start of the call's media. */
void feed_phone_run(struct feed_phone *, usec_t since);
void feed_phone_fini(struct feed_phone *);

#endif
