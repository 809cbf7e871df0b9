/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input, a line an element: whatever they are, the record is one line of JSON. */
#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "calldata/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record *r = record_new(16, 4096, 16384);
	struct span rest = span_of(data, size), line;
	unsigned taken = 0;
	char *text;
	json_t *whole;

	while (span_line(&rest, &line))
		taken += record_add(r, line);
	must(taken == record_elements(r));
	text = record_json(r);
	must((text == NULL) == (taken == 0));
	if (text) {
		must(!strchr(text, '\n'));
		whole = json_loads(text, 0, NULL);
		must(json_is_object(json_object_get(whole, "merged")));
		must(json_array_size(json_object_get(whole, "texts")) <= taken);
		json_decref(whole);
	}
	free(text);
	record_free(&r);
	return 0;
}
