/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the operator asked for: defaults, then the file, then the command line, checked. The option
 * table is options.c. File and command line mean what they mean to rtpengine-recording, GLib's
 * GKeyFile and GOption to the letter. Everything is const once read. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum config_mix { CONFIG_MIX_DIRECT, CONFIG_MIX_CHANNELS };
enum config_header { CONFIG_HEADER_METADATA, CONFIG_HEADER_JSON, CONFIG_HEADER_AUTO };
enum config_connection { CONFIG_CONNECTION_STREAM, CONFIG_CONNECTION_SSRC };
enum config_when_full { CONFIG_DROP_OLDEST, CONFIG_DROP_NEWEST, CONFIG_DISCONNECT };
enum config_consume { CONFIG_KEEP, CONFIG_DELETE };
enum config_format {
	CONFIG_WAV, CONFIG_MP3, CONFIG_OPUS, CONFIG_FLAC, CONFIG_RAW, CONFIG_NO_FORMAT,
};
enum config_gaps { CONFIG_GAPS_SILENCE, CONFIG_GAPS_CUT };
enum config_pause { CONFIG_PAUSE_SILENCE, CONFIG_PAUSE_CUT, CONFIG_PAUSE_NEW_FILE };
enum config_empty { CONFIG_EMPTY_KEEP, CONFIG_EMPTY_DROP };
enum config_switch { CONFIG_OFF, CONFIG_ON };

struct config { /* a path is absolute; a text or path that was not given and has no default: NULL */
	/* general */
	bool help, version;
	char *config_file, *config_section;
	int log_level, log_level_core, log_level_ffmpeg, log_level_internals;
	char *log_facility, *log_name;
	int log_facility_number; /* syslog(3) */
	bool log_stderr, split_logs, no_log_timestamps;
	int max_log_line_length; /* [bytes] 0: no limit */
	char *log_mark_prefix, *log_mark_suffix;
	char *pidfile;
	bool foreground;
	int thread_stack_kib; /* 0: the system's */
	int num_threads;      /* workers */
	int intake_threads, opener_threads;
	int shutdown_timeout_s;
	size_t buffer_memory; /* [bytes] */
	int max_calls;

	/* spool */
	int table;
	char *spool_dir, *proc_root;
	int orphan_timeout_s, pcap_max_age_s; /* pcap_max_age_s 0: any age */
	char *pcm_dir;
	int pcm_rate_hz, pcm_channels, pcm_idle_timeout_s;
	char *state_dir;
	bool state_dir_given; /* by the operator: then it has to be usable */
	char *account_dir;

	/* forwarding */
	char *forward_to;
	char *tls_send_to, *tcp_send_to;
	char *send_host, *send_port; /* of either; NULL: neither */
	bool send_plain;             /* TCP without TLS */
	int tls_resample_hz;
	bool tls_mixed;
	bool tls_single; /* separate streams: also true when tls_mixed is not */
	enum config_mix mix_method;
	int mix_num_inputs;
	char *tls_ca_file, *tls_server_name, *tls_certificate, *tls_private_key;
	bool tls_no_verify;
	int tls_latency_ms, tls_buffer_ms;
	enum config_when_full tls_when_full;
	enum config_header tls_header; /* never AUTO: decided */
	int tls_header_wait_ms;
	enum config_connection tls_connection;
	int tls_linger_s;
	int tls_connect_timeout_s, tls_handshake_timeout_s, tls_write_timeout_s;
	int tls_handshakes_per_tick;

	/* call data */
	char *redis_url, *redis_list, *redis_channel;
	int redis_wait_s;
	enum config_consume redis_consume;

	/* recording */
	bool recording; /* files are to be written; else the rest means nothing */
	char **output_storage;
	char *output_dir, *output_pattern, *output_fallback_dir;
	char **output_allow_dir; /* absolute, NULL at the end; NULL: none */
	enum config_format output_format;
	int resample_to_hz; /* 0: as it comes */
	int mp3_bitrate;    /* [bits/s] 0: the encoder's default */
	bool output_mixed, output_single, output_mixed_per_media; /* mixed, single: at least one */
	enum config_gaps output_single_gaps;
	enum config_pause on_pause;
	enum config_empty empty_calls;
	enum config_switch output_sidecar;
	char *output_chmod, *output_chmod_dir, *output_chown, *output_chgrp;
	int output_mode, output_dir_mode, output_owner, output_group; /* of these; -1: leave */
	int output_buffer;  /* [bytes] */
	int output_buffer_ms;
	bool flush_packets;

	/* Sentences for the log, NULL at the end: unknown keys, options without effect. */
	char **warnings;
};

/* NULL: *reason is a sentence that says what to do; malloc'd, the caller frees it. With help or
 * version set nothing else is to be relied on. argv is left as it is. May be called again. */
const struct config *config_new(int argc, char *const *argv, char **reason);
void config_free(const struct config **);

#endif
