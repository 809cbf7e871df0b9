/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of the input are call-id, tag, label, metadata, the tag's metadata, and call data: the
 * header is one line of JSON, and the other kind holds no NUL. */
#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "call/header.h"
#include "calldata/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span line_of(struct span *rest)
{
	struct span line = span_of(NULL, 0);

	span_line(rest, &line);
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct header_info h = {
		.call_id = line_of(&rest), .tag = line_of(&rest), .label = line_of(&rest),
		.metadata = line_of(&rest), .tag_metadata = line_of(&rest), .parent = "parent",
		.role = "", .codec = "PCMA", .rate_hz = 8000, .channels = 1, .mixed = size & 1,
	};
	struct record *r = record_new(4, 65536, 65536);
	char *json, *text, *known;
	json_t *o;

	record_add(r, rest);
	known = record_json(r);
	if (known)
		h.data = span_text(known);
	json = header_json(&h);
	must(strlen(json) <= HEADER_MAX && !strchr(json, '\n'));
	o = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(o));
	json_decref(o);
	text = header_metadata(&h);
	must(strlen(text) <= HEADER_MAX);
	free(text);
	text = header_parse_metadata(h.metadata);
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(o));
	json_decref(o);
	free(text);
	free(json);
	free(known);
	record_free(&r);
	return 0;
}
