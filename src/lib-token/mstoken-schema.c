/* The tables of the account database, and how older ones become today's. */

#include "mstoken-db-private.h"

#include <stddef.h>

/* Step n brings the schema from version n to n+1. Never change a step that has
   been released. pgsql: where PostgreSQL needs other words. */
static const struct {
	const char *sql, *pgsql;
} steps[] = {
	{
#define ACCOUNT_0(collate) \
	"CREATE TABLE account (" \
	" address TEXT PRIMARY KEY" collate "," \
	" tid TEXT NOT NULL, oid TEXT NOT NULL, username TEXT NOT NULL," \
	" refresh_token TEXT NOT NULL, version BIGINT NOT NULL," \
	" state TEXT NOT NULL, state_text TEXT NOT NULL," \
	" state_since BIGINT NOT NULL, linked_at BIGINT NOT NULL," \
	" refreshed_at BIGINT NOT NULL);" \
	"CREATE TABLE invitation (" \
	" secret_hash TEXT PRIMARY KEY, address TEXT NOT NULL," \
	" expires BIGINT NOT NULL);"
		.sql = ACCOUNT_0(" COLLATE NOCASE"),
		.pgsql = ACCOUNT_0("")
	},
	{
		/* Addresses in one spelling, since PostgreSQL knows no other
		   way. Access tokens and leases are for several daemons. The
		   views are for Dovecot: they stay when the tables change. */
		.sql = "UPDATE account SET address = lower(address);"
		"UPDATE invitation SET address = lower(address);"
		"ALTER TABLE account ADD access_token TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE account ADD access_expires BIGINT NOT NULL"
		" DEFAULT 0;"
		"ALTER TABLE account ADD lease_owner TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE account ADD lease_until BIGINT NOT NULL DEFAULT 0;"
		"CREATE TABLE app_password ("
		" address TEXT PRIMARY KEY REFERENCES account (address)"
		" ON DELETE CASCADE,"
		" hash TEXT NOT NULL, created BIGINT NOT NULL);"
		"CREATE VIEW dovecot_login AS"
		" SELECT account.address AS login, app_password.hash AS password"
		" FROM account JOIN app_password"
		" ON app_password.address = account.address;"
		"CREATE VIEW dovecot_user AS"
		" SELECT address AS login FROM account;"
	},
	{
		/* the app registration that linked it; '' is the default */
		.sql = "ALTER TABLE account ADD registration TEXT NOT NULL"
		" DEFAULT '';"
	},
};

const char *mstoken_schema_step(int from_version, bool pgsql)
{
	if ((size_t)from_version >= sizeof(steps) / sizeof(steps[0]))
		return NULL;
	return pgsql && steps[from_version].pgsql != NULL ?
		steps[from_version].pgsql : steps[from_version].sql;
}
