/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Classic pcap 2.4 (draft-ietf-opsawg-pcap), read from whatever part of the file is there: both
 * byte orders, micro- and nanoseconds. rtpengine's stdio writes blocks of 4096 bytes: a file has
 * 0 bytes at first and nearly always ends within a record. Pure. */
#ifndef SPOOL_PCAP_H
#define SPOOL_PCAP_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/span.h"

#define PCAP_HEADER        24           /* [bytes] of the file's header */
#define PCAP_RECORD_HEADER 16           /* [bytes] */
#define PCAP_MAX_RECORD    (256 * 1024) /* [bytes] libpcap's largest snaplen; beyond: nonsense */
#define PCAP_MAX_IP        65535        /* [bytes] */

struct pcap {
	bool swapped;      /* big-endian */
	bool nano;
	unsigned link;     /* LINKTYPE_ of the whole file; 0: header not read yet */
	uint64_t position; /* [bytes] in the file: end of the last whole record */
	const char *why;   /* what is wrong, after -1 */
};

struct pcap_record {
	usec_t time;       /* since 1970 */
	struct span ip;    /* into the bytes fed; n = 0: a record without an IP packet */
};

void pcap_init(struct pcap *);

/* Both are fed bytes that begin at position, and return how many they used (and position has
 * moved on by), 0 when more are needed, -1 when this is no pcap that we can read. */
ssize_t pcap_header(struct pcap *, struct span in);
ssize_t pcap_next(struct pcap *, struct span in, struct pcap_record *out);

#endif
