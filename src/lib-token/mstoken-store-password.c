/* App passwords: one for each account, known as a hash only. */

#include "mstoken-store-private.h"
#include "mstoken-db.h"

#include <stdlib.h>
#include <time.h>

int mstoken_store_set_password(struct mstoken_store *store,
			       const char *address, const char *hash)
{
	struct store_number now = store_number((int64_t)time(NULL));
	char *key = store_address(address);
	const char *const params[] = { key, hash, now.text, NULL };
	int ret;

	ret = mstoken_db_run(store->db,
		"INSERT INTO app_password (address, hash, created)"
		" SELECT address, $2, CAST($3 AS BIGINT) FROM account"
		" WHERE address = $1"
		" ON CONFLICT (address) DO UPDATE SET hash = excluded.hash,"
		" created = excluded.created", params, NULL, NULL);
	free(key);
	return ret;
}

int mstoken_store_has_password(struct mstoken_store *store, const char *address)
{
	char *key = store_address(address);
	const char *const params[] = { key, NULL };
	int ret = mstoken_db_run(store->db, "SELECT address FROM app_password"
				 " WHERE address = $1", params, NULL, NULL);

	free(key);
	return ret;
}

int mstoken_store_delete_password(struct mstoken_store *store,
				  const char *address)
{
	char *key = store_address(address);
	const char *const params[] = { key, NULL };
	int ret = mstoken_db_run(store->db, "DELETE FROM app_password"
				 " WHERE address = $1", params, NULL, NULL);

	free(key);
	return ret;
}
