#ifndef OAUTHD_ADMIT_H
#define OAUTHD_ADMIT_H

/* May this sign-in become the account of that address? The first time the address
   must be one of the account's own; from then on the account is known by tenant
   and object id, and may be renamed. */

#include "oauthd-links.h"

struct mstoken_app;
struct mstoken_grant;
struct msnet_transport;
struct oauthd;

/* Ask Graph who signed in, and store the account; the invitation is used up.
   Blocks. */
enum oauthd_link_result
oauthd_admit(struct oauthd *oauthd, struct msnet_transport *transport,
	     const struct mstoken_app *app, struct mstoken_grant *grant,
	     const char *address, const char *invitation,
	     struct mstoken_failure *fail_r);

/* For a registration with app_only = yes: nobody signs in, the application has
   been let in by an administrator. Blocks. */
enum oauthd_link_result
oauthd_admit_app_only(struct oauthd *oauthd, const struct mstoken_app *app,
		      const char *address, struct mstoken_failure *fail_r);

/* No registration serves the address. */
void oauthd_fail_no_registration(const char *address,
				 struct mstoken_failure *fail_r);

#endif
