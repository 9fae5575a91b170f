#ifndef MSTOKEN_PKCE_H
#define MSTOKEN_PKCE_H

/* Proof Key for Code Exchange, RFC 7636, and base64url (RFC 4648 5). */

#include <stddef.h>

/* base64url without padding; heap. */
char *mstoken_base64url(const void *data, size_t size);
/* Returns the decoded bytes (heap, NUL-terminated) and their count, or NULL if
   text is not base64url. Padding is tolerated. */
unsigned char *mstoken_base64url_decode(const char *text, size_t text_size,
					size_t *size_r);

/* A fresh verifier of 43 characters; heap, wipe it after use. */
char *mstoken_pkce_verifier(void);
/* S256 challenge of a verifier; heap. */
char *mstoken_pkce_challenge(const char *verifier);

#endif
