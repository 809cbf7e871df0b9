/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  watch: names that something happened to  -.
 *  scan: names that are there               --> layout name() -> marked calls -> layout visit()
 *  tick: names that nobody writes any more  -'                                     -> events
 *
 * In turns of bounded length, so that neither a huge file nor a directory of a million old ones
 * keeps the loop from anything else. */
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/layout.h"

#define SPOOL_MAGIC 0x5b001ca1u

#define TICK_MS     1000
#define TURN_NAMES  1000 /* read from directories in one turn */
#define TURN_VISITS 500
#define TURN_BYTES  ((size_t)2 * 1024 * 1024)

struct place {
	char *path;   /* NULL: not configured */
	int fd;       /* during a turn, else -1 */
	DIR *scan;    /* a scan under way */
	bool pending; /* a scan has to begin */
	bool again;   /* it could not begin: at the next tick */
};

struct spool {
	MAGIC_MEMBER;
	struct spool_opts opts; /* its strings are in place[] */
	const struct spool_events *events;
	void *arg;
	struct watch *watch;
	uv_timer_t tick, again;
	unsigned closing; /* timers that libuv still has */
	struct entries entries;
	unsigned live;
	size_t bytes_left; /* of this turn */
	int error;         /* errno of the visit under way, when something could not be read; or 0 */
	struct place place[SPOOL_DIRS];
	uint8_t buffer[LAYOUT_BUFFER];
};

static const struct layout *const layouts[] = {
	[SPOOL_PROC] = &procdir, [SPOOL_PCAP] = &pcapdir, [SPOOL_PCM] = &pcmdir,
};

static enum spool_layout layout_of(enum spool_dir dir)
{
	return dir == DIR_PROC ? SPOOL_PROC : dir == DIR_PCM ? SPOOL_PCM : SPOOL_PCAP;
}

/* ---- what the layouts use ---- */

struct entry *layout_find(struct spool *s, enum spool_layout layout, struct span parent)
{
	return entries_find(&s->entries, layout, parent);
}

struct entry *layout_find_or_make(struct spool *s, enum spool_layout layout, struct span parent)
{
	struct entry *e = entries_find(&s->entries, layout, parent);

	if (e)
		return e;
	/* refused and finished ones are known too while their files are there */
	if (s->entries.count / 4 >= s->opts.max_calls + 256) {
		counter_add(COUNT_SPOOL_NAMES_REFUSED, 1);
		log_warn_limited("%u names are known in the spool: another is not looked at",
			s->entries.count);
		return NULL;
	}
	return entries_make(&s->entries, layout, parent);
}

void layout_mark(struct spool *s, struct entry *e)
{
	entries_mark(&s->entries, e);
}

enum spool_answer layout_begin(struct spool *s, struct entry *e, const struct spool_file *file)
{
	enum spool_answer answer = SPOOL_REFUSED;

	must(e->state == ENTRY_NEW);
	if (s->live < s->opts.max_calls) {
		answer = s->events->call(s->arg, e->parent, e->layout, file);
	} else {
		counter_add(COUNT_CALLS_REFUSED, 1);
		log_warn_limited("max-calls (%u) are running: a further call is not taken",
			s->live);
	}
	e->state = answer == SPOOL_TAKEN ? ENTRY_LIVE : ENTRY_OVER;
	s->live += answer == SPOOL_TAKEN;
	return answer;
}

void layout_tell(struct spool *s, const struct entry *e, const struct change *change)
{
	struct change c = *change;

	must(e->state == ENTRY_LIVE);
	if (!c.text.p)
		c.text = span_of("", 0);
	s->events->change(s->arg, e->parent, &c);
}

void layout_tell_file(struct spool *s, const struct entry *e, enum spool_dir dir, const char *name)
{
	char *path = xasprintf("%s/%s", s->place[dir].path, name);

	layout_tell(s, e, &(struct change){ .kind = CHANGE_FILE_OPEN, .text = span_text(path) });
	free(path);
}

void layout_grew(struct spool *s, const struct entry *e)
{
	must(e->state == ENTRY_LIVE);
	s->events->grew(s->arg, e->parent);
}

void layout_end(struct spool *s, struct entry *e, enum spool_end why)
{
	must(e->state == ENTRY_LIVE && s->live > 0);
	e->state = ENTRY_OVER;
	s->live--;
	s->events->end(s->arg, e->parent, why);
}

void layout_discarded(struct spool *s, struct span parent)
{
	char *name = xstrndup((const char *)parent.p, parent.n);

	s->events->end(s->arg, name, SPOOL_END_DISCARD);
	free(name);
}

/* The directory, for this turn only. Its own path may lead through links, names in it may not. */
static int place_fd(struct spool *s, enum spool_dir dir)
{
	struct place *p = &s->place[dir];

	if (p->fd < 0)
		p->fd = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p->fd;
}

static void note_error(struct spool *s, const char *what, const char *dir, int error)
{
	counter_add(COUNT_SPOOL_ERRORS, 1);
	log_warn_limited("cannot read %s in %s: %s", log_mark(what), dir, strerror(error));
	s->error = error;
}

static int verdict(struct spool *s, enum spool_dir dir, const char *name, int error)
{
	if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG)
		return -ENOENT;
	if (error == ELOOP || error == ENXIO)
		return -EINVAL;
	note_error(s, name, s->place[dir].path, error);
	return -EAGAIN;
}

int layout_open(struct spool *s, enum spool_dir dir, const char *name, struct stat *st)
{
	int at = place_fd(s, dir), fd;

	if (at < 0)
		return verdict(s, dir, name, errno);
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return verdict(s, dir, name, errno);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

int layout_stat(struct spool *s, enum spool_dir dir, const char *name, struct stat *st)
{
	int at = place_fd(s, dir);

	if (at < 0 || fstatat(at, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return verdict(s, dir, name, errno);
	return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

struct span layout_read(struct spool *s, int fd, uint64_t position, bool *at_end)
{
	ssize_t n = pread(fd, s->buffer, sizeof(s->buffer), (off_t)position);
	size_t got = n > 0 ? (size_t)n : 0;

	if (n < 0)
		note_error(s, "metadata", s->opts.dir, errno);
	*at_end = got < sizeof(s->buffer);
	s->bytes_left -= got < s->bytes_left ? got : s->bytes_left;
	return span_of(s->buffer, got);
}

const struct spool_opts *layout_opts(const struct spool *s)
{
	return &s->opts;
}

/* ---- turns ---- */

static void give_name(struct spool *s, unsigned dir, const char *name, enum watch_what what)
{
	layouts[layout_of((enum spool_dir)dir)]->name(s, (enum spool_dir)dir, name, what);
}

/* The next name of a directory; NULL when its scan is over. */
static const char *next_name(struct spool *s, struct place *p)
{
	struct dirent *d;

	if (p->pending) {
		if (p->scan)
			closedir(p->scan);
		p->pending = false;
		p->scan = opendir(p->path);
		if (!p->scan)
			p->again = verdict(s, (enum spool_dir)(p - s->place), "names", errno) ==
				-EAGAIN;
	}
	while (p->scan && (d = readdir(p->scan)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			return d->d_name;
	if (p->scan)
		closedir(p->scan);
	p->scan = NULL;
	return NULL;
}

static void scan_on(struct spool *s)
{
	unsigned names = 0;

	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++) {
		struct place *p = &s->place[dir];

		while (p->path && (p->pending || p->scan) && names < TURN_NAMES) {
			const char *name = next_name(s, p);

			names++;
			if (name)
				give_name(s, dir, name, WATCH_FOUND);
		}
	}
}

static bool scanning(const struct spool *s)
{
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++)
		if (s->place[dir].pending || s->place[dir].scan)
			return true;
	return false;
}

static void visit_entry(struct spool *s, struct entry *e)
{
	enum visit visit;

	s->error = 0;
	visit = layouts[e->layout]->visit(s, e);
	if (visit == VISIT_DROP) {
		entries_drop(&s->entries, &e);
		return;
	}
	if (visit == VISIT_AGAIN)
		entries_mark(&s->entries, e);
	entry_try_later(e, s->error);
}

static void visit_marked(struct spool *s)
{
	struct entry *e;

	for (unsigned i = 0; i < TURN_VISITS && s->bytes_left > 0; i++) {
		e = entries_next(&s->entries);
		if (!e)
			break;
		visit_entry(s, e);
	}
}

static void on_again(uv_timer_t *timer);

/* What happened just now comes before what has been lying there. */
static void take_turn(struct spool *s)
{
	s->bytes_left = TURN_BYTES;
	visit_marked(s);
	if (!s->entries.first)
		scan_on(s);
	visit_marked(s);
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++) {
		if (s->place[dir].fd >= 0)
			close(s->place[dir].fd);
		s->place[dir].fd = -1;
	}
	if (s->entries.first || scanning(s))
		uv_timer_start(&s->again, on_again, 0, 0);
}

static void on_again(uv_timer_t *timer)
{
	take_turn(OBJ(timer->data, struct spool, SPOOL_MAGIC));
}

/* ---- what wakes it ---- */

static void on_file(void *arg, unsigned dir, const char *name, enum watch_what what)
{
	give_name(OBJ(arg, struct spool, SPOOL_MAGIC), dir, name, what);
}

static void look_at(void *arg, struct entry *e)
{
	struct spool *s = arg;

	e->look = true;
	entries_mark(&s->entries, e);
}

/* The one way to begin anew: all that is known is looked at, all that is there is named. */
static void on_look(void *arg, unsigned dir)
{
	struct spool *s = OBJ(arg, struct spool, SPOOL_MAGIC);

	entries_each(&s->entries, look_at, s);
	s->place[dir].pending = true;
}

static void on_done(void *arg)
{
	take_turn(OBJ(arg, struct spool, SPOOL_MAGIC));
}

static const struct watch_events watch_events = {
	.file = on_file, .look = on_look, .done = on_done,
};

static void tick_entry(void *arg, struct entry *e)
{
	if (e->again && --e->again == 0)
		look_at(arg, e);
	layouts[e->layout]->tick(arg, e, clock_wall());
}

static void on_tick(uv_timer_t *timer)
{
	struct spool *s = OBJ(timer->data, struct spool, SPOOL_MAGIC);

	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++) {
		s->place[dir].pending |= s->place[dir].again;
		s->place[dir].again = false;
	}
	entries_each(&s->entries, tick_entry, s);
	watch_check(s->watch); /* ends with a turn */
}

/* ---- life ---- */

static void add_place(struct spool *s, enum spool_dir dir, const char *top, const char *below)
{
	struct place *p = &s->place[dir];
	size_t n = strlen(top);

	while (n > 1 && top[n - 1] == '/')
		n--;
	p->path = xasprintf("%.*s%s", (int)n, top, below);
}

static void start_timer(struct spool *s, struct uv_loop_s *loop, uv_timer_t *timer)
{
	must(uv_timer_init(loop, timer) == 0);
	timer->data = s;
	s->closing++;
}

struct spool *spool_start(struct uv_loop_s *loop, const struct spool_opts *o,
	const struct spool_events *events, void *arg)
{
	struct spool *s = xnew(struct spool);

	must(o->dir && o->dir[0] == '/' && (!o->pcm_dir || o->pcm_dir[0] == '/'));
	s->magic = SPOOL_MAGIC;
	s->opts = *o;
	s->events = events;
	s->arg = arg;
	entries_init(&s->entries);
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++)
		s->place[dir].fd = -1;
	add_place(s, DIR_PROC, o->dir, "");
	add_place(s, DIR_TMP, o->dir, "/tmp");
	add_place(s, DIR_METADATA, o->dir, "/metadata");
	add_place(s, DIR_PCAPS, o->dir, "/pcaps");
	if (o->pcm_dir)
		add_place(s, DIR_PCM, o->pcm_dir, "");
	s->opts.dir = s->place[DIR_PROC].path;
	s->opts.pcm_dir = s->place[DIR_PCM].path;
	start_timer(s, loop, &s->tick);
	start_timer(s, loop, &s->again);
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	s->watch = watch_start(loop, &watch_events, s);
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++)
		if (s->place[dir].path)
			watch_add(s->watch, dir, s->place[dir].path,
				dir == DIR_PCAPS || dir == DIR_PCM || dir == DIR_TMP);
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	struct spool *s = OBJ(handle->data, struct spool, SPOOL_MAGIC);

	if (--s->closing > 0)
		return;
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++) {
		if (s->place[dir].scan)
			closedir(s->place[dir].scan);
		free(s->place[dir].path);
	}
	entries_fini(&s->entries);
	s->magic = 0;
	free(s);
}

void spool_stop(struct spool **s)
{
	if (!*s)
		return;
	watch_stop(&(*s)->watch);
	uv_timer_stop(&(*s)->tick);
	uv_timer_stop(&(*s)->again);
	uv_close((uv_handle_t *)&(*s)->tick, on_closed);
	uv_close((uv_handle_t *)&(*s)->again, on_closed);
	*s = NULL;
}

bool spool_has(struct spool *s, const char *parent, enum spool_layout layout)
{
	static const struct {
		enum spool_dir dir;
		const char *prefix, *suffix;
	} names[] = {
		{ DIR_PROC, "", ".meta" }, { DIR_TMP, "rtpengine-meta-", ".tmp" },
		{ DIR_PCM, "", ".pcm" }, { DIR_PCM, "", ".wav" },
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool asked = layout_of(names[i].dir) == layout;
		const char *place = asked ? s->place[names[i].dir].path : NULL;
		char *path = place ? xasprintf("%s/%s%s%s", place, names[i].prefix, parent,
			names[i].suffix) : NULL;
		bool there = path && lstat(path, &st) == 0;

		free(path);
		if (there)
			return true;
	}
	return false;
}

void spool_give_up(struct spool *s, const char *parent)
{
	struct entry *e = entries_find(&s->entries, SPOOL_PROC, span_text(parent));

	if (!e || e->state != ENTRY_LIVE)
		return;
	e->state = ENTRY_OVER;
	s->live--;
}
