/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config_value.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

static void *place(struct config *c, const struct option *o)
{
	must(o->state == OPTION_ACTS);
	return (char *)c + o->at;
}

void config_set_bool(struct config *c, const struct option *o, bool value)
{
	if (o->state == OPTION_ACTS)
		*(bool *)place(c, o) = value;
}

char *config_set_int(struct config *c, const struct option *o, int value)
{
	if (value < o->min || value > o->max)
		return xasprintf("%s=%d is out of range: give a number from %d to %d", o->name, value,
			o->min, o->max);
	if (o->state == OPTION_ACTS)
		*(int *)place(c, o) = value;
	return NULL;
}

char *config_set_number(struct config *c, const struct option *o, const char *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 0);
	if (!*value || *end || errno || n < INT_MIN || n > INT_MAX)
		return xasprintf("%s=%s is not a number: give one", o->name, value);
	return config_set_int(c, o, (int)n);
}

static char *set_size(struct config *c, const struct option *o, const char *value)
{
	static const char units[] = "KMG";
	unsigned long long n;
	unsigned shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (errno || !isdigit((unsigned char)value[0]) || *end || n > (SIZE_MAX >> shift))
		return xasprintf("%s=%s is not a size: give bytes, or a number with K, M or G", o->name,
			value);
	*(size_t *)place(c, o) = (size_t)n << shift;
	return NULL;
}

/* The place of value in "one|two|three"; -1: not there. */
static int find_word(const char *words, const char *value)
{
	size_t n = strlen(value);

	for (int i = 0; *words; i++) {
		size_t length = strcspn(words, "|");

		if (length == n && memcmp(words, value, n) == 0)
			return i;
		words += length + (words[length] == '|');
	}
	return -1;
}

static char *set_word(struct config *c, const struct option *o, const char *value)
{
	int found = find_word(o->arg, value);

	if (found < 0)
		return xasprintf("%s=%s is not one of %s", o->name, value, o->arg);
	*(int *)place(c, o) = found;
	return NULL;
}

/* In place: "//", "/." and a "/" at the end mean nothing. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *at = path; *at;) {
		size_t n;

		at += strspn(at, "/");
		n = strcspn(at, "/");
		if (n && !(n == 1 && *at == '.')) {
			*to++ = '/';
			memmove(to, at, n);
			to += n;
		}
		at += n;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

const char *config_after_dots(const char *path)
{
	const char *end = NULL;

	for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
		if (at[3] == '/' || !at[3])
			end = at + 3;
	return end;
}

/* ".." leads where the kernel takes it, links and all. */
static char *without_dots(char *path)
{
	const char *rest = config_after_dots(path);
	char *head = rest ? xstrndup(path, (size_t)(rest - path)) : NULL;
	char *real = head ? realpath(head, NULL) : NULL;
	char *whole = real ? xasprintf("%s%s", real, rest) : NULL;

	free(head);
	free(real);
	if (!whole)
		return path;
	free(path);
	return whole;
}

/* Notes of recordings outlive this process, and directories are told apart by their letters. */
char *config_absolute(const char *path)
{
	char here[PATH_MAX], *whole;

	if (!path[0] || (path[0] != '/' && !getcwd(here, sizeof(here))))
		return xstrdup(path);
	whole = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", here, path);
	whole = without_dots(whole);
	tidy(whole);
	return whole;
}

static void set_string(struct config *c, const struct option *o, const char *value)
{
	char **at = place(c, o);

	free(*at);
	if (!*value)
		*at = NULL;
	else
		*at = o->type == OPTION_PATH ? config_absolute(value) : xstrdup(value);
}

static char *trimmed(const char *value)
{
	size_t n = strlen(value);

	while (n && value[n - 1] == ' ')
		n--;
	return xstrndup(value, n);
}

char *config_set_text(struct config *c, const struct option *o, const char *value)
{
	char *text, *reason = NULL;

	if (o->state != OPTION_ACTS)
		return NULL;
	text = trimmed(value);
	if (!*text && o->fallback) {
		free(text);
		text = xstrdup(o->fallback);
	}
	if (o->type == OPTION_SIZE)
		reason = set_size(c, o, text);
	else if (o->type == OPTION_WORD)
		reason = set_word(c, o, text);
	else
		set_string(c, o, text);
	free(text);
	return reason;
}

void config_set_list(struct config *c, const struct option *o, char *const *values)
{
	char ***at = place(c, o);
	size_t n = 0;

	while (values[n])
		n++;
	for (char **old = *at; old && *old; old++)
		free(*old);
	*at = xrealloc(*at, (n + 1) * sizeof(char *));
	for (size_t i = 0; i < n; i++)
		(*at)[i] = trimmed(values[i]);
	(*at)[n] = NULL;
}
