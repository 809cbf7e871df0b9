/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log: one line an event, to syslog or stderr. Never blocks: lines go to a bounded queue that
 * one thread empties; what does not fit is counted (log_lines_dropped). Before log_start and in
 * tools, lines go straight to stderr. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum log_class { LOG_CLASS_CORE, LOG_CLASS_FFMPEG, LOG_CLASS_INTERNALS, LOG_CLASSES };

struct log_opts {
	int level[LOG_CLASSES];  /* 0 (emergency) to 7 (debug), as syslog(3) */
	int facility;            /* LOG_DAEMON ... */
	const char *name;        /* in syslog; NULL: spoolwire; copied */
	bool to_stderr;          /* else syslog */
	bool no_timestamps;      /* on stderr */
	bool split;              /* text of several lines becomes several, else one with blanks */
	unsigned max_length;     /* [bytes] a longer line goes on in the next one; 0: no limit */
	const char *mark_prefix; /* around personal data, "" for none; copied */
	const char *mark_suffix;
};

void log_start(const struct log_opts *);    /* starts the log's thread */
void log_stop(void);                        /* everything queued is out when it returns */
void log_set_level(enum log_class, int level);
void log_write(enum log_class, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* To syslog at once, past the queue: for a process that is about to end. Not to stderr. */
void log_last_words(const char *text);

#define log_err(...)   log_write(LOG_CLASS_CORE, 3, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_CLASS_CORE, 4, __VA_ARGS__)
#define log_info(...)  log_write(LOG_CLASS_CORE, 6, __VA_ARGS__)
#define log_debug(...) log_write(LOG_CLASS_CORE, 7, __VA_ARGS__)

/* Personal data (call-id, name) for a %s: marked with prefix and suffix, control characters
 * escaped, cut at 200 bytes. Valid until the eighth next call in the same thread. */
const char *log_mark(const char *text);

/* At most one line per interval for one place: true when a line may be written now;
 * *suppressed says how many were not since the last one. Thread-safe. */
struct log_limit {
	_Atomic(int64_t) next;
	_Atomic(uint64_t) suppressed;
};
bool log_allowed(struct log_limit *, usec_t now, usec_t interval, uint64_t *suppressed);

/* Warns at most once in 10 s at this place in the code. */
#define log_warn_limited(...) \
	do { \
		static struct log_limit limit_; \
		uint64_t more_; \
		if (log_allowed(&limit_, clock_mono(), 10 * SEC, &more_)) { \
			log_warn(__VA_ARGS__); \
			if (more_) \
				log_warn("(%llu more lines like the last one were not written)", \
					(unsigned long long)more_); \
		} \
	} while (0)

#endif
