/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against a private redis-server (skipped when there is none), and against a scripted server for
 * what a real one does not do. Each test runs the loop until what it waits for has happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"

static char dir[] = "/tmp/spoolwire-join-XXXXXX";
static char socket_path[64];
static pid_t server; /* 0: none */

/* ---- what the join says -------------------------------------------------------------------- */

static uv_loop_t loop;
static struct join *join;
static char *json[8];      /* by call */
static unsigned elements[8], finished[8];
static usec_t finished_at;

static void on_data(void *arg, uint64_t call, struct span text, unsigned n)
{
	assert_ptr_equal(arg, &loop);
	free(json[call]);
	json[call] = xstrndup((const char *)text.p, text.n);
	elements[call] = n;
}

static void on_finished(void *arg, uint64_t call)
{
	(void)arg;
	finished[call]++;
	finished_at = clock_mono();
}

static const char *url = socket_path;

static void start_on_loop(const char *channel, bool consume)
{
	struct join_opts opts = {
		.url = url, .list = "call-mq:%c", .channel = channel, .wait = 2 * SEC,
		.consume = consume, .max_elements = 100, .max_element_bytes = 1000,
		.max_call_bytes = 50000, .timeout = 400 * MSEC,
	};
	const struct join_events events = { on_data, on_finished };
	char *reason;

	join = join_start(&loop, &opts, &events, &loop, &reason);
	assert_non_null(join);
}

static void start(const char *channel, bool consume)
{
	uv_loop_init(&loop);
	start_on_loop(channel, consume);
}

static int stop(void **state)
{
	(void)state;
	join_stop(&join);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	for (int i = 0; i < 8; i++) {
		free(json[i]);
		json[i] = NULL;
		elements[i] = finished[i] = 0;
	}
	return 0;
}

static void on_alarm(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

#define WAIT_FOR(cond) \
	do { \
		uv_timer_t alarm_; \
		bool late_ = false; \
		uv_timer_init(&loop, &alarm_); \
		alarm_.data = &late_; \
		uv_timer_start(&alarm_, on_alarm, 8000, 0); \
		while (!(cond) && !late_) \
			uv_run(&loop, UV_RUN_ONCE); \
		uv_close((uv_handle_t *)&alarm_, NULL); \
		uv_run(&loop, UV_RUN_NOWAIT); \
		if (late_) \
			fail_msg("did not happen: %s", #cond); \
	} while (0)

static void run_for(usec_t time)
{
	usec_t end = clock_mono() + time;

	WAIT_FOR(clock_mono() >= end || uv_run(&loop, UV_RUN_NOWAIT) < 0 || usleep(1000) < 0);
}

/* ---- the real server ----------------------------------------------------------------------- */

static char *redis(const char *fmt, ...)
{
	static char answer[4096];
	char command[4096], args[3500];
	va_list ap;
	FILE *p;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "redis-cli -s %s %s 2>/dev/null", socket_path, args);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(answer, 1, sizeof(answer) - 1, p);
	answer[n] = '\0';
	pclose(p);
	return answer;
}

static void start_server(void)
{
	unlink(socket_path);
	server = fork();
	if (server == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path,
			"--save", "", "--dir", dir, "--appendonly", "no", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && strcmp(redis("ping"), "PONG\n") != 0; i++)
		usleep(20000);
}

static void stop_server(void)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
}

static int need_server(void **state)
{
	(void)state;
	if (!server && system("command -v redis-server redis-cli >/dev/null") == 0)
		start_server();
	if (server)
		redis("flushall");
	return 0;
}

#define NEED_SERVER() \
	do { \
		if (!server) { \
			print_message("SKIP: there is no redis-server\n"); \
			skip(); \
		} \
	} while (0)

static void call(unsigned number, const char *id)
{
	join_call(join, number, span_text(id), "parent");
}

static void end(unsigned number)
{
	usec_t asked = clock_mono();

	join_end(join, number);
	assert_int_equal(finished[number], 0); /* never from within */
	WAIT_FOR(finished[number]);
	assert_int_equal(finished[number], 1);
	assert_true(finished_at - asked < 2 * SEC);
}

static void data_before_the_call(void **state)
{
	(void)state;
	NEED_SERVER();
	redis("rpush 'call-mq:a b/c@h' '{\"x\":1}' torn '{\"x\":2}'");
	start(NULL, false);
	call(1, "a b/c@h");
	WAIT_FOR(elements[1] == 3);
	assert_string_equal(json[1], "{\"merged\":{\"x\":2},\"texts\":[\"torn\"]}");
	end(1);
	join_forget(join, 1, true);
	run_for(50 * MSEC);
	assert_string_equal(redis("llen 'call-mq:a b/c@h'"), "3\n");
}

static void data_after_the_call_and_at_its_end(void **state)
{
	(void)state;
	NEED_SERVER();
	start(NULL, false);
	call(1, "late");
	run_for(150 * MSEC);
	assert_int_equal(elements[1], 0);
	redis("rpush call-mq:late '{\"event\":\"start\"}'");
	WAIT_FOR(elements[1] == 1);
	join_end(join, 1);
	redis("rpush call-mq:late '{\"event\":\"end\"}'");
	WAIT_FOR(finished[1]);
	assert_string_equal(json[1], "{\"merged\":{\"event\":\"end\"},\"texts\":[]}");
}

static void consume_deletes_only_what_was_read(void **state)
{
	(void)state;
	NEED_SERVER();
	redis("rpush call-mq:c one two");
	start(NULL, true);
	call(1, "c");
	WAIT_FOR(elements[1] == 2);
	end(1);
	redis("rpush call-mq:c three");
	join_forget(join, 1, true);
	run_for(50 * MSEC);
	assert_string_equal(redis("lrange call-mq:c 0 -1"), "three\n");
}

static void without_account_nothing_is_deleted(void **state)
{
	(void)state;
	NEED_SERVER();
	redis("rpush call-mq:c one");
	start(NULL, true);
	call(1, "c");
	end(1);
	join_forget(join, 1, false);
	run_for(50 * MSEC);
	assert_string_equal(redis("llen call-mq:c"), "1\n");
}

/* More than one chunk, more elements than the cap, one too long. */
static void caps(void **state)
{
	uint64_t refused = counter_sum(COUNT_REDIS_ELEMENTS_REFUSED);

	(void)state;
	NEED_SERVER();
	redis("eval \"redis.call('rpush','call-mq:m',string.rep('x',1001)) for i=1,200 do "
	      "redis.call('rpush','call-mq:m',i) end\" 0");
	start(NULL, false);
	call(1, "m");
	WAIT_FOR(elements[1] == 100);
	end(1);
	assert_int_equal(elements[1], 100);
	assert_int_equal(counter_sum(COUNT_REDIS_ELEMENTS_REFUSED) - refused, 1);
}

static void wrong_type_costs_that_call_only(void **state)
{
	uint64_t errors = counter_sum(COUNT_REDIS_ERRORS);

	(void)state;
	NEED_SERVER();
	redis("set call-mq:s text");
	redis("rpush call-mq:good '{}'");
	start(NULL, false);
	call(1, "s");
	call(2, "good");
	WAIT_FOR(elements[2] == 1);
	end(1);
	assert_true(counter_sum(COUNT_REDIS_ERRORS) > errors);
	assert_null(json[1]);
}

/* The same element pushed and published counts once; published only, counts too. */
static void messages(void **state)
{
	(void)state;
	NEED_SERVER();
	start("call:%c", false);
	call(1, "p");
	for (int i = 0; i < 100 && strcmp(redis("pubsub numsub call:p"), "call:p\n1\n") != 0; i++)
		run_for(20 * MSEC);
	redis("publish call:p published");
	WAIT_FOR(elements[1] == 1);
	redis("rpush call-mq:p both");
	redis("publish call:p both");
	WAIT_FOR(elements[1] == 2);
	redis("rpush call-mq:p listed");
	end(1);
	assert_string_equal(json[1], "{\"merged\":{},\"texts\":[\"published\",\"both\",\"listed\"]}");
	run_for(50 * MSEC);
	assert_string_equal(redis("pubsub numsub call:p"), "call:p\n0\n");
}

static void restarted_with_an_empty_database(void **state)
{
	(void)state;
	NEED_SERVER();
	redis("rpush call-mq:r one two");
	start("call:%c", true);
	call(1, "r");
	WAIT_FOR(elements[1] == 2);
	stop_server();
	start_server();
	redis("rpush call-mq:r three two four");
	WAIT_FOR(elements[1] == 4);
	end(1);
	assert_string_equal(json[1], "{\"merged\":{},\"texts\":[\"one\",\"two\",\"three\",\"four\"]}");
	join_forget(join, 1, true);
	run_for(50 * MSEC);
	assert_string_equal(redis("exists call-mq:r"), "0\n");
}

static void hanging_server_is_noticed_and_left(void **state)
{
	uint64_t lost = counter_sum(COUNT_REDIS_LOST);

	(void)state;
	NEED_SERVER();
	start(NULL, false);
	call(1, "h");
	run_for(100 * MSEC);
	kill(server, SIGSTOP);
	end(1);
	WAIT_FOR(counter_sum(COUNT_REDIS_LOST) > lost);
	kill(server, SIGCONT);
	redis("rpush call-mq:i '{}'");
	call(2, "i");
	WAIT_FOR(elements[2] == 1);
}

static void many_calls(void **state)
{
	(void)state;
	NEED_SERVER();
	redis("rpush call-mq:1 '{}'");
	start("call:%c", false);
	for (unsigned i = 100; i < 1100; i++)
		join_call(join, i, span_text("nobody"), "p");
	call(1, "1");
	WAIT_FOR(elements[1] == 1);
	assert_int_equal(elements[1], 1);
}

static bool subscribed(unsigned number)
{
	char want[100];

	run_for(20 * MSEC);
	snprintf(want, sizeof(want), "call:%064u\n1\n", number);
	return strcmp(redis("pubsub numsub call:%064u", number), want) == 0;
}

/* As many as run at most: over a megabyte of commands at once. */
static void all_are_subscribed_again(void **state)
{
	const unsigned last = 20000;
	char id[65];

	(void)state;
	NEED_SERVER();
	start("call:%c", false);
	for (unsigned i = 100; i <= last; i++) {
		snprintf(id, sizeof(id), "%064u", i);
		call(i, id);
	}
	WAIT_FOR(subscribed(last));
	redis("client kill type pubsub");
	WAIT_FOR(subscribed(100));
	WAIT_FOR(subscribed(last));
}

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* A name with several addresses, a password that is wrong and then right, a database. */
static void tcp_with_login(void **state)
{
	unsigned port = free_port();
	uint64_t lost = counter_sum(COUNT_REDIS_LOST);
	char text[100];

	(void)state;
	NEED_SERVER();
	redis("-n 3 rpush call-mq:t '{}'");
	redis("config set port %u", port);
	redis("acl setuser ann on '>p@w' '~*' '&*' +@all");
	redis("acl setuser default '>other'");
	redis("acl setuser default resetpass");
	url = text;
	snprintf(text, sizeof(text), "redis://ann:wrong@localhost:%u/3", port);
	start("call:%%c", false);
	call(1, "t");
	WAIT_FOR(counter_sum(COUNT_REDIS_LOST) > lost);
	assert_int_equal(elements[1], 0);
	stop(NULL);
	snprintf(text, sizeof(text), "redis://ann:p%%40w@localhost:%u/3", port);
	start("call:%c", false);
	call(1, "t");
	WAIT_FOR(elements[1] == 1);
	end(1);
	url = socket_path;
	stop_server();
}

/* ---- the scripted server ------------------------------------------------------------------- */

static uv_pipe_t listener;
static void (*script)(uv_stream_t *peer, struct span line);
static unsigned accepted;

struct fake {
	uv_pipe_t pipe;
	char bytes[4096];
};

static void on_fake_closed(uv_handle_t *handle)
{
	free(handle);
}

static void say(uv_stream_t *peer, const char *text)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

	uv_try_write(peer, &buf, 1);
}

static void hang_up(uv_stream_t *peer)
{
	if (!uv_is_closing((uv_handle_t *)peer))
		uv_close((uv_handle_t *)peer, on_fake_closed);
}

static void on_fake_room(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
	(void)n;
	*buf = uv_buf_init(((struct fake *)handle)->bytes, 4096);
}

/* Each argument that is a command's name runs the script: good enough for small commands. */
static void on_fake_read(uv_stream_t *peer, ssize_t n, const uv_buf_t *buf)
{
	struct span rest, line;

	if (n < 0)
		hang_up(peer);
	rest = span_of(buf->base, n > 0 ? (size_t)n : 0);
	while (span_line(&rest, &line) && !uv_is_closing((uv_handle_t *)peer)) {
		if (span_is(line, "CLIENT"))
			say(peer, "+OK\r\n");
		else if (span_is(line, "PING"))
			say(peer, "+PONG\r\n");
		else if (span_is(line, "LRANGE"))
			script(peer, line);
	}
}

static void on_fake_accept(uv_stream_t *s, int status)
{
	struct fake *f = xnew(struct fake);

	assert_int_equal(status, 0);
	accepted++;
	uv_pipe_init(&loop, &f->pipe, 0);
	uv_accept(s, (uv_stream_t *)&f->pipe);
	uv_read_start((uv_stream_t *)&f->pipe, on_fake_room, on_fake_read);
}

static void fake(void (*s)(uv_stream_t *, struct span))
{
	char real[64];

	snprintf(real, sizeof(real), "%s", socket_path);
	snprintf(socket_path, sizeof(socket_path), "%s/fake", dir);
	unlink(socket_path);
	accepted = 0;
	script = s;
	uv_loop_init(&loop);
	uv_pipe_init(&loop, &listener, 0);
	assert_int_equal(uv_pipe_bind(&listener, socket_path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&listener, 8, on_fake_accept), 0);
	start_on_loop(NULL, false);
	snprintf(socket_path, sizeof(socket_path), "%s", real);
}

static int stop_fake(void **state)
{
	uv_close((uv_handle_t *)&listener, NULL);
	return stop(state);
}

static void garbage(uv_stream_t *peer, struct span line)
{
	(void)line;
	say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void closing(uv_stream_t *peer, struct span line)
{
	(void)line;
	say(peer, "*2\r\n$5\r\nhel");
	hang_up(peer);
}

static void silent(uv_stream_t *peer, struct span line)
{
	(void)peer, (void)line;
}

static void unasked(uv_stream_t *peer, struct span line)
{
	(void)line;
	say(peer, "*0\r\n:1\r\n+x\r\n*-1\r\n");
}

static void endless_list(uv_stream_t *peer, struct span line)
{
	(void)line;
	say(peer, "*2147483647\r\n");
}

static void reconnects_after(void (*s)(uv_stream_t *, struct span))
{
	uint64_t lost = counter_sum(COUNT_REDIS_LOST);

	fake(s);
	call(1, "f");
	WAIT_FOR(accepted >= 2);
	assert_true(counter_sum(COUNT_REDIS_LOST) > lost);
	end(1);
	assert_null(json[1]);
}

static void garbage_ends_the_connection(void **state)
{
	(void)state;
	reconnects_after(garbage);
}

static void closing_in_mid_reply(void **state)
{
	(void)state;
	reconnects_after(closing);
}

static void never_answering(void **state)
{
	(void)state;
	reconnects_after(silent);
}

static void answers_nobody_asked_for(void **state)
{
	(void)state;
	reconnects_after(unasked);
}

static void list_of_two_billion(void **state)
{
	(void)state;
	reconnects_after(endless_list);
}

static void wrong_types(uv_stream_t *peer, struct span line)
{
	static unsigned turn;
	static const char *const answers[] = {
		":7\r\n", "$-1\r\n", "*-1\r\n", "+OK\r\n", "-NOAUTH no\r\n", "-LOADING wait\r\n",
		"*4\r\n:1\r\n$-1\r\n*1\r\n$1\r\nx\r\n$4\r\ngood\r\n",
	};

	(void)line;
	say(peer, answers[turn < 6 ? turn : 6]);
	turn++;
}

static void wrong_types_are_borne(void **state)
{
	uint64_t errors = counter_sum(COUNT_REDIS_ERRORS);

	(void)state;
	fake(wrong_types);
	call(1, "f");
	WAIT_FOR(elements[1] == 1);
	assert_int_equal(accepted, 1);
	assert_int_equal(counter_sum(COUNT_REDIS_ERRORS) - errors, 9);
	assert_string_equal(json[1], "{\"merged\":{},\"texts\":[\"good\"]}");
}

static void ten_megabytes(uv_stream_t *peer, struct span line)
{
	static char big[10 * 1024 * 1024 + 64];
	int n = snprintf(big, 64, "*2\r\n$10485760\r\n");
	uv_buf_t buf;
	uv_write_t *req = xnew(uv_write_t);

	(void)line;
	memset(big + n, 'x', 10485760);
	n += 10485760;
	n += snprintf(big + n, 40, "\r\n$2\r\n{}\r\n");
	buf = uv_buf_init(big, (unsigned)n);
	uv_write(req, peer, &buf, 1, (uv_write_cb)(void (*)(void))free);
}

static void huge_element_is_refused_the_next_taken(void **state)
{
	uint64_t refused = counter_sum(COUNT_REDIS_ELEMENTS_REFUSED);

	(void)state;
	fake(ten_megabytes);
	call(1, "f");
	WAIT_FOR(elements[1] == 1);
	assert_int_equal(counter_sum(COUNT_REDIS_ELEMENTS_REFUSED) - refused, 1);
	assert_int_equal(accepted, 1);
}

static void start_where_nobody_listens(void)
{
	char real[64];

	snprintf(real, sizeof(real), "%s", socket_path);
	snprintf(socket_path, sizeof(socket_path), "%s/nobody", dir);
	start("call:%c", true);
	snprintf(socket_path, sizeof(socket_path), "%s", real);
}

static void nobody_listens(void **state)
{
	(void)state;
	start_where_nobody_listens();
	call(1, "x");
	run_for(50 * MSEC);
	end(1);
	join_forget(join, 1, true);
	join_forget(join, 1, true);
}

/* The thread that waits for it has all other calls, too. */
static void a_call_that_has_ended_waits_without_spinning(void **state)
{
	clock_t used = clock();

	(void)state;
	start_where_nobody_listens();
	call(1, "x");
	end(1);
	WAIT_FOR(finished[1]);
	assert_true(clock() - used < CLOCKS_PER_SEC / 4);
	join_forget(join, 1, true);
}

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/redis", dir);
	return 0;
}

static int finish(void **state)
{
	char command[128];

	(void)state;
	stop_server();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, need_server, stop_if_run)
#define FAKE(test) cmocka_unit_test_setup_teardown(test, NULL, stop_fake)

static int stop_if_run(void **state)
{
	return join ? stop(state) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(data_before_the_call),
		REAL(data_after_the_call_and_at_its_end),
		REAL(consume_deletes_only_what_was_read),
		REAL(without_account_nothing_is_deleted),
		REAL(caps),
		REAL(wrong_type_costs_that_call_only),
		REAL(messages),
		REAL(restarted_with_an_empty_database),
		REAL(hanging_server_is_noticed_and_left),
		REAL(many_calls),
		REAL(all_are_subscribed_again),
		REAL(tcp_with_login),
		FAKE(garbage_ends_the_connection),
		FAKE(closing_in_mid_reply),
		FAKE(never_answering),
		FAKE(answers_nobody_asked_for),
		FAKE(list_of_two_billion),
		FAKE(wrong_types_are_borne),
		FAKE(huge_element_is_refused_the_next_taken),
		cmocka_unit_test_teardown(nobody_listens, stop_if_run),
		cmocka_unit_test_teardown(a_call_that_has_ended_waits_without_spinning, stop_if_run),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, begin, finish);
}
