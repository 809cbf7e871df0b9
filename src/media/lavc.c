/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/lavc.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <math.h>
#include <pthread.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

struct lavc {
	AVCodecContext *context;
	AVPacket *packet;
	AVFrame *frame;
	AVBufferRef *input; /* padded copy of what is decoded; the decoder refers to it */
	size_t max_bytes;
};

static int syslog_level(int av_level)
{
	if (av_level <= AV_LOG_FATAL)
		return 2;
	if (av_level <= AV_LOG_ERROR)
		return 3;
	if (av_level <= AV_LOG_WARNING)
		return 4;
	return av_level <= AV_LOG_INFO ? 6 : 7;
}

/* Hostile payloads make libavcodec speak at every packet: one line a second is enough. */
static void on_message(void *object, int av_level, const char *format, va_list args)
{
	static struct log_limit limit;
	char line[512];
	uint64_t more;
	int prefix = 1;

	if (av_level > av_log_get_level() ||
		!log_allowed(&limit, clock_mono(), SEC, &more))
		return;
	av_log_format_line2(object, av_level, format, args, line, sizeof(line), &prefix);
	line[strcspn(line, "\n")] = '\0';
	log_write(LOG_CLASS_FFMPEG, syslog_level(av_level), "%s", line);
}

static void set_callback(void)
{
	av_log_set_callback(on_message);
}

void lavc_take_messages(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_callback);
}

static const AVCodec *find_decoder(const struct lavc_opts *o)
{
	const AVCodec *codec = NULL;

	for (unsigned i = 0; !codec && i < 3 && o->decoders[i]; i++)
		codec = avcodec_find_decoder_by_name(o->decoders[i]);
	return codec;
}

static int open_context(struct lavc *l, const AVCodec *codec, const struct lavc_opts *o)
{
	AVCodecContext *c = avcodec_alloc_context3(codec);

	l->context = c;
	if (!c)
		return -ENOMEM;
	c->sample_rate = (int)o->rate_hz;
	av_channel_layout_default(&c->ch_layout, 1);
	c->bits_per_coded_sample = (int)o->sample_bits;
	c->block_align = (int)o->frame_bytes;
	c->thread_count = 1; /* the worker is the thread */
	return avcodec_open2(c, codec, NULL);
}

struct lavc *lavc_open(const struct lavc_opts *o)
{
	struct lavc *l = xnew(struct lavc);
	const AVCodec *codec;

	lavc_take_messages();
	l->max_bytes = o->max_bytes;
	codec = find_decoder(o);
	l->packet = av_packet_alloc();
	l->frame = av_frame_alloc();
	l->input = av_buffer_alloc(o->max_bytes + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!codec || !l->packet || !l->frame || !l->input ||
		open_context(l, codec, o) < 0)
		lavc_free(&l);
	return l;
}

void lavc_free(struct lavc **lavc)
{
	struct lavc *l = *lavc;

	if (!l)
		return;
	avcodec_free_context(&l->context);
	av_packet_free(&l->packet);
	av_frame_free(&l->frame);
	av_buffer_unref(&l->input);
	free(l);
	*lavc = NULL;
}

static int16_t from_float(float sample)
{
	return (int16_t)lrintf(fmaxf(-32768, fminf(sample * 32768, 32767)));
}

/* Mono, so planar and packed are the same. Returns the samples written. */
static ptrdiff_t copy_samples(const AVFrame *f, int16_t *out, size_t max)
{
	size_t n = (size_t)f->nb_samples < max ? (size_t)f->nb_samples : max;

	switch (f->format) {
	case AV_SAMPLE_FMT_S16:
	case AV_SAMPLE_FMT_S16P:
		memcpy(out, f->data[0], n * sizeof(*out));
		return (ptrdiff_t)n;
	case AV_SAMPLE_FMT_FLT:
	case AV_SAMPLE_FMT_FLTP:
		for (size_t i = 0; i < n; i++)
			out[i] = from_float(((const float *)(const void *)f->data[0])[i]);
		return (ptrdiff_t)n;
	default:
		return -EINVAL;
	}
}

/* The input buffer is used again as soon as the decoder has let go of it. */
static void fill_packet(struct lavc *l, struct span frame)
{
	if (!av_buffer_is_writable(l->input)) {
		av_buffer_unref(&l->input);
		l->input = av_buffer_alloc(l->max_bytes + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!l->input)
			die("out of memory");
	}
	memcpy(l->input->data, frame.p, frame.n);
	memset(l->input->data + frame.n, 0, AV_INPUT_BUFFER_PADDING_SIZE);
	l->packet->buf = l->input; /* lent: taken back before the packet can free it */
	l->packet->data = l->input->data;
	l->packet->size = (int)frame.n;
}

ptrdiff_t lavc_decode(struct lavc *l, struct span frame, int16_t *out, size_t max)
{
	size_t have = 0;
	int sent;

	if (!frame.n || frame.n > l->max_bytes)
		return -EINVAL;
	fill_packet(l, frame);
	sent = avcodec_send_packet(l->context, l->packet);
	l->packet->buf = NULL;
	if (sent < 0)
		return -EINVAL;
	while (avcodec_receive_frame(l->context, l->frame) >= 0) {
		ptrdiff_t n = l->frame->ch_layout.nb_channels == 1 ?
			copy_samples(l->frame, out + have, max - have) : -EINVAL;

		av_frame_unref(l->frame);
		if (n < 0)
			return n;
		have += (size_t)n;
	}
	return have ? (ptrdiff_t)have : -EINVAL;
}
