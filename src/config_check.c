/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config_check.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mem.h"
#include "config.h"

#define SYSLOG_LINE  500  /* [bytes] rtpengine's limit for a line of syslog */
#define THREAD_STACK 2048 /* [KiB] rtpengine's default */
#define MIN_MEMORY   ((size_t)4 * 1024 * 1024)

/* ---- log and process ------------------------------------------------------------------- */

static const struct {
	const char *name;
	int number;
} facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
	{ "daemon", LOG_DAEMON }, { "ftp", LOG_FTP }, { "kern", LOG_KERN }, { "lpr", LOG_LPR },
	{ "mail", LOG_MAIL }, { "news", LOG_NEWS }, { "syslog", LOG_SYSLOG },
	{ "user", LOG_USER }, { "uucp", LOG_UUCP }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

static int level_or(int level, int fallback)
{
	return level ? level : fallback;
}

static char *check_log(struct config *c)
{
	c->log_level_core = level_or(c->log_level_core, c->log_level);
	c->log_level_ffmpeg = level_or(c->log_level_ffmpeg, c->log_level);
	c->log_level_internals = level_or(c->log_level_internals, c->log_level);
	if (c->max_log_line_length == 0 && !c->log_stderr)
		c->max_log_line_length = SYSLOG_LINE;
	if (c->max_log_line_length < 0)
		c->max_log_line_length = 0;
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcmp(facilities[i].name, c->log_facility) == 0) {
			c->log_facility_number = facilities[i].number;
			return NULL;
		}
	return xasprintf("log-facility=%s is not known: give daemon, user or local0 to local7",
		c->log_facility);
}

static char *check_process(struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->num_threads <= 0)
		c->num_threads = cores > 0 ? (int)cores : 1;
	if (c->num_threads > 1024)
		return xasprintf("num-threads=%d is too many: give the number of cores, or 0",
			c->num_threads);
	if (c->thread_stack_kib == 0)
		c->thread_stack_kib = THREAD_STACK;
	if (c->thread_stack_kib < 0)
		c->thread_stack_kib = 0;
	else if (c->thread_stack_kib < 256)
		return xasprintf("thread-stack=%d is too small for a decoder: give 256 KiB or more",
			c->thread_stack_kib);
	if (c->buffer_memory < MIN_MEMORY)
		return xasprintf("buffer-memory=%zu is too small: give 4M or more", c->buffer_memory);
	return NULL;
}

/* ---- forwarding ------------------------------------------------------------------------ */

static bool is_port(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && !*end && n >= 1 && n <= 65535;
}

/* "192.0.2.1:1234", "name:1234" or "[2001:db8::1]:1234". */
static bool split_endpoint(const char *text, char **host, char **port)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t n;

	if (!colon || !is_port(colon + 1))
		return false;
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		from++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return false;
	}
	if (!n || strcspn(from, " \t/@[]") < n)
		return false;
	*host = xstrndup(from, n);
	*port = xstrdup(colon + 1);
	return true;
}

static char *check_endpoint(struct config *c)
{
	const char *to = c->tls_send_to ? c->tls_send_to : c->tcp_send_to;

	if (c->tls_send_to && c->tcp_send_to)
		return xstrdup("tls-send-to and tcp-send-to exclude each other: remove one");
	if (to && !split_endpoint(to, &c->send_host, &c->send_port))
		return xasprintf("%s=%s is not an endpoint: give ADDRESS:PORT, NAME:PORT or "
			"[IPV6]:PORT", c->tls_send_to ? "tls-send-to" : "tcp-send-to", to);
	c->send_plain = c->tcp_send_to != NULL;
	if (!to && !c->forward_to && !c->account_dir && !c->recording)
		return xstrdup("there is nothing to do: set tls-send-to, tcp-send-to, forward-to or "
			"account-dir, or remove output-storage=none");
	return NULL;
}

static char *check_tls(struct config *c)
{
	if (c->tls_private_key && !c->tls_certificate)
		return xstrdup("tls-private-key needs its certificate: set tls-certificate too");
	if (c->tls_latency_ms > c->tls_buffer_ms)
		return xasprintf("tls-latency-ms=%d is more than tls-buffer-ms=%d: raise the buffer",
			c->tls_latency_ms, c->tls_buffer_ms);
	if (!c->tls_mixed)
		c->tls_single = true;
	if (c->tls_header == CONFIG_HEADER_AUTO)
		c->tls_header = c->redis_url ? CONFIG_HEADER_JSON : CONFIG_HEADER_METADATA;
	return NULL;
}

/* ---- directories and call data --------------------------------------------------------- */

/* What we write must never look like something that rtpengine wrote. */
static char *check_directories(struct config *c)
{
	const struct {
		const char *name, *path;
	} ours[] = {
		{ "account-dir", c->account_dir }, { "state-dir", c->state_dir },
		{ "pcm-dir", c->pcm_dir },
		{ "output-dir", c->recording ? c->output_dir : NULL },
		{ "output-fallback-dir", c->recording ? c->output_fallback_dir : NULL },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i].path && strcmp(ours[i].path, c->spool_dir) == 0)
			return xasprintf("%s must not be the spool-dir %s: give another directory",
				ours[i].name, c->spool_dir);
	return NULL;
}

static char *check_calldata(struct config *c)
{
	if (!strstr(c->redis_list, "%c") && !strstr(c->redis_list, "%p"))
		return xasprintf("redis-list=%s is the same for all calls: give it a %%c (call-id) or "
			"%%p (name in the spool)", c->redis_list);
	if (c->redis_channel && !strstr(c->redis_channel, "%c") && !strstr(c->redis_channel, "%p"))
		return xasprintf("redis-channel=%s is the same for all calls: give it a %%c (call-id) "
			"or %%p (name in the spool)", c->redis_channel);
	return NULL;
}

char *config_check(struct config *c)
{
	static char *(*const checks[])(struct config *) = {
		check_log, check_process, config_check_recording, check_endpoint, check_tls,
		check_directories, check_calldata,
	};
	char *reason = NULL;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !reason; i++)
		reason = checks[i](c);
	return reason;
}
