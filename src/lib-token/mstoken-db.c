#include "mstoken-db-private.h"
#include "msnet-buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char db_error[512];

const char *mstoken_db_error(void)
{
	return db_error;
}

int mstoken_db_fail(const char *fmt, ...)
{
	va_list args;
	size_t len;

	va_start(args, fmt);
	(void)vsnprintf(db_error, sizeof(db_error), fmt, args);
	va_end(args);
	/* libpq ends its texts with a newline */
	len = strlen(db_error);
	while (len > 0 && db_error[len-1] == '\n')
		db_error[--len] = '\0';
	return -1;
}

static bool store_is_pgsql(const char *store)
{
	return strncmp(store, "postgresql://", 13) == 0 ||
		strncmp(store, "postgres://", 11) == 0;
}

static int db_migrate_steps(struct mstoken_db *db, bool pgsql)
{
	int version = db->v->schema_version(db), known = 0;
	const char *sql;

	while (mstoken_schema_step(known, pgsql) != NULL)
		known++;
	if (version > known) {
		return mstoken_db_fail("its schema has version %d, but this "
			"msgraph-oauthd knows %d at most: it was made by a "
			"newer version, install that one", version, known);
	}
	if (version < 0 || version == known)
		return version < 0 ? -1 : 0;
	for (; (sql = mstoken_schema_step(version, pgsql)) != NULL; version++) {
		if (db->v->script(db, sql) < 0)
			return -1;
	}
	return db->v->set_schema_version(db, version);
}

static int db_migrate(struct mstoken_db *db, bool pgsql)
{
	if (db->v->script(db, db->v->begin_migration_sql) < 0)
		return -1;
	db->in_transaction = true;
	if (db_migrate_steps(db, pgsql) < 0) {
		char error[sizeof(db_error)];

		/* the reason, not how the rollback went */
		strcpy(error, db_error);
		(void)db->v->script(db, "ROLLBACK");
		strcpy(db_error, error);
		return -1;
	}
	db->in_transaction = false;
	return db->v->script(db, "COMMIT");
}

struct mstoken_db *mstoken_db_open(const struct mstoken_db_settings *set,
				   char **error_r)
{
	bool pgsql = store_is_pgsql(set->store);
	struct mstoken_db *db;
	struct msnet_buf buf = { 0 };
	pthread_mutexattr_t attr;

	db = pgsql ? mstoken_db_pgsql_open(set) : mstoken_db_sqlite_open(set);
	if (db != NULL) {
		pthread_mutexattr_init(&attr);
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
		pthread_mutex_init(&db->mutex, &attr);
		pthread_mutexattr_destroy(&attr);
		if (db_migrate(db, pgsql) == 0)
			return db;
		mstoken_db_close(&db);
	}
	/* the URL of a server may hold a password */
	msnet_buf_printf(&buf, "store %s: %s", pgsql ? "postgresql" :
			 set->store, db_error);
	*error_r = msnet_buf_steal(&buf);
	return NULL;
}

void mstoken_db_close(struct mstoken_db **_db)
{
	struct mstoken_db *db = *_db;

	if (db == NULL)
		return;
	*_db = NULL;
	pthread_mutex_destroy(&db->mutex);
	db->v->close(db);
}

int64_t mstoken_db_number(const char *column)
{
	return column == NULL ? 0 : strtoll(column, NULL, 10);
}

int mstoken_db_run(struct mstoken_db *db, const char *sql,
		   const char *const *params, mstoken_db_row_t *row,
		   void *context)
{
	int ret;

	pthread_mutex_lock(&db->mutex);
	ret = db->v->run(db, sql, params, row, context);
	pthread_mutex_unlock(&db->mutex);
	return ret;
}

int mstoken_db_begin(struct mstoken_db *db)
{
	static const char *const none[] = { NULL };

	pthread_mutex_lock(&db->mutex);
	/* not as a script, so that a lost connection is made again */
	if (db->v->run(db, db->v->begin_sql, none, NULL, NULL) < 0) {
		pthread_mutex_unlock(&db->mutex);
		return -1;
	}
	db->in_transaction = true;
	return 0;
}

int mstoken_db_commit(struct mstoken_db *db)
{
	int ret = db->v->script(db, "COMMIT");

	if (ret < 0)
		mstoken_db_rollback(db);
	else {
		db->in_transaction = false;
		pthread_mutex_unlock(&db->mutex);
	}
	return ret;
}

void mstoken_db_rollback(struct mstoken_db *db)
{
	char error[sizeof(db_error)];

	strcpy(error, db_error);
	(void)db->v->script(db, "ROLLBACK");
	strcpy(db_error, error);
	db->in_transaction = false;
	pthread_mutex_unlock(&db->mutex);
}

const char *mstoken_db_now_sql(struct mstoken_db *db)
{
	return db->v->now_sql;
}
