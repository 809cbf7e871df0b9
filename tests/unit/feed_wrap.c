/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_wrap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tools/feed_sdp.h"

static uint16_t ones_sum(uint32_t total, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		total += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

/* From userspace: no id, no checksums. */
static void userspace_header(void **state)
{
	static const uint8_t want[28] = {
		0x45,
		0,
		0,
		0xc8,
		0,
		0,
		0,
		0,
		0x40,
		0x11,
		0,
		0,
		10,
		99,
		0,
		2,
		10,
		99,
		0,
		1,
		0x4e,
		0x6c,
		0x77,
		0x64,
		0,
		0xb4,
		0,
		0,
	};
	uint8_t room[FEED_IP_MAX + 172] = { 0 }, *ip;
	struct feed_flow f = { .from = { 10, 99, 0, 2 }, .to = { 10, 99, 0, 1 },
		.from_port = 20076, .to_port = 30564 };

	(void)state;
	ip = feed_wrap_ip(&f, room, 172, 0);
	assert_ptr_equal(ip, room + 20);
	assert_memory_equal(ip, want, sizeof(want));
}

static void kernel_checksums_are_right(void **state)
{
	uint8_t room[FEED_IP_MAX + 173], *ip;
	struct feed_flow f = { .from = { 10, 99, 0, 2 }, .to = { 10, 99, 0, 1 },
		.from_port = 20076, .to_port = 30564 };

	(void)state;
	memset(room, 0xa7, sizeof(room));
	ip = feed_wrap_ip(&f, room, 173, 77);
	assert_int_equal(ones_sum(0, ip, 20), 0xffff);
	assert_int_equal(ones_sum(ones_sum(17 + 181, ip + 12, 8), ip + 20, 181), 0xffff);
	assert_int_equal(ip[6], 0x40);
	f.v6 = true;
	ip = feed_wrap_ip(&f, room, 173, 78);
	assert_ptr_equal(ip, room);
	assert_int_equal(ones_sum(ones_sum(17 + 181, ip + 8, 32), ip + 40, 181), 0xffff);
}

static void rtp_and_rtcp(void **state)
{
	static const uint8_t want[] = { 0x80, 0x88, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	const struct feed_rtp r = { 8, true, 0x0102, 0x03040506, 0x0708090a };
	uint8_t out[FEED_RTP_HEADER], rtcp[FEED_RTCP_MAX];
	size_t n;

	(void)state;
	feed_wrap_rtp(&r, out);
	assert_memory_equal(out, want, sizeof(want));
	n = feed_wrap_rtcp(rtcp, 1, 2, 1700000000 * SEC + SEC / 2, 3, 4);
	assert_int_equal(n, 28 + 16);
	assert_int_equal(span_be32(span_of(rtcp, n), 8), 1700000000u + 2208988800u);
	assert_int_equal(rtcp[12], 0x80);
	assert_int_equal(rtcp[29], 202);
}

static void sdp_goes_there_and_back(void **state)
{
	struct feed_codec c = { .rtpmap = "opus/48000/2", .pt = 111, .clock_hz = 48000 };
	struct feed_sdp s = { .address = "127.0.0.3", .port = 4242, .ptime_ms = 20,
		.direction = "sendonly", .codec = &c };
	char text[FEED_SDP_MAX], address[64];
	unsigned port;

	(void)state;
	feed_sdp_write(&s, text);
	assert_non_null(strstr(text, "a=sendonly\r\n"));
	assert_non_null(strstr(text, "a=rtpmap:111 opus/48000/2\r\n"));
	assert_true(feed_sdp_read(span_text(text), address, sizeof(address), &port));
	assert_string_equal(address, "127.0.0.3");
	assert_int_equal(port, 4242);
	assert_false(feed_sdp_read(
		span_text("v=0\r\nm=audio x"), address, sizeof(address), &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(userspace_header),
		cmocka_unit_test(kernel_checksums_are_right),
		cmocka_unit_test(rtp_and_rtcp),
		cmocka_unit_test(sdp_goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
