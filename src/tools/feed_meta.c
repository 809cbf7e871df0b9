/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENT_PT 101

/* One open, one writev, one close a section: each is an inotify event of its own. */
__attribute__((format(printf, 3, 4)))
static void put(struct feed_meta *m, const char *content, const char *label, ...)
{
	char head[128], infix[32];
	struct iovec iov[4];
	va_list ap;
	int fd = open(m->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	va_start(ap, label);
	vsnprintf(head, sizeof(head), label, ap);
	va_end(ap);
	snprintf(infix, sizeof(infix), "\n%zu:\n", strlen(content));
	iov[0] = (struct iovec){ head, strlen(head) };
	iov[1] = (struct iovec){ infix, strlen(infix) };
	iov[2] = (struct iovec){ (char *)(uintptr_t)content, strlen(content) };
	iov[3] = (struct iovec){ (char *)(uintptr_t)"\n\n", 2 };
	if ((fd < 0 || writev(fd, iov, 4) < 0) && !m->error)
		m->error = -errno;
	if (fd >= 0)
		close(fd);
}

static void put_metadata(struct feed_meta *m)
{
	if (*m->metadata)
		put(m, m->metadata, "METADATA");
	if (m->dialect >= 26)
		put(m, "", "STARTED");
}

static void put_flags(struct feed_meta *m, bool streams)
{
	put(m, "", "RECORDING %d", m->recording);
	put(m, "", "FORWARDING %d", m->forwarding);
	if (m->dialect >= 26)
		put_metadata(m);
	for (unsigned id = 0; streams && id < 2 * m->parties; id++) {
		bool on = false;

		if (id % 2 && !m->rtcp)
			continue;
		for (unsigned p = 0; p < m->parties; p++)
			on |= m->party[p].media == id / 2 &&
				(int)p == m->forwarding_party;
		put(m, "", "STREAM %u FORWARDING %d", id, on);
	}
}

static void put_tag(struct feed_meta *m, unsigned p, const char *tag)
{
	put(m, tag, "TAG %u", p);
}

static void put_tag_metadata(struct feed_meta *m, unsigned p)
{
	if (*m->tag_metadata)
		put(m, m->tag_metadata, "METADATA-TAG %u", p);
}

void feed_meta_interface(const struct feed_meta *m, unsigned p, bool rtcp, char out[64])
{
	/* The media is counted within its tag. */
	snprintf(out, 64, "tag-%u-media-1-component-%d-%s-id-%u", p, rtcp ? 2 : 1,
		rtcp ? "RTCP" : "RTP", 2 * m->party[p].media + rtcp);
}

static void put_stream(struct feed_meta *m, unsigned p, bool rtcp)
{
	unsigned media = m->party[p].media, id = 2 * media + rtcp;
	char text[160], name[64];

	if (m->dialect >= 26)
		snprintf(text, sizeof(text),
			"TAG %u MEDIA %u COMPONENT %d FLAGS %u MEDIA-SDP-ID %u "
			"MEDIA-REC-SLOT 1 MEDIA-REC-SLOTS 1",
			p, media, rtcp ? 2 : 1, rtcp ? 131072 : 65536, 0);
	else
		snprintf(text, sizeof(text),
			"TAG %u MEDIA %u TAG-MEDIA 1 COMPONENT %d FLAGS %u", p, media,
			rtcp ? 2 : 1, rtcp ? 131072 : 65536);
	put(m, text, "STREAM %u details", id);
	feed_meta_interface(m, p, rtcp, name);
	put(m, name, "STREAM %u interface", id);
	m->announced(m->arg, id);
}

static void put_streams(struct feed_meta *m, unsigned p)
{
	put_stream(m, p, false);
	if (m->rtcp)
		put_stream(m, p, true);
}

static void put_media(struct feed_meta *m, unsigned p)
{
	unsigned media = m->party[p].media;
	char event[32];

	snprintf(event, sizeof(event), "telephone-event/%u", m->codec->clock_hz);
	put(m, "", "MEDIA %u PTIME %u", media, m->ptime_ms);
	put(m, event, "MEDIA %u PAYLOAD TYPE %d", media, EVENT_PT);
	put(m, "0-15", "MEDIA %u FMTP %d", media, EVENT_PT);
	put(m, m->codec->rtpmap, "MEDIA %u PAYLOAD TYPE %d", media, m->codec->pt);
	put(m, m->codec->fmtp, "MEDIA %u FMTP %d", media, m->codec->pt);
}

static void put_sdp(
	struct feed_meta *m, unsigned from, unsigned described, const char *mode)
{
	char sdp[1024], fmtp[64] = "";
	const struct feed_codec *c = m->codec;
	unsigned port = m->party[described].port;

	if (*c->fmtp)
		snprintf(fmtp, sizeof(fmtp), "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
	snprintf(sdp, sizeof(sdp),
		"v=0\r\no=- 1 1 IN %s %s\r\ns=feed\r\nc=IN %s %s\r\nt=0 0\r\n"
		"m=audio %u RTP/AVP %u %d\r\na=rtpmap:%u %s\r\n%sa=rtpmap:%d "
		"telephone-event/%u\r\n"
		"a=fmtp:%d 0-15\r\na=sendrecv\r\na=rtcp:%u\r\na=ptime:%u\r\n",
		m->v6 ? "IP6" : "IP4", m->address, m->v6 ? "IP6" : "IP4", m->address,
		port, c->pt, EVENT_PT, c->pt, c->rtpmap, fmtp, EVENT_PT, c->clock_hz,
		EVENT_PT, port + 1, m->ptime_ms);
	put(m, "", "SDP from %u before %s", from, mode);
	put(m, sdp, "SDP from %u after %s", from, mode);
}

static void put_head(struct feed_meta *m)
{
	unlink(m->path);
	put(m, m->call_id, "CALL-ID");
	put(m, m->parent, "PARENT");
	if (m->dialect >= 26)
		put(m, m->random_tag, "RANDOM_TAG");
	else if (*m->metadata)
		put(m, m->metadata, "METADATA");
	put_flags(m, false);
}

void feed_meta_offer(struct feed_meta *m)
{
	put_head(m);
	put_tag(m, 0, m->party[0].tag);
	put_tag_metadata(m, 0);
	/* The called side has no tag yet. */
	for (unsigned p = 1; p < m->parties; p++)
		put_tag(m, p, "");
	put_flags(m, false);
	for (unsigned p = 0; p < m->parties; p++) {
		put_tag(m, p, p ? "" : m->party[p].tag);
		if (p == 0)
			put_tag_metadata(m, p);
		put_streams(m, p);
		put_media(m, p);
	}
	put_sdp(m, 0, m->parties - 1, "offer");
}

void feed_meta_answer(struct feed_meta *m)
{
	unsigned last = m->parties - 1;

	put_tag_metadata(m, last);
	put_flags(m, true);
	for (unsigned i = m->parties; i-- > 0;) {
		put_tag(m, i, m->party[i].tag);
		put_tag_metadata(m, i);
		put_media(m, i);
	}
	put_sdp(m, last, 0, "answer");
}

void feed_meta_midcall(struct feed_meta *m)
{
	put_head(m);
	for (unsigned p = 0; p < m->parties; p++)
		put_tag(m, p, m->party[p].tag);
	for (unsigned p = m->parties; p-- > 0;)
		put_media(m, p);
	for (unsigned p = m->parties; p-- > 0;)
		put_streams(m, p);
	put_flags(m, true);
}

void feed_meta_flags(struct feed_meta *m)
{
	put_flags(m, true);
}
