/* Sealing and the store, on files in the working directory; with
   MSGRAPH_TEST_PGSQL, the URL of a server, the store is there. */

#include "mstoken-db.h"
#include "mstoken-password.h"
#include "mstoken-seal.h"
#include "mstoken-store.h"
#include "msnet-secret.h"
#include "mstest.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char key_file[64], db_file[64];

static struct mstoken_db_settings db_set;
static bool is_pgsql;

static void remove_db(void)
{
	char path[80];

	(void)unlink(db_file);
	snprintf(path, sizeof(path), "%s-wal", db_file);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s-shm", db_file);
	(void)unlink(path);
}

static void test_seal(void)
{
	struct mstoken_seal *seal, *again;
	char *error = NULL, *sealed, *text, *second;
	size_t i;

	seal = mstoken_seal_open(key_file, &error);
	T_CHECK(seal != NULL);
	again = mstoken_seal_open(key_file, &error);
	sealed = mstoken_seal_text(seal, "refresh token", "a@b");
	second = mstoken_seal_text(seal, "refresh token", "a@b");
	T_CHECK(strcmp(sealed, second) != 0);
	T_CHECK(strstr(sealed, "refresh") == NULL);
	text = mstoken_unseal_text(again, sealed, "a@b");
	T_STREQ(text, "refresh token");
	msnet_secret_free(&text);
	T_CHECK(mstoken_unseal_text(seal, sealed, "c@d") == NULL);
	for (i = 0; sealed[i] != '\0'; i++) {
		char old = sealed[i];

		sealed[i] = old == 'A' ? 'B' : 'A';
		text = mstoken_unseal_text(seal, sealed, "a@b");
		T_CHECK(text == NULL);
		msnet_secret_free(&text);
		sealed[i] = old;
	}
	T_CHECK(mstoken_unseal_text(seal, "", "a@b") == NULL);
	free(sealed);
	free(second);
	mstoken_seal_close(&seal);
	mstoken_seal_close(&again);

	T_CHECK(chmod(key_file, 0644) == 0);
	T_CHECK(mstoken_seal_open(key_file, &error) == NULL);
	T_CHECK(error != NULL && strstr(error, "chmod") != NULL);
	free(error);
	T_CHECK(chmod(key_file, 0600) == 0);
}

static int file_contains(const char *path, const char *needle)
{
	static char buf[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t ret = fd == -1 ? 0 : read(fd, buf, sizeof(buf));

	if (fd != -1)
		close(fd);
	return ret > 0 && memmem(buf, (size_t)ret, needle,
				 strlen(needle)) != NULL;
}

static struct mstoken_store *open_store(struct mstoken_seal *seal,
					const char *client_id)
{
	char *error = NULL;
	struct mstoken_store *store =
		mstoken_store_open(&db_set, seal, client_id, &error);

	if (store == NULL) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	return store;
}

static void test_accounts(void)
{
	char address[] = "Alice@Example.com", tid[] = "T", oid[] = "O",
		other[] = "X", token[] = "very-secret-token", name[] = "alice",
		access[] = "access-secret-token";
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token, .access_token = access,
		.access_expires = 77
	}, got, *list;
	struct mstoken_tokens second = {
		.refresh_token = "second-token", .access_token = "a2",
		.access_expires = 5
	};
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	unsigned int count;
	char *error = NULL;
	struct stat st;
	int64_t version;

	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	if (!is_pgsql)
		T_CHECK(stat(db_file, &st) == 0 && (st.st_mode & 0777) == 0600);
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 0);
	T_CHECK(mstoken_store_invite(store, "inv", "a@b", 9999999999) == 1);
	T_CHECK(mstoken_store_link(store, &account, "inv") == 1);
	T_CHECK(mstoken_store_use_invitation(store, "inv") == 0);
	T_CHECK(mstoken_store_get(store, "alice@EXAMPLE.com", &got) == 1);
	T_STREQ(got.refresh_token, "very-secret-token");
	T_STREQ(got.access_token, "access-secret-token");
	T_CHECK(got.state == MSTOKEN_STATE_OK && got.access_expires == 77);
	version = got.version;
	mstoken_account_deinit(&got);

	/* pinned to tid and oid; the invitation is not used up by a failure */
	T_CHECK(mstoken_store_invite(store, "inv", "a@b", 9999999999) == 1);
	account.oid = other;
	T_CHECK(mstoken_store_link(store, &account, "inv") == 0);
	T_CHECK(mstoken_store_use_invitation(store, "inv") == 1);
	account.oid = oid;

	/* a newer token is never overwritten */
	T_CHECK(mstoken_store_set_token(store, "alice@example.com", version,
					"T", &second) == 1);
	second.refresh_token = "late-token";
	T_CHECK(mstoken_store_set_token(store, "alice@example.com", version,
					"T", &second) == 0);
	T_CHECK(mstoken_store_set_state(store, "alice@example.com", version + 1,
			MSTOKEN_STATE_NEEDS_SIGN_IN, "sign in") == 1);
	/* a verdict on a token that has been replaced */
	T_CHECK(mstoken_store_set_state(store, "alice@example.com", version,
			MSTOKEN_STATE_REVOKED, "late") == 0);
	mstoken_store_close(&store);

	T_CHECK(!file_contains(db_file, "secret-token"));
	T_CHECK(!file_contains(db_file, "second-token"));

	store = open_store(seal, "client");
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "second-token");
	T_STREQ(got.access_token, "a2");
	T_STREQ(got.state_text, "sign in");
	T_CHECK(got.state == MSTOKEN_STATE_NEEDS_SIGN_IN);
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_list(store, &list, &count) == 1 && count == 1);
	T_STREQ(list[0].refresh_token, "");
	mstoken_accounts_free(&list, count);
	mstoken_store_close(&store);

	/* another client id: another sealing context */
	store = open_store(seal, "other");
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "");
	T_CHECK(got.missing_key == NULL);
	mstoken_account_deinit(&got);
	mstoken_store_set_client_id(store, "", "client");
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "second-token");
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_delete(store, "alice@example.com") == 1);
	T_CHECK(mstoken_store_delete(store, "alice@example.com") == 0);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
}

static void test_leases(void)
{
	char address[] = "a@b", tid[] = "T", oid[] = "O", name[] = "a",
		token[] = "t";
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token
	}, got;
	struct mstoken_tokens tokens = {
		.refresh_token = "t2", .access_token = "a2"
	};
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	char *error = NULL;
	int64_t version;

	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	T_CHECK(mstoken_store_lease(store, "a@b", 1, "one", 60) == 0);
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	T_CHECK(mstoken_store_get(store, "a@b", &got) == 1);
	version = got.version;
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_lease(store, "a@b", version, "one", 60) == 1);
	T_CHECK(mstoken_store_lease(store, "a@b", version, "two", 60) == 0);
	T_CHECK(mstoken_store_release(store, "a@b", "two") == 0);
	T_CHECK(mstoken_store_lease(store, "a@b", version, "one", 1) == 1);
	/* it has an end */
	usleep(2100000);
	T_CHECK(mstoken_store_lease(store, "A@B", version, "two", 60) == 1);
	T_CHECK(mstoken_store_release(store, "a@b", "two") == 1);
	T_CHECK(mstoken_store_lease(store, "a@b", version, "one", 60) == 1);
	T_CHECK(mstoken_store_set_token(store, "a@b", version, "T",
					&tokens) == 1);
	/* the token of that version is spent */
	T_CHECK(mstoken_store_lease(store, "a@b", version, "one", 60) == 0);
	T_CHECK(mstoken_store_lease(store, "a@b", version + 1, "two", 9) == 1);
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	/* of an account that was unlinked and linked anew the version rises */
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	T_CHECK(mstoken_store_get(store, "a@b", &got) == 1);
	T_CHECK(got.version > version - 1000);
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
}

static void test_passwords(void)
{
	char address[] = "A@b", tid[] = "T", oid[] = "O", name[] = "a",
		token[] = "t";
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token
	};
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	char *error = NULL, *password, *again, *hash;

	password = mstoken_password_make();
	again = mstoken_password_make();
	T_CHECK(strlen(password) == 34 && strcmp(password, again) != 0);
	T_CHECK(strspn(password, "abcdefghijkmnpqrstuvwxyz23456789-") == 34);
	hash = mstoken_password_hash(password);
	T_CHECK(strncmp(hash, "{SHA512-CRYPT}$6$rounds=1000$", 29) == 0);
	T_CHECK(strstr(hash, password) == NULL);
	msnet_secret_free(&password);
	msnet_secret_free(&again);

	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	T_CHECK(mstoken_store_set_password(store, "a@b", hash) == 0);
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	T_CHECK(mstoken_store_has_password(store, "a@b") == 0);
	T_CHECK(mstoken_store_set_password(store, "a@B", hash) == 1);
	T_CHECK(mstoken_store_set_password(store, "a@b", hash) == 1);
	T_CHECK(mstoken_store_has_password(store, "A@b") == 1);
	T_CHECK(mstoken_store_delete_password(store, "a@b") == 1);
	T_CHECK(mstoken_store_delete_password(store, "a@b") == 0);
	T_CHECK(mstoken_store_set_password(store, "a@b", hash) == 1);
	/* it goes with the account, and is not that of the next */
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	T_CHECK(mstoken_store_has_password(store, "a@b") == 0);
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
	free(hash);
}

static void test_invitations(void)
{
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	char *error = NULL, *address = NULL;

	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	T_CHECK(mstoken_store_invite(store, "s3cret", "a@b", 9999999999) == 1);
	T_CHECK(mstoken_store_find_invitation(store, "other", 1000,
					      &address) == 0);
	T_CHECK(mstoken_store_find_invitation(store, "s3cret", 10000000000,
					      &address) == 0);
	T_CHECK(mstoken_store_find_invitation(store, "s3cret", 1000,
					      &address) == 1);
	T_STREQ(address, "a@b");
	free(address);
	T_CHECK(mstoken_store_use_invitation(store, "s3cret") == 1);
	T_CHECK(mstoken_store_use_invitation(store, "s3cret") == 0);
	mstoken_store_close(&store);
	T_CHECK(!file_contains(db_file, "s3cret"));
	mstoken_seal_close(&seal);
}

static void write_keys(const char *mode, const char *key)
{
	FILE *file = fopen(key_file, mode);

	T_CHECK(file != NULL);
	fprintf(file, "%s\n", key);
	T_CHECK(fclose(file) == 0);
	T_CHECK(chmod(key_file, 0600) == 0);
}

#define KEY_1 "00112233445566778899aabbccddeeff" \
	"00112233445566778899aabbccddeeff"
#define KEY_2 "ffeeddccbbaa99887766554433221100" \
	"ffeeddccbbaa99887766554433221100"

/* More accounts than a batch has. */
static void test_rekey(void)
{
	char address[16], tid[] = "T", oid[] = "O", name[] = "a",
		token[] = "refresh", access[] = "access";
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token, .access_token = access,
	}, got;
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	struct mstoken_rekey rekey;
	char *error = NULL, *id;
	unsigned int i;

	write_keys("w", "# comment\n\n" KEY_1);
	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	for (i = 0; i < 205; i++) {
		snprintf(address, sizeof(address), "u%u@b", i);
		T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	}
	T_CHECK(mstoken_store_rekey(store, &rekey) == 0);
	T_CHECK(rekey.current == 205 && rekey.resealed == 0);
	/* what is sealed from now on is so with the newest, unasked */
	write_keys("a", KEY_2);
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	T_CHECK(mstoken_store_rekey(store, &rekey) == 0);
	T_CHECK(rekey.current == 1 && rekey.resealed == 204);
	T_CHECK(rekey.unopened == 0);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);

	/* the old key is not needed any more */
	write_keys("w", KEY_2);
	seal = mstoken_seal_open(key_file, &error);
	store = open_store(seal, "client");
	T_CHECK(mstoken_store_get(store, "u0@b", &got) == 1);
	T_STREQ(got.refresh_token, "refresh");
	T_STREQ(got.access_token, "access");
	mstoken_account_deinit(&got);

	/* a key that is missing is named; put back, it is found unasked */
	id = mstoken_seal_newest_id(seal);
	write_keys("w", KEY_1);
	T_CHECK(mstoken_seal_reload(seal, &error) == 0);
	T_CHECK(mstoken_store_get(store, "u0@b", &got) == 1);
	T_STREQ(got.refresh_token, "");
	T_STREQ(got.missing_key, id);
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_rekey(store, &rekey) == 0);
	T_CHECK(rekey.unopened == 205);
	write_keys("a", KEY_2);
	T_CHECK(mstoken_store_get(store, "u0@b", &got) == 1);
	T_STREQ(got.refresh_token, "refresh");
	mstoken_account_deinit(&got);
	free(id);

	/* a file that makes no sense leaves the keys as they are */
	write_keys("w", "nonsense");
	T_CHECK(mstoken_seal_reload(seal, &error) < 0);
	T_CHECK(strstr(error, "hex digits") != NULL);
	free(error);
	T_CHECK(mstoken_store_get(store, "u0@b", &got) == 1);
	T_STREQ(got.refresh_token, "refresh");
	mstoken_account_deinit(&got);
	for (i = 0; i < 205; i++) {
		snprintf(address, sizeof(address), "u%u@b", i);
		T_CHECK(mstoken_store_delete(store, address) == 1);
	}
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
	write_keys("w", KEY_1);
}

/* The first version's database, as it was made then. */
static const char old_schema[] =
	"CREATE TABLE account ("
	" address TEXT PRIMARY KEY COLLATE NOCASE,"
	" tid TEXT NOT NULL, oid TEXT NOT NULL, username TEXT NOT NULL,"
	" refresh_token TEXT NOT NULL, version INTEGER NOT NULL,"
	" state TEXT NOT NULL, state_text TEXT NOT NULL,"
	" state_since INTEGER NOT NULL, linked_at INTEGER NOT NULL,"
	" refreshed_at INTEGER NOT NULL);"
	"CREATE TABLE invitation ("
	" secret_hash TEXT PRIMARY KEY, address TEXT NOT NULL,"
	" expires INTEGER NOT NULL);"
	"INSERT INTO account VALUES ('Old@Example.com', 'T', 'O', 'old', '%s',"
	" 7, 'ok', '', 1, 2, 3);"
	"PRAGMA user_version = 1";

static void db_script(const char *sql)
{
	sqlite3 *db;

	T_CHECK(sqlite3_open(db_file, &db) == SQLITE_OK);
	T_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

static void test_migration(void)
{
	struct mstoken_account got;
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	char *error = NULL, *sealed, sql[4096];

	remove_db();
	seal = mstoken_seal_open(key_file, &error);
	sealed = mstoken_seal_text(seal, "old token",
				   "old@example.com\nT\nclient");
	snprintf(sql, sizeof(sql), old_schema, sealed);
	free(sealed);
	db_script(sql);
	store = open_store(seal, "client");
	T_CHECK(mstoken_store_get(store, "old@example.COM", &got) == 1);
	T_STREQ(got.address, "old@example.com");
	T_STREQ(got.refresh_token, "old token");
	T_CHECK(got.version == 7 && got.refreshed_at == 3);
	mstoken_account_deinit(&got);
	mstoken_store_close(&store);

	/* all or nothing: a step that fails leaves the old version */
	remove_db();
	db_script("CREATE TABLE account (address TEXT);"
		  "PRAGMA user_version = 1");
	T_CHECK(mstoken_store_open(&db_set, seal, "client", &error) == NULL);
	T_CHECK(error != NULL);
	free(error);
	db_script("INSERT INTO account VALUES ('x')");

	/* made by a newer version: nothing is touched */
	remove_db();
	db_script("PRAGMA user_version = 99");
	T_CHECK(mstoken_store_open(&db_set, seal, "client", &error) == NULL);
	T_CHECK_CASE(error, strstr(error, "version 99") != NULL &&
		     strstr(error, "newer") != NULL);
	free(error);
	mstoken_seal_close(&seal);
}

static void test_pgsql_migration(void)
{
	static const char *const none[] = { NULL };
	struct mstoken_seal *seal;
	struct mstoken_db *db;
	char *error = NULL;

	seal = mstoken_seal_open(key_file, &error);
	db = mstoken_db_open(&db_set, &error);
	T_CHECK(db != NULL);
	T_CHECK(mstoken_db_run(db, "UPDATE msgraph_schema SET version = 99",
			       none, NULL, NULL) == 1);
	T_CHECK(mstoken_store_open(&db_set, seal, "client", &error) == NULL);
	T_CHECK_CASE(error, strstr(error, "version 99") != NULL &&
		     strstr(error, "newer") != NULL);
	free(error);
	/* a step that fails leaves the version as it was */
	T_CHECK(mstoken_db_run(db, "UPDATE msgraph_schema SET version = 0",
			       none, NULL, NULL) == 1);
	T_CHECK(mstoken_store_open(&db_set, seal, "client", &error) == NULL);
	T_CHECK_CASE(error, strstr(error, "already exists") != NULL);
	free(error);
	T_CHECK(mstoken_db_run(db, "SELECT 1 FROM msgraph_schema"
			       " WHERE version = 0", none, NULL, NULL) == 1);
	/* nothing of a transaction that was given up */
	T_CHECK(mstoken_db_begin(db) == 0);
	T_CHECK(mstoken_db_run(db, "UPDATE msgraph_schema SET version = 7",
			       none, NULL, NULL) == 1);
	mstoken_db_rollback(db);
	T_CHECK(mstoken_db_run(db, "SELECT 1 FROM msgraph_schema"
			       " WHERE version = 0", none, NULL, NULL) == 1);
	mstoken_db_close(&db);
	mstoken_seal_close(&seal);
}

static void test_pgsql_errors(void)
{
	static const char *const urls[] = {
		"postgresql://u:pass/word-marker@host:x/db",
		"postgresql://u:word-marker@/db?no_such=1",
		"postgresql://u:word-marker@127.0.0.1:1/db",
	};
	struct mstoken_db_settings set = { .store = NULL };
	struct mstoken_seal *seal;
	char *error = NULL;
	size_t i;

	seal = mstoken_seal_open(key_file, &error);
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		set.store = urls[i];
		T_CHECK(mstoken_store_open(&set, seal, "c", &error) == NULL);
		T_CHECK_CASE(error, strstr(error, "word-marker") == NULL);
		free(error);
	}
	/* a wrong password */
	set.store = db_set.store;
	set.password_file = key_file;
	T_CHECK(mstoken_store_open(&set, seal, "c", &error) == NULL);
	T_CHECK_CASE(error, strstr(error, "password") != NULL);
	free(error);
	set.password_file = "does-not-exist";
	T_CHECK(mstoken_store_open(&set, seal, "c", &error) == NULL);
	T_CHECK_CASE(error, strstr(error, "store_password_file") != NULL);
	free(error);
	mstoken_seal_close(&seal);
}

int main(void)
{
	snprintf(key_file, sizeof(key_file), "test-store.%ld.key",
		 (long)getpid());
	snprintf(db_file, sizeof(db_file), "test-store.%ld.db",
		 (long)getpid());
	db_set.store = getenv("MSGRAPH_TEST_PGSQL");
	db_set.password_file = getenv("MSGRAPH_TEST_PGSQL_PASSWORD");
	is_pgsql = db_set.store != NULL;
	if (!is_pgsql)
		db_set.store = db_file;
	test_seal();
	test_accounts();
	test_leases();
	test_passwords();
	test_invitations();
	test_rekey();
	if (is_pgsql) {
		test_pgsql_errors();
		test_pgsql_migration();
	} else {
		test_migration();
	}
	(void)unlink(key_file);
	remove_db();
	T_RETURN();
}
