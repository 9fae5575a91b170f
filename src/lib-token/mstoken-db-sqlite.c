#include "mstoken-db-private.h"
#include "msnet-buf.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* how long to wait for another process that writes */
#define BUSY_TIMEOUT_MSECS 5000

struct sqlite_db {
	struct mstoken_db db;
	sqlite3 *handle;
};

static int sqlite_fail(struct sqlite_db *db, const char *what)
{
	return mstoken_db_fail("%s: %s", what, sqlite3_errmsg(db->handle));
}

static int sqlite_script(struct mstoken_db *_db, const char *sql)
{
	struct sqlite_db *db = (struct sqlite_db *)_db;

	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_fail(db, "database");
	return 0;
}

static void sqlite_bind(sqlite3_stmt *stmt, const char *const *params)
{
	char name[16];
	int i;

	for (i = 0; params[i] != NULL; i++) {
		snprintf(name, sizeof(name), "$%d", i + 1);
		sqlite3_bind_text(stmt,
				  sqlite3_bind_parameter_index(stmt, name),
				  params[i], -1, SQLITE_TRANSIENT);
	}
}

static void sqlite_row(sqlite3_stmt *stmt, mstoken_db_row_t *row, void *context)
{
	const char *columns[MSTOKEN_DB_PARAMS_MAX] = { NULL };
	int i, count = sqlite3_column_count(stmt);

	for (i = 0; i < count && i < MSTOKEN_DB_PARAMS_MAX; i++)
		columns[i] = (const char *)sqlite3_column_text(stmt, i);
	if (row != NULL)
		row(columns, context);
}

static int
sqlite_run(struct mstoken_db *_db, const char *sql, const char *const *params,
	   mstoken_db_row_t *row, void *context)
{
	struct sqlite_db *db = (struct sqlite_db *)_db;
	sqlite3_stmt *stmt;
	int ret, count = 0, columns;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sqlite_fail(db, "database");
	sqlite_bind(stmt, params);
	columns = sqlite3_column_count(stmt);
	while ((ret = sqlite3_step(stmt)) == SQLITE_ROW) {
		sqlite_row(stmt, row, context);
		count++;
	}
	if (ret != SQLITE_DONE)
		count = sqlite_fail(db, columns > 0 ? "read" : "write");
	else if (columns == 0)
		count = sqlite3_changes(db->handle);
	sqlite3_finalize(stmt);
	return count;
}

static void sqlite_get_int(const char *const *columns, void *context)
{
	*(int *)context = (int)mstoken_db_number(columns[0]);
}

static int sqlite_schema_version(struct mstoken_db *db)
{
	static const char *const none[] = { NULL };
	int version = -1;

	if (sqlite_run(db, "PRAGMA user_version", none, sqlite_get_int,
		       &version) < 0)
		return -1;
	return version;
}

static int sqlite_set_schema_version(struct mstoken_db *db, int version)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", version);
	return sqlite_script(db, sql);
}

static void sqlite_close(struct mstoken_db *_db)
{
	struct sqlite_db *db = (struct sqlite_db *)_db;

	sqlite3_close(db->handle);
	free(db);
}

static const struct mstoken_db_vfuncs sqlite_vfuncs = {
	.begin_sql = "BEGIN IMMEDIATE",
	.begin_migration_sql = "BEGIN IMMEDIATE",
	.now_sql = "CAST(strftime('%s', 'now') AS BIGINT)",
	.close = sqlite_close,
	.script = sqlite_script,
	.run = sqlite_run,
	.schema_version = sqlite_schema_version,
	.set_schema_version = sqlite_set_schema_version,
};

/* The mode of the files, also of those that were there before. */
static int sqlite_set_mode(const char *path, unsigned int mode)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char file[4096];
	struct stat st;
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		if (stat(file, &st) == 0 && (st.st_mode & 0777) != mode &&
		    chmod(file, mode) < 0)
			return mstoken_db_fail("%s: chmod to %04o failed", file,
					       mode);
	}
	return 0;
}

struct mstoken_db *mstoken_db_sqlite_open(const struct mstoken_db_settings *set)
{
	struct sqlite_db *db = msnet_malloc(sizeof(*db));
	unsigned int mode = set->mode == 0 ? 0600 : set->mode;
	mode_t old_umask;
	int ret, on = 1;

	db->db.v = &sqlite_vfuncs;
	/* SQLite makes its journals with the mode of the database */
	old_umask = umask(077);
	ret = sqlite3_open_v2(set->store, &db->handle, SQLITE_OPEN_READWRITE |
			      SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
	if (ret != SQLITE_OK)
		ret = sqlite_fail(db, "open");
	else {
		sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MSECS);
		/* The journal stays when the last process ends: Dovecot may
		   not make one in our directory, and could not read. */
		(void)sqlite3_file_control(db->handle, NULL,
					   SQLITE_FCNTL_PERSIST_WAL, &on);
		/* a token is on the disk before it is used */
		ret = sqlite_script(&db->db, "PRAGMA journal_mode = WAL;"
				    "PRAGMA synchronous = FULL;"
				    "PRAGMA secure_delete = ON;"
				    "PRAGMA foreign_keys = ON");
		if (ret == 0)
			ret = sqlite_set_mode(set->store, mode);
	}
	umask(old_umask);
	if (ret == 0)
		return &db->db;
	sqlite_close(&db->db);
	return NULL;
}
