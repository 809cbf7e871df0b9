/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pcapmeta.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"

#define MAX_FILE  200000
#define MAX_PORTS 32

/* What was told, the last word of each. */
static struct {
	unsigned changes, streams, sdps[2];
	struct change stream[MAX_PORTS];
	unsigned port[MAX_PORTS], moves[MAX_PORTS]; /* moves: ports before */
	unsigned stream_of[65536];
	char codec[MAX_PORTS][64], label[2][64], role[2][16], metadata[512];
} told;
static struct pcapmeta m;

static void copy(char *out, size_t max, struct span text)
{
	assert_true(text.n < max);
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
}

static void on_change(void *arg, const struct change *c)
{
	(void)arg;
	told.changes++;
	assert_true(c->n < MAX_PORTS && c->text.p);
	switch ((int)c->kind) {
	case CHANGE_STREAM:
		told.stream[c->n] = *c;
		if (c->n >= told.streams)
			told.streams = c->n + 1;
		break;
	case CHANGE_STREAM_PORT:
		assert_true(c->n < told.streams);
		told.moves[c->n] += told.port[c->n] && told.port[c->n] != c->value;
		told.port[c->n] = (unsigned)c->value;
		told.stream_of[c->value] = c->n + 1;
		break;
	case CHANGE_MEDIA_CODEC:
		copy(told.codec[c->n], 64, c->text);
		break;
	case CHANGE_TAG_ROLE:
		copy(told.role[c->n], 16, c->text);
		break;
	case CHANGE_TAG_LABEL:
		copy(told.label[c->n], 64, c->text);
		break;
	case CHANGE_MEDIA_SDP:
		told.sdps[c->n]++;
		break;
	case CHANGE_METADATA:
		copy(told.metadata, sizeof(told.metadata), c->text);
		break;
	}
}

static void begin(void)
{
	memset(&told, 0, sizeof(told));
	pcapmeta_init(&m);
}

static int feed(struct span file, bool whole)
{
	return pcapmeta_feed(&m, span_skip(file, (size_t)m.position), whole, on_change, NULL);
}

static void feed_text(const char *text, bool whole)
{
	assert_int_equal(feed(span_text(text), whole), 0);
}

/* As a file that grows by so many bytes between readings. */
static void feed_file(const char *name, size_t step)
{
	static uint8_t bytes[MAX_FILE];
	const char *top = getenv("top_srcdir");
	char path[512];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/data/spool/%s", top ? top : ".", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	begin();
	for (size_t have = 0; have < n; have += step)
		assert_int_equal(feed(span_of(bytes, have), false), 0);
	assert_int_equal(feed(span_of(bytes, n), false), 0);
	assert_int_equal(feed(span_of(bytes, n), true), 0);
}

/* Tag whose packets come to the port; 9: unknown. */
static unsigned tag_of(unsigned port, unsigned component)
{
	unsigned n = told.stream_of[port];

	return n && told.stream[n - 1].component == component ? told.stream[n - 1].tag : 9;
}

static void callee_sends_to_the_offer(void **state)
{
	static const size_t steps[] = { 1, 7, 300, MAX_FILE };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		feed_file("opus.txt", steps[i]);
		assert_string_equal(told.role[0], "caller");
		assert_string_equal(told.role[1], "callee");
		assert_int_equal(tag_of(20446, 1), 1);
		assert_int_equal(tag_of(20454, 1), 0);
		assert_int_equal(tag_of(20447, 2), 1);
		assert_int_equal(tag_of(20455, 2), 0);
		assert_string_equal(told.codec[0], "opus/48000/2");
		assert_string_equal(told.metadata, "ci:287b13c9e2f8ee21@127.0.0.2|from:alice|to:bob");
	}
}

static void reinvite_with_a_new_port_waits_for_its_answer(void **state)
{
	static const size_t steps[] = { 1, 50, MAX_FILE };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		feed_file("reinvite.txt", steps[i]);
		assert_int_equal(tag_of(20000, 1), 1);
		assert_int_equal(tag_of(20030, 1), 1);
		assert_int_equal(tag_of(20018, 1), 0);
		assert_int_equal(tag_of(20031, 2), 1);
		assert_int_equal(told.streams, 4);
		assert_int_equal(told.moves[0], 1);
	}
}

static void hold_keeps_streams(void **state)
{
	(void)state;
	feed_file("hold.txt", 11);
	assert_int_equal(told.streams, 4);
	assert_int_equal(tag_of(20118, 1), 1);
	assert_int_equal(tag_of(20134, 1), 0);
}

static void needs_no_sdp(void **state)
{
	(void)state;
	feed_file("restarted.txt", 1);
	assert_int_equal(told.changes, 1);
	assert_string_equal(told.metadata, "ci:aeb0599e4548dffe@127.0.0.2|from:alice|to:bob");
}

static void odd_metadata_passes(void **state)
{
	(void)state;
	feed_file("odd-metadata.txt", 13);
	assert_non_null(strstr(told.metadata, "|json:{\"a\":1},x=y|ru:\xd0\xbf"));
}

#define BLOCK(mode, origin, port) \
	"\nTimestamp started ms: 1.0\nSDP mode: " mode "\nSDP before RTP packet: 1\n\n" \
	"v=0\r\no=" origin " 1 IN IP4 1.1.1.1\r\nm=audio " port " RTP/AVP 8\r\n"
#define HEAD "/p.pcap\n\n"
#define TAIL "\nTimestamp terminated ms(first monologue): 0.000\n\ncall start time: a\n" \
	"call end time: b\n\n\n"

static void reinvite_of_the_callee_goes_to_the_caller(void **state)
{
	(void)state;
	begin(); /* told by the answer */
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200")
		BLOCK("offer", "- 1", "300"), false);
	assert_int_equal(tag_of(300, 1), 9);
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200")
		BLOCK("offer", "- 1", "300") BLOCK("answer", "- 1", "100"), false);
	assert_int_equal(tag_of(300, 1), 0);
	begin(); /* told at once by who speaks */
	feed_text(HEAD BLOCK("offer", "a 1", "100") BLOCK("answer", "b 2", "200")
		BLOCK("offer", "b 2", "300"), false);
	assert_int_equal(tag_of(300, 1), 0);
	begin(); /* nobody knows: as if from the caller */
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200")
		BLOCK("offer", "- 1", "300") BLOCK("answer", "- 1", "400") TAIL, true);
	assert_int_equal(tag_of(300, 1), 1);
	assert_int_equal(tag_of(400, 1), 0);
}

static void labels_tell_who_speaks(void **state)
{
	(void)state;
	begin();
	feed_text(HEAD "\nLabel: A" BLOCK("offer", "- 1", "100") "\nLabel: B"
		BLOCK("answer", "- 1", "200") "\nLabel: B" BLOCK("offer", "- 1", "300"), false);
	assert_string_equal(told.label[0], "A");
	assert_string_equal(told.label[1], "B");
	assert_int_equal(tag_of(300, 1), 0);
}

static void forks_belong_to_the_caller(void **state)
{
	(void)state;
	begin();
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200")
		BLOCK("answer", "- 1", "300"), false);
	assert_int_equal(tag_of(300, 1), 0);
}

/* rtpengine appends METADATA-TAG through a second descriptor and writes over it later. */
static void remains_of_other_writers_do_not_count(void **state)
{
	(void)state;
	begin();
	feed_text(HEAD BLOCK("offer", "- 1", "100") "METADATA-TAG 0\n9:\na=b|m=xyz\n\n", false);
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200")
		"m=audio 700 RTP/AVP 8\n", false);
	assert_int_equal(tag_of(200, 1), 0);
	feed_text(HEAD BLOCK("offer", "- 1", "100") BLOCK("answer", "- 1", "200") TAIL
		"from:a|step:3\nxxxx\n\nMETADATA-TAG 0\n54:\nfrom:old\n", true);
	assert_string_equal(told.metadata, "from:a|step:3");
	assert_int_equal(tag_of(100, 1), 1);
}

static void on_nothing(void *arg, const struct change *c)
{
	(void)arg;
	assert_true(c->n < PCAPMETA_MAX_STREAMS);
}

static void has_caps(void **state)
{
	char *text = xalloc(MAX_FILE), *end = text;

	(void)state;
	begin();
	end += sprintf(end, HEAD);
	for (unsigned i = 0; i < 100; i++)
		end += sprintf(end, BLOCK("offer", "- 1", "%u"), 1000 + 2 * i);
	assert_int_equal(pcapmeta_feed(&m, span_text(text), true, on_nothing, NULL), 0);
	assert_int_equal(m.streams, 2);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < CHANGE_MAX_PORTS; j++)
			assert_int_equal(m.stream[i].port[j], 1198 + i - 2 * j);
	begin();
	memset(text, '\n', MAX_FILE - 1);
	assert_int_equal(feed(span_of(text, PCAPMETA_MAX_READ), false), -EBADMSG);
	free(text);
}

static void same_port_again_says_nothing_new(void **state)
{
	(void)state;
	begin();
	feed_text(HEAD BLOCK("offer", "- 1", "100"), false);
	assert_int_equal(told.sdps[0], 1);
	feed_text(HEAD BLOCK("offer", "- 1", "100"), false);
	assert_int_equal(told.sdps[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callee_sends_to_the_offer),
		cmocka_unit_test(reinvite_with_a_new_port_waits_for_its_answer),
		cmocka_unit_test(hold_keeps_streams),
		cmocka_unit_test(needs_no_sdp),
		cmocka_unit_test(odd_metadata_passes),
		cmocka_unit_test(reinvite_of_the_callee_goes_to_the_caller),
		cmocka_unit_test(labels_tell_who_speaks),
		cmocka_unit_test(forks_belong_to_the_caller),
		cmocka_unit_test(remains_of_other_writers_do_not_count),
		cmocka_unit_test(has_caps),
		cmocka_unit_test(same_port_again_says_nothing_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
