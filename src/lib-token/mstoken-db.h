#ifndef MSTOKEN_DB_H
#define MSTOKEN_DB_H

/* One connection to the account database, SQLite or PostgreSQL, behind a mutex:
   calls are short and few. SQL is written so that both take it; parameters are
   $1, $2, ... and text, the columns make numbers of them. Thread-safe. */

#include <stdint.h>

struct mstoken_db;

/* Strings are borrowed until the database is closed. */
struct mstoken_db_settings {
	/* a path, or postgresql://... as libpq takes it */
	const char *store;
	/* file with the password for PostgreSQL, or NULL */
	const char *password_file;
	/* of the SQLite files; 0 = 0600 */
	unsigned int mode;
};

/* Connect and bring the schema up to date, all in one transaction. Returns NULL
   and a heap text, which never holds the store's URL. */
struct mstoken_db *mstoken_db_open(const struct mstoken_db_settings *set,
				   char **error_r);
void mstoken_db_close(struct mstoken_db **db);

/* Columns are NULL for NULL and good during the call only. */
typedef void mstoken_db_row_t(const char *const *columns, void *context);

/* A column as a number; 0 for NULL. */
int64_t mstoken_db_number(const char *column);

/* params end with NULL. Returns how many rows were read, or how many were
   changed; -1 = failed, see mstoken_db_error(). Durable when it returns, unless
   in a transaction. */
int mstoken_db_run(struct mstoken_db *db, const char *sql,
		   const char *const *params, mstoken_db_row_t *row,
		   void *context);

/* Other threads wait until commit or rollback. Returns 0, or -1: nothing has
   begun, or nothing was committed. */
int mstoken_db_begin(struct mstoken_db *db);
int mstoken_db_commit(struct mstoken_db *db);
void mstoken_db_rollback(struct mstoken_db *db);

/* SQL for the seconds since the epoch by the clock that all daemons share. */
const char *mstoken_db_now_sql(struct mstoken_db *db);
/* Of the last call in this thread that failed. */
const char *mstoken_db_error(void);

#endif
