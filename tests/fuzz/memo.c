/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two memos, with a NUL between them: joined they are one, and joined again the same. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/memo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *earlier = xstrndup((const char *)data, size); /* up to the NUL */
	size_t n = strlen(earlier);
	char *now = n < size ? xstrndup((const char *)data + n + 1, size - n - 1) : NULL;
	char *joined = memo_join(earlier, now), *again = memo_join(joined, NULL);
	char *who = memo_who(joined, "stream 1", 1, 0), *mixed = memo_who(joined, "mixed", 2, 1);

	must(!joined == !again && who && mixed);
	must(!joined || (joined[0] == '{' && strcmp(joined, again) == 0));
	free(mixed);
	free(who);
	free(again);
	free(joined);
	free(now);
	free(earlier);
	return 0;
}
