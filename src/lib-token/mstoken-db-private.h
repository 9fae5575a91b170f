#ifndef MSTOKEN_DB_PRIVATE_H
#define MSTOKEN_DB_PRIVATE_H

/* What a kind of database gives. All are called with the mutex held. */

#include "mstoken-db.h"

#include <pthread.h>
#include <stdbool.h>

#define MSTOKEN_DB_PARAMS_MAX 16

struct mstoken_db_vfuncs {
	const char *begin_sql;
	/* a transaction in which nobody else changes the schema */
	const char *begin_migration_sql;
	const char *now_sql;

	void (*close)(struct mstoken_db *db);
	/* several statements without parameters */
	int (*script)(struct mstoken_db *db, const char *sql);
	int (*run)(struct mstoken_db *db, const char *sql,
		   const char *const *params, mstoken_db_row_t *row,
		   void *context);
	/* 0 = there is none yet; -1 = failed */
	int (*schema_version)(struct mstoken_db *db);
	int (*set_schema_version)(struct mstoken_db *db, int version);
};

struct mstoken_db {
	const struct mstoken_db_vfuncs *v;
	pthread_mutex_t mutex;		/* recursive */
	bool in_transaction;
};

/* Each returns a database that is connected, without looking at its schema. */
struct mstoken_db *mstoken_db_sqlite_open(const struct mstoken_db_settings *set);
struct mstoken_db *mstoken_db_pgsql_open(const struct mstoken_db_settings *set);

/* Remember the error of this thread; returns -1. */
int mstoken_db_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One of the migrations of mstoken-schema.c. Returns NULL after the last. */
const char *mstoken_schema_step(int from_version, bool pgsql);

#endif
