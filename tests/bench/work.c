/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The work that a packet of G.711 makes, stage by stage, as tests/bench/count counts it: all that is
 * to be counted happens in one_turn(), five packets of 20 ms as a worker takes them in one turn of
 * their call. Without valgrind it is a test that the stages work.
 *
 *     work rtp       IP packet to PCM: order, decoding, time line
 *     work mix       two streams to the sink of a mix, of both together
 *     work tls       PCM to a TLS endpoint
 *     work record    PCM to a file, the worker's part of it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "call/mix.h"
#include "call/stream.h"
#include "sink/file_sink.h"
#include "sink/tls_sink.h"
#include "tests/unit/endpoint.h"
#include "tests/unit/packets.h"

#define TURN    5     /* packets */
#define TURNS   400
#define FRAMES  160   /* of a packet */
#define RATE    8000u
#define SETTLED 20    /* turns before anything is counted */

struct work {
	const char *name;
	unsigned packets; /* of a turn */
	void (*setup)(void);
	void (*turn)(void);    /* what is counted */
	void (*between)(void); /* what is not; may be NULL */
	bool (*end)(void);     /* all that went in has come out */
};

static usec_t now = 1000 * SEC;
static int64_t position;
static int16_t sound[TURN * FRAMES];
static uint64_t heard; /* [frames] */
static struct budget budget = { .limit = 64 << 20 };

static void count_audio(void *arg, const struct pcm *pcm)
{
	(void)arg;
	heard += pcm->frames;
}

static struct pcm packet_of_pcm(unsigned i)
{
	return (struct pcm){ .position = position + i * FRAMES, .samples = sound + i * FRAMES,
		.frames = FRAMES, .channels = 1, .rate_hz = RATE };
}

static void put_turn(struct sink *sink)
{
	for (unsigned i = 0; i < TURN; i++) {
		struct pcm pcm = packet_of_pcm(i);

		sink->ops->put(sink, &pcm);
	}
	position += TURN * FRAMES;
	sink->ops->tick(sink, now);
}

/* ---- rtp ---- */

static struct stream *stream;
static uint8_t packet[TURN][256];
static size_t packet_bytes;
static unsigned packets;

static void ignore_event(void *arg, struct stream *s, const struct stream_event *e)
{
	(void)arg, (void)s, (void)e;
}

static void ignore_advance(void *arg, int64_t to)
{
	(void)arg, (void)to;
}

static void make_packets(void)
{
	uint8_t payload[FRAMES];

	for (unsigned i = 0; i < TURN; i++, packets++) {
		struct span p;

		memset(payload, (int)packets, sizeof(payload));
		p = packets_rtp(&(struct made){ .pt = 8, .seq = packets, .ts = packets * FRAMES,
			.ssrc = 1, .payload = span_of(payload, sizeof(payload)) });
		memcpy(packet[i], p.p, p.n);
		packet_bytes = p.n;
	}
}

static void setup_rtp(void)
{
	static const struct stream_events events = { .event = ignore_event };
	static const struct outlet_events out = { .audio = count_audio,
		.advance = ignore_advance };

	stream = stream_new(&(struct stream_opts){ .name = "work", .events = &events,
		.jitter = { .window = 64, .hold = 100 * MSEC } });
	outlets_add(stream_outlets(stream), outlet_new(RATE, 1, &out, NULL));
	make_packets();
}

static void turn_rtp(void)
{
	for (unsigned i = 0; i < TURN; i++)
		stream_packet(stream, span_of(packet[i], packet_bytes),
			now + (usec_t)i * 20 * MSEC);
	stream_tick(stream, now + 100 * MSEC);
}

static bool end_rtp(void)
{
	struct outlet *o = stream_outlets(stream)->list[0];

	outlets_remove(stream_outlets(stream), o);
	outlet_free(&o);
	stream_free(&stream);
	return heard == (uint64_t)(SETTLED + TURNS) * TURN * FRAMES;
}

/* ---- mix ---- */

static struct mix *mix;

static void count_put(struct sink *sink, const struct pcm *pcm)
{
	count_audio(sink, pcm);
}

static void free_nothing(struct sink *sink)
{
	(void)sink;
}

static void setup_mix(void)
{
	static const struct sink_ops ops = { .put = count_put, .free = free_nothing };
	static struct sink counts = { .ops = &ops };
	struct sink *to = &counts;

	mix = mix_new(&(struct mixer_opts){ .rate_hz = RATE, .channels = 1,
		.span_ms = MIX_SPAN_MS, .method = MIXER_DIRECT }, &to);
}

static void turn_mix(void)
{
	for (unsigned i = 0; i < TURN; i++) {
		struct pcm pcm = packet_of_pcm(i);

		mix_put(mix, 0, &pcm);
		mix_put(mix, 1, &pcm);
	}
	position += TURN * FRAMES;
	mix_run(mix, position, now);
}

static bool end_mix(void)
{
	mix_free(&mix);
	return heard == (uint64_t)(SETTLED + TURNS) * TURN * FRAMES;
}

/* ---- tls and record ---- */

static struct sink *sink;

static bool end_sink(void)
{
	struct sink_stats s;

	sink->ops->stats(sink, &s);
	sink_free(&sink);
	return s.sent == (uint64_t)(SETTLED + TURNS) * TURN * FRAMES && !s.dropped;
}

static uv_loop_t loop;
static struct endpoint endpoint;
static struct pair identity;
static struct ctx *ctx;
static struct dest_notice *notice;
static struct dest *dest;

static void serve(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	endpoint_serve(&endpoint);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void setup_tls(void)
{
	char port[8], *reason = NULL;

	uv_loop_init(&loop);
	identity = make_pair(NULL, "work", NULL, false, 1);
	endpoint_open(&endpoint, 0, serve_with(&identity));
	snprintf(port, sizeof(port), "%u", endpoint.port);
	ctx = ctx_new(&(struct ctx_opts){ .no_verify = true }, &reason);
	notice = dest_notice_new();
	dest = dest_new(&loop, &(struct dest_opts){ .host = "127.0.0.1", .service = port,
		.ctx = ctx, .connect_timeout = 3600 * SEC, .handshake_timeout = 3600 * SEC,
		.write_timeout = 3600 * SEC, .backoff_min = SEC, .backoff_max = SEC,
		.starts_per_tick = 16, .max_starting = 64 }, notice);
	sink = tls_sink_new(&(struct tls_sink_opts){ .dest = dest, .budget = &budget,
		.kind = "tls", .name = "work", .rate_hz = RATE, .channels = 1,
		.buffer_ms = 10000, .linger = SEC });
	sink->ops->header(sink, span_text("work"));
	for (unsigned i = 0; i < 1000 && (!endpoint.guests || !endpoint.guest[0].n); i++) {
		dest_tick(dest, now += 20 * MSEC);
		sink->ops->tick(sink, now);
		serve();
		usleep(1000);
	}
}

static void turn_tls(void)
{
	put_turn(sink);
}

static bool end_tls(void)
{
	bool ok = end_sink();

	dest_free(&dest);
	uv_run(&loop, UV_RUN_NOWAIT);
	dest_notice_free(&notice);
	ctx_free(&ctx);
	endpoint_forget(&endpoint);
	free_pair(&identity);
	uv_loop_close(&loop);
	return ok;
}

static char dir[64];
static struct writer *writer;

static void setup_record(void)
{
	char path[128];

	strcpy(dir, "/tmp/spoolwire-work-XXXXXX");
	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/work.wav", dir);
	writer = writer_start(1, 100);
	sink = file_sink_new(&(struct file_sink_opts){ .writer = writer, .budget = &budget,
		.buffer_ms = 10000, .file = { .path = path, .parent = "work", .label = "work",
			.channels = 1, .rate_hz = RATE, .mode = -1, .dir_mode = -1, .owner = -1,
			.group = -1 } });
}

/* The writer has nearly all written before the next turn. A tick in between would take work from
 * the turn: only where the disk is slow. */
static void wait_record(void)
{
	struct sink_stats s;

	if (position % RATE == 0)
		usleep(5000);
	for (unsigned i = 0; i < 1000; i++) {
		sink->ops->stats(sink, &s);
		if (s.waiting <= 3 * RATE)
			return;
		sink->ops->tick(sink, now);
		usleep(10000);
	}
}

static bool end_record(void)
{
	usec_t until = clock_mono() + 10 * SEC;
	char command[128];
	bool ok;

	sink->ops->finish(sink);
	while (!sink->ops->done(sink) && clock_mono() < until) {
		sink->ops->tick(sink, now += 20 * MSEC);
		usleep(1000);
	}
	ok = end_sink();
	writer_stop(&writer, clock_mono() + 10 * SEC);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 && ok;
}

/* ---- all of them ---- */

static const struct work works[] = {
	{ "rtp", TURN, setup_rtp, turn_rtp, make_packets, end_rtp },
	{ "mix", 2 * TURN, setup_mix, turn_mix, NULL, end_mix },
	{ "tls", TURN, setup_tls, turn_tls, serve, end_tls },
	{ "record", TURN, setup_record, turn_tls, wait_record, end_record },
};

/* What is called here is counted. */
__attribute__((noinline)) void one_turn(const struct work *w);
void one_turn(const struct work *w)
{
	w->turn();
}

static int do_work(const struct work *w)
{
	position = 0;
	heard = 0;
	w->setup();
	for (unsigned i = 0; i < SETTLED + TURNS; i++) {
		if (i < SETTLED)
			w->turn();
		else
			one_turn(w);
		now += 100 * MSEC;
		if (w->between)
			w->between();
	}
	if (!w->end()) {
		printf("%s: what went in has not come out\n", w->name);
		return 1;
	}
	printf("%s %u packets\n", w->name, TURNS * w->packets);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	for (unsigned i = 0; i < TURN * FRAMES; i++)
		sound[i] = (int16_t)(i * 7);
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (argc < 2 || strcmp(argv[1], works[i].name) == 0)
			bad |= do_work(&works[i]);
	return bad;
}
