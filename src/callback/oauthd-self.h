#ifndef OAUTHD_SELF_H
#define OAUTHD_SELF_H

/* self_service = yes: who types an address of an allowed domain may sign in
   without having been invited. Who signs in with another account gets nowhere, so
   this tells and gives nobody anything. */

#include <stdbool.h>

struct oauthd;

enum oauthd_self_result {
	OAUTHD_SELF_OK = 0,
	OAUTHD_SELF_REFUSED,	/* no address, or another domain */
	OAUTHD_SELF_BUSY,	/* too many at once: later */
	OAUTHD_SELF_FAILED	/* the store; it is logged */
};

/* A short-lived invitation; heap, wipe it. */
enum oauthd_self_result
oauthd_self_invite(struct oauthd *oauthd, const char *address,
		   char **invitation_r);

/* PURE. domains: by spaces or commas. */
bool oauthd_self_is_allowed(const char *domains, const char *address);

#endif
