/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The metadata beside a pcap, told in two goes: all of it before the first packet (where a call
 * looks for names and ports), and each SDP again before the packet it came before (when it is an
 * event, and what its payload types mean from there on). */
#ifndef TOOLS_EXPORT_TEXT_H
#define TOOLS_EXPORT_TEXT_H

#include "spool/pcapmeta.h"
#include "tools/export.h"

struct export_text;

/* Tells all but SDPs. NULL: there is none, or *why, malloc'd. */
struct export_text *export_text_open(const struct export_file *, pcapmeta_fn, void *arg,
	char **why);
/* Number of the packet, from 1, before which something is to be told; UINT64_MAX: of none. */
uint64_t export_text_due(const struct export_text *);
/* Tells what came before that packet. */
void export_text_tell(struct export_text *, uint64_t packet);
void export_text_close(struct export_text **); /* tells the rest */

#endif
