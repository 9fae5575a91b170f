/* One SQLite connection behind a mutex: calls are short and few. */

#include "mstoken-store.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct mstoken_store {
	sqlite3 *db;
	const struct mstoken_seal *seal;
	char *client_id;
	pthread_mutex_t mutex;
	char error[256];
};

/* Step n brings the schema from version n to n+1. Never change a step that has
   been released. */
static const char *const migrations[] = {
	"CREATE TABLE account ("
	" address TEXT PRIMARY KEY COLLATE NOCASE,"
	" tid TEXT NOT NULL, oid TEXT NOT NULL, username TEXT NOT NULL,"
	" refresh_token TEXT NOT NULL, version INTEGER NOT NULL,"
	" state TEXT NOT NULL, state_text TEXT NOT NULL,"
	" state_since INTEGER NOT NULL, linked_at INTEGER NOT NULL,"
	" refreshed_at INTEGER NOT NULL);"
	"CREATE TABLE invitation ("
	" secret_hash TEXT PRIMARY KEY, address TEXT NOT NULL,"
	" expires INTEGER NOT NULL);",
};
#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static int store_fail(struct mstoken_store *store, const char *what)
{
	snprintf(store->error, sizeof(store->error), "%s: %s", what,
		 sqlite3_errmsg(store->db));
	return -1;
}

static int store_exec(struct mstoken_store *store, const char *sql)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(store, "database");
	return 0;
}

static int store_version(struct mstoken_store *store)
{
	sqlite3_stmt *stmt;
	int version = -1;

	if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &stmt,
			       NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	else
		(void)store_fail(store, "schema version");
	sqlite3_finalize(stmt);
	return version;
}

static int store_migrate(struct mstoken_store *store)
{
	char sql[64];
	int version;

	if (store_exec(store, "BEGIN IMMEDIATE") < 0)
		return -1;
	version = store_version(store);
	if (version > SCHEMA_VERSION) {
		snprintf(store->error, sizeof(store->error),
			 "made by a newer version of msgraph-oauthd");
		version = -1;
	}
	for (; version >= 0 && version < SCHEMA_VERSION; version++) {
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d",
			 version + 1);
		if (store_exec(store, migrations[version]) < 0 ||
		    store_exec(store, sql) < 0)
			version = -2;
	}
	if (version < 0) {
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return store_exec(store, "COMMIT");
}

struct mstoken_store *
mstoken_store_open(const char *path, const struct mstoken_seal *seal,
		   const char *client_id, char **error_r)
{
	struct mstoken_store *store = msnet_malloc(sizeof(*store));
	struct msnet_buf buf = { 0 };
	mode_t old_umask;
	int ret;

	store->seal = seal;
	store->client_id = msnet_strdup(client_id);
	pthread_mutex_init(&store->mutex, NULL);

	/* SQLite makes its journals with the mode of the database */
	old_umask = umask(077);
	ret = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE |
			      SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
			      NULL);
	if (ret != SQLITE_OK)
		(void)store_fail(store, "open");
	else {
		sqlite3_busy_timeout(store->db, 5000);
		/* a token is on the disk before it is used */
		if (store_exec(store, "PRAGMA journal_mode = WAL;"
			       "PRAGMA synchronous = FULL") < 0 ||
		    store_migrate(store) < 0)
			ret = SQLITE_ERROR;
	}
	umask(old_umask);
	if (ret != SQLITE_OK) {
		msnet_buf_printf(&buf, "store %s: %s", path, store->error);
		*error_r = msnet_buf_steal(&buf);
		mstoken_store_close(&store);
	}
	return store;
}

void mstoken_store_close(struct mstoken_store **_store)
{
	struct mstoken_store *store = *_store;

	if (store == NULL)
		return;
	*_store = NULL;
	sqlite3_close(store->db);
	pthread_mutex_destroy(&store->mutex);
	free(store->client_id);
	free(store);
}

void mstoken_store_set_client_id(struct mstoken_store *store,
				 const char *client_id)
{
	pthread_mutex_lock(&store->mutex);
	free(store->client_id);
	store->client_id = msnet_strdup(client_id);
	pthread_mutex_unlock(&store->mutex);
}

const char *mstoken_store_error(struct mstoken_store *store)
{
	return store->error;
}

/* Lock and prepare; text parameters are bound in order, NULL ends them.
   Returns NULL (and unlocks) on failure. */
static sqlite3_stmt *
store_begin(struct mstoken_store *store, const char *sql,
	    const char *const *params)
{
	sqlite3_stmt *stmt = NULL;
	int i;

	pthread_mutex_lock(&store->mutex);
	if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		(void)store_fail(store, "prepare");
		pthread_mutex_unlock(&store->mutex);
		return NULL;
	}
	for (i = 0; params[i] != NULL; i++)
		sqlite3_bind_text(stmt, i + 1, params[i], -1, SQLITE_TRANSIENT);
	return stmt;
}

/* Run a statement that returns no rows: 1 if it changed a row, 0, -1. */
static int store_end(struct mstoken_store *store, sqlite3_stmt *stmt)
{
	int ret;

	if (sqlite3_step(stmt) != SQLITE_DONE)
		ret = store_fail(store, "write");
	else
		ret = sqlite3_changes(store->db) > 0 ? 1 : 0;
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(&store->mutex);
	return ret;
}

static char *column_text(sqlite3_stmt *stmt, int col)
{
	const char *text = (const char *)sqlite3_column_text(stmt, col);

	return msnet_strdup(text == NULL ? "" : text);
}

/* Called with the mutex held. */
static char *seal_context(struct mstoken_store *store, const char *address,
			  const char *tid)
{
	struct msnet_buf buf = { 0 };
	const char *p;

	/* the address in one spelling */
	for (p = address; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;

		msnet_buf_append(&buf, &c, 1);
	}
	msnet_buf_printf(&buf, "\n%s\n%s", tid, store->client_id);
	return msnet_buf_steal(&buf);
}

#define ACCOUNT_COLUMNS \
	"address, tid, oid, username, state, state_text, version, " \
	"state_since, linked_at, refreshed_at, refresh_token"

static void
account_from_row(struct mstoken_store *store, sqlite3_stmt *stmt,
		 bool with_token, struct mstoken_account *account_r)
{
	char *context;

	memset(account_r, 0, sizeof(*account_r));
	account_r->address = column_text(stmt, 0);
	account_r->tid = column_text(stmt, 1);
	account_r->oid = column_text(stmt, 2);
	account_r->username = column_text(stmt, 3);
	account_r->state = mstoken_state_parse(
		(const char *)sqlite3_column_text(stmt, 4));
	account_r->state_text = column_text(stmt, 5);
	account_r->version = sqlite3_column_int64(stmt, 6);
	account_r->state_since = sqlite3_column_int64(stmt, 7);
	account_r->linked_at = sqlite3_column_int64(stmt, 8);
	account_r->refreshed_at = sqlite3_column_int64(stmt, 9);
	if (with_token) {
		const char *sealed =
			(const char *)sqlite3_column_text(stmt, 10);

		context = seal_context(store, account_r->address,
				       account_r->tid);
		account_r->refresh_token = sealed == NULL ? NULL :
			mstoken_unseal_text(store->seal, sealed, context);
		free(context);
	}
	if (account_r->refresh_token == NULL)
		account_r->refresh_token = msnet_strdup("");
}

/* Heap. */
static char *seal_token(struct mstoken_store *store, const char *address,
			const char *tid, const char *token)
{
	char *context, *sealed;

	pthread_mutex_lock(&store->mutex);
	context = seal_context(store, address, tid);
	pthread_mutex_unlock(&store->mutex);
	sealed = mstoken_seal_text(store->seal, token, context);
	free(context);
	return sealed;
}

int mstoken_store_get(struct mstoken_store *store, const char *address,
		      struct mstoken_account *account_r)
{
	const char *const params[] = { address, NULL };
	sqlite3_stmt *stmt;
	int ret;

	memset(account_r, 0, sizeof(*account_r));
	stmt = store_begin(store, "SELECT " ACCOUNT_COLUMNS
			   " FROM account WHERE address = ?1", params);
	if (stmt == NULL)
		return -1;
	ret = sqlite3_step(stmt);
	if (ret == SQLITE_ROW)
		account_from_row(store, stmt, true, account_r);
	else if (ret != SQLITE_DONE)
		(void)store_fail(store, "read");
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(&store->mutex);
	return ret == SQLITE_ROW ? 1 : ret == SQLITE_DONE ? 0 : -1;
}

int mstoken_store_link(struct mstoken_store *store,
		       const struct mstoken_account *account)
{
	char *sealed = seal_token(store, account->address, account->tid,
				  account->refresh_token);
	const char *const params[] = {
		account->address, account->tid, account->oid,
		account->username, sealed, NULL
	};
	sqlite3_stmt *stmt;
	int ret;

	stmt = store_begin(store,
		"INSERT INTO account (address, tid, oid, username,"
		" refresh_token, version, state, state_text, state_since,"
		" linked_at, refreshed_at) VALUES (?1, ?2, ?3, ?4, ?5, 1,"
		" 'ok', '', ?6, ?6, ?6)"
		" ON CONFLICT (address) DO UPDATE SET"
		" refresh_token = excluded.refresh_token,"
		" username = excluded.username, version = version + 1,"
		" state = 'ok', state_text = '',"
		" state_since = excluded.state_since,"
		" linked_at = excluded.linked_at,"
		" refreshed_at = excluded.refreshed_at"
		" WHERE tid = excluded.tid AND oid = excluded.oid", params);
	if (stmt == NULL)
		ret = -1;
	else {
		sqlite3_bind_int64(stmt, 6, (int64_t)time(NULL));
		ret = store_end(store, stmt);
	}
	free(sealed);
	return ret;
}

int mstoken_store_set_token(struct mstoken_store *store, const char *address,
			    int64_t version, const char *tid, const char *token)
{
	char *sealed = seal_token(store, address, tid, token);
	const char *const params[] = { address, sealed, NULL };
	sqlite3_stmt *stmt;
	int ret;

	stmt = store_begin(store,
		"UPDATE account SET refresh_token = ?2, version = version + 1,"
		" state = 'ok', state_text = '', state_since ="
		" CASE state WHEN 'ok' THEN state_since ELSE ?4 END,"
		" refreshed_at = ?4"
		" WHERE address = ?1 AND version = ?3", params);
	if (stmt == NULL)
		ret = -1;
	else {
		sqlite3_bind_int64(stmt, 3, version);
		sqlite3_bind_int64(stmt, 4, (int64_t)time(NULL));
		ret = store_end(store, stmt);
	}
	free(sealed);
	return ret;
}

int mstoken_store_set_state(struct mstoken_store *store, const char *address,
			    int64_t version, enum mstoken_state state,
			    const char *text)
{
	const char *const params[] = {
		address, mstoken_state_name(state), text, NULL
	};
	sqlite3_stmt *stmt;

	stmt = store_begin(store,
		"UPDATE account SET state_since ="
		" CASE state WHEN ?2 THEN state_since ELSE ?4 END,"
		" state = ?2, state_text = ?3"
		" WHERE address = ?1 AND version = ?5", params);
	if (stmt == NULL)
		return -1;
	sqlite3_bind_int64(stmt, 4, (int64_t)time(NULL));
	sqlite3_bind_int64(stmt, 5, version);
	return store_end(store, stmt);
}

int mstoken_store_delete(struct mstoken_store *store, const char *address)
{
	const char *const params[] = { address, NULL };
	sqlite3_stmt *stmt;

	stmt = store_begin(store,
			   "DELETE FROM invitation WHERE address = ?1", params);
	if (stmt == NULL || store_end(store, stmt) < 0)
		return -1;
	stmt = store_begin(store, "DELETE FROM account WHERE address = ?1",
			   params);
	return stmt == NULL ? -1 : store_end(store, stmt);
}

int mstoken_store_list(struct mstoken_store *store,
		       struct mstoken_account **accounts_r,
		       unsigned int *count_r)
{
	const char *const params[] = { NULL };
	struct mstoken_account *accounts = NULL;
	unsigned int count = 0, size = 0;
	sqlite3_stmt *stmt;
	int ret;

	stmt = store_begin(store, "SELECT " ACCOUNT_COLUMNS
			   " FROM account ORDER BY address", params);
	if (stmt == NULL)
		return -1;
	while ((ret = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (count == size) {
			size = size == 0 ? 16 : size * 2;
			accounts = msnet_realloc(accounts,
						 size * sizeof(*accounts));
		}
		account_from_row(store, stmt, false, &accounts[count++]);
	}
	if (ret != SQLITE_DONE)
		(void)store_fail(store, "read");
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(&store->mutex);
	if (ret != SQLITE_DONE) {
		mstoken_accounts_free(&accounts, count);
		return -1;
	}
	*accounts_r = accounts;
	*count_r = count;
	return 1;
}

void mstoken_account_deinit(struct mstoken_account *account)
{
	free(account->address);
	free(account->tid);
	free(account->oid);
	free(account->username);
	msnet_secret_free(&account->refresh_token);
	free(account->state_text);
	memset(account, 0, sizeof(*account));
}

void mstoken_accounts_free(struct mstoken_account **accounts,
			   unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		mstoken_account_deinit(&(*accounts)[i]);
	free(*accounts);
	*accounts = NULL;
}

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
	char hash[65];
	const char *const params[] = { hash, address, NULL };
	sqlite3_stmt *stmt;

	secret_hash(secret, hash);
	stmt = store_begin(store, "DELETE FROM invitation WHERE expires < ?3",
			   (const char *const[]){ NULL });
	if (stmt == NULL)
		return -1;
	sqlite3_bind_int64(stmt, 3, (int64_t)time(NULL));
	if (store_end(store, stmt) < 0)
		return -1;
	stmt = store_begin(store, "INSERT INTO invitation"
			   " (secret_hash, address, expires)"
			   " VALUES (?1, ?2, ?3)", params);
	if (stmt == NULL)
		return -1;
	sqlite3_bind_int64(stmt, 3, expires);
	return store_end(store, stmt);
}

int mstoken_store_find_invitation(struct mstoken_store *store,
				  const char *secret, int64_t now,
				  char **address_r)
{
	char hash[65];
	const char *const params[] = { hash, NULL };
	sqlite3_stmt *stmt;
	int ret;

	secret_hash(secret, hash);
	stmt = store_begin(store, "SELECT address FROM invitation"
			   " WHERE secret_hash = ?1 AND expires >= ?2", params);
	if (stmt == NULL)
		return -1;
	sqlite3_bind_int64(stmt, 2, now);
	ret = sqlite3_step(stmt);
	if (ret == SQLITE_ROW)
		*address_r = column_text(stmt, 0);
	else if (ret != SQLITE_DONE)
		(void)store_fail(store, "read");
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(&store->mutex);
	return ret == SQLITE_ROW ? 1 : ret == SQLITE_DONE ? 0 : -1;
}

int mstoken_store_use_invitation(struct mstoken_store *store,
				 const char *secret)
{
	char hash[65];
	const char *const params[] = { hash, NULL };
	sqlite3_stmt *stmt;

	secret_hash(secret, hash);
	stmt = store_begin(store, "DELETE FROM invitation"
			   " WHERE secret_hash = ?1", params);
	return stmt == NULL ? -1 : store_end(store, stmt);
}
