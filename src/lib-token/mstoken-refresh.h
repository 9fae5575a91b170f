#ifndef MSTOKEN_REFRESH_H
#define MSTOKEN_REFRESH_H

/* Access tokens of all accounts: renewed before they expire, one refresh at a
   time per account however many threads ask, and however many daemons share the
   database; all of them get the one result. What the login host gave is in the
   database before anybody uses it; until it is there, it is kept in memory, and
   the old refresh token is not spent again. */

#include "mstoken-flow.h"

struct mstoken_store;
struct mstoken_refresher;

struct mstoken_refresher_settings {
	struct mstoken_store *store;
	/* This daemon, as owner of leases: no other that runs has this name. It
	   is copied. */
	const char *owner;
	/* A transport of the calling thread's own; destroyed after use. */
	struct msnet_transport *(*transport_create)(void *context);
	/* The app registration with that name as it is now; app_r's strings
	   must stay valid until app_release(). -1: there is none. */
	int (*app_get)(void *context, const char *registration,
		       struct mstoken_app *app_r);
	void (*app_release)(void *context, struct mstoken_app *app);
	/* A request to the login host has come to its end; fail is NULL if it
	   went well. */
	void (*renewed)(void *context, const char *address,
			const struct mstoken_failure *fail);
	/* One line for the administrator. */
	void (*warn)(void *context, const char *message);
	void *context;
	unsigned int timeout_msecs;
};

/* Settings are copied. */
struct mstoken_refresher *
mstoken_refresher_create(const struct mstoken_refresher_settings *set);
/* No call may be under way. */
void mstoken_refresher_destroy(struct mstoken_refresher **refresher);

/* Get an access token (heap, wipe it). rejected_hash: SHA-256 hex of a token
   that Graph refused, or NULL; challenge: the claims that Graph wants in place
   of it (base64), or NULL. Blocks. Returns 0, or -1 and why; state
   NOT_LINKED: no such account. While the login host cannot be reached a token
   that is still valid is given out, and so is one in memory while the database
   cannot be read. */
int mstoken_refresher_get(struct mstoken_refresher *refresher,
			  const char *address, const char *rejected_hash,
			  const char *challenge, char **token_r, unsigned int *expires_in_r,
			  struct mstoken_failure *fail_r);
/* The account was unlinked: forget its token. */
void mstoken_refresher_forget(struct mstoken_refresher *refresher,
			      const char *address);

/* Try again to store what could not be stored. Returns how many tokens still
   are in memory only. */
unsigned int mstoken_refresher_flush(struct mstoken_refresher *refresher);

#endif
