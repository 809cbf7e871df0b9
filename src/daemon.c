/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"
#include "calls.h"
#include "directory.h"
#include "journal.h"
#include "loop.h"
#include "recorder.h"
#include "reread.h"
#include "sink/writer.h"
#include "spool/spool.h"
#include "status/status.h"

#define DAEMON_MAGIC 0xdae30001u

#define QUEUE_CHUNKS     256 /* from each reader to each worker: 32 MiB at most */
#define POOL_MAX         8192 /* chunks: 1 GiB of addresses for each intake */
#define WRITER_THREADS   2
#define WRITER_JOBS      10000
#define OPENERS_LOST     64
#define OPENERS_WAITING  20000
#define OPENER_HANG      (5 * SEC)
#define INTAKE_PERIOD    (2 * MSEC)
#define INTAKE_AWAKE     200 /* [us] */
#define TAIL_SPEED       8
#define LOOKUP_WAIT      (200 * MSEC)
#define DATA_ELEMENTS    256
#define DATA_ELEMENT     (256 * 1024)
#define DATA_CALL        (1024 * 1024)

struct daemon {
	MAGIC_MEMBER;
	const struct config *config;
	uv_loop_t loop;
	uv_signal_t sigterm, sigint, sighup, sigusr1;
	uv_timer_t deadline;
	struct budget budget;
	struct ctx *ctx;             /* NULL: no TLS */
	struct dest_notice *notice;
	struct dest_opts dest;
	struct call_opts call;
	unsigned workers, intakes, readers;
	struct packetq_pool **pool;  /* [reader] */
	struct packetq ***queue;     /* [reader][worker]: intakes first, then the tail */
	struct packetq ***to_worker; /* the same as [worker][reader] */
	struct worker **worker;
	struct intake **intake;
	struct tail *tail;
	struct opener *opener;
	struct writer *writer;
	struct reread *reread;
	struct recorder *recorder;   /* NULL: nothing is recorded */
	struct consumed *consumed;
	struct join *join;
	struct calls *calls;
	struct spool *spool;
	int signals;                 /* to end; the second one is urgent */
	bool cut;
};

/* ---- what the table of calls asks ---- */

static void on_idle(void *arg)
{
	struct daemon *d = OBJ(arg, struct daemon, DAEMON_MAGIC);

	uv_stop(&d->loop);
}

/* ---- signals ---- */

static void log_status(struct daemon *d)
{
	struct intake_times *i = intake_times(d->intake[0]);
	struct status_time times[4 + 64] = {
		{ "end_to_closed", "end of a stream to all of its call closed", &i->eof_close },
		{ "open", "interface section read to stream open", &i->open },
		{ "intake_round", "one round of the intake", &i->round },
	};
	struct status s = { .calls = calls_running(d->calls), .times = times, .n_times = 3,
		.memory = { &d->budget, recorder_budget(d->recorder) } };

	for (unsigned w = 0; w < d->workers && s.n_times < 68; w++)
		times[s.n_times++] = (struct status_time){ "worker_tick",
			"one tick of a worker, from when it was due", worker_ticks(d->worker[w]) };
	status_log(&s);
}

/* First the deadline cuts what drains, then nothing is waited for any more. */
static void on_deadline(uv_timer_t *timer)
{
	struct daemon *d = OBJ(timer->data, struct daemon, DAEMON_MAGIC);

	if (d->cut) {
		log_warn("%u calls did not end in time", calls_running(d->calls));
		uv_stop(&d->loop);
		return;
	}
	d->cut = true;
	for (unsigned w = 0; w < d->workers; w++)
		worker_cut(d->worker[w]);
	uv_timer_start(&d->deadline, on_deadline, 1000, 0);
}

static void on_terminate(uv_signal_t *signal, int number)
{
	struct daemon *d = OBJ(signal->data, struct daemon, DAEMON_MAGIC);

	if (d->signals++) {
		d->cut = true;
		uv_stop(&d->loop);
		return;
	}
	log_info("ending (%s): %u calls drain for at most %d s", strsignal(number),
		calls_running(d->calls), d->config->shutdown_timeout_s);
	spool_stop(&d->spool);
	uv_timer_start(&d->deadline, on_deadline,
		(uint64_t)d->config->shutdown_timeout_s * 1000, 0);
	calls_shut_down(d->calls);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct daemon *d = OBJ(signal->data, struct daemon, DAEMON_MAGIC);

	if (number == SIGUSR1)
		log_status(d);
	else
		reread_ask(d->reread);
}

static void start_signal(struct daemon *d, uv_signal_t *signal, uv_signal_cb handler, int number)
{
	uv_signal_init(&d->loop, signal);
	signal->data = d;
	uv_signal_start(signal, handler, number);
}

/* ---- start, from the bottom up ---- */

static void start_queues(struct daemon *d)
{
	const struct config *c = d->config;
	unsigned pool;

	d->budget.limit = c->buffer_memory;
	d->budget.reserve = c->buffer_memory / 4;
	d->workers = (unsigned)c->num_threads;
	d->intakes = (unsigned)c->intake_threads;
	d->readers = d->intakes + 1;
	pool = 2 * QUEUE_CHUNKS * d->workers; /* on their way, and with the workers */
	pool = pool < POOL_MAX ? pool : POOL_MAX;
	d->queue = xalloc(d->readers * sizeof(*d->queue));
	d->pool = xalloc(d->readers * sizeof(struct packetq_pool *));
	for (unsigned r = 0; r < d->readers; r++) {
		d->queue[r] = xalloc(d->workers * sizeof(**d->queue));
		d->pool[r] = r < d->intakes ? packetq_pool_new(pool) : NULL; /* files can wait */
		for (unsigned w = 0; w < d->workers; w++) {
			d->queue[r][w] = packetq_new(&d->budget, QUEUE_CHUNKS);
			packetq_use(d->queue[r][w], d->pool[r]);
		}
	}
}

static void start_endpoint(struct daemon *d)
{
	const struct config *c = d->config;
	char *reason;

	if (!c->send_host)
		return;
	if (!c->send_plain) {
		d->ctx = ctx_new(&(struct ctx_opts){
			.ca_file = c->tls_ca_file, .certificate = c->tls_certificate,
			.private_key = c->tls_private_key, .ca_option = "tls-ca-file",
			.certificate_option = "tls-certificate",
			.no_verify = c->tls_no_verify }, &reason);
		if (!d->ctx)
			die("%s", reason);
	}
	d->notice = dest_notice_new();
	d->dest = (struct dest_opts){
		.host = c->send_host, .service = c->send_port,
		.server_name = c->tls_server_name, .ctx = d->ctx,
		.connect_timeout = c->tls_connect_timeout_s * SEC,
		.handshake_timeout = c->tls_handshake_timeout_s * SEC,
		.write_timeout = c->tls_write_timeout_s * SEC,
		.backoff_min = 250 * MSEC, .backoff_max = 15 * SEC,
		.starts_per_tick = (unsigned)c->tls_handshakes_per_tick,
		.max_starting = (unsigned)c->tls_handshakes_per_tick * 4 };
}

static void describe_calls(struct daemon *d)
{
	static const enum backlog_policy policies[] = {
		[CONFIG_DROP_OLDEST] = BACKLOG_DROP_OLDEST,
		[CONFIG_DROP_NEWEST] = BACKLOG_DROP_NEWEST,
		[CONFIG_DISCONNECT] = BACKLOG_DISCONNECT };
	const struct config *c = d->config;

	d->call = (struct call_opts){
		.forward_kind = !c->send_host ? NULL : c->send_plain ? "tcp" : "tls",
		.single = c->tls_single, .mixed = c->tls_mixed,
		.connection_per_ssrc = c->tls_connection == CONFIG_CONNECTION_SSRC,
		.rate_hz = (uint32_t)c->tls_resample_hz,
		.mix_method = c->mix_method == CONFIG_MIX_DIRECT ? MIXER_DIRECT : MIXER_CHANNELS,
		.mix_channels = (unsigned)c->mix_num_inputs,
		.buffer_ms = (unsigned)c->tls_buffer_ms,
		.latency_ms = worker_latency_left((unsigned)c->tls_latency_ms),
		.linger = c->tls_linger_s * SEC, .when_full = policies[c->tls_when_full],
		.header = c->tls_header == CONFIG_HEADER_JSON ? CALL_HEADER_JSON :
			CALL_HEADER_METADATA,
		.expects_data = c->redis_url != NULL,
		.header_wait = c->tls_header_wait_ms * MSEC,
		.forward_to = c->forward_to,
		.record = recorder_opts(d->recorder) };
}

static void start_workers(struct daemon *d)
{
	d->worker = xalloc(d->workers * sizeof(*d->worker));
	d->to_worker = xalloc(d->workers * sizeof(*d->to_worker));
	for (unsigned w = 0; w < d->workers; w++) {
		d->to_worker[w] = xalloc(d->readers * sizeof(**d->to_worker));
		for (unsigned r = 0; r < d->readers; r++)
			d->to_worker[w][r] = d->queue[r][w];
		d->worker[w] = worker_start(&(struct worker_opts){
			.index = w, .latency_ms = (unsigned)d->config->tls_latency_ms,
			.call = &d->call, .dest = d->call.forward_kind ? &d->dest : NULL,
			.notice = d->notice, .budget = &d->budget, .queues = d->readers,
			.queue = d->to_worker[w], .over = calls_over, .arg = d->calls });
	}
}

static void start_readers(struct daemon *d)
{
	d->intake = xalloc(d->intakes * sizeof(*d->intake));
	for (unsigned i = 0; i < d->intakes; i++)
		d->intake[i] = intake_start(&(struct intake_opts){
			.period = INTAKE_PERIOD, .awake = INTAKE_AWAKE,
			.queues = d->workers, .queue = d->queue[i],
			.call_ended = calls_streams_ended, .arg = d->calls });
	d->tail = tail_start(&(struct tail_opts){
		.queues = d->workers, .queue = d->queue[d->intakes], .consumed = calls_consumed,
		.arg = d->calls, .max_speed = TAIL_SPEED });
	d->opener = opener_new(&(struct opener_opts){
		.threads = (unsigned)d->config->opener_threads, .max_lost = OPENERS_LOST,
		.max_waiting = OPENERS_WAITING, .hang_after = OPENER_HANG }, calls_opened, d->calls);
}

/* -ETIMEDOUT, too, is no reason not to start. */
static int need_directory(struct daemon *d, const char *dir, const char *option)
{
	int err = directory_make(d->writer, dir, NULL);

	if (err == -ETIMEDOUT)
		log_err("the disk of %s=%s does not answer", option, dir);
	else if (err)
		die("cannot write in %s: %s; name another directory with %s", dir, strerror(-err),
			option);
	return err;
}

static void start_memory(struct daemon *d)
{
	const struct config *c = d->config;
	int error;

	if (c->account_dir)
		need_directory(d, c->account_dir, "account-dir");
	error = c->state_dir_given ? need_directory(d, c->state_dir, "state-dir") :
		directory_make(d->writer, c->state_dir, NULL);
	if (error != -ETIMEDOUT)
		d->consumed = journal_open(c, &error);
	if (!d->consumed)
		log_warn("%s cannot be used (%s): after a restart, recordings may be consumed "
			"twice; name another directory with state-dir", c->state_dir,
			strerror(-error));
}

static void start_writer(struct daemon *d)
{
	d->writer = writer_start(WRITER_THREADS, WRITER_JOBS);
	writer_add_dir(d->writer, d->config->state_dir);
	if (d->config->account_dir)
		writer_add_dir(d->writer, d->config->account_dir);
}

static void start_calldata(struct daemon *d)
{
	const struct config *c = d->config;
	char *reason;

	if (!c->redis_url)
		return;
	d->join = join_start(&d->loop, &(struct join_opts){
		.url = c->redis_url, .list = c->redis_list, .channel = c->redis_channel,
		.wait = c->redis_wait_s * SEC, .consume = c->redis_consume == CONFIG_DELETE,
		.max_elements = DATA_ELEMENTS, .max_element_bytes = DATA_ELEMENT,
		.max_call_bytes = DATA_CALL }, &calls_join_events, d->calls, &reason);
	if (!d->join)
		die("%s", reason);
}

static void start_calls(struct daemon *d)
{
	const struct config *c = d->config;

	d->calls = calls_new(&(struct calls_opts){
		.loop = &d->loop, .proc_root = c->proc_root, .table = (unsigned)c->table,
		.account_dir = c->account_dir, .pcm_rate_hz = (unsigned)c->pcm_rate_hz,
		.pcm_channels = (unsigned)c->pcm_channels, .max_calls = (unsigned)c->max_calls,
		.intakes = d->intakes, .workers = d->workers, .idle = on_idle,
		.arg = d });
	start_writer(d);
	start_memory(d);
	start_calldata(d);
	start_workers(d);
	start_readers(d);
	calls_connect(d->calls, &(struct calls_parts){
		.worker = d->worker, .queue = d->queue, .opener = d->opener, .intake = d->intake,
		.tail = d->tail, .join = d->join, .writer = d->writer, .consumed = d->consumed });
}

static void start_spool(struct daemon *d)
{
	const struct config *c = d->config;

	d->spool = spool_start(&d->loop, &(struct spool_opts){
		.dir = c->spool_dir, .pcm_dir = c->pcm_dir,
		.orphan_timeout = c->orphan_timeout_s * SEC,
		.pcap_max_age = c->pcap_max_age_s ? c->pcap_max_age_s * SEC : INT64_MAX,
		.pcm_idle_timeout = c->pcm_idle_timeout_s * SEC,
		.max_calls = (unsigned)c->max_calls }, &calls_spool_events, d->calls);
	calls_set_spool(d->calls, d->spool);
}

struct daemon *daemon_start(const struct config *config, int argc, char **argv)
{
	struct daemon *d = xnew(struct daemon);

	d->magic = DAEMON_MAGIC;
	d->config = config;
	if (uv_loop_init(&d->loop) < 0)
		die("cannot start: raise the limit of open files (ulimit -n)");
	uv_timer_init(&d->loop, &d->deadline);
	d->deadline.data = d;
	start_queues(d);
	start_endpoint(d);
	d->recorder = recorder_new(config, &d->budget);
	describe_calls(d);
	start_calls(d);
	d->reread = reread_new(d->writer, d->ctx, argc, argv);
	start_signal(d, &d->sigterm, on_terminate, SIGTERM);
	start_signal(d, &d->sigint, on_terminate, SIGINT);
	start_signal(d, &d->sighup, on_signal, SIGHUP);
	start_signal(d, &d->sigusr1, on_signal, SIGUSR1);
	start_spool(d);
	if (d->recorder)
		recorder_recover(d->recorder, calls_parents(d->calls));
	log_info("spoolwire %s: spool %s, %u workers%s%s%s%s", PACKAGE_VERSION, config->spool_dir,
		d->workers, config->send_host ? ", forwarding to " : "",
		config->send_host ? config->send_host : "", d->recorder ? ", recording to " : "",
		d->recorder ? config->output_dir : "");
	return d;
}

void daemon_run(struct daemon *d)
{
	uv_run(&d->loop, UV_RUN_DEFAULT);
	log_status(d);
}

/* ---- stop: the mirror ---- */

/* False: a disk holds the thread that reads files, and the calls of those files. */
static bool stop_readers(struct daemon *d)
{
	opener_free(&d->opener); /* gives to the intakes */
	for (unsigned i = 0; i < d->intakes; i++)
		intake_stop(&d->intake[i]);
	if (tail_stop(&d->tail, clock_mono() + SEC))
		return true;
	log_warn("a disk with pcaps or PCM files does not answer: what is recorded of them is "
		"finished by the next start");
	return false;
}

/* They read what the readers left. False: see worker_stop. */
static bool stop_workers(struct daemon *d, bool ended, usec_t *patience)
{
	bool all = true;

	for (unsigned w = 0; w < d->workers; w++)
		if (!worker_stop(&d->worker[w], ended, patience))
			all = false;
	return all;
}

static void free_queues(struct daemon *d)
{
	for (unsigned r = 0; r < d->readers; r++) {
		for (unsigned w = 0; w < d->workers; w++)
			packetq_free(&d->queue[r][w]);
		packetq_pool_free(&d->pool[r]);
		free(d->queue[r]);
	}
	for (unsigned w = 0; w < d->workers; w++)
		free(d->to_worker[w]);
	free(d->queue);
	free(d->pool);
	free(d->to_worker);
}

static void close_signal(uv_signal_t *signal)
{
	uv_close((uv_handle_t *)signal, NULL);
}

bool daemon_stop(struct daemon **dp)
{
	struct daemon *d = *dp;
	usec_t patience = LOOKUP_WAIT;
	bool ended, workers;

	*dp = NULL;
	spool_stop(&d->spool);
	ended = stop_readers(d);
	workers = stop_workers(d, ended, &patience);
	calls_flush(d->calls);
	if (!recorder_free(&d->recorder, clock_mono() + SEC) ||
		!writer_stop(&d->writer, clock_mono() + SEC) || !ended)
		return false; /* a disk holds a thread that may yet touch what is here */
	reread_free(&d->reread);
	calls_free(&d->calls);
	join_stop(&d->join);
	consumed_free(&d->consumed);
	free_queues(d);
	free(d->worker);
	free(d->intake);
	dest_notice_free(&d->notice);
	ctx_free(&d->ctx);
	close_signal(&d->sigterm);
	close_signal(&d->sigint);
	close_signal(&d->sighup);
	close_signal(&d->sigusr1);
	uv_close((uv_handle_t *)&d->deadline, NULL);
	if (!loop_close(&d->loop, &patience) || !workers) {
		log_warn("a name is being looked up and is not waited for: check the DNS");
		return false;
	}
	d->magic = 0;
	free(d);
	return true;
}
