#ifndef MSTOKEN_AADSTS_H
#define MSTOKEN_AADSTS_H

/* What the login host's error codes mean and who can mend them: one table for
   pages, tool, logs and man page.
   https://learn.microsoft.com/entra/identity-platform/reference-error-codes */

#include <stdbool.h>

enum mstoken_state {
	MSTOKEN_STATE_OK = 0,
	/* the user, or an admin for everybody, has to consent */
	MSTOKEN_STATE_NEEDS_CONSENT,
	/* the user has to sign in again */
	MSTOKEN_STATE_NEEDS_SIGN_IN,
	/* access was taken away; link again if that was not wanted */
	MSTOKEN_STATE_REVOKED,
	/* a policy of the tenant forbids it */
	MSTOKEN_STATE_BLOCKED_BY_POLICY,
	/* the app registration or our configuration is wrong */
	MSTOKEN_STATE_MISCONFIGURED,
	/* no verdict: network, overload, transient error */
	MSTOKEN_STATE_UNREACHABLE,
	/* invited, never linked */
	MSTOKEN_STATE_NOT_LINKED
};

enum mstoken_actor {
	MSTOKEN_ACTOR_NOBODY = 0,	/* it mends itself */
	MSTOKEN_ACTOR_USER,
	MSTOKEN_ACTOR_TENANT_ADMIN,	/* Microsoft 365 administrator */
	MSTOKEN_ACTOR_OPERATOR		/* who runs this mail server */
};

struct mstoken_aadsts {
	unsigned int code;		/* 0 = unknown code */
	enum mstoken_state state;
	enum mstoken_actor actor;
	const char *cause;		/* one sentence, no full stop */
	const char *remedy;		/* one sentence, no full stop */
};

/* PURE. error is the OAuth error ("invalid_grant", NULL if none), code the
   AADSTS number or 0. Never NULL: what is not in the table is judged by the
   OAuth error alone. */
const struct mstoken_aadsts *
mstoken_aadsts_find(const char *error, unsigned int code);
/* The first "AADSTSnnn" in an error_description, 0 if none. */
unsigned int mstoken_aadsts_code(const char *description);

const char *mstoken_state_name(enum mstoken_state state);
enum mstoken_state mstoken_state_parse(const char *name);
const char *mstoken_actor_name(enum mstoken_actor actor);
/* The table, ended by code 0, for man page and tests. */
const struct mstoken_aadsts *mstoken_aadsts_table(void);

#endif
