#ifndef MSTOKEN_ASSERTION_H
#define MSTOKEN_ASSERTION_H

/* A certificate in place of the client secret.
   https://learn.microsoft.com/entra/identity-platform/certificate-credentials */

#include <stdint.h>

/* A signed client assertion (PS256, x5t#S256), heap; good for ten minutes.
   pem_file has the certificate and its RSA key and is read each time, so that
   a new one counts at once. Returns NULL and a static text. */
char *mstoken_assertion_create(const char *pem_file, const char *client_id,
			       const char *token_url, int64_t now,
			       const char **error_r);
/* Can the file be used? Returns 0 and when the certificate ends (seconds since
   the epoch), or -1 and a static text. */
int mstoken_assertion_check(const char *pem_file, int64_t *expires_r,
			    const char **error_r);

#endif
