/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a connection failed, as a sentence that says what to do. All are malloc'd. */
#ifndef TLS_CONN_REASON_H
#define TLS_CONN_REASON_H

#include <stdbool.h>

#include "base/clock.h"

char *conn_reason_socket(int error);                     /* errno */
char *conn_reason_late(const char *what, usec_t limit);
/* verdict: X509_V_ERR_..., about a certificate that should bear that name */
char *conn_reason_verify(long verdict, const char *name, const char *ca_option);
/* error: of OpenSSL's queue; 0 when it had nothing to say */
char *conn_reason_alert(unsigned long error, const char *certificate_option);
/* The endpoint refuses what we are, rather than having lost the connection. */
bool conn_reason_is_refusal(unsigned long error);

#endif
