/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "journal.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"

#define GONE      INT64_MIN
#define LONG_CALL (3 * 3600 * SEC) /* what is left alone is noted when it begins */

/* GONE when it is another file than that inode; 0: any. */
static usec_t last_write(const char *dir, const char *below, const char *name, const char *suffix,
	uint64_t inode)
{
	char *path = xasprintf("%s%s%s%s", dir, below, name, suffix);
	struct stat st;
	bool there = lstat(path, &st) == 0 && (!inode || st.st_ino == inode);

	free(path);
	return there ? st.st_mtim.tv_sec * SEC + st.st_mtim.tv_nsec / 1000 : GONE;
}

/* As the spool sees it: a finished pcap is as old as the newer one of it and its metadata. */
static bool may_come_again(const struct config *c, const char *name)
{
	usec_t oldest = c->pcap_max_age_s ? clock_wall() - c->pcap_max_age_s * SEC : GONE + 1;
	usec_t pcap = last_write(c->spool_dir, "/pcaps/", name, ".pcap", 0);

	return pcap != GONE && (pcap >= oldest || last_write(c->spool_dir,
		"/metadata/rtpengine-meta-", name, ".txt", 0) >= oldest);
}

static bool keep(void *arg, const char *name, uint64_t inode)
{
	const struct config *c = arg;

	if (!inode)
		return may_come_again(c, name);
	return c->pcm_dir && (last_write(c->pcm_dir, "/", name, ".pcm", inode) != GONE ||
		last_write(c->pcm_dir, "/", name, ".wav", inode) != GONE);
}

struct consumed *journal_open(const struct config *c, int *error)
{
	return consumed_open(&(struct consumed_opts){ .dir = c->state_dir, .max = CONSUMED_MAX,
		.forget_after = c->pcap_max_age_s ? c->pcap_max_age_s * SEC + LONG_CALL : INT64_MAX,
		.keep = keep, .arg = (void *)(uintptr_t)c },
		clock_mono(), error);
}
