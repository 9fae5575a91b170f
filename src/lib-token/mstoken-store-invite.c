/* Invitations: who has the secret of one may link the account it names. */

#include "mstoken-store-private.h"
#include "mstoken-db.h"
#include "msnet-buf.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void secret_hash(const char *secret, char hash_r[65])
{
	unsigned char digest[32];
	size_t i;

	if (EVP_Digest(secret, strlen(secret), digest, NULL,
		       EVP_sha256(), NULL) != 1)
		abort();
	for (i = 0; i < sizeof(digest); i++)
		snprintf(hash_r + i * 2, 3, "%02x", digest[i]);
}

int mstoken_store_invite(struct mstoken_store *store, const char *secret,
			 const char *address, int64_t expires)
{
	struct store_number now = store_number((int64_t)time(NULL));
	struct store_number until = store_number(expires);
	char hash[65], *key = store_address(address);
	const char *const old[] = { now.text, NULL };
	const char *const params[] = { hash, key, until.text, NULL };
	int ret;

	secret_hash(secret, hash);
	ret = mstoken_db_run(store->db, "DELETE FROM invitation"
			     " WHERE expires < $1", old, NULL, NULL);
	if (ret >= 0)
		ret = mstoken_db_run(store->db, "INSERT INTO invitation"
				     " (secret_hash, address, expires)"
				     " VALUES ($1, $2, $3)", params,
				     NULL, NULL);
	free(key);
	return ret;
}

static void get_text(const char *const *columns, void *context)
{
	*(char **)context = msnet_strdup(columns[0]);
}

int mstoken_store_find_invitation(struct mstoken_store *store,
				  const char *secret, int64_t now,
				  char **address_r)
{
	struct store_number number = store_number(now);
	char hash[65];
	const char *const params[] = { hash, number.text, NULL };

	secret_hash(secret, hash);
	return mstoken_db_run(store->db, "SELECT address FROM invitation"
			      " WHERE secret_hash = $1 AND expires >= $2",
			      params, get_text, address_r);
}

int mstoken_store_use_invitation(struct mstoken_store *store,
				 const char *secret)
{
	char hash[65];
	const char *const params[] = { hash, NULL };

	secret_hash(secret, hash);
	return mstoken_db_run(store->db, "DELETE FROM invitation"
			      " WHERE secret_hash = $1", params, NULL, NULL);
}
