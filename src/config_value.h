/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value to its place in struct config, by its row of the table. NULL: fine; else a sentence
 * that says what is wrong and what would be right; malloc'd, the caller frees it. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>

#include "config.h"
#include "options.h"

void config_set_bool(struct config *, const struct option *, bool value);
char *config_set_int(struct config *, const struct option *, int value);
/* A number as GOption reads it: decimal, octal with 0, hexadecimal with 0x. */
char *config_set_number(struct config *, const struct option *, const char *value);
/* Text, path, word and size. An empty value is the default's. Blanks at the end go, as in
 * rtpengine. */
char *config_set_text(struct config *, const struct option *, const char *value);
/* From where the daemon was started, without what means nothing in a path; malloc'd. "" stays, and
 * ".." where it leads through what is not there. */
char *config_absolute(const char *path);
const char *config_after_dots(const char *path); /* behind its last ".."; NULL: it has none */
void config_set_list(struct config *, const struct option *, char *const *values);

#endif
