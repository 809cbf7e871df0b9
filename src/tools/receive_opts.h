/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TOOLS_RECEIVE_OPTS_H
#define TOOLS_RECEIVE_OPTS_H

#include "tools/receive.h"

/* Exits with 0 after --help, with 2 and a sentence when something makes no sense. */
void receive_opts_parse(int argc, char **argv, struct receive_opts *out);

#endif
