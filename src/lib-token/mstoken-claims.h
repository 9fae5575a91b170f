#ifndef MSTOKEN_CLAIMS_H
#define MSTOKEN_CLAIMS_H

/* Claims challenges (continuous access evaluation): Graph refuses a token with
   401 and says which claims a new one must have.
   https://learn.microsoft.com/entra/identity-platform/claims-challenge */

#include <stdbool.h>

/* The parameter "claims" of a token request (JSON, heap), NULL if there is
   nothing to ask for. challenge: base64 as in WWW-Authenticate, NULL for none;
   one that is no JSON object counts as none. capable: say that we answer
   challenges (xms_cc=cp1), which brings tokens of a long life. PURE. */
char *mstoken_claims(const char *challenge, bool capable);

#endif
