#include "mstoken-db-private.h"

#ifdef HAVE_LIBPQ

#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A server that cannot be reached is left alone for so long, so that many
   askers do not wait for the same timeout one after the other; longer, if it was
   a timeout. */
#define RECONNECT_SECS 2
#define SLOW_RECONNECT_SECS 15
#define CONNECT_SECS "5"
/* for one statement: at the server, which then says so, and here, if it does not
   say anything any more */
#define STATEMENT_TIMEOUT "5s"
#define ANSWER_SECS 8
/* any number that no other program uses as an advisory lock */
#define MIGRATION_LOCK "1836279655"

struct pgsql_db {
	struct mstoken_db db;
	PGconn *conn;			/* NULL = not connected */
	char *url, *password_file;
	/* not before this (CLOCK_MONOTONIC seconds) is it tried again; and why */
	time_t retry;
	char failure[256];
};

static time_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* The error of this thread is that of all for a while. */
static void pgsql_failed(struct pgsql_db *db, unsigned int secs)
{
	db->retry = monotonic_now() + secs;
	snprintf(db->failure, sizeof(db->failure), "%s", mstoken_db_error());
}

/* First line of the file; heap, wipe it. Returns -1 if it cannot be read. */
static int pgsql_read_password(const char *path, char **password_r)
{
	char line[1024] = "";
	FILE *file;

	*password_r = NULL;
	if (path == NULL)
		return 0;
	file = fopen(path, "re");
	if (file == NULL) {
		return mstoken_db_fail("store_password_file %s: %s", path,
				       strerror(errno));
	}
	if (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		*password_r = msnet_strdup(line);
	}
	(void)fclose(file);
	msnet_secret_wipe(line, sizeof(line));
	return 0;
}

static void pgsql_disconnect(struct pgsql_db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
}

/* Waits for the answer, so long as a server that is alive may take. Returns -1
   when it does not come. */
static int pgsql_wait(struct pgsql_db *db, time_t deadline)
{
	struct pollfd pfd = { .fd = PQsocket(db->conn), .events = POLLIN };
	time_t now;

	while (PQisBusy(db->conn)) {
		now = monotonic_now();
		if (now >= deadline)
			return -1;
		if (poll(&pfd, 1, (int)(deadline - now) * 1000) > 0 &&
		    PQconsumeInput(db->conn) == 0)
			break;
	}
	return 0;
}

/* The result of what was sent: the first that is an error, or the last. NULL =
   the connection is lost, and the error is set. */
static PGresult *pgsql_result(struct pgsql_db *db)
{
	time_t deadline = monotonic_now() + ANSWER_SECS;
	PGresult *result = NULL, *next;

	for (;;) {
		if (pgsql_wait(db, deadline) < 0) {
			PQclear(result);
			(void)mstoken_db_fail("the server does not answer");
			pgsql_failed(db, SLOW_RECONNECT_SECS);
			pgsql_disconnect(db);
			return NULL;
		}
		next = PQgetResult(db->conn);
		if (next == NULL)
			break;
		if (result != NULL &&
		    PQresultStatus(result) == PGRES_FATAL_ERROR) {
			PQclear(next);
			continue;
		}
		PQclear(result);
		result = next;
	}
	if (result == NULL) {
		(void)mstoken_db_fail("%s", PQerrorMessage(db->conn));
		pgsql_disconnect(db);
	}
	return result;
}

static int pgsql_script(struct mstoken_db *_db, const char *sql)
{
	struct pgsql_db *db = (struct pgsql_db *)_db;
	PGresult *result;
	int ret = 0;

	if (db->conn == NULL)
		return mstoken_db_fail("the connection is lost");
	if (PQsendQuery(db->conn, sql) == 0)
		return mstoken_db_fail("%s", PQerrorMessage(db->conn));
	result = pgsql_result(db);
	if (result == NULL)
		return -1;
	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK)
		ret = mstoken_db_fail("%s", PQresultErrorMessage(result));
	/* a COMMIT of a transaction that had failed is answered so */
	else if (strcmp(sql, "COMMIT") == 0 &&
		 strcmp(PQcmdStatus(result), "COMMIT") != 0)
		ret = mstoken_db_fail("the transaction was rolled back");
	PQclear(result);
	return ret;
}

static void pgsql_notice(void *context, const char *message)
{
}

static int pgsql_start(struct pgsql_db *db)
{
	/* later ones replace those of the URL, and that replaces earlier ones */
	const char *keywords[] = {
		"connect_timeout", "tcp_user_timeout", "application_name",
		"dbname", "client_encoding", "password", NULL
	};
	const char *values[] = {
		CONNECT_SECS, "10000", "msgraph-oauthd", db->url, "UTF8", NULL, NULL
	};
	char *password;

	if (pgsql_read_password(db->password_file, &password) < 0)
		return -1;
	if (password == NULL)
		keywords[5] = NULL;
	values[5] = password;
	db->conn = PQconnectdbParams(keywords, values, 1);
	msnet_secret_free(&password);
	if (PQstatus(db->conn) != CONNECTION_OK) {
		(void)mstoken_db_fail("%s", PQerrorMessage(db->conn));
		pgsql_disconnect(db);
		return -1;
	}
	(void)PQsetNoticeProcessor(db->conn, pgsql_notice, NULL);
	/* no rows in errors */
	(void)PQsetErrorVerbosity(db->conn, PQERRORS_TERSE);
	/* a token is on the disk before it is used */
	return pgsql_script(&db->db, "SET synchronous_commit = on;"
			    "SET statement_timeout = '" STATEMENT_TIMEOUT "'");
}

static int pgsql_connect(struct pgsql_db *db)
{
	time_t started;

	if (db->conn != NULL)
		return 0;
	started = monotonic_now();
	if (started < db->retry)
		return mstoken_db_fail("%s", db->failure);
	if (pgsql_start(db) == 0)
		return 0;
	pgsql_failed(db, monotonic_now() - started > 1 ? SLOW_RECONNECT_SECS :
		     RECONNECT_SECS);
	return -1;
}

/* An error that has no code is libpq's own; PQstatus() may be OK with it until
   the next statement. */
static bool pgsql_is_lost(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state == NULL || strncmp(state, "57P", 3) == 0 ||
		strncmp(state, "08", 2) == 0;
}

/* Returns 0, -1, or 1: the connection was lost. */
static int
pgsql_try(struct pgsql_db *db, const char *sql, const char *const *params,
	  PGresult **result_r)
{
	PGresult *result;
	int count = 0;
	bool lost;

	while (params[count] != NULL)
		count++;
	/* if it cannot be sent, that is the result */
	(void)PQsendQueryParams(db->conn, sql, count, NULL, params, NULL, NULL,
				0);
	result = pgsql_result(db);
	if (result == NULL)
		return 1;
	if (PQresultStatus(result) == PGRES_COMMAND_OK ||
	    PQresultStatus(result) == PGRES_TUPLES_OK) {
		*result_r = result;
		return 0;
	}
	lost = pgsql_is_lost(result);
	(void)mstoken_db_fail("%s", PQresultErrorMessage(result));
	PQclear(result);
	if (!lost)
		return -1;
	pgsql_disconnect(db);
	return 1;
}

static void pgsql_rows(const PGresult *result, mstoken_db_row_t *row,
		       void *context)
{
	const char *columns[MSTOKEN_DB_PARAMS_MAX] = { NULL };
	int i, col, count = PQnfields(result);

	for (i = 0; i < PQntuples(result); i++) {
		for (col = 0; col < count && col < MSTOKEN_DB_PARAMS_MAX; col++)
			columns[col] = PQgetisnull(result, i, col) ? NULL :
				PQgetvalue(result, i, col);
		row(columns, context);
	}
}

static int
pgsql_run(struct mstoken_db *_db, const char *sql, const char *const *params,
	  mstoken_db_row_t *row, void *context)
{
	struct pgsql_db *db = (struct pgsql_db *)_db;
	PGresult *result;
	int ret, count;

	if (db->conn == NULL && _db->in_transaction)
		return mstoken_db_fail("the connection is lost");
	if (pgsql_connect(db) < 0)
		return -1;
	ret = pgsql_try(db, sql, params, &result);
	/* The server was restarted, say. Each statement may be repeated: it
	   names the version of the row that it changes. */
	if (ret > 0 && !_db->in_transaction && pgsql_connect(db) == 0)
		ret = pgsql_try(db, sql, params, &result);
	if (ret != 0)
		return -1;
	count = PQresultStatus(result) == PGRES_TUPLES_OK ?
		PQntuples(result) : (int)mstoken_db_number(PQcmdTuples(result));
	if (row != NULL)
		pgsql_rows(result, row, context);
	PQclear(result);
	return count;
}

static void pgsql_get_int(const char *const *columns, void *context)
{
	*(int *)context = (int)mstoken_db_number(columns[0]);
}

static int pgsql_schema_version(struct mstoken_db *db)
{
	static const char *const none[] = { NULL };
	int version = 0;

	if (pgsql_script(db, "CREATE TABLE IF NOT EXISTS msgraph_schema"
			 " (version INTEGER NOT NULL)") < 0 ||
	    pgsql_run(db, "SELECT version FROM msgraph_schema", none,
		      pgsql_get_int, &version) < 0)
		return -1;
	return version;
}

static int pgsql_set_schema_version(struct mstoken_db *db, int version)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "DELETE FROM msgraph_schema;"
		 "INSERT INTO msgraph_schema VALUES (%d)", version);
	return pgsql_script(db, sql);
}

static void pgsql_close(struct mstoken_db *_db)
{
	struct pgsql_db *db = (struct pgsql_db *)_db;

	pgsql_disconnect(db);
	msnet_secret_free(&db->url);
	free(db->password_file);
	free(db);
}

static const struct mstoken_db_vfuncs pgsql_vfuncs = {
	.begin_sql = "BEGIN",
	.begin_migration_sql = "BEGIN;"
		"SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")",
	.now_sql = "CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)",
	.close = pgsql_close,
	.script = pgsql_script,
	.run = pgsql_run,
	.schema_version = pgsql_schema_version,
	.set_schema_version = pgsql_set_schema_version,
};

struct mstoken_db *mstoken_db_pgsql_open(const struct mstoken_db_settings *set)
{
	struct pgsql_db *db = msnet_malloc(sizeof(*db));
	PQconninfoOption *options;
	char *error = NULL;

	db->db.v = &pgsql_vfuncs;
	db->url = msnet_strdup(set->store);
	db->password_file = msnet_strdup(set->password_file);
	/* libpq's own text would tell parts of a password that is written
	   wrongly */
	options = PQconninfoParse(set->store, &error);
	PQfreemem(error);
	if (options == NULL) {
		(void)mstoken_db_fail("this is no URL that libpq understands; "
			"write odd characters as %%XX, and put a password into "
			"store_password_file");
	} else {
		PQconninfoFree(options);
		if (pgsql_connect(db) == 0)
			return &db->db;
	}
	pgsql_close(&db->db);
	return NULL;
}

#else

struct mstoken_db *mstoken_db_pgsql_open(const struct mstoken_db_settings *set)
{
	(void)mstoken_db_fail("this msgraph-oauthd was built without "
		"PostgreSQL: use a path (SQLite), or build it with "
		"--with-postgresql");
	return NULL;
}

#endif
