/* Who is at the login host for an account, of all daemons on this database. The
   clock is that of the database. */

#include "mstoken-store-private.h"
#include "mstoken-db.h"
#include "msnet-buf.h"

#include <stdlib.h>

int mstoken_store_lease(struct mstoken_store *store, const char *address,
			int64_t version, const char *owner, unsigned int secs)
{
	const char *now = mstoken_db_now_sql(store->db);
	struct store_number number = store_number(version);
	struct store_number length = store_number(secs);
	char *key = store_address(address);
	const char *const params[] = {
		key, number.text, owner, length.text, NULL
	};
	struct msnet_buf sql = { 0 };
	int ret;

	msnet_buf_printf(&sql, "UPDATE account SET lease_owner = $3,"
		" lease_until = %s + CAST($4 AS BIGINT)"
		" WHERE address = $1 AND version = $2 AND"
		" (lease_owner = '' OR lease_owner = $3 OR lease_until < %s)",
		now, now);
	ret = mstoken_db_run(store->db, sql.data, params, NULL, NULL);
	msnet_buf_free(&sql);
	free(key);
	return ret;
}

int mstoken_store_release(struct mstoken_store *store, const char *address,
			  const char *owner)
{
	char *key = store_address(address);
	const char *const params[] = { key, owner, NULL };
	int ret = mstoken_db_run(store->db, "UPDATE account"
		" SET lease_owner = '' WHERE address = $1 AND lease_owner = $2",
		params, NULL, NULL);

	free(key);
	return ret;
}
