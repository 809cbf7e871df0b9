/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pattern, RECORDING_FILE, _PATH, _PATTERN, call-id, label, metadata and parent, with a NUL behind
 * each: whatever they are, the name stays inside. \x01 stands for a NUL in a field. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "record/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span field(struct span *rest)
{
	const uint8_t *end = rest->n ? memchr(rest->p, 0, rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	struct span s = span_head(*rest, n);

	*rest = span_skip(*rest, n + 1);
	return s;
}

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	must(copy);
	memcpy(copy, data, size);
	return copy;
}

static struct span with_nuls(struct span s)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)s.p;

	for (size_t i = 0; i < s.n; i++)
		if (bytes[i] == 1)
			bytes[i] = 0;
	return s;
}

static void check(const char *path)
{
	static const char *const dirs[] = { "/out/", "/mnt/archive/", "/srv/rec/" };
	size_t n = strlen(path);
	bool inside = false;

	for (size_t i = 0; i < 3; i++)
		inside |= strncmp(path, dirs[i], strlen(dirs[i])) == 0;
	must(inside && n < PATH_MAX - 64);
	must(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
	must(path[n - 1] != '/' && strcmp(path + n - 3, "/..") != 0);
	for (const char *at = path; *at;) {
		size_t component = strcspn(++at, "/");

		must(component > 0 && component <= 210);
		at += component;
	}
	for (size_t i = 0; i < n; i++)
		must(!iscntrl((unsigned char)path[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *allowed[] = { (char *)"/mnt/archive/", (char *)"/srv//rec", NULL };
	uint8_t *copy = copy_of(data, size);
	struct span rest = span_of(copy, size), s = field(&rest);
	char *pattern = strndup((const char *)s.p, s.n), *path, *parent;
	struct name_opts o = { .dir = "/out", .pattern = "%c-%r-%t", .suffix = "wav",
		.allow = allowed };
	struct name_facts f = { .type = "mix", .started = 1795243720000042 };
	const char *refused;

	must(pattern);
	if (!name_check(pattern))
		o.pattern = pattern;
	f.file = with_nuls(field(&rest));
	f.path = with_nuls(field(&rest));
	f.pattern = with_nuls(field(&rest));
	f.call_id = with_nuls(field(&rest));
	f.label = with_nuls(field(&rest));
	f.metadata = with_nuls(field(&rest));
	s = field(&rest);
	parent = s.n ? strndup((const char *)s.p, s.n) : strdup("");
	must(parent);
	f.parent = parent;
	path = name_make(&o, &f, &refused);
	check(path);
	free(path);
	free(parent);
	free(pattern);
	free(copy);
	return 0;
}
