/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What arrives in pieces must be read as what arrives at once. */
#include "spool/pcap.h"

#include <stdlib.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t records, ip_bytes, times;
	bool bad;
};

/* step: bytes that become visible at a time. */
static uint64_t read_all(struct span file, size_t step, struct sum *sum)
{
	struct pcap_record r;
	struct pcap p;

	pcap_init(&p);
	for (size_t visible = step; !sum->bad; visible += step) {
		struct span in = span_head(file, visible);
		ssize_t used = 1;

		while (used > 0) {
			struct span rest = span_skip(in, p.position);
			bool header = !p.link;

			used = header ? pcap_header(&p, rest) : pcap_next(&p, rest, &r);
			must(used <= (ssize_t)rest.n);
			if (used <= 0 || header)
				continue;
			sum->records++;
			sum->times += (uint64_t)r.time;
			for (size_t i = 0; i < r.ip.n; i++)
				sum->ip_bytes += r.ip.p[i];
		}
		sum->bad = used < 0;
		must(p.position <= in.n);
		if (in.n == file.n)
			break;
	}
	return p.position;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = span_of(data, size);
	struct sum whole = { .bad = false }, pieces = { .bad = false };
	uint64_t end = read_all(file, size ? size : 1, &whole);

	must(end == read_all(file, 13, &pieces));
	must(whole.records == pieces.records && whole.ip_bytes == pieces.ip_bytes);
	must(whole.times == pieces.times && whole.bad == pieces.bad);
	return 0;
}
