/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/metafile.h"
#include "spool/section.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct metafile_section section;
	struct change change;
	ssize_t used;

	while ((used = metafile_next(in, &section)) != 0) {
		if (used < 0)
			used = (ssize_t)section_find(in);
		else
			section_read(section.label, section.content, &change);
		if (!used)
			break;
		in = span_skip(in, (size_t)used);
	}
	return 0;
}
