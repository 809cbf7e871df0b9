/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp sdp;

	sdp_parse(span_of(data, size), &sdp);
	return 0;
}
