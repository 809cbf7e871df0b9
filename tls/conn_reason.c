/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/conn_reason.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/mem.h"

/* What OpenSSL calls it, what it means here. %s: the option that names our certificate. */
static const struct {
	int reason;
	bool refusal; /* of us, also after the handshake (TLS 1.3) */
	const char *text;
} alerts[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, false,
		"it does not speak TLS (check the port; plain TCP is tcp-send-to)" },
	{ SSL_R_PACKET_LENGTH_TOO_LONG, false,
		"it does not speak TLS (check the port; plain TCP is tcp-send-to)" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, false, "it speaks no TLS version from 1.2 on" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, false, "it speaks no TLS version from 1.2 on" },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, true,
		"it refused the handshake (no cipher in common, or it wants %s)" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, true,
		"it wants a client certificate (set %s)" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, true, "it does not trust our certificate (check %s)" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, true, "it refused our certificate (check %s)" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, true, "it refused our certificate (check %s)" },
	{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, true,
		"it refused our certificate (check %s)" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, true,
		"our certificate is revoked (renew %s)" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, true,
		"our certificate has expired (renew %s)" },
	{ SSL_R_TLSV1_ALERT_ACCESS_DENIED, true, "it denied us access (check %s)" },
	{ SSL_R_TLSV1_UNRECOGNIZED_NAME, false,
		"it does not know the name we asked for (set tls-server-name)" },
};

#define ALERTS (sizeof(alerts) / sizeof(*alerts))

char *conn_reason_socket(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return xstrdup("connection refused (nothing listens there)");
	case ECONNRESET:
	case EPIPE:
		return xstrdup("connection reset by the endpoint");
	case EMFILE:
	case ENFILE:
		return xstrdup("no file descriptor left (raise LimitNOFILE)");
	}
	return xstrdup(error ? strerrordesc_np(error) : "the connection broke");
}

char *conn_reason_late(const char *what, usec_t limit)
{
	return xasprintf("%s within %lld ms", what, (long long)(limit / MSEC));
}

char *conn_reason_verify(long verdict, const char *name, const char *ca_option)
{
	const char *why = X509_verify_cert_error_string(verdict);

	switch (verdict) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return xasprintf("certificate refused: it is not for %s (set tls-server-name to a "
				 "name in it)", name);
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_REVOKED:
		return xasprintf("certificate refused: %s (renew it at the endpoint, and check "
				 "the clocks)", why);
	}
	return xasprintf("certificate refused: %s (name its CA in %s, or set tls-no-verify)", why,
		ca_option);
}

static size_t find_alert(unsigned long error)
{
	size_t i = 0;

	while (i < ALERTS && (ERR_GET_LIB(error) != ERR_LIB_SSL ||
			      ERR_GET_REASON(error) != alerts[i].reason))
		i++;
	return i;
}

char *conn_reason_alert(unsigned long error, const char *certificate_option)
{
	const char *text = ERR_reason_error_string(error), *option;
	size_t i = find_alert(error);

	if (i == ALERTS)
		return xasprintf("TLS failed: %s", text ? text : "no reason given");
	text = alerts[i].text;
	option = strstr(text, "%s");
	if (!option)
		return xstrdup(text);
	return xasprintf("%.*s%s%s", (int)(option - text), text, certificate_option, option + 2);
}

bool conn_reason_is_refusal(unsigned long error)
{
	size_t i = find_alert(error);

	return i < ALERTS && alerts[i].refusal;
}
