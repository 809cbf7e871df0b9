/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whatever is taken for a note can be written and is then the same; its path stays where it is. */
#include <stdlib.h>

#include "base/check.h"
#include "record/notes.h"
#include "record/wave.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct note *n)
{
	must(n->path[0] == '/' && !strstr(n->path, "/../") && !strstr(n->path, "//"));
	must(strlen(n->path) < 4096);
	must(n->channels >= 1 && n->channels <= WAVE_MAX_CHANNELS);
	must(n->rate_hz >= 1 && n->rate_hz <= WAVE_MAX_RATE_HZ);
	must(n->format <= RECORDING_FLAC && n->started >= 0);
	must(n->frames >= -1 && n->frames <= INT64_MAX / 256);
	must(n->mode >= -1 && n->mode <= 07777 && n->owner >= -1 && n->group >= -1);
	must(n->mp3_bitrate <= 1000 * 1000);
	must(strlen(n->parent) <= 4096 && strlen(n->label) <= 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note n, again;
	char *json;

	if (!note_parse(span_of(data, size), &n)) {
		must(!n.path && !n.parent && !n.label);
		return 0;
	}
	check(&n);
	json = note_json(&n);
	must(note_parse(span_text(json), &again));
	must(strcmp(n.path, again.path) == 0 && strcmp(n.parent, again.parent) == 0);
	must(strcmp(n.label, again.label) == 0 && n.started == again.started);
	must(n.directory == again.directory);
	free(json);
	note_fini(&n);
	note_fini(&again);
	return 0;
}
