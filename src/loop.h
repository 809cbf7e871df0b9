/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of an event loop, which must not depend on when the DNS answers. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>

#include "base/clock.h"

struct uv_loop_s;

/* All in it is closed or cancelled; what that takes comes off *patience. False: patience is over and
 * a name still being looked up. Then the loop's memory has to stay, and the process must end with
 * _exit, since libuv's destructor waits for its threads. */
bool loop_close(struct uv_loop_s *, usec_t *patience);

#endif
