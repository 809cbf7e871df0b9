/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main for a fuzz target where there is no fuzzer: runs it once over every file of its corpus,
 * so that what once went wrong is tried again by each make check. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_MAX_FILE ((size_t)1024 * 1024)

/* Copied to a block of exactly its size: a sanitizer sees the first byte read beyond it. */
static void run_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int run_file(const char *path)
{
	static uint8_t bytes[REPLAY_MAX_FILE];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	run_bytes(bytes, size);
	return 0;
}

/* Files run, or -1. */
static int run_corpus(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!d) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return -1;
	}
	while (n >= 0 && (e = readdir(d))) {
		char path[4096 + 257];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n = run_file(path) < 0 ? -1 : n + 1;
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	char dir[4096];
	int n;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			if (run_file(argv[i]) < 0)
				return 1;
		return 0;
	}
	run_bytes((const uint8_t *)"", 0);
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
		name ? name + 1 : argv[0]);
	n = run_corpus(dir);
	printf("%s: %d files\n", dir, n);
	return n > 0 ? 0 : 1;
}
