#ifndef OAUTHD_LINKS_H
#define OAUTHD_LINKS_H

/* Linking an account: invitation, start, callback. No HTTP server and no HTML
   in here. Thread-safe. */

#include "mstoken-flow.h"

struct oauthd;
struct oauthd_links;

enum oauthd_link_result {
	OAUTHD_LINK_OK = 0,
	/* the invitation is unknown, used or expired */
	OAUTHD_LINK_NO_INVITATION,
	/* state or cookie do not fit: another browser, or too late */
	OAUTHD_LINK_NO_STATE,
	/* the login host said no; see the failure */
	OAUTHD_LINK_REFUSED,
	/* another account than the invited one came back */
	OAUTHD_LINK_WRONG_ACCOUNT,
	/* our own trouble: store, Graph; see the failure */
	OAUTHD_LINK_FAILED
};

struct oauthd_links *oauthd_links_create(struct oauthd *oauthd);
void oauthd_links_destroy(struct oauthd_links **links);

/* Make an invitation for an address; *url_r: heap. Returns 0 or -1. */
int oauthd_links_invite(struct oauthd_links *links, const char *address,
			char **url_r);
/* As invite, but the same link again while it is fresh: for error texts. Returns
   NULL if that fails. */
char *oauthd_links_relink_url(struct oauthd_links *links, const char *address);

/* The browser opened an invitation: *url_r is where to send it, *cookie_r what
   binds it (both heap). */
enum oauthd_link_result
oauthd_links_start(struct oauthd_links *links, const char *invitation,
		   char **url_r, char **cookie_r);

/* What came back to the redirect URI; each may be NULL. */
struct oauthd_callback {
	const char *state, *code, *error, *error_description, *error_subcode;
	const char *cookie;
};
/* Blocks while the code is redeemed and the account checked. address_r: heap,
   the invited address (NULL if not known); username_r: heap, who signed in, or
   NULL; again_url_r: heap, the invitation to try again with, or NULL. */
enum oauthd_link_result
oauthd_links_finish(struct oauthd_links *links,
		    const struct oauthd_callback *cb, char **address_r,
		    char **username_r, char **again_url_r,
		    struct mstoken_failure *fail_r);

/* PURE: is address one of the account's own? proxy_addresses: "SMTP:a@b",
   NULL-terminated. */
bool oauthd_links_is_own_address(const char *address,
				 const char *user_principal_name,
				 const char *mail, char *const *proxy_addresses);

#endif
