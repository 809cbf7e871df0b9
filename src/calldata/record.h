/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call's data, element by element. An element is a JSON document or any text (torn JSON too).
 * JSON objects are merged in order, the later member wins; anything else is kept as text. Pure. */
#ifndef CALLDATA_RECORD_H
#define CALLDATA_RECORD_H

#include "base/span.h"

struct record;

struct record *record_new(unsigned max_elements, size_t max_element_bytes, size_t max_bytes);
void record_free(struct record **);
/* False: over a cap, refused. Bytes that are not UTF-8 become U+FFFD. */
bool record_add(struct record *, struct span element);
unsigned record_elements(const struct record *);
/* {"merged":{...},"texts":[...]} on one line; malloc'd; NULL when there is nothing. */
char *record_json(const struct record *);

#endif
