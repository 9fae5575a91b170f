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
	/* as before, and an administrator's consent would help */
	OAUTHD_LINK_NEEDS_CONSENT,
	/* another account than the invited one came back */
	OAUTHD_LINK_WRONG_ACCOUNT,
	/* our own trouble: store, Graph; see the failure */
	OAUTHD_LINK_FAILED,
	/* the configuration has no app registration for the domain */
	OAUTHD_LINK_NO_REGISTRATION,
	/* a code must be entered on another device; see user_code */
	OAUTHD_LINK_WAITS_FOR_CODE
};

/* "ok", "no_invitation", ... */
const char *oauthd_link_result_name(enum oauthd_link_result result);

struct oauthd_links *oauthd_links_create(struct oauthd *oauthd);
void oauthd_links_destroy(struct oauthd_links **links);

/* Make an invitation for an address; *url_r: heap. Returns 0 or -1. */
int oauthd_links_invite(struct oauthd_links *links, const char *address,
			char **url_r);
/* As invite, but the same link again while it is fresh: for error texts. Returns
   NULL if that fails. */
char *oauthd_links_relink_url(struct oauthd_links *links, const char *address);

/* Is this an invitation that works? address_r: heap. Starts nothing, so that a
   program that looks at links in mail does no harm. */
enum oauthd_link_result
oauthd_links_look(struct oauthd_links *links, const char *invitation,
		  char **address_r);
/* The browser wants to sign in: *url_r is where to send it, *cookie_r what
   binds it (both heap). silent: ask nothing of the user, see whether consent
   has come. */
enum oauthd_link_result
oauthd_links_start(struct oauthd_links *links, const char *invitation,
		   bool silent, char **url_r, char **cookie_r);

/* What came back to the redirect URI; each may be NULL. */
struct oauthd_callback {
	const char *state, *code, *error, *error_description;
	const char *cookie;
};
/* How a sign-in ended. Heap strings, NULL if not known. */
struct oauthd_link_end {
	enum oauthd_link_result result;
	char *address;			/* the invited one */
	char *username;			/* who signed in */
	char *again_url;		/* the invitation to try again with */
	char *admin_url;		/* page for the administrator */
	char *scope;			/* what was asked for */
	/* HOST or HOST:PORT for the mail program; borrowed, NULL if not known */
	const char *imap_server, *smtp_server;
	char *user_code, *verification_url; /* for another device */
	/* made for who has linked, if they had none and it is wanted */
	char *app_password;
	struct mstoken_failure fail;
};
/* What the page needs besides: the link to try again, an app password after the
   first link, and the way to the administrator where consent is wanting. silent:
   nothing was asked of the user. */
void oauthd_links_complete(struct oauthd_links *links, const char *invitation,
			   bool silent, struct oauthd_link_end *end);
/* Blocks while the code is redeemed and the account checked. end_r is always
   filled; free it with oauthd_link_end_deinit(). */
void oauthd_links_finish(struct oauthd_links *links,
			 const struct oauthd_callback *cb,
			 struct oauthd_link_end *end_r);
void oauthd_link_end_deinit(struct oauthd_link_end *end);

/* Waiting for an administrator. admin_returned(): somebody came back from the
   admin consent page with that state. It is a hint and proves nothing: it makes
   the waiting page try, and only a token counts. should_try(): is it worth a
   silent sign-in at this round of the waiting page? */
void oauthd_links_admin_returned(struct oauthd_links *links,
				 const char *state);
bool oauthd_links_should_try(struct oauthd_links *links,
			     const char *invitation, unsigned int round);
/* What the page for somebody who waits needs. */
void oauthd_links_describe_wait(struct oauthd_links *links,
				const char *invitation,
				struct oauthd_link_end *end_r);

/* PURE: is address one of the account's own? proxy_addresses: "SMTP:a@b",
   NULL-terminated. */
bool oauthd_links_is_own_address(const char *address,
				 const char *user_principal_name,
				 const char *mail, char *const *proxy_addresses);

#endif
