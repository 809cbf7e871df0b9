/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_encoder.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>

#define OWN_FRAME 960 /* samples a frame for encoders that take any number */

static AVCodecContext *open_encoder(const struct feed_encoder_opts *o, int *error)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(o->name);
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;
	char duration[16];

	*error = codec ? -EINVAL : -ENOENT;
	if (!ctx)
		return NULL;
	ctx->sample_fmt = AV_SAMPLE_FMT_S16;
	ctx->sample_rate = (int)o->rate_hz;
	ctx->bit_rate = o->bit_rate;
	ctx->time_base = (AVRational){ 1, (int)o->rate_hz };
	av_channel_layout_default(&ctx->ch_layout, (int)o->channels);
	if (o->frame_ms) {
		snprintf(duration, sizeof(duration), "%u", o->frame_ms);
		/* Only libopus has it; the others have frames of one length. */
		av_opt_set(ctx->priv_data, "frame_duration", duration, 0);
	}
	if (avcodec_open2(ctx, codec, NULL) < 0)
		avcodec_free_context(&ctx);
	return ctx;
}

static int give_packets(
	AVCodecContext *ctx, AVPacket *pkt, feed_encoder_fn out, void *arg)
{
	int r;

	while ((r = avcodec_receive_packet(ctx, pkt)) == 0) {
		out(arg, span_of(pkt->data, (size_t)pkt->size));
		av_packet_unref(pkt);
	}
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : -EIO;
}

static int send_frame(AVCodecContext *ctx, AVFrame *frame, const int16_t *pcm,
	size_t samples, size_t at)
{
	size_t bytes = samples * (size_t)ctx->ch_layout.nb_channels * sizeof(*pcm);

	av_frame_unref(frame);
	frame->nb_samples = (int)samples;
	frame->format = AV_SAMPLE_FMT_S16;
	frame->sample_rate = ctx->sample_rate;
	frame->pts = (int64_t)at;
	if (av_channel_layout_copy(&frame->ch_layout, &ctx->ch_layout) < 0 ||
		av_frame_get_buffer(frame, 0) < 0)
		return -ENOMEM;
	memcpy(frame->data[0], pcm, bytes);
	return avcodec_send_frame(ctx, frame) < 0 ? -EIO : 0;
}

static int encode(AVCodecContext *ctx, AVFrame *frame, AVPacket *pkt, const int16_t *pcm,
	size_t frames, feed_encoder_fn out, void *arg)
{
	size_t step = ctx->frame_size > 0 ? (size_t)ctx->frame_size : OWN_FRAME;
	int r = 0;

	for (size_t at = 0, n; !r && at < frames; at += n) {
		n = frames - at < step ? frames - at : step;
		r = send_frame(
			ctx, frame, pcm + at * (size_t)ctx->ch_layout.nb_channels, n, at);
		if (!r)
			r = give_packets(ctx, pkt, out, arg);
	}
	if (!r && avcodec_send_frame(ctx, NULL) < 0)
		r = -EIO;
	return r ? r : give_packets(ctx, pkt, out, arg);
}

int feed_encoder_run(const struct feed_encoder_opts *o, const int16_t *pcm, size_t frames,
	feed_encoder_fn out, void *arg)
{
	int r;
	AVCodecContext *ctx = open_encoder(o, &r);
	AVFrame *frame = av_frame_alloc();
	AVPacket *pkt = av_packet_alloc();

	if (ctx && frame && pkt)
		r = encode(ctx, frame, pkt, pcm, frames, out, arg);
	av_packet_free(&pkt);
	av_frame_free(&frame);
	avcodec_free_context(&ctx);
	return r;
}
