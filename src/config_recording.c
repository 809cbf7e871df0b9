/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether the options of recordings make sense together. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config.h"
#include "config_check.h"
#include "config_value.h"
#include "record/name.h"

#define MAX_MODE    07777
#define MIN_RATE_HZ 4000

/* ---- where to ------------------------------------------------------------------------------- */

static bool is_later(const char *storage)
{
	static const char *const later[] = { "db", "both", "db-mem", "notify", "s3", "gcs" };

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(later[i], storage) == 0)
			return true;
	return false;
}

/* *files: "file" is among them; *named: anything is. rtpengine-recording (recording-daemon/main.c)
 * refuses memory alone, too, and memory with file. */
static char *check_storage(const struct config *c, bool *files, bool *named)
{
	bool memory = false, none = c->output_format == CONFIG_NO_FORMAT;

	for (char **s = c->output_storage; s && *s; s++) {
		*named = true;
		if (strcmp(*s, "file") == 0)
			*files = true;
		else if (strcmp(*s, "none") == 0)
			none = true;
		else if (strcmp(*s, "memory") == 0 || strcmp(*s, "mem") == 0)
			memory = true;
		else
			return xasprintf("output-storage=%s is %s: set output-storage=file or none",
				*s, is_later(*s) ? "not in this version" : "not known");
	}
	if (memory && *files)
		return xstrdup("output-storage=memory and file exclude each other: remove memory");
	if (memory && !none)
		return xstrdup("output-storage=memory goes with db, notify, s3 or gcs, which are not "
			"in this version: set output-storage=file or none");
	return NULL;
}

static char *check_off(const struct config *c)
{
	if (!c->output_mixed && !c->output_single)
		return NULL;
	return xasprintf("%s asks for recordings, and output-storage or output-format for none: "
		"remove one of them", c->output_mixed ? "output-mixed" : "output-single");
}

static char *check_directory(const char *name, const char *path)
{
	if (!path)
		return NULL;
	if (path[0] != '/' || config_after_dots(path))
		return xasprintf("%s=%s leads nowhere: give all of the path, without ..", name, path);
	if (strlen(path) > NAME_MAX_DIR)
		return xasprintf("%s=%s is too long: give a directory of at most %d bytes", name, path,
			NAME_MAX_DIR);
	return NULL;
}

static char *check_names(struct config *c)
{
	const char *bad = name_check(c->output_pattern);
	char *reason;

	if (bad)
		return xasprintf("output-pattern=%s gives no names: %s", c->output_pattern, bad);
	reason = check_directory("output-dir", c->output_dir);
	if (!reason)
		reason = check_directory("output-fallback-dir", c->output_fallback_dir);
	for (char **dir = c->output_allow_dir; dir && *dir && !reason; dir++) {
		char *written = *dir;

		*dir = config_absolute(written);
		free(written);
		reason = check_directory("output-allow-dir", *dir);
	}
	return reason;
}

/* ---- what ----------------------------------------------------------------------------------- */

/* Participants are channels, and these formats cannot have as many. */
static char *check_channels(const struct config *c)
{
	int most = c->output_format == CONFIG_MP3 ? 2 :
		c->output_format == CONFIG_OPUS || c->output_format == CONFIG_FLAC ? 8 : INT_MAX;

	if (!c->output_mixed || c->mix_method != CONFIG_MIX_CHANNELS || c->mix_num_inputs <= most)
		return NULL;
	return xasprintf("mix-num-inputs=%d is too many for this output-format: give %d or less, "
		"or output-format=wav", c->mix_num_inputs, most);
}

static char *check_format(struct config *c)
{
	if (!c->output_mixed && !c->output_single)
		c->output_mixed = c->output_single = true;
	if (c->resample_to_hz && c->resample_to_hz < MIN_RATE_HZ)
		return xasprintf("resample-to=%d is too low: give %d Hz or more, or 0 for none",
			c->resample_to_hz, MIN_RATE_HZ);
	if (c->flush_packets && (c->output_format == CONFIG_OPUS || c->output_format == CONFIG_FLAC))
		return xstrdup("flush-packets needs a format that can grow: set output-format to wav, "
			"mp3 or raw");
	return check_channels(c);
}

/* ---- whose ---------------------------------------------------------------------------------- */

/* 0 leaves it, as in rtpengine-recording. */
static char *check_mode(const char *name, const char *text, int *mode)
{
	unsigned long value;
	char *end;

	*mode = -1;
	if (!text)
		return NULL;
	value = strtoul(text, &end, 8);
	if (text[0] < '0' || text[0] > '7' || *end || value > MAX_MODE)
		return xasprintf("%s=%s is not a mode: give an octal number as 0640", name, text);
	if (value)
		*mode = (int)value;
	return NULL;
}

/* A number as rtpengine-recording reads it, -1 among them. */
static bool read_id(const char *text, int *id)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 0);
	if (*end || errno || value < -1 || value > INT_MAX)
		return false;
	*id = (int)value;
	return true;
}

static char *check_owner(struct config *c)
{
	const struct passwd *user;
	const struct group *group;

	c->output_owner = c->output_group = -1;
	if (c->output_chown && !read_id(c->output_chown, &c->output_owner)) {
		user = getpwnam(c->output_chown);
		if (!user)
			return xasprintf("output-chown=%s: there is no such user: give a name or a "
				"number", c->output_chown);
		c->output_owner = (int)user->pw_uid;
	}
	if (c->output_chgrp && !read_id(c->output_chgrp, &c->output_group)) {
		group = getgrnam(c->output_chgrp);
		if (!group)
			return xasprintf("output-chgrp=%s: there is no such group: give a name or a "
				"number", c->output_chgrp);
		c->output_group = (int)group->gr_gid;
	}
	return NULL;
}

static char *check_rights(struct config *c)
{
	char *reason = check_mode("output-chmod", c->output_chmod, &c->output_mode);

	if (!reason)
		reason = check_mode("output-chmod-dir", c->output_chmod_dir, &c->output_dir_mode);
	return reason ? reason : check_owner(c);
}

char *config_check_recording(struct config *c)
{
	bool files = false, named = false;
	char *reason = check_storage(c, &files, &named);

	if (reason)
		return reason;
	c->recording = c->output_format != CONFIG_NO_FORMAT && (files || !named);
	if (!c->recording)
		return check_off(c);
	reason = check_names(c);
	if (!reason)
		reason = check_format(c);
	return reason ? reason : check_rights(c);
}
