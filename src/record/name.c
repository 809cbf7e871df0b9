/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  pattern + facts -> components -> path
 *
 * A component is finished at a '/' of the pattern and nowhere else, so whatever the call says
 * stays inside of one, and finishing makes it harmless: never empty, "." or "..", never too long.
 * name_read_pattern and the limits below keep every path under PATH_MAX. */
#include "record/name.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "record/name_pattern.h"

#define MAX_COMPONENT  200  /* [bytes] leaves room for "-N", ".json" and ".part" below NAME_MAX */
#define HASH_TEXT      17   /* '-' and 16 digits */
#define MAX_FILE       (NAME_MAX_DIR + NAME_MAX_COMPONENTS * (MAX_COMPONENT + 1))
#define MAX_FACT       8192 /* [bytes] looked at of a call-id, label, value: patterns repeat them */

_Static_assert(MAX_FILE + 64 < PATH_MAX, "a path and its suffixes fit");

/* ---- a path in the making ------------------------------------------------------------------ */

struct making {
	char path[PATH_MAX];
	size_t n;
	/* The component being made: its first bytes, all of its length, a hash of all of it. */
	char text[MAX_COMPONENT + 1];
	size_t length;
	uint64_t hash;
	bool from_call;    /* something of the call stands in it, be it empty */
	/* What %INT has left of the call-id, and the bytes it took of the first one's escape. */
	struct span prefix;
	size_t of_escape;
};

static void begin_component(struct making *m)
{
	m->length = 0;
	m->hash = SPAN_HASH;
	m->from_call = false;
}

static void put(struct making *m, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (m->length < sizeof(m->text))
			m->text[m->length] = bytes[i];
		m->length++;
	}
	m->hash = span_hash(span_of(bytes, n), m->hash);
}

static void append(struct making *m, const char *text, size_t bytes)
{
	must(bytes < sizeof(m->path) - m->n);
	memcpy(m->path + m->n, text, bytes);
	m->n += bytes;
	m->path[m->n] = '\0';
}

/* Where to cut so that no %XX and no UTF-8 sequence is torn. */
static size_t cut_at(const char *text, size_t n)
{
	if (text[n - 1] == '%')
		return n - 1;
	if (text[n - 2] == '%')
		return n - 2;
	for (int i = 0; i < 3 && ((uint8_t)text[n] & 0xc0) == 0x80; i++)
		n--;
	return n;
}

static void end_component(struct making *m)
{
	char hash[HASH_TEXT + 1];
	size_t n = m->length;

	if (n == 0 && !m->from_call) /* "//" of the pattern */
		return;
	append(m, "/", 1);
	if (n == 0) {
		append(m, "_", 1);
	} else if (m->text[0] == '.' && (n == 1 || (n == 2 && m->text[1] == '.'))) {
		append(m, "%2E", 3);
		append(m, m->text + 1, n - 1);
	} else if (n > MAX_COMPONENT) {
		append(m, m->text, cut_at(m->text, MAX_COMPONENT - HASH_TEXT));
		snprintf(hash, sizeof(hash), "-%016llx", (unsigned long long)m->hash);
		append(m, hash, HASH_TEXT);
	} else {
		append(m, m->text, n);
	}
	begin_component(m);
}

/* ---- what the call says --------------------------------------------------------------------- */

/* %XX; returns 3. */
static size_t escape(uint8_t byte, char out[3])
{
	static const char digits[] = "0123456789ABCDEF";

	out[0] = '%';
	out[1] = digits[byte >> 4];
	out[2] = digits[byte & 15];
	return 3;
}

/* As g_uri_escape_string: what is not unreserved in RFC 3986 2.3. */
static size_t escape_uri(uint8_t c, char out[3])
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~') {
		out[0] = (char)c;
		return 1;
	}
	return escape(c, out);
}

static void put_uri(struct making *m, struct span s)
{
	char out[3];

	s = span_head(s, MAX_FACT);
	m->from_call = true;
	for (size_t i = 0; i < s.n; i++)
		put(m, out, escape_uri(s.p[i], out));
}

static bool is_control(struct span s)
{
	return s.p[0] < 0x20 || s.p[0] == 0x7f || (s.n > 1 && s.p[0] == 0xc2 && s.p[1] < 0xa0);
}

/* Labels look as they do in rtpengine's names, as far as that does no harm. */
static void put_label(struct making *m, struct span s)
{
	s = span_head(s, MAX_FACT);
	m->from_call = true;
	while (s.n) {
		size_t n = utf8_sequence(s);
		char out[3];

		if (n && s.p[0] != '/' && s.p[0] != '%' && !is_control(s)) {
			put(m, (const char *)s.p, n);
		} else {
			put(m, out, escape(s.p[0], out));
			n = 1;
		}
		s = span_skip(s, n);
	}
}

/* Behind the last '-': the call-id may hold more of them. */
static void put_tag(struct making *m, const char *parent)
{
	const char *dash = strrchr(parent, '-');

	put_uri(m, span_text(dash ? dash + 1 : parent));
}

static struct span cut_off(struct span *rest, uint8_t separator)
{
	const uint8_t *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	size_t n = at ? (size_t)(at - rest->p) : rest->n;
	struct span head = span_head(*rest, n);

	*rest = span_skip(*rest, at ? n + 1 : n);
	return head;
}

/* Of equal keys the first, as in rtpengine. */
static void put_value(struct making *m, struct span metadata, struct span key)
{
	m->from_call = true;
	metadata = span_head(metadata, MAX_FACT);
	while (metadata.n) {
		struct span value = cut_off(&metadata, '|');
		bool has_value = value.n && memchr(value.p, ':', value.n);
		struct span name = cut_off(&value, ':');

		if (has_value && name.n == key.n && memcmp(name.p, key.p, key.n) == 0) {
			put_uri(m, value);
			return;
		}
	}
}

/* %INT: bytes of the escaped call-id, each taken once. */
static void put_prefix(struct making *m, unsigned bytes)
{
	char out[3];

	m->from_call = true;
	for (; bytes && m->prefix.n; bytes--) {
		size_t n = escape_uri(m->prefix.p[0], out);

		put(m, out + m->of_escape, 1);
		if (++m->of_escape == n) {
			m->prefix = span_skip(m->prefix, 1);
			m->of_escape = 0;
		}
	}
}

static void put_time(struct making *m, usec_t wall, char what)
{
	time_t seconds = (time_t)(wall / SEC);
	char text[16] = "", format[] = { '%', what, '\0' };
	struct tm tm;

	if (what == 'u')
		snprintf(text, sizeof(text), "%06u", (unsigned)(wall % SEC));
	else if (what == 'Y' && localtime_r(&seconds, &tm))
		snprintf(text, sizeof(text), "%04d", tm.tm_year + 1900);
	else if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), format, &tm);
	put(m, text, strlen(text));
}

/* ---- patterns ------------------------------------------------------------------------------- */

const char *name_check(const char *pattern)
{
	struct name_pattern found;
	const char *bad = name_read_pattern(span_text(pattern), &found);

	if (bad)
		return bad;
	if (!found.call_id)
		return "it has no %c, the call-id";
	return found.type ? NULL : "it has no %t, the SSRC or \"mix\"";
}

static void put_sequence(struct making *m, const struct name_sequence *q,
	const struct name_facts *f)
{
	switch (q->kind) {
	case '%': put(m, "%", 1); break;
	case 'c': put_uri(m, f->call_id); break;
	case 'r': put_tag(m, f->parent); break;
	case 't': put_uri(m, span_text(f->type)); break;
	case 'l': put_label(m, f->label); break;
	case '0': put_prefix(m, q->number); break;
	case '{': put_value(m, f->metadata, q->key); break;
	default:  put_time(m, f->started, (char)q->kind); break;
	}
}

static void put_pattern(struct making *m, struct span s, const struct name_facts *f)
{
	begin_component(m);
	while (s.n) {
		struct span byte = span_head(s, 1);

		s = span_skip(s, 1);
		if (byte.p[0] == '/') {
			end_component(m);
		} else if (byte.p[0] == '%') {
			struct name_sequence q = name_read_sequence(s);

			must(q.kind > 0);
			put_sequence(m, &q, f);
			s = span_skip(s, q.bytes);
		} else {
			put(m, (const char *)byte.p, 1);
		}
	}
	end_component(m);
}

/* ---- overrides ------------------------------------------------------------------------------ */

/* The next component of a path that is not empty or "."; false: none is left. */
static bool next_component(struct span *rest, struct span *component)
{
	while (rest->n) {
		*component = cut_off(rest, '/');
		if (component->n && !span_is(*component, "."))
			return true;
	}
	return false;
}

/* By whole components; within: not dir itself. */
static bool is_below(struct span path, const char *dir, bool within)
{
	struct span rest = span_text(dir), theirs, mine;

	while (next_component(&rest, &theirs))
		if (!next_component(&path, &mine) || mine.n != theirs.n ||
			memcmp(mine.p, theirs.p, mine.n) != 0)
			return false;
	return !within || next_component(&path, &mine);
}

static bool is_allowed(const struct name_opts *o, struct span path, bool within)
{
	if (is_below(path, o->dir, within))
		return true;
	for (char *const *dir = o->allow; dir && *dir; dir++)
		if (is_below(path, *dir, within))
			return true;
	return false;
}

static const char *check_override(struct span s, size_t max_bytes)
{
	struct span rest = s, component;

	if (s.n > max_bytes)
		return "it is too long";
	while (next_component(&rest, &component)) {
		if (span_is(component, ".."))
			return "a directory in it is ..";
		if (component.n > MAX_COMPONENT)
			return "a name in it is too long";
	}
	for (rest = s; rest.n; rest = span_skip(rest, utf8_sequence(rest)))
		if (!utf8_sequence(rest) || is_control(rest))
			return "it is not text";
	return NULL;
}

static bool ends_with(struct span s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static const char *check_file(struct span s)
{
	struct span last = s;

	while (last.n && memchr(last.p, '/', last.n))
		cut_off(&last, '/');
	if (!last.n || span_is(last, "."))
		return "it is a directory";
	if (ends_with(last, ".part") || ends_with(last, ".part2") || ends_with(last, ".json"))
		return "its suffix is one of ours";
	return NULL;
}

static void append_path(struct making *m, struct span path)
{
	struct span component;

	while (next_component(&path, &component)) {
		append(m, "/", 1);
		append(m, (const char *)component.p, component.n);
	}
}

/* A relative path is one below base. is_file: it must be within a directory. */
static const char *take_override(struct making *m, const struct name_opts *o, const char *base,
	struct span path, bool is_file)
{
	const char *bad = check_override(path,
		is_file ? MAX_FILE - strlen(base) : NAME_MAX_DIR);

	if (bad)
		return bad;
	if (path.p[0] == '/' && !is_allowed(o, path, is_file))
		return "it is in no directory of output-allow-dir";
	m->n = 0;
	if (path.p[0] != '/')
		append_path(m, span_text(base));
	append_path(m, path);
	return NULL;
}

/* RECORDING_FILE: with a '/' a path with its suffix, else a name. */
static bool take_file(struct making *m, const struct name_opts *o, const struct name_facts *f,
	const char *dir, const char **refused)
{
	const char *bad;

	if (!f->file.n)
		return false;
	bad = check_file(f->file);
	if (!bad)
		bad = take_override(m, o, dir, f->file, true);
	if (bad) {
		*refused = bad;
		return false;
	}
	if (!memchr(f->file.p, '/', f->file.n)) {
		append(m, ".", 1);
		append(m, o->suffix, strlen(o->suffix));
	}
	return true;
}

static const char *take_dir(struct making *m, const struct name_opts *o,
	const struct name_facts *f, char dir[NAME_MAX_DIR + 1])
{
	const char *bad = NULL;

	must(strlen(o->dir) <= NAME_MAX_DIR);
	if (f->path.n)
		bad = take_override(m, o, o->dir, f->path, false);
	if (!bad && m->n > NAME_MAX_DIR)
		bad = "it is too long";
	if (bad || !f->path.n) {
		m->n = 0;
		append_path(m, span_text(o->dir));
	}
	memcpy(dir, m->path, m->n);
	dir[m->n] = '\0';
	return bad;
}

/* ---- names ---------------------------------------------------------------------------------- */

char *name_make(const struct name_opts *o, const struct name_facts *f, const char **refused)
{
	struct making m;
	struct span pattern = span_text(o->pattern);
	char dir[NAME_MAX_DIR + 1];
	struct name_pattern found;

	m.n = 0;
	m.path[0] = '\0';
	*refused = take_dir(&m, o, f, dir);
	if (take_file(&m, o, f, dir, refused))
		return xstrdup(m.path);
	if (f->pattern.n) {
		const char *bad = name_read_pattern(f->pattern, &found);

		if (bad)
			*refused = bad;
		else
			pattern = f->pattern;
	}
	m.n = 0;
	append(&m, dir, strlen(dir));
	m.prefix = f->call_id;
	m.of_escape = 0;
	put_pattern(&m, pattern, f);
	append(&m, ".", 1);
	append(&m, o->suffix, strlen(o->suffix));
	return xstrdup(m.path);
}

const char *name_format(enum recording_format format)
{
	static const char *const names[] = {
		[RECORDING_WAV] = "wav", [RECORDING_RAW] = "raw", [RECORDING_MP3] = "mp3",
		[RECORDING_OPUS] = "opus", [RECORDING_FLAC] = "flac",
	};

	return format < sizeof(names) / sizeof(names[0]) ? names[format] : NULL;
}

/* Where the suffix begins, or the end. */
static int without_suffix(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return (int)(dot && dot > name ? dot - path : (ptrdiff_t)strlen(path));
}

char *name_numbered(const char *path, unsigned n)
{
	int head = without_suffix(path);

	return xasprintf("%.*s-%u%s", head, path, n, path + head);
}

static bool is_format(const char *text)
{
	unsigned i = 0;

	while (name_format(i) && strcmp(name_format(i), text) != 0)
		i++;
	return name_format(i) != NULL;
}

/* RECORDING_FILE may bring no suffix: a@10.0.0.1 and a@10.0.0.2 share none, either. */
char *name_sidecar(const char *path)
{
	int head = without_suffix(path);

	if (path[head] && is_format(path + head + 1))
		return xasprintf("%.*s.json", head, path);
	return xasprintf("%s.json", path);
}
