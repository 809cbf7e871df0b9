/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which pcaps: files that were named, those of a spool (its pcaps/), or those of any directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/span.h"
#include "tools/export.h"

#define SUFFIX ".pcap"
#define STILL  (3600 * SEC) /* the metadata of a call that died stays in tmp/: nothing moved since */

usec_t export_mtime(const struct stat *st)
{
	return (usec_t)st->st_mtim.tv_sec * SEC + st->st_mtim.tv_nsec / 1000;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static char *name_of(const char *path)
{
	const char *name = base_of(path);
	size_t n = strlen(name);

	if (n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0)
		n -= strlen(SUFFIX);
	return xstrndup(name, n);
}

static bool has_random_tag(const char *name)
{
	size_t n = strlen(name);

	return n >= 18 && name[n - 17] == '-' && strspn(name + n - 16, "0123456789abcdef") == 16;
}

/* "<call-id>-<16 hex>", as rtpengine has it. A pcap that was given another name gets a tag of its
 * place, so that two of one name are two calls. */
static char *parent_of(const char *path)
{
	char *name = name_of(path), *real, *parent;

	if (has_random_tag(name))
		return name;
	real = realpath(path, NULL);
	parent = xasprintf("%.200s-%016llx", name,
		(unsigned long long)span_hash(span_text(real ? real : path), SPAN_HASH));
	free(real);
	free(name);
	return parent;
}

static char *dir_of(const char *path)
{
	return xstrndup(path, (size_t)(base_of(path) - path));
}

/* In a spool, or taken out of it and put beside the pcap. */
char *export_find_text(const struct export_file *f, bool *whole)
{
	static const struct {
		const char *form;
		bool whole;
	} places[] = {
		{ "%s../tmp/rtpengine-meta-%s.tmp", false },
		{ "%s../metadata/rtpengine-meta-%s.txt", true },
		{ "%srtpengine-meta-%s.txt", true },
		{ "%s%s.txt", true },
	};
	char *dir = dir_of(f->path), *name = name_of(f->path), *path = NULL;
	struct stat st;

	*whole = true;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && !path; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		path = xasprintf(places[i].form, dir, name);
#pragma GCC diagnostic pop
		*whole = places[i].whole;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			continue;
		free(path);
		path = NULL;
	}
	free(name);
	free(dir);
	return path;
}

static bool may_run(const struct export_file *f)
{
	bool whole;
	char *text = export_find_text(f, &whole);
	struct stat st;
	usec_t last = f->mtime;

	if (text && !whole && stat(text, &st) == 0 && export_mtime(&st) > last)
		last = export_mtime(&st);
	whole = whole || !text;
	free(text);
	return !whole && clock_wall() - last < STILL;
}

static void free_file(struct export_file *f)
{
	free(f->path);
	free(f->parent);
}

static void bad(struct export_list *l, const char *path, const char *why)
{
	l->bad++;
	fprintf(stderr, "spoolwire-ctl export: %s: %s\n", log_mark(path), why);
}

static void add(struct export_list *l, const struct export_opts *o, const char *path,
	const struct stat *st)
{
	struct export_file f = { .mtime = export_mtime(st), .bytes = (uint64_t)st->st_size };

	if ((o->after && f.mtime < o->after) || (o->before && f.mtime >= o->before))
		return;
	if (strchr(base_of(path), '\n')) { /* the journal is one of lines */
		bad(l, path, "a line break in its name");
		return;
	}
	f.path = xstrdup(path);
	f.parent = parent_of(path);
	if (may_run(&f)) {
		l->running++;
		free_file(&f);
		return;
	}
	if ((l->n & (l->n - 1)) == 0) /* full at each power of two */
		l->file = xrealloc(l->file, (l->n ? 2 * l->n : 1) * sizeof(*l->file));
	l->file[l->n++] = f;
}

static void add_dir(struct export_list *l, const struct export_opts *o, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;
	bool any = false;

	if (!d) {
		bad(l, dir, strerror(errno));
		return;
	}
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char *path;

		if (n <= strlen(SUFFIX) || strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		any = true;
		path = xasprintf("%s/%s", dir, e->d_name);
		if (stat(path, &st) < 0)
			bad(l, path, strerror(errno));
		else if (S_ISREG(st.st_mode))
			add(l, o, path, &st);
		free(path);
	}
	closedir(d);
	if (!any)
		fprintf(stderr, "spoolwire-ctl export: %s: no pcaps (directories below it are not "
			"searched)\n", log_mark(dir));
}

static void add_input(struct export_list *l, const struct export_opts *o, const char *path)
{
	char *pcaps = xasprintf("%s/pcaps", path);
	struct stat st;

	if (stat(pcaps, &st) == 0 && S_ISDIR(st.st_mode))
		add_dir(l, o, pcaps);
	else if (stat(path, &st) < 0)
		bad(l, path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		add_dir(l, o, path);
	else if (S_ISREG(st.st_mode))
		add(l, o, path, &st);
	else
		bad(l, path, "it is no file");
	free(pcaps);
}

/* The largest first: no core waits at the end for one that began with it. */
static int by_size(const void *a, const void *b)
{
	const struct export_file *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->path, y->path);
}

static int by_parent(const void *a, const void *b)
{
	const struct export_file *x = a, *y = b;

	return strcmp(x->parent, y->parent);
}

/* The same one may have been named twice, as a file and with its spool. */
static void drop_doubles(struct export_list *l)
{
	size_t n = 0;

	qsort(l->file, l->n, sizeof(*l->file), by_parent);
	for (size_t i = 0; i < l->n; i++) {
		if (n && strcmp(l->file[n - 1].parent, l->file[i].parent) == 0) {
			free_file(&l->file[i]);
			continue;
		}
		l->file[n++] = l->file[i];
	}
	l->n = n;
}

void export_list_make(const struct export_opts *o, struct export_list *out)
{
	*out = (struct export_list){ 0 };
	for (char **input = o->inputs; *input; input++)
		add_input(out, o, *input);
	if (!out->n)
		return;
	drop_doubles(out);
	qsort(out->file, out->n, sizeof(*out->file), by_size);
}

void export_list_free(struct export_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free_file(&l->file[i]);
	free(l->file);
	*l = (struct export_list){ 0 };
}
