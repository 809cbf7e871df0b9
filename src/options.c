/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <limits.h>
#include <string.h>

#include "config.h"

#define AT(field) offsetof(struct config, field)

/* Rows: name, letter, where; default, range and argument where there are any; sentence. */
#define ROW(n, c, t, f, d, lo, hi, a, h) \
	{ n, c, GROUP, OPTION_##t, OPTION_ACTS, AT(f), d, lo, hi, a, h }
#define BOOL(n, c, f, h)           ROW(n, c, BOOL, f, NULL, 0, 0, NULL, h)
#define INT(n, c, f, d, lo, hi, h) ROW(n, c, INT, f, d, lo, hi, "INT", h)
#define TEXT(n, f, d, a, h)        ROW(n, 0, TEXT, f, d, 0, 0, a, h)
#define PATH(n, c, f, d, h)        ROW(n, c, PATH, f, d, 0, 0, "PATH", h)
#define LIST(n, f, d, a, h)        ROW(n, 0, LIST, f, d, 0, 0, a, h)
#define WORD(n, f, d, a, h)        ROW(n, 0, WORD, f, d, 0, 0, a, h)
#define LATER(n, t, d, a, h) \
	{ n, 0, GROUP, OPTION_##t, OPTION_LATER, 0, d, INT_MIN, INT_MAX, a, h }
#define MOOT(n, t, a, h) \
	{ n, 0, GROUP, OPTION_##t, OPTION_MOOT, 0, NULL, INT_MIN, INT_MAX, a, h }

const struct option options[] = {
#define GROUP OPTIONS_GENERAL
	BOOL("help", 'h', help, "print this and exit"),
	BOOL("version", 'v', version, "print the version and exit"),
	TEXT("config-file", config_file, "/etc/rtpengine/rtpengine-recording.conf", "FILE",
		"read options from this file; \"none\": from no file"),
	TEXT("config-section", config_section, "rtpengine-recording", "STRING",
		"section of the file to use"),
	BOOL("foreground", 'f', foreground, "stay in the foreground"),
	PATH("pidfile", 'p', pidfile, NULL, "write the process id to this file, and lock it"),
	INT("num-threads", 0, num_threads, "0", INT_MIN, INT_MAX,
		"worker threads, which decode and forward; 0: one a core"),
	INT("intake-threads", 0, intake_threads, "1", 1, 16, "threads that read kernel streams"),
	INT("opener-threads", 0, opener_threads, "4", 1, 64,
		"threads that open kernel streams and may hang in it"),
	INT("thread-stack", 0, thread_stack_kib, "2048", -1, 1024 * 1024,
		"stack of each thread in KiB; -1: the system's default"),
	INT("max-calls", 0, max_calls, "20000", 1, 1000000,
		"calls at once; what comes beyond is refused and counted"),
	ROW("buffer-memory", 0, SIZE, buffer_memory, "256M", 0, 0, "SIZE",
		"memory that all queues may hold together, in bytes or with K, M or G"),
	INT("shutdown-timeout", 0, shutdown_timeout_s, "5", 0, 3600,
		"seconds in which everything that waits may still go out at the end"),
	MOOT("poller-size", INT, "INT", "events per poll of rtpengine-recording"),
	MOOT("io-uring", BOOL, NULL, "system calls of rtpengine-recording"),
	MOOT("io-uring-buffers", INT, "INT", "system calls of rtpengine-recording"),
	MOOT("evs-lib-path", TEXT, "FILE", "codec library of rtpengine-recording"),
#undef GROUP
#define GROUP OPTIONS_LOG
	INT("log-level", 'L', log_level, "6", 0, 7, "highest level logged, as in syslog(3)"),
	INT("log-level-core", 0, log_level_core, "0", 0, 7,
		"... of everything not named below; 0: log-level"),
	INT("log-level-ffmpeg", 0, log_level_ffmpeg, "0", 0, 7,
		"... of the codec libraries; 0: log-level"),
	INT("log-level-internals", 0, log_level_internals, "0", 0, 7,
		"... of noisy internals; 0: log-level"),
	TEXT("log-facility", log_facility, "daemon", "daemon|local0|...|local7",
		"syslog facility"),
	TEXT("log-name", log_name, "spoolwire", "STRING", "name in syslog"),
	BOOL("log-stderr", 'E', log_stderr, "log to stderr instead of syslog"),
	BOOL("no-log-timestamps", 0, no_log_timestamps, "no time in lines to stderr"),
	BOOL("split-logs", 0, split_logs, "text of several lines becomes several log lines"),
	INT("max-log-line-length", 0, max_log_line_length, "0", INT_MIN, INT_MAX,
		"longer lines go on in the next; 0: 500 in syslog, none on stderr; -1: none"),
	TEXT("log-mark-prefix", log_mark_prefix, NULL, "STRING",
		"put before personal data in log lines"),
	TEXT("log-mark-suffix", log_mark_suffix, NULL, "STRING",
		"put after personal data in log lines"),
#undef GROUP
#define GROUP OPTIONS_SPOOL
	INT("table", 't', table, "0", 0, INT_MAX, "kernel table that rtpengine uses"),
	PATH("spool-dir", 0, spool_dir, "/var/spool/rtpengine",
		"directory in which rtpengine leaves its metadata"),
	PATH("proc-root", 0, proc_root, "/proc/rtpengine", "where the kernel shows its streams"),
	INT("orphan-timeout", 0, orphan_timeout_s, "3900", 1, 86400,
		"seconds after which a pcap call that nobody writes any more is over"),
	INT("pcap-max-age", 0, pcap_max_age_s, "86400", 0, INT_MAX,
		"finished pcaps older than these seconds are left alone; 0: none is too old"),
	PATH("pcm-dir", 0, pcm_dir, NULL, "directory with growing .pcm and .wav files"),
	INT("pcm-rate", 0, pcm_rate_hz, "8000", 4000, 192000, "sampling rate of .pcm files in Hz"),
	INT("pcm-channels", 0, pcm_channels, "1", 1, 8, "channels of .pcm files"),
	INT("pcm-idle-timeout", 0, pcm_idle_timeout_s, "30", 1, 86400,
		"seconds after which a .pcm or .wav file that does not grow is finished"),
	PATH("state-dir", 0, state_dir, "/var/lib/spoolwire",
		"where is remembered which pcaps and PCM files have been consumed"),
	PATH("account-dir", 0, account_dir, NULL, "write one JSON file per call to this directory"),
#undef GROUP
#define GROUP OPTIONS_FORWARDING
	PATH("forward-to", 0, forward_to, NULL,
		"forward whole packets to this Unix socket (SOCK_SEQPACKET)"),
	TEXT("tls-send-to", tls_send_to, NULL, "HOST:PORT", "forward decoded audio over TLS"),
	TEXT("tcp-send-to", tcp_send_to, NULL, "HOST:PORT", "forward decoded audio over TCP"),
	INT("tls-resample", 0, tls_resample_hz, "8000", 4000, 192000,
		"sampling rate of forwarded audio in Hz"),
	INT("tcp-resample", 0, tls_resample_hz, "8000", 4000, 192000, "the same as tls-resample"),
	BOOL("tls-mixed", 0, tls_mixed, "forward one connection per call, with all participants"),
	BOOL("tcp-mixed", 0, tls_mixed, "the same as tls-mixed"),
	BOOL("tls-single", 0, tls_single, "forward each stream, together with tls-mixed"),
	WORD("mix-method", mix_method, "direct", "direct|channels",
		"mix into one channel, or one channel per participant"),
	INT("mix-num-inputs", 0, mix_num_inputs, "4", 1, 16, "channels of mix-method=channels"),
	PATH("tls-ca-file", 0, tls_ca_file, NULL,
		"certificates (PEM) to verify the endpoint against, instead of the system's"),
	TEXT("tls-server-name", tls_server_name, NULL, "NAME",
		"name or address in the endpoint's certificate, if not that of tls-send-to"),
	BOOL("tls-no-verify", 0, tls_no_verify, "take any certificate from the endpoint"),
	PATH("tls-certificate", 0, tls_certificate, NULL,
		"certificate chain (PEM) to show to the endpoint"),
	PATH("tls-private-key", 0, tls_private_key, NULL,
		"its key (PEM), if it is not in the same file"),
	INT("tls-latency-ms", 0, tls_latency_ms, "100", 0, 1000,
		"milliseconds of audio collected for one write"),
	INT("tls-buffer-ms", 0, tls_buffer_ms, "10000", 100, 3600000,
		"milliseconds of audio that one stream may have waiting; eight times that while it "
		"makes an outage good"),
	WORD("tls-when-full", tls_when_full, "drop-oldest", "drop-oldest|drop-newest|disconnect",
		"what becomes silence when more is waiting"),
	WORD("tls-header", tls_header, "auto", "metadata|json|auto",
		"what is sent before the audio; auto: json with redis-url, else metadata"),
	INT("tls-header-wait-ms", 0, tls_header_wait_ms, "500", 0, 60000,
		"milliseconds that a JSON header waits for call data and tags"),
	WORD("tls-connection", tls_connection, "stream", "stream|ssrc",
		"when the SSRC changes: keep the connection, or open another one"),
	INT("tls-linger", 0, tls_linger_s, "30", 0, 3600,
		"seconds in which a stream that has ended may still send what waits"),
	INT("tls-connect-timeout", 0, tls_connect_timeout_s, "5", 1, 300, "seconds to connect in"),
	INT("tls-handshake-timeout", 0, tls_handshake_timeout_s, "5", 1, 300,
		"seconds for a TLS handshake"),
	INT("tls-write-timeout", 0, tls_write_timeout_s, "60", 1, 3600,
		"a connection that takes nothing for these seconds is closed"),
	INT("tls-handshakes-per-tick", 0, tls_handshakes_per_tick, "16", 1, 1000,
		"connections that one worker begins in 20 ms; four times as many may be unfinished"),
#undef GROUP
#define GROUP OPTIONS_CALLDATA
	TEXT("redis-url", redis_url, NULL, "URL",
		"redis://[user:pass@]host:port/db or unix:///path?db=0"),
	TEXT("redis-list", redis_list, "call-mq:%c", "KEY",
		"list with a call's data; %c call-id, %p name of the call in the spool"),
	TEXT("redis-channel", redis_channel, NULL, "CHANNEL",
		"channel on which a call's data is published, \"call:%c\""),
	INT("redis-wait", 0, redis_wait_s, "10", 0, 3600,
		"seconds in which data is asked for again when a call begins"),
	WORD("redis-consume", redis_consume, "keep", "keep|delete",
		"delete: the list goes when the call has ended and its account is written"),
#undef GROUP
#define GROUP OPTIONS_RECORDING
	LIST("output-storage", output_storage, "file", "file|none",
		"where recordings go; none: nothing is recorded"),
	PATH("output-dir", 0, output_dir, "/var/lib/rtpengine-recording",
		"where recordings are written"),
	TEXT("output-pattern", output_pattern, "%c-%r-%t", "STRING", "names of recordings"),
	WORD("output-format", output_format, "wav", "wav|mp3|opus|flac|raw|none",
		"format of recordings; none is the same as output-storage=none"),
	INT("resample-to", 0, resample_to_hz, "0", 0, 192000,
		"sampling rate of recordings in Hz; 0: that of the audio"),
	INT("mp3-bitrate", 0, mp3_bitrate, "0", 0, 320000,
		"bits per second of MP3 recordings; 0: the encoder's default"),
	BOOL("output-mixed", 0, output_mixed, "record calls mixed"),
	BOOL("output-single", 0, output_single, "record each stream"),
	BOOL("output-mixed-per-media", 0, output_mixed_per_media,
		"one channel per media section, not per participant"),
	WORD("output-single-gaps", output_single_gaps, "silence", "silence|cut",
		"what recordings of a stream hold where nothing came"),
	WORD("on-pause", on_pause, "silence", "silence|cut|new-file",
		"what recordings hold while recording is switched off"),
	WORD("empty-calls", empty_calls, "keep", "keep|drop",
		"whether a call without any packet has recordings"),
	WORD("output-sidecar", output_sidecar, "true", "false|true",
		"write a JSON file beside the recordings of a call"),
	LIST("output-allow-dir", output_allow_dir, NULL, "PATH",
		"where a call may ask to be recorded to, besides output-dir"),
	PATH("output-fallback-dir", 0, output_fallback_dir, NULL,
		"where recordings go when output-dir cannot be written"),
	INT("output-buffer-ms", 0, output_buffer_ms, "10000", 2000, 3600000,
		"milliseconds of audio that one recording may have waiting for a slow disk"),
	TEXT("output-chmod", output_chmod, NULL, "OCTAL", "mode of recordings"),
	TEXT("output-chmod-dir", output_chmod_dir, "0700", "OCTAL", "mode of their directories"),
	TEXT("output-chown", output_chown, NULL, "USER|UID", "owner of recordings and sidecars"),
	TEXT("output-chgrp", output_chgrp, NULL, "GROUP|GID", "group of recordings and sidecars"),
	INT("output-buffer", 0, output_buffer, "262144", 0, 64 * 1024 * 1024,
		"bytes collected for one write of a recording; 0: none"),
	BOOL("flush-packets", 0, flush_packets,
		"recordings grow under their final name, and are written after every packet"),
#undef GROUP
#define GROUP OPTIONS_DATABASE
	LATER("mysql-host", TEXT, NULL, "HOST|IP", "database server"),
	LATER("mysql-port", INT, NULL, "INT", "its port"),
	LATER("mysql-user", TEXT, NULL, "USERNAME", "user of the database"),
	LATER("mysql-pass", TEXT, NULL, "PASSWORD", "password of the database"),
	LATER("mysql-db", TEXT, NULL, "STRING", "name of the database"),
#undef GROUP
#define GROUP OPTIONS_NOTIFICATION
	LATER("notify-uri", TEXT, NULL, "URI", "told of each finished recording"),
	LATER("notify-post", BOOL, NULL, NULL, "POST instead of GET"),
	LATER("notify-no-verify", BOOL, NULL, NULL, "take any certificate"),
	LATER("notify-concurrency", INT, "5", "INT", "requests at once"),
	LATER("notify-retries", INT, "10", "INT", "attempts for a request"),
	LATER("notify-command", TEXT, NULL, "PATH", "run for each finished recording"),
	LATER("notify-record", BOOL, NULL, NULL, "send the recording along"),
	LATER("notify-purge", BOOL, NULL, NULL, "remove what has been sent"),
#undef GROUP
#define GROUP OPTIONS_S3
	LATER("s3-host", TEXT, NULL, "HOST", "S3 service"),
	LATER("s3-port", INT, "443", "INT", "its port"),
	LATER("s3-path", TEXT, NULL, "STRING", "bucket and prefix"),
	LATER("s3-access-key", TEXT, NULL, "STRING", "access key"),
	LATER("s3-secret-key", TEXT, NULL, "STRING", "secret key"),
	LATER("s3-region", TEXT, NULL, "STRING", "region"),
	LATER("s3-no-verify", BOOL, NULL, NULL, "take any certificate"),
#undef GROUP
#define GROUP OPTIONS_GCS
	LATER("gcs-uri", TEXT, NULL, "URI", "where uploads go"),
	LATER("gcs-key", TEXT, NULL, "STRING", "API key"),
	LATER("gcs-service-account", PATH, NULL, "FILE", "service account (JSON)"),
	LATER("gcs-scope", TEXT, NULL, "STRING", "scope of the authentication"),
	LATER("gcs-no-verify", BOOL, NULL, NULL, "take any certificate"),
	LATER("gcs-media-link", BOOL, NULL, NULL, "store the direct URI"),
#undef GROUP


	{ .name = NULL },
};

const struct option *option_find(const char *name)
{
	for (const struct option *o = options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const char *option_group_name(enum option_group group)
{
	static const char *const names[OPTION_GROUPS] = {
		"general", "log", "spool", "forwarding", "call data", "recording", "database",
		"notification", "upload to S3", "upload to GCS",
	};

	return names[group];
}

static void print_option(FILE *out, const struct option *o)
{
	char left[80], letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? "=" : "",
		o->arg ? o->arg : "");
	fprintf(out, "  %-38s %s", left, o->help);
	if (o->fallback)
		fprintf(out, " (%s)", o->fallback);
	if (o->state == OPTION_LATER)
		fprintf(out, " [not in this version]");
	if (o->state == OPTION_MOOT)
		fprintf(out, " [ignored]");
	fputc('\n', out);
}

void options_print_help(FILE *out)
{
	fprintf(out, "usage: spoolwire [options]\n"
		"Consumes rtpengine's spool; forwards and records the audio, joined with call data.\n"
		"Options may also stand in the file, by their long names; the command line wins.\n");
	for (const struct option *o = options; o->name; o++) {
		if (o == options || o->group != o[-1].group)
			fprintf(out, "\nOptions: %s\n", option_group_name(o->group));
		print_option(out, o);
	}
}
