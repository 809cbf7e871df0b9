/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  defaults -> file -> command line -> config_check -> const struct config
 *
 * The door to GLib, whose GKeyFile and GOption are the contract: what rtpengine-recording takes
 * and what it refuses is taken and refused here. The command line is read first, because it names
 * the file, and applied last. Functions return NULL, or a sentence that says what is wrong. */
#include "config.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "config_check.h"
#include "config_value.h"
#include "options.h"

#define MAX_OPTIONS  256
#define MAX_WARNINGS 100

struct reading {
	struct config *config;
	GKeyFile *file;            /* NULL: none */
	char **line[MAX_OPTIONS];  /* by row: all values of the command line, "" for a bool */
	unsigned warnings;
};

/* GLib's words end here. */
static char *sentence(const char *what, GError *e)
{
	char *text = xasprintf("%s: %s", what, e->message);

	g_error_free(e);
	return text;
}

/* Takes the text. */
static void warn(struct reading *r, char *text)
{
	struct config *c = r->config;

	if (r->warnings == MAX_WARNINGS) {
		free(text);
		return;
	}
	c->warnings = xrealloc(c->warnings, (r->warnings + 2) * sizeof(char *));
	c->warnings[r->warnings++] = text;
	c->warnings[r->warnings] = NULL;
}

/* What says where the options are, and whether there is anything to do. */
static bool is_early(const struct option *o)
{
	return o->group == OPTIONS_GENERAL && o->state == OPTION_ACTS &&
		o->at <= offsetof(struct config, config_section);
}

/* What this version does not do must not be asked for; what means nothing here is said. */
static char *given(struct reading *r, const struct option *o)
{
	if (o->state == OPTION_LATER)
		return xasprintf("option %s belongs to %s, which this version does not do: remove it",
			o->name, option_group_name(o->group));
	if (o->state == OPTION_MOOT)
		warn(r, xasprintf("option %s has no meaning here and is ignored", o->name));
	else if (o->at == offsetof(struct config, state_dir))
		r->config->state_dir_given = true;
	return NULL;
}

/* ---- defaults -------------------------------------------------------------------------- */

static void apply_defaults(struct config *c)
{
	for (const struct option *o = options; o->name; o++) {
		char *one[] = { (char *)o->fallback, NULL }, *reason = NULL;

		if (!o->fallback || o->state != OPTION_ACTS)
			continue;
		if (o->type == OPTION_LIST)
			config_set_list(c, o, one);
		else if (o->type == OPTION_INT)
			reason = config_set_number(c, o, o->fallback);
		else
			reason = config_set_text(c, o, o->fallback);
		must(!reason);
	}
}

/* ---- file ------------------------------------------------------------------------------ */

static char *load_file(struct reading *r, bool named)
{
	const char *name = r->config->config_file, *section = r->config->config_section;
	GKeyFile *file = g_key_file_new();
	GError *e = NULL;

	if (g_key_file_load_from_file(file, name, G_KEY_FILE_NONE, &e)) {
		r->file = file;
		if (g_key_file_has_group(file, section))
			return NULL;
		return xasprintf("%s has no section [%s]: write its options below such a line, or name "
			"another section with --config-section", name, section);
	}
	g_key_file_free(file);
	if (named || !g_error_matches(e, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		return sentence(name, e);
	g_error_free(e);
	return NULL;
}

static char *apply_file_bool(struct reading *r, const struct option *o, GError **e)
{
	bool value = g_key_file_get_boolean(r->file, r->config->config_section, o->name, e);

	if (*e)
		return NULL;
	config_set_bool(r->config, o, value);
	return value ? given(r, o) : NULL;
}

static char *apply_file_int(struct reading *r, const struct option *o, GError **e)
{
	int value = g_key_file_get_integer(r->file, r->config->config_section, o->name, e);
	char *reason = *e ? NULL : config_set_int(r->config, o, value);

	return *e || reason ? reason : given(r, o);
}

static char *apply_file_list(struct reading *r, const struct option *o, GError **e)
{
	char **values = g_key_file_get_string_list(r->file, r->config->config_section, o->name,
		NULL, e);

	if (!*e)
		config_set_list(r->config, o, values);
	g_strfreev(values);
	return NULL;
}

static char *apply_file_text(struct reading *r, const struct option *o, GError **e)
{
	char *value = g_key_file_get_string(r->file, r->config->config_section, o->name, e);
	char *reason = NULL;

	if (!*e) /* GLib gives a value together with an error for a bad escape */
		reason = config_set_text(r->config, o, value);
	if (!*e && *value && !reason)
		reason = given(r, o);
	g_free(value);
	return reason;
}

static char *apply_file_option(struct reading *r, const struct option *o)
{
	GError *e = NULL;
	char *what, *reason;

	switch (o->type) {
	case OPTION_BOOL: reason = apply_file_bool(r, o, &e); break;
	case OPTION_INT:  reason = apply_file_int(r, o, &e); break;
	case OPTION_LIST: reason = apply_file_list(r, o, &e); break;
	default:          reason = apply_file_text(r, o, &e); break;
	}
	if (!e)
		return reason;
	what = xasprintf("%s, option %s", r->config->config_file, o->name);
	reason = sentence(what, e);
	free(what);
	return reason;
}

static char *apply_file(struct reading *r)
{
	const char *section = r->config->config_section;
	char **keys = g_key_file_get_keys(r->file, section, NULL, NULL);
	char *reason = NULL;

	for (char **key = keys; key && *key; key++)
		if (!option_find(*key))
			warn(r, xasprintf("%s: unknown option %s is ignored", r->config->config_file,
				*key));
	g_strfreev(keys);
	for (const struct option *o = options; o->name && !reason; o++)
		if (!is_early(o) && g_key_file_has_key(r->file, section, o->name, NULL))
			reason = apply_file_option(r, o);
	return reason;
}

/* ---- command line ---------------------------------------------------------------------- */

/* name as written: "--table" or "-t". */
static const struct option *find_as_written(const char *name)
{
	if (strncmp(name, "--", 2) == 0)
		return option_find(name + 2);
	for (const struct option *o = options; o->name; o++)
		if (o->letter && o->letter == name[1])
			return o;
	return NULL;
}

static gboolean on_argument(const char *name, const char *value, gpointer arg, GError **e)
{
	struct reading *r = arg;
	const struct option *o = find_as_written(name);
	char ***values;
	unsigned n;

	(void)e;
	must(o);
	values = &r->line[o - options];
	n = *values ? g_strv_length(*values) : 0;
	*values = g_renew(char *, *values, n + 2);
	(*values)[n] = g_strdup(value ? value : "");
	(*values)[n + 1] = NULL;
	return TRUE;
}

static void fill_entry(GOptionEntry *e, const struct option *o)
{
	gboolean (*callback)(const char *, const char *, gpointer, GError **) = on_argument;

	*e = (GOptionEntry){ .long_name = o->name, .short_name = o->letter,
		.arg = G_OPTION_ARG_CALLBACK };
	memcpy(&e->arg_data, &callback, sizeof(callback));
	if (o->type == OPTION_BOOL)
		e->flags = G_OPTION_FLAG_NO_ARG;
	else if (o->type == OPTION_PATH || is_early(o))
		e->flags = G_OPTION_FLAG_FILENAME;
}

static char *read_line(struct reading *r, int argc, char *const *argv)
{
	GOptionContext *c = g_option_context_new(NULL);
	GOptionGroup *g = g_option_group_new("spoolwire", "", "", r, NULL);
	GOptionEntry entries[MAX_OPTIONS] = { 0 };
	char **left = g_new0(char *, (gsize)argc + 1);
	GError *e = NULL;

	for (int i = 0; i < argc; i++)
		left[i] = g_strdup(argv[i]);
	for (const struct option *o = options; o->name; o++) {
		must(o - options < MAX_OPTIONS - 1);
		fill_entry(&entries[o - options], o);
	}
	g_option_group_add_entries(g, entries);
	g_option_context_set_main_group(c, g);
	g_option_context_set_help_enabled(c, FALSE);
	if (g_option_context_parse_strv(c, &left, &e))
		for (char **rest = left; *left && *++rest;)
			warn(r, xasprintf("argument %s is ignored", *rest));
	g_option_context_free(c);
	g_strfreev(left);
	return e ? sentence("command line", e) : NULL;
}

static char *apply_line_option(struct reading *r, const struct option *o, char **values)
{
	const char *last = values[g_strv_length(values) - 1];
	char *reason = NULL;

	switch (o->type) {
	case OPTION_BOOL: config_set_bool(r->config, o, true); break;
	case OPTION_INT:  reason = config_set_number(r->config, o, last); break;
	case OPTION_LIST: config_set_list(r->config, o, values); break;
	default:          reason = config_set_text(r->config, o, last); break;
	}
	return reason ? reason : given(r, o);
}

static char *apply_line(struct reading *r, bool early)
{
	char *reason = NULL;

	for (const struct option *o = options; o->name && !reason; o++)
		if (r->line[o - options] && is_early(o) == early)
			reason = apply_line_option(r, o, r->line[o - options]);
	return reason;
}

/* ---- all of it ------------------------------------------------------------------------- */

static char *read_all(struct reading *r, int argc, char *const *argv)
{
	struct config *c = r->config;
	char *reason;

	apply_defaults(c);
	if ((reason = read_line(r, argc, argv)) || (reason = apply_line(r, true)))
		return reason;
	if (c->help || c->version)
		return NULL;
	if (strcmp(c->config_file, "none") != 0)
		reason = load_file(r, r->line[option_find("config-file") - options]);
	if (!reason && r->file)
		reason = apply_file(r);
	if (!reason)
		reason = apply_line(r, false);
	return reason ? reason : config_check(c);
}

const struct config *config_new(int argc, char *const *argv, char **reason)
{
	struct reading r = { .config = xnew(struct config) };
	const struct config *c = r.config;

	*reason = read_all(&r, argc, argv);
	for (unsigned i = 0; i < MAX_OPTIONS; i++)
		g_strfreev(r.line[i]);
	if (r.file)
		g_key_file_free(r.file);
	if (*reason)
		config_free(&c);
	return c;
}

static void free_list(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
}

void config_free(const struct config **config)
{
	struct config *c = (struct config *)*config;

	*config = NULL;
	if (!c)
		return;
	for (const struct option *o = options; o->name; o++)
		if (o->state == OPTION_ACTS && (o->type == OPTION_TEXT || o->type == OPTION_PATH))
			free(*(char **)((char *)c + o->at));
		else if (o->state == OPTION_ACTS && o->type == OPTION_LIST)
			free_list(*(char ***)((char *)c + o->at));
	free_list(c->warnings);
	free(c->send_host);
	free(c->send_port);
	free(c);
}
