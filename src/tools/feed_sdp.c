/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_sdp.h"

#include <stdio.h>

#define EVENT_PT 101

void feed_sdp_write(const struct feed_sdp *s, char out[FEED_SDP_MAX])
{
	const struct feed_codec *c = s->codec;
	const char *family = strchr(s->address, ':') ? "IP6" : "IP4";
	char fmtp[64] = "";

	if (*c->fmtp)
		snprintf(fmtp, sizeof(fmtp), "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
	snprintf(out, FEED_SDP_MAX,
		"v=0\r\no=- 1 %u IN %s %s\r\ns=feed\r\nc=IN %s %s\r\nt=0 0\r\n"
		"m=audio %u RTP/AVP %u%s %d\r\na=rtpmap:%u %s\r\n%sa=rtpmap:%d "
		"telephone-event/%u\r\n"
		"a=fmtp:%d 0-15\r\na=ptime:%u\r\na=%s\r\n",
		s->version, family, s->address, family, s->address, s->port, c->pt,
		s->noise ? " 13" : "", EVENT_PT, c->pt, c->rtpmap, fmtp, EVENT_PT,
		c->clock_hz, EVENT_PT, s->ptime_ms, s->direction);
}

/* "c=IN IP4 127.0.0.1" */
static void read_connection(struct span line, char *address, size_t size)
{
	struct span word = { 0 };

	for (int i = 0; i < 3; i++)
		if (!span_word(&line, &word))
			return;
	snprintf(address, size, "%.*s", (int)(word.n < size ? word.n : size - 1),
		(const char *)word.p);
}

bool feed_sdp_read(struct span sdp, char *address, size_t size, unsigned *port)
{
	struct span line, word;
	uint64_t number;
	bool found = false;

	*address = '\0';
	while (span_line(&sdp, &line)) {
		if (span_starts(line, "m=") && found)
			break;
		if (span_starts(line, "c=IN "))
			read_connection(line, address, size);
		if (!span_starts(line, "m=audio "))
			continue;
		line = span_skip(line, 8);
		if (!span_word(&line, &word) || !span_number(word, 65535, &number))
			return false;
		*port = (unsigned)number;
		found = true;
	}
	return found && *address;
}
