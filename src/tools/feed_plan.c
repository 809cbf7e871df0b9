/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_plan.h"

#include <string.h>

#include "base/check.h"

#define EVENT_START_MS 1000
#define EVENT_SLOTS    5 /* packets of a digit, and as many of pause */
#define EVENT_VOLUME   10
#define TALK_MS        1000
#define QUIET_MS       500
#define LONGEST_QUIET  8 /* slots passed in one go */
#define SHARED_SSRC    0x5eed5eed

/* splitmix64: small, and every seed is as good as another. */
static uint64_t draw(struct feed_plan *p)
{
	uint64_t z = p->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static bool chance(struct feed_plan *p, double percent)
{
	return percent > 0 && (double)(draw(p) >> 11) < percent / 100 * 0x1p53;
}

void feed_plan_init(struct feed_plan *p, const struct feed_opts *o, uint32_t clock_hz,
	int call, int participant)
{
	memset(p, 0, sizeof(*p));
	p->opts = o;
	p->rng = (uint64_t)(unsigned)o->seed << 40 ^ (uint64_t)(unsigned)call << 8 ^
		(uint64_t)(unsigned)participant;
	p->ticks = clock_hz / 1000 * (uint32_t)o->ptime;
	p->caller = participant == 0;
	p->was_silent = true;
	feed_plan_new_ssrc(p);
	if (o->same_ssrc)
		p->ssrc = SHARED_SSRC;
}

void feed_plan_new_ssrc(struct feed_plan *p)
{
	p->ssrc = (uint32_t)draw(p);
	p->ts = (uint32_t)draw(p);
	p->seq = (uint16_t)draw(p);
	p->was_silent = true;
}

void feed_plan_mute(struct feed_plan *p, bool muted)
{
	p->muted = muted;
}

static void step(struct feed_plan *p)
{
	p->slot++;
	p->ts += p->ticks;
}

static uint8_t event_code(char digit)
{
	static const char codes[] = "0123456789*#ABCD"; /* RFC 4733 3.2 */
	const char *at = strchr(codes, digit);

	return at ? (uint8_t)(at - codes) : 0;
}

static void hold(struct feed_plan *p, const struct feed_packet *pkt)
{
	must(p->n_held < FEED_PLAN_HELD);
	p->held[p->n_held++] = *pkt;
}

/* What the network makes of a packet. */
static void send_packet(struct feed_plan *p, struct feed_packet *pkt)
{
	const struct feed_opts *o = p->opts;
	usec_t due = (usec_t)p->slot * o->ptime * MSEC;

	if (o->jitter)
		due += (usec_t)(draw(p) % (uint64_t)(o->jitter * MSEC));
	if (due < p->last_due)
		due = p->last_due;
	p->last_due = pkt->due = due;
	if (chance(p, o->loss)) {
		p->lost++;
		return;
	}
	if (!p->has_late && chance(p, o->reorder)) {
		p->late = *pkt;
		p->has_late = true;
		p->reordered++;
		return;
	}
	hold(p, pkt);
	if (chance(p, o->duplicate)) {
		p->duplicated++;
		hold(p, pkt);
	}
	if (p->has_late) {
		p->late.due = due;
		p->has_late = false;
		hold(p, &p->late);
	}
}

static void make_packet(
	struct feed_plan *p, enum feed_packet_kind kind, struct feed_packet *pkt)
{
	*pkt = (struct feed_packet){
		.kind = kind,
		.slot = p->slot,
		.ts = p->ts,
		.ssrc = p->ssrc,
		.seq = p->seq++,
	};
}

/* The slot of a digit at this moment: 0-based packet of it, or -1 in pauses and
 * before. */
static int event_packet(const struct feed_plan *p, char *digit)
{
	uint64_t first = EVENT_START_MS / (uint64_t)p->opts->ptime,
		 since = p->slot - first;
	const char *digits = p->opts->dtmf;

	if (!p->caller || !digits || p->slot < first)
		return -1;
	if (since / (2 * EVENT_SLOTS) >= strlen(digits) ||
		since % (2 * EVENT_SLOTS) >= EVENT_SLOTS)
		return -1;
	*digit = digits[since / (2 * EVENT_SLOTS)];
	return (int)(since % (2 * EVENT_SLOTS));
}

static void send_event(struct feed_plan *p, char digit, int nth)
{
	struct feed_packet pkt;
	uint32_t duration = (uint32_t)(nth + 1) * p->ticks;
	bool last = nth == EVENT_SLOTS - 1;

	if (nth == 0)
		p->event_ts = p->ts;
	/* The last one is sent three times, RFC 4733 2.5.1.4. */
	for (int i = 0; i < (last ? 3 : 1); i++) {
		make_packet(p, FEED_EVENT, &pkt);
		pkt.ts = p->event_ts;
		pkt.marker = nth == 0;
		pkt.event[0] = event_code(digit);
		pkt.event[1] = (uint8_t)((last ? 0x80 : 0) | EVENT_VOLUME);
		pkt.event[2] = (uint8_t)(duration >> 8);
		pkt.event[3] = (uint8_t)duration;
		send_packet(p, &pkt);
	}
}

static bool is_quiet(const struct feed_plan *p)
{
	uint64_t ms = p->slot * (uint64_t)p->opts->ptime;

	return p->opts->vad != VAD_OFF && ms % (TALK_MS + QUIET_MS) >= TALK_MS;
}

static void run_slot(struct feed_plan *p)
{
	struct feed_packet pkt;
	char digit = 0;
	int nth = event_packet(p, &digit);

	if (p->muted) {
		p->was_silent = true;
	} else if (nth >= 0) {
		send_event(p, digit, nth);
	} else if (is_quiet(p)) {
		if (!p->was_silent && p->opts->vad == VAD_CN) {
			make_packet(p, FEED_NOISE, &pkt);
			send_packet(p, &pkt);
		}
		p->was_silent = true;
	} else {
		make_packet(p, FEED_AUDIO, &pkt);
		pkt.marker = p->was_silent;
		p->was_silent = false;
		send_packet(p, &pkt);
	}
}

static void change_ssrc_in_time(struct feed_plan *p)
{
	int after = p->opts->ssrc_change_after;

	if (!p->caller || p->ssrc_changed || after < 0)
		return;
	if ((usec_t)p->slot * p->opts->ptime < after)
		return;
	feed_plan_new_ssrc(p);
	p->ssrc_changed = true;
}

void feed_plan_next(struct feed_plan *p, struct feed_packet *out)
{
	const struct feed_opts *o = p->opts;

	for (unsigned quiet = 0; !p->n_held; quiet++) {
		if (quiet == LONGEST_QUIET) {
			*out = (struct feed_packet){ .kind = FEED_NOTHING,
				.slot = p->slot,
				.due = (usec_t)p->slot * o->ptime * MSEC };
			return;
		}
		change_ssrc_in_time(p);
		run_slot(p);
		step(p);
	}
	*out = p->held[0];
	memmove(p->held, p->held + 1, --p->n_held * sizeof(p->held[0]));
}
