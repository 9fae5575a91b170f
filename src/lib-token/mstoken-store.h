#ifndef MSTOKEN_STORE_H
#define MSTOKEN_STORE_H

/* The account store: who is linked, with what refresh token, in which state;
   and the invitations. Thread-safe. Addresses are compared without regard to
   case. Refresh tokens are sealed, bound to address, tenant and client id. */

#include "mstoken-aadsts.h"

#include <stdint.h>

struct mstoken_store;
struct mstoken_seal;
struct mstoken_db_settings;

/* Strings are heap and never NULL after mstoken_store_get(), "" if not known.
   Free with mstoken_account_deinit(), which wipes the token. */
struct mstoken_account {
	char *address;
	/* identity: pinned at the first link */
	char *tid, *oid;
	char *username;
	/* the app registration that linked it, "" is the default one */
	char *registration;
	char *refresh_token;
	/* the newest access token and when it ends, "" if there is none */
	char *access_token;
	int64_t access_expires;
	/* The id of the key that is missing to open the tokens, else NULL. */
	char *missing_key;
	/* rises with every token stored; a newer one is never overwritten */
	int64_t version;
	enum mstoken_state state;
	char *state_text;
	/* seconds since the epoch; 0 = never */
	int64_t state_since, linked_at, refreshed_at;
};

/* What a token request has brought. */
struct mstoken_tokens {
	const char *refresh_token, *access_token;
	const char *registration;	/* NULL is "" */
	int64_t access_expires;
};

/* Open the database, see mstoken-db.h. client_id, of the default
   registration, goes into the sealing context.
   seal is borrowed. Returns NULL and a heap text. */
struct mstoken_store *
mstoken_store_open(const struct mstoken_db_settings *set,
		   struct mstoken_seal *seal, const char *client_id,
		   char **error_r);
void mstoken_store_close(struct mstoken_store **store);
/* The app registration is another one now: the tokens of the old one cannot be
   used with it, and are not opened. */
void mstoken_store_set_client_id(struct mstoken_store *store,
				 const char *registration,
				 const char *client_id);

/* Each returns 1 (done, found), 0 (no such account), -1 (database error, see
   mstoken_store_error()). */
int mstoken_store_get(struct mstoken_store *store, const char *address,
		      struct mstoken_account *account_r);
/* Insert, or replace the tokens of an account with the same tid and oid, and use
   up the invitation (NULL if there was none). 0 = the address is linked to
   another identity. */
int mstoken_store_link(struct mstoken_store *store,
		       const struct mstoken_account *account,
		       const char *invitation);
/* Durable when it returns. 0 = somebody stored a newer one, or the account was
   unlinked. Ends the lease. */
int mstoken_store_set_token(struct mstoken_store *store, const char *address,
			    int64_t version, const char *tid,
			    const struct mstoken_tokens *tokens);
/* A verdict on the token of that version; 0 = there is a newer one. */
int mstoken_store_set_state(struct mstoken_store *store, const char *address,
			    int64_t version, enum mstoken_state state,
			    const char *text);
/* Take the token of that version for so long, so that no other daemon spends it,
   or take it again. 0 = another owner has it, or there is a newer version. */
int mstoken_store_lease(struct mstoken_store *store, const char *address,
			int64_t version, const char *owner, unsigned int secs);
int mstoken_store_release(struct mstoken_store *store, const char *address,
			  const char *owner);
/* With its invitations and its app password. */
int mstoken_store_delete(struct mstoken_store *store, const char *address);

/* The app password of a linked account, as a hash for Dovecot; it replaces an
   older one. */
int mstoken_store_set_password(struct mstoken_store *store,
			       const char *address, const char *hash);
int mstoken_store_has_password(struct mstoken_store *store,
			       const char *address);
int mstoken_store_delete_password(struct mstoken_store *store,
				  const char *address);

/* All accounts, without their tokens, sorted by address. */
int mstoken_store_list(struct mstoken_store *store,
		       struct mstoken_account **accounts_r,
		       unsigned int *count_r);
void mstoken_accounts_free(struct mstoken_account **accounts,
			   unsigned int count);
void mstoken_account_deinit(struct mstoken_account *account);

/* Only a hash of the secret is stored. expires: seconds since the epoch. */
int mstoken_store_invite(struct mstoken_store *store, const char *secret,
			 const char *address, int64_t expires);
/* address_r: heap. 0 = unknown, used up or expired. */
int mstoken_store_find_invitation(struct mstoken_store *store,
				  const char *secret, int64_t now,
				  char **address_r);
int mstoken_store_use_invitation(struct mstoken_store *store,
				 const char *secret);

/* Seal all tokens with the newest key. A token that cannot be opened stays as it
   is. Returns 0, or -1: broken off, the next call goes on. */
struct mstoken_rekey {
	unsigned int resealed, current, unopened;
};
int mstoken_store_rekey(struct mstoken_store *store,
			struct mstoken_rekey *rekey_r);

/* Of the last call in this thread that returned -1. */
const char *mstoken_store_error(struct mstoken_store *store);

#endif
