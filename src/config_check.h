/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether the options make sense together, and what follows from them. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

struct config;

/* Fills in what is derived. NULL: fine; else a sentence that says what to do; malloc'd. */
char *config_check(struct config *);
char *config_check_recording(struct config *); /* its part for recordings */

#endif
