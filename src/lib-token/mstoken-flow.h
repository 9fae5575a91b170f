#ifndef MSTOKEN_FLOW_H
#define MSTOKEN_FLOW_H

/* OAuth 2.0 at the Microsoft identity platform: authorize URL, code exchange,
   refresh, and what comes back.
   https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow */

#include "mstoken-aadsts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msnet_transport;

/* The app registration. All strings are borrowed. */
struct mstoken_app {
	const char *name;		/* in our configuration, NULL if none */
	const char *client_id;
	/* none of them for a public client */
	const char *client_secret;
	const char *client_secret_next;	/* tried when the other is refused */
	const char *certificate_file;	/* see mstoken-assertion.h */
	const char *tenant;		/* common, organizations, GUID, domain */
	const char *login_url;		/* https://login.microsoftonline.com */
	const char *graph_url;		/* https://graph.microsoft.com */
	const char *redirect_uri;
	const char *scope;
	/* tokens of its own, for mailboxes that an administrator allows */
	bool app_only;
	/* tell the login host that we answer claims challenges */
	bool answers_challenges;
	/* the next secret is in use: try it first */
	bool next_first;
	/* Called when the other secret than the first worked; may be NULL. */
	void (*secret_switched)(void *context, bool to_next);
	void *context;
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

/* RFC 8628 3.5: the sign-in on another device is not done yet */
enum mstoken_wait {
	MSTOKEN_WAIT_NOT = 0,
	MSTOKEN_WAIT_PENDING,
	MSTOKEN_WAIT_SLOW_DOWN
};

struct mstoken_failure {
	enum mstoken_state state;
	enum mstoken_wait wait;
	unsigned int code;		/* AADSTS number, 0 = none */
	/* what the table says, NULL if the login host said nothing */
	const struct mstoken_aadsts *entry;
	/* one line: cause, remedy, who must act; no secret */
	char message[512];
};

/* Scopes for "read,send,settings,..." (NULL = the default set), heap. resource:
   the service root that the names belong to, NULL for that of the global cloud.
   Returns NULL for an unknown feature. */
char *mstoken_scope_from_features(const char *features, const char *resource);

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

/* They block for at most timeout_msecs, twice that if a secret was refused and
   there is another one. Return 0 or -1. claims: what the token must have (JSON,
   see mstoken-claims.h), or NULL. */
int mstoken_flow_redeem_code(struct msnet_transport *transport,
			     const struct mstoken_app *app, const char *code,
			     const char *verifier, unsigned int timeout_msecs,
			     struct mstoken_grant *grant_r,
			     struct mstoken_failure *fail_r);
int mstoken_flow_refresh(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 const char *refresh_token, const char *claims,
			 unsigned int timeout_msecs,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r);
/* A token for the application itself (client credentials). app->scope is
   {service root}/.default.
   https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
int mstoken_flow_app_only(struct msnet_transport *transport,
			  const struct mstoken_app *app, const char *claims,
			  unsigned int timeout_msecs,
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
   nonce: NULL for a flow that has none.
   Returns NULL or what is wrong (static). */
const char *mstoken_grant_check_id(const struct mstoken_grant *grant,
				   const struct mstoken_app *app,
				   const char *nonce, int64_t now);
void mstoken_grant_deinit(struct mstoken_grant *grant);

#endif
