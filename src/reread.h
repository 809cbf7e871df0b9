/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SIGHUP reads again: log levels and certificates. On a thread of the writer, since files are
 * read; one at a time, and as often as needed for what the last SIGHUP has found to be in place. */
#ifndef REREAD_H
#define REREAD_H

struct ctx;
struct reread;
struct writer;

struct reread *reread_new(struct writer *, struct ctx *, int argc, char **argv); /* ctx NULL: no TLS */
void reread_free(struct reread **); /* the writer has stopped */
void reread_ask(struct reread *);   /* from one thread */

#endif
