/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct file {
	uint8_t bytes[4096];
	size_t n;
	bool big;
};

static void put16(struct file *f, uint16_t v)
{
	f->bytes[f->n++] = (uint8_t)(f->big ? v >> 8 : v);
	f->bytes[f->n++] = (uint8_t)(f->big ? v : v >> 8);
}

static void put32(struct file *f, uint32_t v)
{
	put16(f, (uint16_t)(f->big ? v >> 16 : v));
	put16(f, (uint16_t)(f->big ? v : v >> 16));
}

static void put_header(struct file *f, uint32_t magic, uint32_t link)
{
	put32(f, magic);
	put16(f, 2);
	put16(f, 4);
	put32(f, 0);
	put32(f, 0);
	put32(f, 65535);
	put32(f, link);
}

static void put_record(struct file *f, uint32_t sec, uint32_t frac, const uint8_t *frame, size_t n)
{
	put32(f, sec);
	put32(f, frac);
	put32(f, (uint32_t)n);
	put32(f, (uint32_t)n);
	memcpy(f->bytes + f->n, frame, n);
	f->n += n;
}

static const uint8_t ipv4[28] = { 0x45, 0, 0, 28, [9] = 17, [20] = 0x27, 0x10, 0x27, 0x11, 0, 8 };
static const uint8_t ipv6[48] = { 0x60, [4] = 0, 8, 17, 64 };

static void begin(struct pcap *p, struct span *in, const struct file *f)
{
	pcap_init(p);
	*in = span_of(f->bytes, f->n);
	assert_int_equal(pcap_header(p, *in), PCAP_HEADER);
	*in = span_skip(*in, PCAP_HEADER);
}

static struct pcap_record only_record(const struct file *f)
{
	struct pcap_record r;
	struct span in;
	struct pcap p;

	begin(&p, &in, f);
	assert_int_equal(pcap_next(&p, in, &r), in.n);
	assert_int_equal(p.position, f->n);
	return r;
}

static void test_all_byte_orders_and_fractions(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct file f = { .big = i & 1 };
		struct pcap_record r;

		put_header(&f, i & 2 ? 0xa1b23c4d : 0xa1b2c3d4, 101);
		put_record(&f, 1700000000, i & 2 ? 123456789 : 123456, ipv4, sizeof(ipv4));
		r = only_record(&f);
		assert_int_equal(r.time, 1700000000123456);
		assert_int_equal(r.ip.n, sizeof(ipv4));
		assert_memory_equal(r.ip.p, ipv4, sizeof(ipv4));
	}
}

/* link, frame up to the IP packet, its length */
static const struct {
	unsigned link;
	uint8_t head[24];
	size_t n;
} links[] = {
	{ 12, { 0 }, 0 },
	{ 14, { 0 }, 0 },
	{ 101, { 0 }, 0 },
	{ 1, { [12] = 0x08, 0x00 }, 14 },
	{ 1, { [12] = 0x81, 0x00, 0, 5, 0x08, 0x00 }, 18 },
	{ 1, { [12] = 0x88, 0xa8, 0, 5, 0x81, 0x00, 0, 6, 0x08, 0x00 }, 22 },
	{ 113, { [14] = 0x08, 0x00 }, 16 },
	{ 113, { [14] = 0x81, 0x00, 0, 5, 0x08, 0x00 }, 20 },
};

static void test_link_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		struct file f = { .n = 0 };
		uint8_t frame[64];
		struct pcap_record r;

		memcpy(frame, links[i].head, links[i].n);
		memcpy(frame + links[i].n, ipv4, sizeof(ipv4));
		put_header(&f, 0xa1b2c3d4, links[i].link);
		put_record(&f, 1, 2, frame, links[i].n + sizeof(ipv4));
		r = only_record(&f);
		assert_int_equal(r.ip.n, sizeof(ipv4));
		assert_memory_equal(r.ip.p, ipv4, sizeof(ipv4));
	}
}

static void test_ipv6_and_frames_that_are_none(void **state)
{
	static const uint8_t arp[14 + 28] = { [12] = 0x08, 0x06, [14] = 0x45 };
	struct file f = { .n = 0 }, e = { .n = 0 };

	(void)state;
	put_header(&f, 0xa1b2c3d4, 101);
	put_record(&f, 1, 2, ipv6, sizeof(ipv6));
	assert_int_equal(only_record(&f).ip.n, sizeof(ipv6));
	put_header(&e, 0xa1b2c3d4, 1);
	put_record(&e, 1, 2, arp, sizeof(arp));
	assert_int_equal(only_record(&e).ip.n, 0);
}

static void test_short_packets_are_skipped_not_fatal(void **state)
{
	struct file f = { .n = 0 };
	struct pcap_record r;
	struct span in;
	struct pcap p;

	(void)state;
	put_header(&f, 0xa1b2c3d4, 101);
	put_record(&f, 1, 1, ipv4, 0);
	put_record(&f, 1, 1, ipv4, 19);
	put_record(&f, 1, 1, ipv6, 39);
	put_record(&f, 1, 1, ipv4, 20);
	begin(&p, &in, &f);
	for (int i = 0; i < 4; i++) {
		ssize_t used = pcap_next(&p, in, &r);

		assert_true(used > 0);
		assert_int_equal(r.ip.n, i < 3 ? 0 : 20);
		in = span_skip(in, (size_t)used);
	}
}

static void test_every_cut_waits_for_the_rest(void **state)
{
	struct file f = { .n = 0 };
	struct pcap_record r;
	struct span in;
	struct pcap p;

	(void)state;
	put_header(&f, 0xa1b2c3d4, 101);
	put_record(&f, 1, 1, ipv4, sizeof(ipv4));
	put_record(&f, 2, 2, ipv6, sizeof(ipv6));
	for (size_t n = 0; n < PCAP_HEADER; n++) {
		pcap_init(&p);
		assert_int_equal(pcap_header(&p, span_of(f.bytes, n)), 0);
		assert_int_equal(p.position, 0);
	}
	begin(&p, &in, &f);
	for (size_t n = 0; n < 16 + sizeof(ipv4); n++) {
		assert_int_equal(pcap_next(&p, span_head(in, n), &r), 0);
		assert_int_equal(p.position, PCAP_HEADER);
	}
	assert_int_equal(pcap_next(&p, in, &r), 16 + sizeof(ipv4));
	assert_int_equal(p.position, PCAP_HEADER + 16 + sizeof(ipv4));
	assert_int_equal(r.time, 1000001);
}

static void refuse(const struct file *f)
{
	struct pcap p;

	pcap_init(&p);
	assert_int_equal(pcap_header(&p, span_of(f->bytes, f->n)), -1);
	assert_non_null(p.why);
}

static void test_refused_headers(void **state)
{
	struct file magic = { .n = 0 }, version = { .n = 0 }, link = { .n = 0 };

	(void)state;
	put_header(&magic, 0x0a0d0d0a, 101); /* pcapng */
	refuse(&magic);
	magic.n = 4;
	refuse(&magic);
	put_header(&version, 0xa1b2c3d4, 101);
	version.bytes[6] = 3;
	refuse(&version);
	put_header(&link, 0xa1b2c3d4, 105); /* 802.11 */
	refuse(&link);
}

static void test_hostile_length_is_refused_at_once(void **state)
{
	struct file f = { .n = 0 };
	struct pcap_record r;
	struct span in;
	struct pcap p;

	(void)state;
	put_header(&f, 0xa1b2c3d4, 101);
	put32(&f, 1);
	put32(&f, 1);
	put32(&f, PCAP_MAX_RECORD + 1);
	put32(&f, 1);
	begin(&p, &in, &f);
	assert_int_equal(pcap_next(&p, in, &r), -1);
	assert_int_equal(p.position, PCAP_HEADER);
}

/* A record can be longer than any IP packet; the packet queue cannot take it. */
static void test_longer_than_ip(void **state)
{
	size_t n = PCAP_HEADER + 16 + 70000;
	uint8_t *bytes = calloc(1, n);
	struct file f = { .n = 0 };
	struct pcap_record r;
	struct pcap p;

	(void)state;
	put_header(&f, 0xa1b2c3d4, 101);
	put32(&f, 1);
	put32(&f, 1);
	put32(&f, 70000);
	put32(&f, 70000);
	memcpy(bytes, f.bytes, f.n);
	bytes[PCAP_HEADER + 16] = 0x45;
	pcap_init(&p);
	assert_int_equal(pcap_header(&p, span_of(bytes, n)), PCAP_HEADER);
	assert_int_equal(pcap_next(&p, span_of(bytes + PCAP_HEADER, n - PCAP_HEADER), &r), 70016);
	assert_int_equal(r.ip.n, 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_byte_orders_and_fractions),
		cmocka_unit_test(test_link_types),
		cmocka_unit_test(test_ipv6_and_frames_that_are_none),
		cmocka_unit_test(test_short_packets_are_skipped_not_fatal),
		cmocka_unit_test(test_every_cut_waits_for_the_rest),
		cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_hostile_length_is_refused_at_once),
		cmocka_unit_test(test_longer_than_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
