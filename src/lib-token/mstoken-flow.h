#ifndef MSTOKEN_FLOW_H
#define MSTOKEN_FLOW_H

/* OAuth 2.0 at the Microsoft identity platform: authorize URL, code exchange,
   refresh, and what comes back.
   https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow */

#include "mstoken-aadsts.h"

#include <stddef.h>
#include <stdint.h>

struct msnet_transport;

/* The app registration. All strings are borrowed. */
struct mstoken_app {
	const char *client_id;
	/* none of the two for a public client */
	const char *client_secret;
	const char *certificate_file;	/* see mstoken-assertion.h */
	const char *tenant;		/* common, organizations, GUID, domain */
	const char *login_url;		/* https://login.microsoftonline.com */
	const char *redirect_uri;
	const char *scope;
};

/* Free with mstoken_grant_deinit(), which wipes. Strings may be NULL. */
struct mstoken_grant {
	char *access_token;
	char *refresh_token;		/* NULL: keep the one at hand */
	unsigned int expires_in;	/* seconds */
	/* claims of the id_token, if there was one */
	char *tid, *oid, *username, *nonce, *audience;
	int64_t id_expires;
};

struct mstoken_failure {
	enum mstoken_state state;
	unsigned int code;		/* AADSTS number, 0 = none */
	/* what the table says, NULL if the login host said nothing */
	const struct mstoken_aadsts *entry;
	/* one line: cause, remedy, who must act; no secret */
	char message[512];
};

/* Scopes for "read,send,settings,..." (NULL = the default set), heap. Returns
   NULL for an unknown feature. */
char *mstoken_scope_from_features(const char *features);

/* Heap. response_mode is "query" or "form_post", prompt "select_account" or
   "none". */
char *mstoken_flow_authorize_url(const struct mstoken_app *app,
				 const char *state, const char *challenge,
				 const char *nonce, const char *login_hint,
				 const char *prompt, const char *response_mode);
/* The page on which an administrator consents for everybody; heap. NULL if
   there is no administrator (tenant consumers).
   https://learn.microsoft.com/entra/identity-platform/v2-admin-consent */
char *mstoken_flow_admin_consent_url(const struct mstoken_app *app,
				     const char *state);

/* Both block for at most timeout_msecs. Return 0 or -1. */
int mstoken_flow_redeem_code(struct msnet_transport *transport,
			     const struct mstoken_app *app, const char *code,
			     const char *verifier, unsigned int timeout_msecs,
			     struct mstoken_grant *grant_r,
			     struct mstoken_failure *fail_r);
int mstoken_flow_refresh(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 const char *refresh_token, unsigned int timeout_msecs,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r);

/* PURE: an answer of the token endpoint. */
int mstoken_grant_decode(int status, const char *body, size_t size,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r);
/* PURE: fill a failure from an OAuth error and its description (each may be
   NULL). */
void mstoken_failure_from_error(struct mstoken_failure *fail,
				const char *error, const char *description);
/* PURE: was the id_token made for this app and this sign-in? OIDC core 3.1.3.7:
   it came by TLS from the token endpoint, so its signature is not checked.
   Returns NULL or what is wrong (static). */
const char *mstoken_grant_check_id(const struct mstoken_grant *grant,
				   const struct mstoken_app *app,
				   const char *nonce, int64_t now);
void mstoken_grant_deinit(struct mstoken_grant *grant);

#endif
