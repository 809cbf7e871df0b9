/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/export_stall.h"

#define REFUSED (60 * SEC)
#define HUNG    (300 * SEC)
#define LOOK    (1 * SEC) /* the most that counts between two looks */

bool export_stall_look(struct export_stall *s, uint64_t moved, bool refused, usec_t now)
{
	usec_t passed = s->looked ? now - s->looked : 0;

	s->still += passed < LOOK ? passed : LOOK;
	if (refused ? !s->refused : moved != s->moved)
		s->still = 0;
	s->moved = moved;
	s->refused = refused;
	s->looked = now;
	return s->still > (refused ? REFUSED : HUNG);
}
