/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  samples -> resample -> one frame of the encoder's size -> packets -> muxer -> write, seek */
#include "media/encoder.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/lavc.h"
#include "media/resample.h"

#define AVIO_BUFFER  16384 /* [bytes] */
#define MAX_CHANNELS 8
#define FLAC_MAX_HZ  655350

struct encoder {
	struct encoder_opts opts;
	AVCodecContext *codec;
	AVFormatContext *muxer;
	AVStream *stream;
	AVFrame *frame;            /* filled up to used */
	AVPacket *packet;
	struct resample *resample; /* NULL: no need */
	int used, size;            /* [frames] of frame; size of a whole one */
	int64_t position;          /* [frames] of the frame's first */
	uint64_t at, bytes;        /* in the output; bytes: as far as anything was written */
	int error;                 /* the first one; sticks */
};

struct format {
	const char *encoder, *muxer;
	unsigned max_channels;
	const char *too_many;
	const char *option, *value; /* of the encoder, with more than one channel */
};

static const struct format formats[] = {
	[ENCODER_MP3] = { "libmp3lame", "mp3", 2, "MP3 has two channels at most",
		"joint_stereo", "0" },
	/* 255 (RFC 7845 5.1.1.3): in the other families the channels are loudspeakers, one of them
	 * for bass only. Stereo is two channels in any family. */
	[ENCODER_OPUS] = { "libopus", "ogg", MAX_CHANNELS, "Opus has eight channels at most here",
		"mapping_family", "255" },
	[ENCODER_FLAC] = { "flac", "flac", MAX_CHANNELS, "FLAC has eight channels at most",
		NULL, NULL },
};

/* ---- the muxer's output --------------------------------------------------------------------- */

static int keep_error(struct encoder *e, int error)
{
	if (error < 0 && !e->error)
		e->error = error;
	return e->error;
}

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int on_write(void *arg, const uint8_t *bytes, int n)
#else
static int on_write(void *arg, uint8_t *bytes, int n)
#endif
{
	struct encoder *e = arg;

	if (e->error || keep_error(e, e->opts.write(e->opts.arg, span_of(bytes, (size_t)n))) < 0)
		return e->error;
	e->at += (uint64_t)n;
	if (e->at > e->bytes)
		e->bytes = e->at;
	return n;
}

static int64_t on_seek(void *arg, int64_t to, int whence)
{
	struct encoder *e = arg;

	if (whence == AVSEEK_SIZE)
		return (int64_t)e->bytes;
	if ((whence & ~AVSEEK_FORCE) != SEEK_SET || to < 0)
		return AVERROR(EINVAL);
	if (e->error || keep_error(e, e->opts.seek(e->opts.arg, (uint64_t)to)) < 0)
		return e->error;
	e->at = (uint64_t)to;
	return to;
}

static bool open_output(struct encoder *e)
{
	uint8_t *buffer = av_malloc(AVIO_BUFFER);

	if (!buffer)
		return false;
	e->muxer->pb = avio_alloc_context(buffer, AVIO_BUFFER, 1, e, NULL, on_write,
		e->opts.seek ? on_seek : NULL);
	if (!e->muxer->pb)
		av_free(buffer);
	return e->muxer->pb != NULL;
}

/* ---- set-up --------------------------------------------------------------------------------- */

/* The input's rate or the next higher one that the encoder takes; at last the highest. */
static int accepted_rate(const AVCodec *codec, uint32_t rate_hz)
{
	int best = 0, highest = 0;

	if (!codec->supported_samplerates)
		return (int)rate_hz;
	for (const int *r = codec->supported_samplerates; *r; r++) {
		if (*r >= (int)rate_hz && (!best || *r < best))
			best = *r;
		if (*r > highest)
			highest = *r;
	}
	return best ? best : highest;
}

static bool takes_format(const AVCodec *codec, enum AVSampleFormat format)
{
	for (const enum AVSampleFormat *f = codec->sample_fmts; f && *f >= 0; f++)
		if (*f == format)
			return true;
	return false;
}

/* A layout that the encoder knows: they only name the channels, none is moved. FLAC has no list of
 * its own (RFC 9639 9.1.3), and of the usual ones it is these two that differ. */
static int set_layout(AVCodecContext *c, const AVCodec *codec, unsigned channels)
{
	static const AVChannelLayout three = AV_CHANNEL_LAYOUT_SURROUND;
	static const AVChannelLayout four = AV_CHANNEL_LAYOUT_QUAD;

	for (const AVChannelLayout *l = codec->ch_layouts; l && l->nb_channels; l++)
		if (l->nb_channels == (int)channels)
			return av_channel_layout_copy(&c->ch_layout, l);
	if (channels == 3 || channels == 4)
		return av_channel_layout_copy(&c->ch_layout, channels == 3 ? &three : &four);
	av_channel_layout_default(&c->ch_layout, (int)channels);
	return 0;
}

/* The nearest that there is. LAME finds it by itself, libopus refuses what it cannot do, and warns
 * when nothing is said: 32 kbit/s are its own default. */
static int64_t bitrate(const struct encoder_opts *o, int64_t fallback)
{
	int64_t each = o->bitrate ? (int64_t)o->bitrate / o->channels : 32000;

	if (o->format == ENCODER_OPUS)
		return o->channels * (each < 6000 ? 6000 : each > 256000 ? 256000 : each);
	return !o->bitrate ? fallback : o->bitrate < 8000 ? 8000 : o->bitrate;
}

static int open_codec(struct encoder *e, const AVCodec *codec, const struct format *f)
{
	AVCodecContext *c = avcodec_alloc_context3(codec);
	int failed;

	e->codec = c;
	if (!c)
		return AVERROR(ENOMEM);
	c->sample_rate = accepted_rate(codec, e->opts.rate_hz);
	c->sample_fmt = takes_format(codec, AV_SAMPLE_FMT_S16) ? AV_SAMPLE_FMT_S16 :
		AV_SAMPLE_FMT_S16P;
	c->time_base = (AVRational){ 1, c->sample_rate };
	c->thread_count = 1;
	c->bit_rate = bitrate(&e->opts, c->bit_rate);
	if (e->muxer->oformat->flags & AVFMT_GLOBALHEADER)
		c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	failed = set_layout(c, codec, e->opts.channels);
	if (failed >= 0 && f->option && e->opts.channels > 1)
		failed = av_opt_set(c->priv_data, f->option, f->value, 0);
	return failed < 0 ? failed : avcodec_open2(c, codec, NULL);
}

static int open_frame(struct encoder *e)
{
	AVFrame *f = e->frame;

	e->size = e->codec->frame_size;
	f->nb_samples = e->size;
	f->format = e->codec->sample_fmt;
	f->sample_rate = e->codec->sample_rate;
	if (e->size <= 0 || av_channel_layout_copy(&f->ch_layout, &e->codec->ch_layout) < 0)
		return AVERROR(ENOMEM);
	return av_frame_get_buffer(f, 0);
}

static int open_muxer(struct encoder *e)
{
	e->stream = avformat_new_stream(e->muxer, NULL);
	if (!e->stream || !open_output(e))
		return AVERROR(ENOMEM);
	e->stream->time_base = e->codec->time_base;
	e->muxer->flags |= AVFMT_FLAG_BITEXACT; /* what is written depends on the sound alone */
	if (avcodec_parameters_from_context(e->stream->codecpar, e->codec) < 0)
		return AVERROR(ENOMEM);
	return avformat_write_header(e->muxer, NULL);
}

static const char *set_up(struct encoder *e, const struct format *f)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(f->encoder);

	if (!codec)
		return "libavcodec has no encoder for this format";
	e->packet = av_packet_alloc();
	e->frame = av_frame_alloc();
	if (!e->packet || !e->frame ||
		avformat_alloc_output_context2(&e->muxer, NULL, f->muxer, NULL) < 0)
		return "libavformat cannot write this format";
	if (open_codec(e, codec, f) < 0)
		return "the encoder refuses the sampling rate, the channels or the bit rate";
	if (open_frame(e) < 0)
		return "the encoder's frames cannot be allocated";
	if (open_muxer(e) < 0)
		return e->error ? "the header cannot be written" : "the muxer refuses the stream";
	e->resample = resample_new(e->opts.rate_hz, e->opts.channels,
		(uint32_t)e->codec->sample_rate, e->opts.channels);
	return NULL;
}

unsigned encoder_max_channels(enum encoder_format format)
{
	return formats[format].max_channels;
}

struct encoder *encoder_new(const struct encoder_opts *o, const char **reason)
{
	const struct format *f = &formats[o->format];
	struct encoder *e;

	*reason = NULL;
	if (!o->channels || o->channels > f->max_channels)
		*reason = o->channels ? f->too_many : "there are no channels";
	else if (!o->rate_hz || o->rate_hz > FLAC_MAX_HZ)
		*reason = "no such sampling rate can be encoded";
	if (*reason)
		return NULL;
	lavc_take_messages();
	e = xnew(struct encoder);
	e->opts = *o;
	*reason = set_up(e, f);
	if (*reason)
		encoder_free(&e);
	return e;
}

void encoder_free(struct encoder **encoder)
{
	struct encoder *e = *encoder;

	if (!e)
		return;
	resample_free(&e->resample);
	avcodec_free_context(&e->codec);
	av_frame_free(&e->frame);
	av_packet_free(&e->packet);
	if (e->muxer && e->muxer->pb) {
		av_freep(&e->muxer->pb->buffer);
		avio_context_free(&e->muxer->pb);
	}
	avformat_free_context(e->muxer);
	free(e);
	*encoder = NULL;
}

/* ---- sound ---------------------------------------------------------------------------------- */

/* NULL: the last packets. */
static int encode(struct encoder *e, const AVFrame *frame)
{
	int failed = avcodec_send_frame(e->codec, frame);

	while (failed >= 0) {
		failed = avcodec_receive_packet(e->codec, e->packet);
		if (failed == AVERROR(EAGAIN) || failed == AVERROR_EOF)
			return e->error;
		if (failed < 0)
			break;
		e->packet->stream_index = 0;
		av_packet_rescale_ts(e->packet, e->codec->time_base, e->stream->time_base);
		failed = av_write_frame(e->muxer, e->packet);
		av_packet_unref(e->packet);
	}
	/* libav's own numbers are no errno; what write and seek returned has been kept. */
	return keep_error(e, -EIO);
}

static int encode_frame(struct encoder *e)
{
	e->frame->nb_samples = e->used;
	e->frame->pts = e->position;
	e->position += e->used;
	e->used = 0;
	return encode(e, e->frame);
}

static void fill(struct encoder *e, const int16_t *samples, unsigned frames)
{
	unsigned channels = e->opts.channels;

	if (e->frame->format == AV_SAMPLE_FMT_S16) {
		memcpy((int16_t *)(void *)e->frame->data[0] + (size_t)e->used * channels, samples,
			(size_t)frames * channels * sizeof(*samples));
		return;
	}
	for (unsigned c = 0; c < channels; c++) {
		int16_t *plane = (int16_t *)(void *)e->frame->extended_data[c] + e->used;

		for (unsigned i = 0; i < frames; i++)
			plane[i] = samples[(size_t)i * channels + c];
	}
}

static int take(struct encoder *e, const int16_t *samples, unsigned frames)
{
	while (frames && !e->error) {
		unsigned room = (unsigned)(e->size - e->used);
		unsigned n = frames < room ? frames : room;

		/* The encoder may still hold the last one. */
		if (e->used == 0) {
			e->frame->nb_samples = e->size;
			if (av_frame_make_writable(e->frame) < 0)
				return keep_error(e, -ENOMEM);
		}
		fill(e, samples, n);
		e->used += (int)n;
		samples += (size_t)n * e->opts.channels;
		frames -= n;
		if (e->used == e->size)
			encode_frame(e);
	}
	return e->error;
}

int encoder_feed(struct encoder *e, const int16_t *samples, unsigned frames)
{
	struct audio in = { .samples = samples, .frames = frames, .channels = e->opts.channels,
		.rate_hz = e->opts.rate_hz };
	struct audio out = in;

	if (e->error)
		return e->error;
	if (e->resample)
		resample_run(e->resample, &in, &out);
	return take(e, out.samples, out.frames);
}

int encoder_finish(struct encoder *e)
{
	struct audio rest;

	if (!e->error && e->resample) {
		resample_drain(e->resample, &rest);
		take(e, rest.samples, rest.frames);
	}
	if (!e->error && e->used)
		encode_frame(e);
	if (!e->error)
		encode(e, NULL);
	if (!e->error && av_write_trailer(e->muxer) < 0)
		keep_error(e, -EIO);
	return e->error;
}
