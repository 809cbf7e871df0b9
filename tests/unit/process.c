/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "process.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static char path[96];

static long read_number(void)
{
	FILE *f = fopen(path, "r");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* The exit status of work in a child of ours, that nothing of ours leaks into. */
static int status_of(int (*work)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(work());
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int take_pidfile(void)
{
	char *reason = NULL;
	int err = process_pidfile(path, &reason);

	if (err < 0 && !strstr(reason, "is held by a process that runs"))
		return 2;
	return err < 0;
}

static void test_pidfile_is_a_lock(void **state)
{
	char *reason = NULL;

	(void)state;
	assert_int_equal(process_pidfile(path, &reason), 0);
	assert_int_equal(read_number(), getpid());
	assert_int_equal(status_of(take_pidfile), 1);
	process_pidfile_remove();
	assert_int_equal(access(path, F_OK), -1);
	process_pidfile_remove();
}

static void test_stale_pidfile_is_taken_over(void **state)
{
	FILE *f = fopen(path, "w");
	char *reason = NULL;

	(void)state;
	fprintf(f, "1234567890123\n");
	fclose(f);
	assert_int_equal(process_pidfile(path, &reason), 0);
	assert_int_equal(read_number(), getpid());
	process_pidfile_remove();
}

static void test_pidfile_in_no_directory(void **state)
{
	char *reason = NULL;

	(void)state;
	assert_int_equal(process_pidfile("/no/such/dir/pid", &reason), -1);
	assert_non_null(strstr(reason, "/no/such/dir/pid"));
	free(reason);
}

static int said[2]; /* pipe: where the grandchild is */

/* It writes the file before it is ready, so that who waited can read it. */
static int daemonize_and_live(void)
{
	char *reason, here[PATH_MAX];

	process_daemonize();
	if (process_pidfile(path, &reason) < 0)
		return 1;
	process_ready();
	return getcwd(here, sizeof(here)) && write(said[1], here, strlen(here)) > 0 ? 0 : 1;
}

static int daemonize_and_die(void)
{
	process_daemonize();
	return 1;
}

/* A file of options may have been named by a relative path, and is read again at SIGHUP. */
static void test_parent_waits_for_ready(void **state)
{
	char here[PATH_MAX], there[PATH_MAX] = "";

	(void)state;
	assert_int_equal(pipe(said), 0);
	assert_int_equal(status_of(daemonize_and_live), 0);
	close(said[1]);
	assert_true(read(said[0], there, sizeof(there) - 1) > 0);
	close(said[0]);
	assert_string_equal(there, getcwd(here, sizeof(here)));
	assert_true(read_number() > 1);
	unlink(path);
	assert_int_equal(status_of(daemonize_and_die), 1);
}

static void test_nofile(void **state)
{
	unsigned long limit = process_raise_nofile();
	char *warning;

	(void)state;
	assert_true(limit >= 64);
	assert_null(process_nofile_warning(1000000, 20000));
	warning = process_nofile_warning(1024, 1000);
	assert_non_null(strstr(warning, "about 128 calls"));
	assert_non_null(strstr(warning, "to 7128"));
	free(warning);
}

static int make_dir(void **state)
{
	if (folder_make(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/pid", dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pidfile_is_a_lock),
		cmocka_unit_test(test_stale_pidfile_is_taken_over),
		cmocka_unit_test(test_pidfile_in_no_directory),
		cmocka_unit_test(test_parent_waits_for_ready),
		cmocka_unit_test(test_nofile),
	};

	return cmocka_run_group_tests(tests, make_dir, folder_remove);
}
