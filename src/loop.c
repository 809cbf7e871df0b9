/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "loop.h"

#include <poll.h>
#include <uv.h>

#include "base/check.h"

#define LOOK_MS 10

bool loop_close(struct uv_loop_s *loop, usec_t *patience)
{
	struct pollfd events = { .fd = uv_backend_fd(loop), .events = POLLIN };
	usec_t begun = clock_mono();
	bool all;

	while (!(all = uv_run(loop, UV_RUN_NOWAIT) == 0) && clock_mono() - begun < *patience)
		poll(&events, 1, LOOK_MS);
	*patience -= clock_mono() - begun;
	if (all)
		must(uv_loop_close(loop) == 0);
	return all;
}
