/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one packet must cost on this machine, whoever writes the program: it has to be read, decoded,
 * stored, encrypted and sent: of STREAMS in turn, so that what is cold in a daemon is cold here.
 * docs/hotpath.md tells what is made of it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/check.h"
#include "media/decoder.h"

#define STREAMS 500
#define PACKET  200  /* [bytes] IP, UDP, RTP and 20 ms of G.711 */
#define SAMPLES 160
#define RECORD  1600 /* [bytes] 100 ms of 8 kHz s16: the default of tls-latency-ms */
#define SHARE   5    /* packets in a record */
#define ROUNDS  60

static uint8_t packet[PACKET];
static uint8_t record[RECORD + 256];

/* [us] this thread has used */
static double used(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The cheapest of ROUNDS rounds over all streams, for each stream: what else the machine does only
 * ever adds. */
static double cheapest(void (*before)(unsigned i), void (*work)(unsigned i))
{
	double least = 1e9;

	for (unsigned r = 0; r < ROUNDS; r++) {
		double begin, took;

		for (unsigned i = 0; before && i < STREAMS; i++)
			before(i);
		begin = used();
		for (unsigned i = 0; i < STREAMS; i++)
			work(i);
		took = (used() - begin) / STREAMS;
		least = took < least ? took : least;
	}
	return least;
}

/* ---- a packet out of the kernel ---- */

static int (*fifo)[2];
static int polled;
static struct epoll_event *events;

static void open_fifos(void)
{
	fifo = calloc(STREAMS, sizeof(*fifo));
	events = calloc(STREAMS, sizeof(*events));
	polled = epoll_create1(0);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		must(pipe2(fifo[i], O_DIRECT | O_NONBLOCK) == 0);
		must(epoll_ctl(polled, EPOLL_CTL_ADD, fifo[i][0], &e) == 0);
	}
}

static void fill_fifo(unsigned i)
{
	must(write(fifo[i][1], packet, PACKET) == PACKET);
}

static void read_fifo(unsigned i)
{
	static uint8_t into[65536];

	must(read(fifo[i][0], into, sizeof(into)) == PACKET);
}

/* All at once; the second look, which finds nothing, is part of it. */
static void look(unsigned i)
{
	if (i)
		return;
	must(epoll_wait(polled, events, STREAMS, 0) == STREAMS);
	for (unsigned s = 0; s < STREAMS; s++)
		read_fifo(s);
	must(epoll_wait(polled, events, STREAMS, 0) == 0);
}

/* ---- decoding and storing ---- */

static struct decoder *decoder;
static int16_t (*stored)[SAMPLES];

static void open_decoder(void)
{
	static const struct codec pcma = { .id = CODEC_PCMA, .clock_hz = 8000, .rate_hz = 8000,
		.channels = 1 };
	const char *reason;

	decoder = decoder_new(&pcma, &reason);
	stored = calloc(STREAMS, sizeof(*stored));
	must(decoder && stored);
}

static void decode(unsigned i)
{
	struct audio a;
	bool quiet;

	(void)i;
	must(decoder_feed(decoder, span_of(packet + PACKET - SAMPLES, SAMPLES), &a, &quiet) == 0);
}

static void store(unsigned i)
{
	memcpy(stored[i], record, sizeof(stored[i]));
	__asm__ volatile("" : : "r"(stored[i]) : "memory");
}

/* ---- a record ---- */

static EVP_CIPHER_CTX **cipher;

static void open_ciphers(void)
{
	static const uint8_t key[32], iv[12];

	cipher = calloc(STREAMS, sizeof(EVP_CIPHER_CTX *));
	for (unsigned i = 0; i < STREAMS; i++) {
		cipher[i] = EVP_CIPHER_CTX_new();
		must(EVP_EncryptInit_ex(cipher[i], EVP_aes_256_gcm(), NULL, key, iv) == 1);
	}
}

/* TLS 1.3, RFC 8446 5.2: five bytes of header are authenticated, 16 of tag follow. */
static void seal(unsigned i)
{
	static uint8_t iv[12], header[5], out[RECORD + 256];
	int n;

	iv[11]++;
	must(EVP_EncryptInit_ex(cipher[i], NULL, NULL, NULL, iv) == 1 &&
		EVP_EncryptUpdate(cipher[i], NULL, &n, header, sizeof(header)) == 1 &&
		EVP_EncryptUpdate(cipher[i], out, &n, record, RECORD + 1) == 1 &&
		EVP_EncryptFinal_ex(cipher[i], out + n, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(cipher[i], EVP_CTRL_AEAD_GET_TAG, 16, out) == 1);
}

/* ---- sending ---- */

static int *from;
static int arrived;
static pthread_t receiver;
static atomic_bool over;

static void *receive(void *arg)
{
	static uint8_t into[65536];
	struct epoll_event e[64];

	(void)arg;
	while (!over) {
		int n = epoll_wait(arrived, e, 64, 100);

		for (int i = 0; i < n; i++)
			while (recv(e[i].data.fd, into, sizeof(into), MSG_DONTWAIT) > 0)
				;
	}
	return NULL;
}

static void open_connections(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	socklen_t size = sizeof(at);

	must(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 16) == 0);
	getsockname(listener, (struct sockaddr *)&at, &size);
	from = calloc(STREAMS, sizeof(*from));
	arrived = epoll_create1(0);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct epoll_event e = { .events = EPOLLIN };

		from[i] = socket(AF_INET, SOCK_STREAM, 0);
		must(connect(from[i], (struct sockaddr *)&at, size) == 0);
		setsockopt(from[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		e.data.fd = accept(listener, NULL, NULL);
		must(epoll_ctl(arrived, EPOLL_CTL_ADD, e.data.fd, &e) == 0);
	}
	must(pthread_create(&receiver, NULL, receive, NULL) == 0);
}

static void transmit(unsigned i)
{
	must(send(from[i], record, RECORD + 22, MSG_NOSIGNAL) == RECORD + 22);
}

static void pause_a_moment(unsigned i)
{
	if (!i)
		usleep(2000); /* the receiver empties its queues */
}

/* ---- the sum ---- */

static void say(const char *what, double us, unsigned share, double *sum)
{
	printf("%-44s %7.3f us %7.3f us a packet\n", what, us, us / share);
	*sum += us / share;
}

int main(void)
{
	struct rlimit files;
	double sum = 0;

	must(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 5 * STREAMS) {
		printf("too few open files are allowed\n");
		return 77;
	}
	open_fifos();
	open_decoder();
	open_ciphers();
	open_connections();
	printf("%d streams, the cheapest of %d rounds\n", STREAMS, ROUNDS);
	say("read() of a packet", cheapest(fill_fifo, read_fifo), 1, &sum);
	say("decoding G.711", cheapest(NULL, decode), 1, &sum);
	say("one copy of the samples", cheapest(NULL, store), 1, &sum);
	say("AES-256-GCM of 100 ms, a fifth", cheapest(NULL, seal), SHARE, &sum);
	say("send() of 100 ms over loopback, a fifth", cheapest(pause_a_moment, transmit), SHARE,
		&sum);
	printf("%-44s            %7.3f us: CPU s per million packets\n", "limit", sum);
	say("epoll that tells which to read, on top",
		cheapest(fill_fifo, look) - cheapest(fill_fifo, read_fifo), 1, &sum);
	printf("%-44s            %7.3f us\n", "with it", sum);
	over = true;
	pthread_join(receiver, NULL);
	return 0;
}
