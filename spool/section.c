/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/section.h"

#include "spool/metafile.h"
#include "spool/sdp.h"

#define MAX_PT    127
#define MAX_PTIME 10000 /* [ms] */

/* The words of a label: '#' is the number n, '%' a payload type, '=' the value. */
struct row {
	const char *form;
	int kind; /* enum change_kind, or SILENT */
	enum { TEXT, NONE, SWITCH, PAIRS, NAME } content;
};

#define SILENT (-1)

static const struct row rows[] = {
	{ "CALL-ID",             CHANGE_CALL_ID,           TEXT },
	{ "PARENT",              SILENT,                   NONE }, /* the file's name decides */
	{ "RANDOM_TAG",          SILENT,                   NONE },
	{ "METADATA",            CHANGE_METADATA,          TEXT },
	{ "METADATA-TAG #",      CHANGE_TAG_METADATA,      TEXT },
	{ "LABEL #",             CHANGE_TAG_LABEL,         TEXT },
	{ "TAG #",               CHANGE_TAG,               TEXT },
	{ "SDP from # before *", CHANGE_MEDIA_SDP,         TEXT },
	{ "SDP from # after *",  CHANGE_MEDIA_SDP,         TEXT },
	{ "MEDIA # PTIME =",     CHANGE_MEDIA_PTIME,       NONE },
	{ "MEDIA # PAYLOAD TYPE %", CHANGE_MEDIA_CODEC,    TEXT },
	{ "MEDIA # FMTP %",      CHANGE_MEDIA_FMTP,        TEXT },
	{ "STREAM # details",    CHANGE_STREAM,            PAIRS },
	{ "STREAM # interface",  CHANGE_STREAM_OPEN,       NAME },
	{ "STREAM # FORWARDING =", CHANGE_STREAM_FORWARDING, NONE },
	{ "RECORDING =",         CHANGE_RECORDING,         NONE },
	{ "FORWARDING =",        CHANGE_FORWARDING,        NONE },
	{ "RECORDING_FILE",      CHANGE_RECORDING_FILE,    TEXT },
	{ "OUTPUT_DESTINATION",  CHANGE_RECORDING_FILE,    TEXT }, /* before rtpengine 11 */
	{ "RECORDING_PATH",      CHANGE_RECORDING_PATH,    TEXT },
	{ "RECORDING_PATTERN",   CHANGE_RECORDING_PATTERN, TEXT },
	{ "SKIP_DATABASE =",     CHANGE_SKIP_DATABASE,     NONE },
	{ "SKIP_DATABASE",       CHANGE_SKIP_DATABASE,     SWITCH },
	{ "STARTED",             CHANGE_STARTED,           TEXT },
};

static bool read_number(struct span word, uint64_t max, unsigned *out)
{
	uint64_t value;

	if (!span_number(word, max, &value))
		return false;
	*out = (unsigned)value;
	return true;
}

static uint64_t max_value(int kind)
{
	return kind == CHANGE_MEDIA_PTIME ? MAX_PTIME : 1;
}

static bool read_word(struct span word, struct span form, int kind, struct change *out)
{
	if (span_is(form, "#"))
		return read_number(word, CHANGE_MAX_NUMBER - 1, &out->n);
	if (span_is(form, "%"))
		return read_number(word, MAX_PT, &out->pt);
	if (span_is(form, "="))
		return span_number(word, max_value(kind), &out->value);
	return span_is(form, "*") ||
	       (word.n == form.n && memcmp(word.p, form.p, word.n) == 0);
}

static bool read_label(struct span label, const struct row *row, struct change *out)
{
	struct span form = span_text(row->form), want, word;

	while (span_word(&form, &want))
		if (!span_word(&label, &word) || !read_word(word, want, row->kind, out))
			return false;
	return !span_word(&label, &word);
}

/* `TAG n MEDIA m ... COMPONENT c`, in any order, among pairs that are not for us. MEDIA counts all
 * of a call; its place in the SDP is TAG-MEDIA, from 1 on, or later MEDIA-SDP-ID, from 0 on. */
static bool read_pairs(struct span rest, struct change *out)
{
	struct span key, value;
	bool tag = false, media = false;
	unsigned nth;

	out->component = 1;
	while (span_word(&rest, &key) && span_word(&rest, &value)) {
		if (span_is(key, "TAG"))
			tag = read_number(value, CHANGE_MAX_NUMBER - 1, &out->tag);
		else if (span_is(key, "MEDIA"))
			media = read_number(value, CHANGE_MAX_NUMBER - 1, &out->media);
		else if (span_is(key, "TAG-MEDIA") && read_number(value, CHANGE_MAX_NUMBER, &nth))
			out->section = nth ? nth - 1 : 0;
		else if (span_is(key, "MEDIA-SDP-ID") &&
			 read_number(value, CHANGE_MAX_NUMBER - 1, &nth))
			out->section = nth;
		else if (span_is(key, "COMPONENT") && !read_number(value, 2, &out->component))
			return false;
	}
	return tag && media;
}

bool section_is_file_name(struct span s)
{
	if (!s.n || s.n > 255 || span_is(s, ".") || span_is(s, ".."))
		return false;
	return !memchr(s.p, '/', s.n) && !memchr(s.p, '\0', s.n);
}

static bool read_content(struct span content, const struct row *row, struct change *out)
{
	switch (row->content) {
	case NONE:
		return true;
	case SWITCH:
		out->value = 1; /* the label alone means yes */
		return !content.n || span_number(content, 1, &out->value);
	case PAIRS:
		return read_pairs(content, out);
	case NAME:
		out->text = content;
		return section_is_file_name(content);
	case TEXT:
		break;
	}
	out->text = content;
	return content.n <= CHANGE_MAX_TEXT && (!content.n || !memchr(content.p, '\0', content.n));
}

/* "SDP from 2 after answer" */
static void read_sdp(struct span label, struct span content, const struct row *row,
	struct change *out)
{
	struct sdp sdp;

	sdp_parse(content, &sdp);
	out->value = strstr(row->form, "after") != NULL;
	out->answer = label.n > 6 && span_is(span_skip(label, label.n - 6), "answer");
	out->hold = sdp_is_hold(&sdp);
}

enum section_kind section_read(struct span label, struct span content, struct change *out)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		*out = (struct change){ .kind = CHANGE_KINDS, .text = span_of("", 0) };
		if (!read_label(label, row, out))
			continue;
		if (row->kind == SILENT)
			return SECTION_SILENT;
		out->kind = (enum change_kind)row->kind;
		if (out->kind == CHANGE_MEDIA_SDP)
			read_sdp(label, content, row, out);
		return read_content(content, row, out) ? SECTION_CHANGE : SECTION_UNKNOWN;
	}
	return SECTION_UNKNOWN;
}

size_t section_find(struct span in)
{
	struct metafile_section section;
	struct change change;

	for (size_t at = 1; at < in.n; at++) {
		if (in.p[at] < 'A' || in.p[at] > 'Z') /* as no label begins */
			continue;
		if (metafile_next(span_skip(in, at), &section) > 0 && !section.too_long &&
		    section_read(section.label, section.content, &change) != SECTION_UNKNOWN)
			return at;
	}
	return 0;
}
