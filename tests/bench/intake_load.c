/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one intake thread carries: "intake_load STREAMS SECONDS QUEUES" writes packets of G.711 to
 * that many FIFOs as fast as it can, which an intake of ours reads, and takes them out of its
 * queues. Says "PACKETS REFUSED INTAKE_CPU_S LASTED_S". */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mem.h"
#include "spool/intake.h"

#define PACKET  200 /* IPv4, UDP, RTP, 20 ms of G.711 */
#define CHUNKS  256
#define A_CALL  2   /* streams */
#define A_BATCH 256 /* packets written between two looks at the queues */
#define SETTLE  (100 * MSEC)

static struct budget budget = { .limit = (size_t)1 << 30 };

static void on_call_ended(void *arg, uint64_t call, uint64_t epoch)
{
	(void)arg, (void)call, (void)epoch;
}

static int new_stream(struct intake *in, struct packetq **queue, unsigned queues, unsigned i)
{
	struct source *s = source_new(SOURCE_PROC, i / A_CALL, "");
	int ends_of[2];

	if (pipe2(ends_of, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0)
		die("no pipe: raise the limit of open files to twice the streams");
	s->fd = ends_of[0];
	s->queue = queue[i / A_CALL % queues];
	s->asked = clock_mono();
	intake_give(in, &s);
	return ends_of[1];
}

static void empty(struct packetq **queue, unsigned queues)
{
	struct packet *p;

	for (unsigned q = 0; q < queues; q++)
		while ((p = packetq_get(queue[q])))
			packetq_done(p);
}

/* Of the only thread that is called so. */
static double intake_cpu(void)
{
	char command[] = "cat $(grep -l '^intake' /proc/%d/task/*/comm | sed s/comm/schedstat/)";
	char line[sizeof(command) + 16];
	double ns = 0;
	FILE *f;

	snprintf(line, sizeof(line), command, getpid());
	f = popen(line, "r");
	if (!f || fscanf(f, "%lf", &ns) != 1)
		die("no schedstat in /proc");
	pclose(f);
	return ns / 1e9;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
	usec_t lasts = (usec_t)(argc > 2 ? atoi(argv[2]) : 3) * SEC;
	unsigned queues = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
	struct packetq **queue = xalloc(queues * sizeof(*queue));
	struct rlimit files = { 2 * n + 64, 2 * n + 64 };
	static const char packet[PACKET] = { 0x45 };
	int *fd = xalloc(n * sizeof(*fd));
	struct intake *in;
	usec_t begin, end;
	double cpu;
	uint64_t read_before;

	setrlimit(RLIMIT_NOFILE, &files); /* else pipe2() says so */
	for (unsigned q = 0; q < queues; q++)
		queue[q] = packetq_new(&budget, CHUNKS);
	in = intake_start(&(struct intake_opts){ .period = 2 * MSEC, .awake = 200,
		.queues = queues, .queue = queue, .call_ended = on_call_ended });
	for (unsigned i = 0; i < n; i++)
		fd[i] = new_stream(in, queue, queues, i);
	while (counter_sum(COUNT_SOURCES_OPENED) < n)
		usleep(1000);
	usleep(SETTLE);
	cpu = intake_cpu();
	read_before = counter_sum(COUNT_PACKETS_IN);
	begin = end = clock_mono();
	for (unsigned i = 0; end - begin < lasts; i = (i + 1) % n) {
		if (write(fd[i], packet, sizeof(packet)) < 0 && i % 64 == 0)
			usleep(100); /* its FIFO is full: the intake is behind */
		if (i % A_BATCH == 0) {
			empty(queue, queues);
			end = clock_mono();
		}
	}
	cpu = intake_cpu() - cpu;
	printf("%llu %llu %.3f %.3f\n",
		(unsigned long long)(counter_sum(COUNT_PACKETS_IN) - read_before),
		(unsigned long long)counter_sum(COUNT_PACKETS_DROPPED_QUEUE), cpu,
		(double)(end - begin) / SEC);
	fflush(stdout);
	_exit(0); /* what is open goes with us */
}
