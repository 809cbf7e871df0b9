/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/rtp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* As rtpengine's kernel module gave them to a recording daemon; the audio cut to a few
 * bytes, and the lengths with it. */
static const uint8_t rtp4[] = { 0x45, 0x00, 0x00, 0x2c, 0x18, 0xfb, 0x40, 0x00, 0x40,
	0x11, 0x0c, 0x61, 0x0a, 0x63, 0x00, 0x03, 0x0a, 0x63, 0x00, 0x01, 0x4e, 0x6e,
	0x77, 0x54, 0x00, 0x18, 0x81, 0x30, 0x80, 0x08, 0x34, 0x1e, 0x5a, 0xc0, 0xad,
	0x20, 0x34, 0x56, 0x44, 0xca, 0x87, 0x4a, 0x00, 0x0b };
static const uint8_t rtp6[] = { 0x60, 0x05, 0xa8, 0x58, 0x00, 0x18, 0x11, 0x40, 0xfd,
	0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0xfd, 0x99, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0x01, 0x4e, 0x96, 0x75, 0x3c, 0x00, 0x18, 0xfa, 0x19, 0x80,
	0x88, 0x52, 0x52, 0x33, 0x88, 0x37, 0x52, 0x9c, 0x64, 0x7e, 0x8b, 0x08, 0x0d,
	0x05, 0x6e };
static const uint8_t rtcp4[] = { 0x45, 0x00, 0x00, 0x48, 0x00, 0x00, 0x00, 0x00, 0x40,
	0x11, 0x00, 0x00, 0x0a, 0x63, 0x00, 0x03, 0x0a, 0x63, 0x00, 0x01, 0x4e, 0x6f,
	0x77, 0x55, 0x00, 0x34, 0x00, 0x00, 0x80, 0xc8, 0x00, 0x06, 0x34, 0x56, 0x44,
	0xca, 0xea, 0xab, 0xc9, 0x02, 0xd3, 0xd1, 0x58, 0x00, 0x5a, 0xc0, 0xad, 0xc0,
	0x00, 0x00, 0x00, 0xaf, 0x00, 0x00, 0x6d, 0x60, 0x81, 0xca, 0x00, 0x03, 0x34,
	0x56, 0x44, 0xca, 0x01, 0x05, 0x72, 0x69, 0x67, 0x40, 0x42, 0x00 };

static void reads_ipv4(void **state)
{
	struct udp udp;
	struct rtp rtp;
	char text[64];

	(void)state;
	assert_int_equal(udp_parse(span_of(rtp4, sizeof(rtp4)), &udp), 0);
	udp_format(udp.family, udp.from, udp.from_port, text, sizeof(text));
	assert_string_equal(text, "10.99.0.3:20078");
	udp_format(udp.family, udp.to, udp.to_port, text, sizeof(text));
	assert_string_equal(text, "10.99.0.1:30548");
	assert_false(rtcp_is(udp.payload));
	assert_int_equal(rtp_parse(udp.payload, &rtp), 0);
	assert_int_equal(rtp.pt, 8);
	assert_false(rtp.marker);
	assert_int_equal(rtp.seq, 0x341e);
	assert_int_equal(rtp.ts, 0x5ac0ad20);
	assert_int_equal(rtp.ssrc, 0x345644ca);
	assert_int_equal(rtp.payload.n, 4);
	assert_ptr_equal(rtp.payload.p, rtp4 + 40);
}

static void reads_ipv6(void **state)
{
	struct udp udp;
	struct rtp rtp;
	char text[64];

	(void)state;
	assert_int_equal(udp_parse(span_of(rtp6, sizeof(rtp6)), &udp), 0);
	udp_format(udp.family, udp.from, udp.from_port, text, sizeof(text));
	assert_string_equal(text, "[fd99::2]:20118");
	assert_int_equal(rtp_parse(udp.payload, &rtp), 0);
	assert_true(rtp.marker);
	assert_int_equal(rtp.pt, 8);
	assert_int_equal(rtp.seq, 0x5252);
	assert_int_equal(rtp.payload.n, 4);
}

static void tells_rtcp_apart(void **state)
{
	struct udp udp;

	(void)state;
	assert_int_equal(udp_parse(span_of(rtcp4, sizeof(rtcp4)), &udp), 0);
	assert_true(rtcp_is(udp.payload));
	assert_false(rtcp_is(span_head(udp.payload, 3)));
	assert_int_equal(udp_parse(span_of(rtp4, sizeof(rtp4)), &udp), 0);
	assert_false(rtcp_is(udp.payload));
}

/* Every shorter piece of a good packet, in memory of just that size. */
static void refuses_all_that_is_cut(void **state)
{
	const struct span whole[] = { span_of(rtp4, sizeof(rtp4)),
		span_of(rtp6, sizeof(rtp6)) };
	struct udp udp;
	struct rtp rtp;

	(void)state;
	for (size_t w = 0; w < 2; w++) {
		for (size_t n = 0; n < whole[w].n; n++) {
			uint8_t *copy = malloc(n + !n);

			memcpy(copy, whole[w].p, n);
			assert_int_equal(udp_parse(span_of(copy, n), &udp), -EINVAL);
			free(copy);
		}
	}
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(rtp_parse(span_of(rtp4 + 28, n), &rtp), -EINVAL);
}

static void ignores_what_follows_the_datagram(void **state)
{
	uint8_t padded[64] = { 0 }; /* Ethernet pads to 60 bytes */
	struct udp udp;

	(void)state;
	memcpy(padded, rtp4, sizeof(rtp4));
	assert_int_equal(udp_parse(span_of(padded, sizeof(padded)), &udp), 0);
	assert_int_equal(udp.payload.n, 16);
}

struct change {
	const char *what;
	size_t at;
	uint8_t value;
	int rc;
};

static void judges_ip_headers(void **state)
{
	static const struct change four[] = {
		{ "version 5", 0, 0x55, -EINVAL },
		{ "header of 16 bytes", 0, 0x44, -EINVAL },
		{ "more fragments", 6, 0x20, -EINVAL },
		{ "offset", 7, 1, -EINVAL },
		{ "don't fragment", 6, 0x40, 0 },
		{ "TCP", 9, 6, -EINVAL },
		{ "UDP length 7", 25, 7, -EINVAL },
		{ "UDP longer than IP", 25, 25, -EINVAL },
		{ "UDP without payload", 25, 8, 0 },
		{ "options that reach into UDP", 0, 0x46, -EINVAL },
	};
	struct udp udp;

	(void)state;
	for (size_t i = 0; i < sizeof(four) / sizeof(*four); i++) {
		uint8_t p[sizeof(rtp4)];

		memcpy(p, rtp4, sizeof(p));
		p[four[i].at] = four[i].value;
		if (udp_parse(span_of(p, sizeof(p)), &udp) != four[i].rc)
			fail_msg("%s", four[i].what);
	}
}

static void follows_ipv6_extensions(void **state)
{
	static const struct {
		uint8_t header, second,
			offset; /* the extension's number, its bytes 1 and 3 */
		int rc;
	} rows[] = {
		{ 0, 0, 0, 0 },
		{ 43, 0, 0, 0 },
		{ 60, 0, 0, 0 },
		{ 44, 0, 0, 0 }, /* whole: RFC 6946 */
		{ 44, 0, 1, -EINVAL },
		{ 44, 0, 8, -EINVAL },
		{ 50, 0, 0, -EINVAL },
		{ 60, 200, 0, -EINVAL },
	};
	struct udp udp;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t p[sizeof(rtp6) + 8] = { 0 };

		memcpy(p, rtp6, 40);
		memcpy(p + 48, rtp6 + 40, sizeof(rtp6) - 40);
		p[5] = (uint8_t)(p[5] + 8);
		p[6] = rows[i].header;
		p[40] = 17;
		p[41] = rows[i].second;
		p[43] = rows[i].offset;
		assert_int_equal(udp_parse(span_of(p, sizeof(p)), &udp), rows[i].rc);
		if (rows[i].rc == 0)
			assert_int_equal(udp.payload.n, 16);
	}
}

static void strips_csrc_extension_and_padding(void **state)
{
	static const uint8_t full[] = { 0xb2, 0xe5, 0, 1, 0, 0, 0, 2, 0, 0, 0,
		3, /* padding, extension, 2 CSRCs; marker, 101 */
		1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 'a', 'b', 'c', 0,
		2 };
	static const struct {
		size_t n;
		uint8_t flags, last;
		int rc;
		size_t payload;
	} rows[] = {
		{ 33, 0xb2, 2, 0, 3 },
		{ 33, 0x92, 2, 0, 5 },
		{ 33, 0xb2, 5, 0, 0 },
		{ 33, 0xb2, 6, -EINVAL, 0 },
		{ 33, 0xb2, 0, 0, 5 },
		{ 33, 0x32, 2, -EINVAL, 0 },
		{ 33, 0xbf, 2, -EINVAL, 0 },
		{ 28, 0x92, 9, 0, 0 },
		{ 27, 0x92, 9, -EINVAL, 0 },
		{ 23, 0x92, 0, -EINVAL, 0 },
		{ 20, 0x82, 2, 0, 0 },
		{ 19, 0x82, 2, -EINVAL, 0 },
	};
	struct rtp rtp;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t *p = malloc(rows[i].n);

		memcpy(p, full, rows[i].n);
		p[0] = rows[i].flags;
		p[rows[i].n - 1] = rows[i].last;
		assert_int_equal(rtp_parse(span_of(p, rows[i].n), &rtp), rows[i].rc);
		if (rows[i].rc == 0) {
			assert_int_equal(rtp.payload.n, rows[i].payload);
			assert_true(rtp.marker);
			assert_int_equal(rtp.pt, 101);
		}
		free(p);
	}
}

static void tells_rtcp_by_its_type(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		uint8_t p[4] = { 0x80, (uint8_t)type, 0, 0 };

		assert_int_equal(rtcp_is(span_of(p, 4)), type >= 192 && type <= 223);
		assert_false(rtcp_is(span_of(p, 3)));
		p[0] = 0x40;
		assert_false(rtcp_is(span_of(p, 4)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ipv4),
		cmocka_unit_test(reads_ipv6),
		cmocka_unit_test(tells_rtcp_apart),
		cmocka_unit_test(refuses_all_that_is_cut),
		cmocka_unit_test(ignores_what_follows_the_datagram),
		cmocka_unit_test(judges_ip_headers),
		cmocka_unit_test(follows_ipv6_extensions),
		cmocka_unit_test(strips_csrc_extension_and_padding),
		cmocka_unit_test(tells_rtcp_by_its_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
