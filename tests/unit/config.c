/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "options.h"

#include "folder.h"

#define MAX_ARGS 12
#define SECTION  "[rtpengine-recording]\n"
#define MINIMAL  "--output-storage=none", "--tls-send-to=127.0.0.1:4000"

static char path[96];

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

/* file NULL: --config-file=none. The arguments end with NULL. */
static const struct config *read_config(const char *file, const char *const *args, char **reason)
{
	char named[128] = "--config-file=none";
	char *argv[MAX_ARGS + 2] = { (char *)"spoolwire", named };
	int argc = 2;

	if (file) {
		write_file(file);
		snprintf(named, sizeof(named), "--config-file=%s", path);
	}
	while (args && *args) {
		assert_true(argc < MAX_ARGS + 1);
		argv[argc++] = (char *)*args++;
	}
	return config_new(argc, argv, reason);
}

static const struct config *accept_config(const char *file, const char *const *args)
{
	char *reason;
	const struct config *c = read_config(file, args, &reason);

	if (!c)
		fail_msg("refused: %s", reason);
	return c;
}

#define ACCEPT(file, ...) accept_config(file, (const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state)
{
	const struct config *c = ACCEPT(NULL, MINIMAL);

	(void)state;
	assert_int_equal(c->table, 0);
	assert_string_equal(c->spool_dir, "/var/spool/rtpengine");
	assert_string_equal(c->proc_root, "/proc/rtpengine");
	assert_string_equal(c->state_dir, "/var/lib/spoolwire");
	assert_false(c->state_dir_given);
	assert_int_equal(c->buffer_memory, (size_t)256 * 1024 * 1024);
	assert_int_equal(c->tls_resample_hz, 8000);
	assert_int_equal(c->tls_buffer_ms, 10000);
	assert_int_equal(c->tls_latency_ms, 100);
	assert_int_equal(c->tls_header_wait_ms, 500);
	assert_int_equal(c->tls_when_full, CONFIG_DROP_OLDEST);
	assert_int_equal(c->tls_header, CONFIG_HEADER_METADATA);
	assert_true(c->tls_single);
	assert_false(c->tls_mixed);
	assert_int_equal(c->thread_stack_kib, 2048);
	assert_int_equal(c->max_log_line_length, 500);
	assert_int_equal(c->log_facility_number, LOG_DAEMON);
	assert_int_equal(c->log_level_ffmpeg, 6);
	assert_true(c->num_threads >= 1);
	assert_string_equal(c->redis_list, "call-mq:%c");
	assert_int_equal(c->redis_wait_s, 10);
	assert_null(c->redis_url);
	assert_null(c->warnings);
	config_free(&c);
	assert_null(c);
}

static void test_line_wins_over_file(void **state)
{
	const struct config *c = ACCEPT(
		SECTION "table = 7\nlog-level = 3\nlog-level-ffmpeg=1\nspool-dir = /a b  \n"
		"tls-mixed = true\nforeground = 1\noutput-storage = none;\nnum-threads=3\n"
		"tls-send-to=[2001:db8::1]:99\nmax-log-line-length=-1\n",
		"--table=0x10", "-L", "5", "-f");

	(void)state;
	assert_int_equal(c->table, 16);
	assert_int_equal(c->log_level_core, 5);
	assert_int_equal(c->log_level_ffmpeg, 1);
	assert_string_equal(c->spool_dir, "/a b");
	assert_true(c->foreground);
	assert_true(c->tls_mixed);
	assert_false(c->tls_single);
	assert_int_equal(c->num_threads, 3);
	assert_int_equal(c->max_log_line_length, 0);
	assert_string_equal(c->send_host, "2001:db8::1");
	assert_string_equal(c->send_port, "99");
	config_free(&c);
}

/* GLib's semantics, where they surprise. */
static void test_file_semantics(void **state)
{
	const struct config *c = ACCEPT(
		"# a comment\n\n" SECTION "table = 1\ntable = 2 or so\nlog-stderr=true \n"
		"log-mark-prefix = a\\sb # not a comment\nunknown = 1\noutput-storage = none;file\n"
		"output-format = none\ntls-send-to = name.example:4000\n"
		"[other]\ntable = 9\n", "--log-mark-suffix", ">");

	(void)state;
	assert_int_equal(c->table, 2);
	assert_true(c->log_stderr);
	assert_string_equal(c->log_mark_prefix, "a b # not a comment");
	assert_string_equal(c->log_mark_suffix, ">");
	assert_non_null(strstr(c->warnings[0], "unknown"));
	assert_null(c->warnings[1]);
	config_free(&c);
	c = ACCEPT("[other]\ntable = 9\n", MINIMAL, "--config-section", "other");
	assert_int_equal(c->table, 9);
	config_free(&c);
}

static void test_words_and_sizes(void **state)
{
	const struct config *c = ACCEPT(
		SECTION "tls-when-full = disconnect\ntls-connection=ssrc\nmix-method=\n"
		"buffer-memory=1g\nredis-url=redis://h:1/0\nredis-consume=delete\nspool-dir=\n",
		MINIMAL, "--state-dir=/x", "--tls-single", "--tls-mixed", "--poller-size=5");

	(void)state;
	assert_int_equal(c->tls_when_full, CONFIG_DISCONNECT);
	assert_int_equal(c->tls_connection, CONFIG_CONNECTION_SSRC);
	assert_int_equal(c->mix_method, CONFIG_MIX_DIRECT);
	assert_int_equal(c->buffer_memory, (size_t)1 << 30);
	assert_int_equal(c->tls_header, CONFIG_HEADER_JSON);
	assert_int_equal(c->redis_consume, CONFIG_DELETE);
	assert_string_equal(c->spool_dir, "/var/spool/rtpengine");
	assert_true(c->state_dir_given);
	assert_true(c->tls_single && c->tls_mixed);
	assert_non_null(strstr(c->warnings[0], "poller-size"));
	config_free(&c);
}

static void test_paths_become_absolute(void **state)
{
	const struct config *c = ACCEPT(NULL, MINIMAL, "--spool-dir=here", "--tcp-resample=16000");

	(void)state;
	assert_int_equal(c->spool_dir[0], '/');
	assert_non_null(strstr(c->spool_dir, "/here"));
	assert_int_equal(c->tls_resample_hz, 16000);
	config_free(&c);
}

static void test_help_needs_no_sense(void **state)
{
	const struct config *c = ACCEPT(NULL, "-h");

	(void)state;
	assert_true(c->help);
	config_free(&c);
	c = ACCEPT("junk", "--version");
	assert_true(c->version);
	config_free(&c);
}

/* rtpengine's own file, as Debian ships it, means what it means there: recordings in files. */
static void test_upstream_file(void **state)
{
	static char text[65536];
	char name[4096];
	const char *srcdir = getenv("top_srcdir");
	const struct config *c;
	FILE *f;

	(void)state;
	snprintf(name, sizeof(name), "%s/tests/data/rtpengine-recording.conf",
		srcdir ? srcdir : ".");
	f = fopen(name, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	c = accept_config(text, NULL);
	assert_null(c->warnings);
	assert_true(c->recording);
	assert_true(c->output_mixed && c->output_single);
	assert_int_equal(c->output_format, CONFIG_WAV);
	assert_string_equal(c->output_dir, "/var/lib/rtpengine-recording");
	config_free(&c);
	c = ACCEPT(text, MINIMAL);
	assert_false(c->recording);
	config_free(&c);
}

static void test_recording_defaults(void **state)
{
	const struct config *c = accept_config(NULL, NULL);

	(void)state;
	assert_true(c->recording);
	assert_string_equal(c->output_storage[0], "file");
	assert_null(c->output_storage[1]);
	assert_string_equal(c->output_pattern, "%c-%r-%t");
	assert_int_equal(c->resample_to_hz, 0);
	assert_int_equal(c->mp3_bitrate, 0);
	assert_int_equal(c->output_single_gaps, CONFIG_GAPS_SILENCE);
	assert_int_equal(c->on_pause, CONFIG_PAUSE_SILENCE);
	assert_int_equal(c->empty_calls, CONFIG_EMPTY_KEEP);
	assert_int_equal(c->output_sidecar, CONFIG_ON);
	assert_int_equal(c->output_mode, -1);
	assert_int_equal(c->output_dir_mode, 0700);
	assert_int_equal(c->output_owner, -1);
	assert_int_equal(c->output_group, -1);
	assert_int_equal(c->output_buffer, 262144);
	assert_int_equal(c->output_buffer_ms, 10000);
	assert_null(c->output_allow_dir);
	assert_null(c->output_fallback_dir);
	assert_false(c->flush_packets || c->output_mixed_per_media);
	config_free(&c);
}

static void test_recording_options(void **state)
{
	const struct config *c = ACCEPT(
		SECTION "output-storage = file;\noutput-format = opus\noutput-mixed = true\n"
		"output-allow-dir = /a;/b c \noutput-chmod = 640\noutput-chmod-dir = 0\n"
		"output-chown = root\noutput-chgrp = 0x10\non-pause = new-file\n"
		"output-sidecar = false\noutput-pattern = %Y/%2/%{k}-%c%t\nmp3-bitrate = 24000\n"
		"mix-method = channels\nmix-num-inputs = 8\noutput-buffer = 0\n",
		"--output-dir=rec", "--resample-to=16000", "--output-single-gaps=cut",
		"--empty-calls=drop", "--output-fallback-dir=/f");

	(void)state;
	assert_true(c->recording && c->output_mixed && !c->output_single);
	assert_int_equal(c->output_format, CONFIG_OPUS);
	assert_string_equal(c->output_allow_dir[0], "/a");
	assert_string_equal(c->output_allow_dir[1], "/b c");
	assert_null(c->output_allow_dir[2]);
	assert_int_equal(c->output_mode, 0640);
	assert_int_equal(c->output_dir_mode, -1);
	assert_int_equal(c->output_owner, 0);
	assert_int_equal(c->output_group, 16);
	assert_int_equal(c->on_pause, CONFIG_PAUSE_NEW_FILE);
	assert_int_equal(c->output_sidecar, CONFIG_OFF);
	assert_int_equal(c->output_dir[0], '/');
	assert_int_equal(c->resample_to_hz, 16000);
	assert_int_equal(c->output_single_gaps, CONFIG_GAPS_CUT);
	assert_int_equal(c->empty_calls, CONFIG_EMPTY_DROP);
	assert_string_equal(c->output_fallback_dir, "/f");
	config_free(&c);
	c = ACCEPT(SECTION "output-storage =\noutput-chown = -1\noutput-chgrp =\n",
		"--output-sidecar=true", "--flush-packets", "--output-format=mp3");
	assert_true(c->recording && c->flush_packets);
	assert_int_equal(c->output_owner, -1);
	config_free(&c);
	c = ACCEPT(SECTION "output-storage = memory;none\n", "--tls-send-to=h:1");
	assert_false(c->recording);
	config_free(&c);
	c = ACCEPT(SECTION "output-storage = none;file\noutput-pattern = \\s\nredis-list = \\s\n", NULL);
	assert_true(c->recording);
	assert_string_equal(c->output_pattern, "%c-%r-%t");
	config_free(&c);
}

/* As written, of wherever the daemon is started: what is asked of paths later is asked by letters. */
static void test_directories(void **state)
{
	static const struct {
		const char *written, *meant;
	} rows[] = {
		{ "rec", "/in/rec" }, { "./rec/", "/in/rec" }, { "..//in/rec", "/in/rec" },
		{ "../rec", "/rec" }, { ".", "/in" },
	};
	char arg[64], allow[64], real[128], in[96], want[160];

	(void)state;
	assert_non_null(realpath(dir, real));
	snprintf(in, sizeof(in), "%s/in", dir);
	assert_int_equal(mkdir(in, 0700), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct config *c;
		int before = open(".", O_RDONLY | O_DIRECTORY);

		assert_int_equal(chdir(in), 0);
		snprintf(arg, sizeof(arg), "--output-dir=%s", rows[i].written);
		snprintf(allow, sizeof(allow), "--output-allow-dir=%s", rows[i].written);
		c = ACCEPT(NULL, arg, allow);
		assert_int_equal(fchdir(before), 0);
		close(before);
		snprintf(want, sizeof(want), "%s%s", real, rows[i].meant);
		assert_string_equal(c->output_dir, want);
		assert_string_equal(c->output_allow_dir[0], want);
		config_free(&c);
	}
	rmdir(in);
}

static const struct {
	const char *file;
	const char *args[4];
	const char *reason; /* part of it */
} refusals[] = {
	{ NULL, { "--no-such" }, "no-such" },
	{ NULL, { MINIMAL, "-f=1" }, "-f=1" },
	{ NULL, { MINIMAL, "--table" }, "--table" },
	{ NULL, { MINIMAL, "--table=abc" }, "table=abc is not a number" },
	{ NULL, { MINIMAL, "--table=99999999999" }, "not a number" },
	{ NULL, { MINIMAL, "--log-level=8" }, "from 0 to 7" },
	{ NULL, { MINIMAL, "--log-facility=local9" }, "log-facility=local9" },
	{ NULL, { MINIMAL, "--thread-stack=16" }, "256 KiB" },
	{ NULL, { MINIMAL, "--buffer-memory=1" }, "4M or more" },
	{ NULL, { MINIMAL, "--buffer-memory=10T" }, "not a size" },
	{ NULL, { MINIMAL, "--buffer-memory=99999999999G" }, "not a size" },
	{ NULL, { MINIMAL, "--buffer-memory=-5" }, "not a size" },
	{ NULL, { MINIMAL, "--tls-when-full=drop" }, "drop-oldest|drop-newest|disconnect" },
	{ NULL, { MINIMAL, "--mysql-host=h" }, "option mysql-host belongs to database" },
	{ NULL, { MINIMAL, "--notify-uri=http://h" }, "option notify-uri" },
	{ NULL, { MINIMAL, "--s3-no-verify" }, "option s3-no-verify" },
	{ NULL, { MINIMAL, "--gcs-uri=x" }, "option gcs-uri" },
	{ NULL, { MINIMAL, "--tcp-send-to=127.0.0.1:1" }, "exclude each other" },
	{ NULL, { MINIMAL, "--tls-private-key=/k" }, "set tls-certificate too" },
	{ NULL, { MINIMAL, "--state-dir=/var/spool/rtpengine" }, "must not be the spool-dir" },
	{ NULL, { MINIMAL, "--redis-list=all" }, "redis-list=all" },
	{ NULL, { MINIMAL, "--redis-channel=all" }, "redis-channel=all" },
	{ NULL, { "--output-storage=db", "--output-format=none", "--tls-send-to=h:1" },
		"output-storage=db is not in this version" },
	{ NULL, { "--output-storage=both" }, "both is not in this version" },
	{ NULL, { "--output-storage=db-mem" }, "db-mem is not in this version" },
	{ NULL, { "--output-storage=notify" }, "notify is not in this version" },
	{ NULL, { "--output-storage=s3" }, "s3 is not in this version" },
	{ NULL, { "--output-storage=file", "--output-storage=gcs" }, "gcs is not in" },
	{ NULL, { "--output-storage=memory" }, "output-storage=memory goes with db, notify, s3 or gcs, "
		"which are not in this version: set output-storage=file or none" },
	{ NULL, { "--output-storage=mem", "--output-storage=file" },
		"output-storage=memory and file exclude each other: remove memory" },
	{ NULL, { "--output-storage=memory", "--output-storage=notify" }, "=notify is not in this" },
	{ NULL, { "--output-storage=memory", "--output-storage=none", "--output-single" },
		"output-single asks for recordings" },
	{ NULL, { "--output-storage=tape" }, "tape is not known" },
	{ NULL, { "--output-format=ogg" }, "wav|mp3|opus|flac|raw|none" },
	{ NULL, { MINIMAL, "--output-single" }, "output-single asks for recordings" },
	{ NULL, { "--output-dir=/var/spool/rtpengine/" }, "output-dir must not be the spool-dir" },
	{ NULL, { "--output-fallback-dir=/var/spool/rtpengine" }, "must not be the spool-dir" },
	{ NULL, { "--output-dir=/a/../etc" }, "output-dir=/a/../etc" },
	{ NULL, { "--output-dir=/./var/spool//rtpengine/" }, "output-dir must not be the spool-dir" },
	{ NULL, { "--output-allow-dir=" }, "output-allow-dir= leads nowhere" },
	{ NULL, { "--output-allow-dir=/a", "--output-allow-dir=/b/.." }, "output-allow-dir=/b/.." },
	{ NULL, { "--output-pattern=%c" }, "it has no %t" },
	{ NULL, { "--output-pattern=%c%t%" }, "single %" },
	{ NULL, { "--output-pattern=../%c%t" }, "gives no names" },
	{ NULL, { "--resample-to=100" }, "resample-to=100" },
	{ NULL, { "--resample-to=-1" }, "out of range" },
	{ NULL, { "--output-chmod=rw" }, "not a mode" },
	{ NULL, { "--output-chmod=640x" }, "not a mode" },
	{ NULL, { "--output-chmod-dir=77777" }, "not a mode" },
	{ NULL, { "--output-chown=no such user" }, "no such user" },
	{ NULL, { "--output-chgrp=no such group" }, "no such group" },
	{ NULL, { "--output-chown=99999999999" }, "no such user" },
	{ NULL, { "--output-buffer=-1" }, "out of range" },
	{ NULL, { "--output-sidecar=no" }, "false|true" },
	{ NULL, { "--on-pause=stop" }, "silence|cut|new-file" },
	{ NULL, { "--flush-packets", "--output-format=flac" }, "format that can grow" },
	{ NULL, { "--mix-method=channels", "--output-format=mp3" }, "mix-num-inputs=4" },
	{ NULL, { "--mix-method=channels", "--output-format=flac", "--mix-num-inputs=9" },
		"mix-num-inputs=9" },
	{ NULL, { "--output-storage=none" }, "nothing to do" },
	{ NULL, { "--output-storage=none", "--tls-send-to=host" }, "[IPV6]:PORT" },
	{ NULL, { "--output-storage=none", "--tls-send-to=host:0" }, "[IPV6]:PORT" },
	{ NULL, { "--output-storage=none", "--tls-send-to=::1:80" }, "[IPV6]:PORT" },
	{ NULL, { "--output-storage=none", "--tls-send-to=:80" }, "[IPV6]:PORT" },
	{ NULL, { "--output-storage=none", "--tls-send-to=a b:80" }, "[IPV6]:PORT" },
	{ "junk\n", { MINIMAL }, "junk" },
	{ "table=1\n" SECTION, { MINIMAL }, "" },
	{ "", { MINIMAL }, "has no section [rtpengine-recording]" },
	{ "[other]\n", { MINIMAL }, "has no section [rtpengine-recording]" },
	{ SECTION "table = x\n", { MINIMAL }, "option table" },
	{ SECTION "foreground = yes\n", { MINIMAL }, "option foreground" },
	{ SECTION "foreground = TRUE\n", { MINIMAL }, "option foreground" },
	{ SECTION "table = 0x10\n", { MINIMAL }, "option table" },
	{ SECTION "output-mixed = true\n", { MINIMAL }, "output-mixed asks for recordings" },
	{ SECTION "spool-dir = a\\qb\n", { MINIMAL }, "option spool-dir" },
	{ SECTION "mp3-bitrate = 24k\n", { MINIMAL }, "option mp3-bitrate" },
	{ SECTION "output-sidecar = 0\n", { MINIMAL }, "output-sidecar=0" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char *reason = NULL;
		const char *args[5] = { NULL };
		const struct config *c;

		memcpy(args, refusals[i].args, sizeof(refusals[i].args));
		c = read_config(refusals[i].file, args, &reason);
		if (c || !strstr(reason, refusals[i].reason))
			fail_msg("row %zu (%s): %s", i, refusals[i].reason, c ? "taken" : reason);
		free(reason);
	}
}

static void test_missing_file(void **state)
{
	char *argv[] = { (char *)"spoolwire", (char *)"--config-file", (char *)"/no/such/file", NULL };
	char *reason;

	(void)state;
	assert_null(config_new(3, argv, &reason));
	assert_non_null(strstr(reason, "/no/such/file"));
	free(reason);
}

/* What --help prints and the manual page is checked against. */
static void test_table(void **state)
{
	(void)state;
	for (const struct option *o = options; o->name; o++) {
		assert_ptr_equal(option_find(o->name), o);
		assert_true(o->type == OPTION_BOOL ? !o->arg : o->arg != NULL);
		assert_true(o->state == OPTION_LATER || o->group < OPTIONS_DATABASE);
		assert_true(o->help && *o->help);
	}
}

static int make_dir(void **state)
{
	if (folder_make(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/conf", dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_line_wins_over_file),
		cmocka_unit_test(test_file_semantics),
		cmocka_unit_test(test_words_and_sizes),
		cmocka_unit_test(test_paths_become_absolute),
		cmocka_unit_test(test_help_needs_no_sense),
		cmocka_unit_test(test_upstream_file),
		cmocka_unit_test(test_recording_defaults),
		cmocka_unit_test(test_recording_options),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, make_dir, folder_remove);
}
