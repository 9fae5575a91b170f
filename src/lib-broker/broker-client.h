#ifndef BROKER_CLIENT_H
#define BROKER_CLIENT_H

/* The mail process's end of the UNIX socket to msgraph-oauthd.

   One line of JSON each way, then the daemon closes. Requests:
     {"op":"token","account":"a@b","not":"<sha256 hex of a rejected token>"}
     {"op":"link"|"status"|"unlink"|"password"|"revoke-password",
      "account":"a@b"}  (root and own user only)
   Answers:
     {"status":"ok","token":"...","expires_in":3599}
     {"status":"ok","password":"..."}
     {"status":"needs_consent"|"needs_sign_in"|"blocked"|"unknown_account"|
      "unreachable"|"forbidden"|"error","message":"...","url":"https://..."}
   "claims" (base64) are those that Graph wants in the next one. "not" asks for
   another token than the one Graph has refused with 401: the
   daemon refreshes unless it already has a newer one. */

#include <stdbool.h>

enum broker_status {
	BROKER_OK = 0,
	/* the account must be linked (again) in a browser */
	BROKER_NEEDS_CONSENT,
	BROKER_NEEDS_SIGN_IN,
	/* a policy of the tenant forbids it; only an admin can act */
	BROKER_BLOCKED,
	BROKER_UNKNOWN_ACCOUNT,
	/* the login host cannot be reached now; the account is unharmed */
	BROKER_UNREACHABLE,
	/* the daemon does not talk to this uid */
	BROKER_FORBIDDEN,
	/* no daemon at the socket, or it answered nonsense */
	BROKER_UNAVAILABLE,
	/* a code must be entered on another device: ask again */
	BROKER_PENDING
};

/* Free with broker_answer_deinit(), which wipes token and password. */
struct broker_answer {
	enum broker_status status;
	char *token;			/* set when BROKER_OK */
	unsigned int expires_in;	/* seconds, when BROKER_OK */
	char *password;			/* a new app password, or NULL */
	/* one line saying what is wrong and what to do; no secret */
	char *message;
	/* page where the user can mend it, or NULL */
	char *url;
	/* to be entered at url, when BROKER_PENDING */
	char *user_code;
};

/* Ask for an access token. Blocks, at most timeout_msecs. rejected_token is
   the token that Graph refused, or NULL; claims what it wants in place of it, as
   in its WWW-Authenticate header, or NULL. answer_r is always filled. */
void broker_client_get_token(const char *socket_path, const char *account,
			     const char *rejected_token,
			     const char *claims, unsigned int timeout_msecs,
			     struct broker_answer *answer_r);
void broker_answer_deinit(struct broker_answer *answer);

struct broker_request;
/* Any request (broker-proto.h). Blocks, at most timeout_msecs. */
void broker_client_request(const char *socket_path,
			   const struct broker_request *req,
			   unsigned int timeout_msecs,
			   struct broker_answer *answer_r);

#endif
