/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pcap.h"

#include "base/check.h"

/* draft-ietf-opsawg-pcap section 4 and draft-ietf-opsawg-pcaplinktype */
#define MAGIC_MICRO 0xa1b2c3d4u
#define MAGIC_NANO  0xa1b23c4du

enum {
	LINK_ETHERNET = 1,
	LINK_RAW_BSD = 12,     /* DLT_RAW as some systems number it */
	LINK_RAW_OPENBSD = 14,
	LINK_RAW = 101,        /* what rtpengine's pcap-format = raw writes */
	LINK_SLL = 113,        /* "any" device of Linux */
};

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_QINQ = 0x88a8,
};

#define MAX_VLAN_TAGS 4

static uint32_t word(const struct pcap *p, struct span in, size_t at)
{
	return p->swapped ? span_be32(in, at) : span_le32(in, at);
}

static ssize_t bad(struct pcap *p, const char *why)
{
	p->why = why;
	return -1;
}

void pcap_init(struct pcap *p)
{
	*p = (struct pcap){ .link = 0 };
}

static bool read_magic(struct pcap *p, struct span in)
{
	uint32_t magic = span_le32(in, 0);

	p->swapped = magic != MAGIC_MICRO && magic != MAGIC_NANO;
	magic = word(p, in, 0);
	p->nano = magic == MAGIC_NANO;
	return magic == MAGIC_MICRO || p->nano;
}

static bool link_known(unsigned link)
{
	return link == LINK_ETHERNET || link == LINK_RAW || link == LINK_RAW_BSD ||
	       link == LINK_RAW_OPENBSD || link == LINK_SLL;
}

ssize_t pcap_header(struct pcap *p, struct span in)
{
	uint32_t version;

	must(p->link == 0);
	if (in.n >= 4 && !read_magic(p, in))
		return bad(p, "not a pcap file");
	if (in.n < PCAP_HEADER)
		return 0;
	version = word(p, in, 4);
	if (version != (p->swapped ? 0x00020004u : 0x00040002u))
		return bad(p, "not version 2.4 of the pcap format");
	/* The upper bits tell of a frame check sequence; it is behind what we read. */
	p->link = word(p, in, 20) & 0xffff;
	if (!link_known(p->link)) {
		p->link = 0;
		return bad(p, "link type is neither raw IP nor Ethernet nor Linux cooked");
	}
	p->position = PCAP_HEADER;
	return PCAP_HEADER;
}

/* type: the ethertype that comes before what is left of frame. */
static struct span untag(struct span frame, unsigned type)
{
	for (unsigned i = 0; i < MAX_VLAN_TAGS; i++) {
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		type = span_be16(frame, 2);
		frame = span_skip(frame, 4);
	}
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
		return span_of(NULL, 0);
	return frame;
}

static struct span ip_in(const struct pcap *p, struct span frame)
{
	struct span ip = frame, none = span_of(NULL, 0);
	unsigned version;

	if (p->link == LINK_ETHERNET)
		ip = untag(span_skip(frame, 14), span_be16(frame, 12));
	else if (p->link == LINK_SLL)
		ip = untag(span_skip(frame, 16), span_be16(frame, 14));
	version = span_u8(ip, 0) >> 4;
	if (ip.n > PCAP_MAX_IP || !((version == 4 && ip.n >= 20) || (version == 6 && ip.n >= 40)))
		return none;
	return ip;
}

ssize_t pcap_next(struct pcap *p, struct span in, struct pcap_record *out)
{
	uint32_t bytes, fraction;

	must(p->link != 0);
	if (in.n < PCAP_RECORD_HEADER)
		return 0;
	bytes = word(p, in, 8);
	if (bytes > PCAP_MAX_RECORD)
		return bad(p, "a record is longer than any packet");
	if (in.n - PCAP_RECORD_HEADER < bytes)
		return 0;
	fraction = word(p, in, 4);
	out->time = (usec_t)word(p, in, 0) * SEC + (p->nano ? fraction / 1000 : fraction);
	out->ip = ip_in(p, span_head(span_skip(in, PCAP_RECORD_HEADER), bytes));
	p->position += PCAP_RECORD_HEADER + bytes;
	return (ssize_t)(PCAP_RECORD_HEADER + bytes);
}
