/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pace.h"

#include "base/check.h"

void pace_restart(struct pace *p)
{
	p->set = false;
}

usec_t pace_wait(struct pace *p, usec_t file, usec_t mono, unsigned speed)
{
	usec_t due;

	must(speed > 0);
	if (!p->set) {
		*p = (struct pace){ .set = true, .file = file, .mono = mono, .last = file };
		return 0;
	}
	/* A jump moves the file's origin along with it; the time already owed stays owed. */
	if (file - p->last > PACE_MAX_GAP || p->last - file > PACE_MAX_GAP)
		p->file += file - p->last;
	p->last = file;
	due = p->mono + (file - p->file - PACE_AT_ONCE) / (usec_t)speed;
	if (due <= mono)
		return 0;
	return due - mono > PACE_STEP ? due - mono : PACE_STEP;
}
