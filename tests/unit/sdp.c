/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/sdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct sdp sdp;

static void parse(const char *text)
{
	sdp_parse(span_text(text), &sdp);
}

static void reads_one_media(void **state)
{
	(void)state;
	parse("v=0\r\no=caller 1 2 IN IP4 127.0.0.4\r\nm=audio 20446 RTP/AVP 111 8 96\r\n"
	      "a=rtpmap:111 opus/48000/2\r\na=fmtp:111  useinbandfec=1; x=2 \r\n"
	      "a=rtcp:30000 IN IP4 1.2.3.4\r\na=ptime:40\r\na=recvonly\r\n");
	assert_true(span_is(sdp.origin, "caller 1"));
	assert_int_equal(sdp.medias, 1);
	assert_true(span_is(sdp.media[0].type, "audio"));
	assert_true(sdp.media[0].rtp);
	assert_int_equal(sdp.media[0].port, 20446);
	assert_int_equal(sdp.media[0].rtcp_port, 30000);
	assert_int_equal(sdp.media[0].ptime_ms, 40);
	assert_int_equal(sdp.media[0].direction, SDP_RECVONLY);
	assert_int_equal(sdp.media[0].codecs, 3);
	assert_true(span_is(sdp.media[0].codec[0].rtpmap, "opus/48000/2"));
	assert_true(span_is(sdp.media[0].codec[0].fmtp, "useinbandfec=1; x=2"));
	assert_true(span_is(sdp.media[0].codec[1].rtpmap, "PCMA/8000"));
	assert_int_equal(sdp.media[0].codec[2].rtpmap.n, 0);
}

static void reads_many_media(void **state)
{
	(void)state;
	parse("a=inactive\nm=audio 9000/2 UDP/TLS/RTP/SAVPF 0\na=rtcp-mux\na=rtcp:9000\n"
	      "a=sendonly\nm=image 9100 udptl t38\nm=video 0 RTP/AVP 96\nm=audio 9200 RTP/AVP 18\n");
	assert_int_equal(sdp.medias, 4);
	assert_true(sdp.media[0].rtcp_mux);
	assert_int_equal(sdp.media[0].port, 9000);
	assert_int_equal(sdp.media[0].rtcp_port, 0);
	assert_int_equal(sdp.media[0].direction, SDP_SENDONLY);
	assert_false(sdp.media[1].rtp);
	assert_int_equal(sdp.media[2].port, 0);
	assert_int_equal(sdp.media[2].rtcp_port, 0);
	assert_int_equal(sdp.media[3].rtcp_port, 9201);
	assert_int_equal(sdp.media[3].direction, SDP_INACTIVE);
	assert_true(span_is(sdp.media[3].codec[0].rtpmap, "G729/8000"));
}

static bool holds(const char *text)
{
	parse(text);
	return sdp_is_hold(&sdp);
}

static void hold_is_all_media_sent_at_most(void **state)
{
	(void)state;
	assert_false(holds("v=0\n"));
	assert_false(holds("m=audio 9000 RTP/AVP 0\n"));
	assert_false(holds("m=audio 9000 RTP/AVP 0\na=recvonly\n"));
	assert_true(holds("m=audio 9000 RTP/AVP 0\na=sendonly\n"));
	assert_true(holds("m=audio 9000 RTP/AVP 0\na=inactive\nm=video 0 RTP/AVP 96\n"));
	assert_true(holds("a=sendonly\nm=audio 9000 RTP/AVP 0\nm=image 9100 udptl t38\n"));
	assert_false(holds("a=sendonly\nm=audio 9000 RTP/AVP 0\na=sendrecv\n"));
	assert_false(holds("m=audio 9000 RTP/AVP 0\na=sendonly\nm=audio 9002 RTP/AVP 0\n"));
	assert_true(holds("c=IN IP4 0.0.0.0\nm=audio 9000 RTP/AVP 0\na=sendrecv\n"));
	assert_false(holds("c=IN IP4 0.0.0.0\nm=audio 9000 RTP/AVP 0\nc=IN IP4 1.2.3.4\n"));
}

static void mux_leaves_no_port_for_rtcp(void **state)
{
	(void)state;
	parse("m=audio 9000 RTP/AVP 0\na=rtcp-mux\n");
	assert_int_equal(sdp.media[0].rtcp_port, 0);
	parse("m=audio 9000 RTP/AVP 0\na=rtcp:9000\n");
	assert_int_equal(sdp.media[0].rtcp_port, 0);
}

static void bears_rubbish(void **state)
{
	static const char *const lines[] = { "", "\n\n", "m=", "m=audio", "m=audio x y z",
		"m=audio 65536 RTP/AVP 0", "m=audio 65535 RTP/AVP 0 128 -1 x", "a=rtpmap:8 PCMA/8000",
		"m=audio 1 RTP/AVP 8\na=rtpmap:\na=rtpmap:9 X\na=fmtp\na=rtcp:\na=ptime:99999" };

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		parse(lines[i]);
	assert_int_equal(sdp.medias, 1);
	assert_int_equal(sdp.media[0].codecs, 1);
	assert_int_equal(sdp.media[0].rtcp_port, 2);
	assert_int_equal(sdp.media[0].ptime_ms, 0);
	parse(lines[6]);
	assert_int_equal(sdp.media[0].port, 65535);
	assert_int_equal(sdp.media[0].rtcp_port, 0);
	assert_int_equal(sdp.media[0].codecs, 1);
}

static void has_caps(void **state)
{
	char text[4096];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < SDP_MAX_MEDIA + 5; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "m=audio %u RTP/AVP 8\n", 1000 + i);
	snprintf(text + n, sizeof(text) - n, "a=ptime:30\n");
	parse(text);
	assert_int_equal(sdp.medias, SDP_MAX_MEDIA);
	assert_int_equal(sdp.media[SDP_MAX_MEDIA - 1].ptime_ms, 0);
	n = (size_t)snprintf(text, sizeof(text), "m=audio 1 RTP/AVP");
	for (unsigned i = 0; i < SDP_MAX_CODECS + 5; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %u", i);
	parse(text);
	assert_int_equal(sdp.media[0].codecs, SDP_MAX_CODECS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_one_media),
		cmocka_unit_test(reads_many_media),
		cmocka_unit_test(hold_is_all_media_sent_at_most),
		cmocka_unit_test(mux_leaves_no_port_for_rtcp),
		cmocka_unit_test(bears_rubbish),
		cmocka_unit_test(has_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
