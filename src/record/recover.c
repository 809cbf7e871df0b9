/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What earlier runs left. Whoever writes a file holds its lock, so nothing is taken from a
 * recording that goes on meanwhile. */
#include <errno.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/recording_private.h"

struct recovery {
	const char *state;
	bool (*keep)(void *arg, const char *parent, const char *note);
	bool discard;
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *);
	void *arg;
	const struct recording *now; /* the one that is published */
};

static int on_publish(void *arg, const struct recording_result *result)
{
	struct recovery *v = arg;

	if (!v->before_publish)
		return 0;
	return v->before_publish(v->arg, v->now->opts.parent, v->now->opts.label, result);
}

static bool is_newest(const struct recovery *v, const struct note *n, const char *file)
{
	struct note newest;
	char *newest_file;
	bool is;

	if (notes_find(v->state, n->parent, n->label, &newest, &newest_file) < 0)
		return false;
	is = strcmp(newest_file, file) == 0;
	note_fini(&newest);
	free(newest_file);
	return is;
}

/* A call that runs goes on with the newest of its recordings; older ones have ended. */
static bool stays(const struct recovery *v, const struct note *n, const char *file)
{
	return v->keep && v->keep(v->arg, n->parent, file) && is_newest(v, n, file);
}

static void give_up(const char *file, int err)
{
	counter_add(COUNT_REC_UNRECOVERABLE, 1);
	log_warn_limited("a recording of an earlier run cannot be recovered: %s: %s", file,
		strerror(-err));
}

static void publish(struct recovery *v, struct recording *r, const char *file)
{
	struct recording_result result;
	int err;

	r->recovered = true;
	v->now = r;
	err = recording_publish(&r, 0, on_publish, v, &result);
	if (err) {
		give_up(file, err);
		recording_close(&r);
		return;
	}
	counter_add(COUNT_REC_RECOVERED, 1);
	log_info("recovered %s", log_mark(result.path));
	free(result.path);
}

static void recover(struct recovery *v, const char *file)
{
	struct note n;
	struct recording *r;
	char *given;
	int err = notes_load(file, &n);

	if (err == -ENOENT)
		return;
	if (err) {
		give_up(file, err);
		return;
	}
	if (stays(v, &n, file)) {
		note_fini(&n);
		return;
	}
	given = xstrdup(file);
	r = recording_reopen(&n, &given, v->state, &err);
	if (r && v->discard)
		recording_discard(&r);
	else if (r)
		publish(v, r, file);
	else if (err != -EBUSY && err != -ENOENT)
		give_up(file, err);
	if (err == -ENOENT) /* published, or removed by somebody */
		notes_remove(file);
}

void recording_recover(const char *state,
	bool (*keep)(void *arg, const char *parent, const char *note),
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg)
{
	struct recovery v = { .state = state, .keep = keep, .before_publish = before_publish,
		.arg = arg };
	char **files = notes_list(state);

	for (char **f = files; *f; f++) {
		recover(&v, *f);
		free(*f);
	}
	free(files);
}

void recording_recover_note(const char *state, const char *note, bool discard,
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg)
{
	recover(&(struct recovery){ .state = state, .discard = discard,
		.before_publish = before_publish, .arg = arg }, note);
}
