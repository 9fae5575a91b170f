/* One refresh however many ask; failures keep the token. The login host is a
   fake transport. */

#include "mstoken-refresh.h"
#include "mstoken-db.h"
#include "mstoken-seal.h"
#include "mstoken-store.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"
#include "mstest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct msnet_exchange {
	msnet_callback_t *callback;
	void *context;
};

static char db_file[64];
static unsigned int warnings;

static struct {
	pthread_mutex_t mutex;
	unsigned int requests;
	int status;
	const char *body;
	enum msnet_result result;
	char *last_form;
	/* SQL to be run while a request is under way */
	const char *at_request;
	sqlite3 *db;
} login = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct fake_transport {
	struct msnet_transport transport;
	struct msnet_exchange exchange;
};

static void fake_destroy(struct msnet_transport *transport)
{
	free(transport);
}

static struct msnet_exchange *
fake_start(struct msnet_transport *transport, struct msnet_request *req,
	   msnet_callback_t *callback, void *context)
{
	struct fake_transport *fake = (struct fake_transport *)transport;

	fake->exchange.callback = callback;
	fake->exchange.context = context;
	pthread_mutex_lock(&login.mutex);
	login.requests++;
	free(login.last_form);
	login.last_form = msnet_strndup(req->body, req->body_size);
	pthread_mutex_unlock(&login.mutex);
	msnet_request_free(&req);
	return &fake->exchange;
}

static void fake_run(struct msnet_transport *transport, const bool *done)
{
	struct fake_transport *fake = (struct fake_transport *)transport;
	struct msnet_response *resp = msnet_response_create();

	/* long enough that other threads arrive meanwhile */
	usleep(100000);
	if (login.at_request != NULL)
		T_CHECK(sqlite3_exec(login.db, login.at_request, NULL, NULL,
				     NULL) == SQLITE_OK);
	login.at_request = NULL;
	resp->result = login.result;
	resp->status = login.result == MSNET_OK ? login.status : 0;
	if (login.result == MSNET_OK) {
		resp->body = msnet_strdup(login.body);
		resp->body_size = strlen(login.body);
	}
	fake->exchange.callback(resp, fake->exchange.context);
	T_CHECK(*done);
}

static const struct msnet_transport_vfuncs fake_vfuncs = {
	.destroy = fake_destroy, .start = fake_start, .run = fake_run
};

static struct msnet_transport *fake_create(void *context)
{
	struct fake_transport *fake = msnet_malloc(sizeof(*fake));

	fake->transport.v = &fake_vfuncs;
	return &fake->transport;
}

static int app_get(void *context, const char *registration,
		   struct mstoken_app *app_r)
{
	if (strcmp(registration, "") != 0)
		return -1;
	memset(app_r, 0, sizeof(*app_r));
	app_r->client_id = "client";
	app_r->tenant = "common";
	app_r->login_url = "https://login.example";
	app_r->scope = "openid";
	return 0;
}

static void app_release(void *context, struct mstoken_app *app)
{
}

static void warn(void *context, const char *message)
{
	warnings++;
}

static struct mstoken_refresher *refresher;
static struct mstoken_store *store;

static void *ask(void *context)
{
	struct mstoken_failure fail;
	unsigned int expires_in;
	char *token;

	if (mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token, &expires_in,
				  &fail) < 0)
		return NULL;
	return token;
}

static void test_single_flight(void)
{
	pthread_t threads[20];
	void *token;
	size_t i;

	login.status = 200;
	login.body = "{\"access_token\":\"one\",\"expires_in\":3600,"
		"\"refresh_token\":\"rotated\"}";
	for (i = 0; i < 20; i++)
		pthread_create(&threads[i], NULL, ask, NULL);
	for (i = 0; i < 20; i++) {
		pthread_join(threads[i], &token);
		T_STREQ((char *)token, "one");
		free(token);
	}
	T_CHECK(login.requests == 1);
	T_CHECK(strstr(login.last_form, "refresh_token=first") != NULL);
}

static void test_rotation_and_rejection(void)
{
	struct mstoken_account account;
	struct mstoken_failure fail;
	unsigned int expires_in;
	unsigned char digest[32];
	char hash[65], *token;
	size_t i;

	T_CHECK(mstoken_store_get(store, "A@B", &account) == 1);
	T_STREQ(account.refresh_token, "rotated");
	mstoken_account_deinit(&account);

	EVP_Digest("one", 3, digest, NULL, EVP_sha256(), NULL);
	for (i = 0; i < 32; i++)
		snprintf(hash + i * 2, 3, "%02x", digest[i]);
	/* the rejected token is not given out again; no new refresh token in
	   the answer keeps the old one */
	login.body = "{\"access_token\":\"two\",\"expires_in\":3600}";
	T_CHECK(mstoken_refresher_get(refresher, "a@b", hash, NULL, &token,
				      &expires_in, &fail) == 0);
	T_STREQ(token, "two");
	free(token);
	T_CHECK(login.requests == 2);
	T_CHECK(mstoken_refresher_get(refresher, "a@b", hash, NULL, &token,
				      &expires_in, &fail) == 0);
	T_STREQ(token, "two");
	free(token);
	T_CHECK(login.requests == 2);
	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	T_STREQ(account.refresh_token, "rotated");
	mstoken_account_deinit(&account);
}

/* As if another daemon had brought it. */
static void set_access_token(const char *token, int secs)
{
	struct mstoken_account account;
	struct mstoken_tokens tokens = {
		.access_token = token,
		.access_expires = (int64_t)time(NULL) + secs,
	};

	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	tokens.refresh_token = account.refresh_token;
	T_CHECK(mstoken_store_set_token(store, "a@b", account.version, "T",
					&tokens) == 1);
	if (account.state != MSTOKEN_STATE_OK)
		T_CHECK(mstoken_store_set_state(store, "a@b",
			account.version + 1, account.state, "as before") == 1);
	mstoken_account_deinit(&account);
}

static void forget(void)
{
	set_access_token(NULL, 0);
	mstoken_refresher_forget(refresher, "a@b");
}

static void test_failures(void)
{
	struct mstoken_account account;
	struct mstoken_failure fail;
	unsigned int expires_in, requests;
	char *token;

	/* unreachable, but the token in hand is good for another minute */
	set_access_token("short", 60);
	login.result = MSNET_CONNECT_FAILED;
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) == 0);
	T_STREQ(token, "short");
	free(token);
	forget();
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_UNREACHABLE);
	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	T_STREQ(account.refresh_token, "rotated");
	T_CHECK(account.state == MSTOKEN_STATE_UNREACHABLE);
	mstoken_account_deinit(&account);
	/* asked again at once, it does not go to the login host again */
	requests = login.requests;
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_UNREACHABLE);
	T_CHECK(login.requests == requests);

	/* a verdict is remembered; the token stays for the day it is undone */
	forget();
	login.result = MSNET_OK;
	login.status = 400;
	login.body = "{\"error\":\"invalid_grant\","
		"\"error_description\":\"AADSTS50173: x\"}";
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_REVOKED);
	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	T_CHECK(account.state == MSTOKEN_STATE_REVOKED);
	T_STREQ(account.refresh_token, "rotated");
	mstoken_account_deinit(&account);

	/* and a network failure does not replace it */
	forget();
	login.result = MSNET_CONNECT_FAILED;
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	T_CHECK(account.state == MSTOKEN_STATE_REVOKED);
	mstoken_account_deinit(&account);
	login.result = MSNET_OK;

	T_CHECK(mstoken_refresher_get(refresher, "nobody@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_NOT_LINKED);
}

/* The database cannot be written when the login host has answered: the new
   token is kept, and the old one not spent again. */
static void test_pending(void)
{
	struct mstoken_account account;
	struct mstoken_failure fail;
	unsigned int expires_in, requests;
	sqlite3 *db;
	char *token;

	forget();
	login.status = 200;
	login.body = "{\"access_token\":\"three\",\"expires_in\":3600,"
		"\"refresh_token\":\"rotated again\"}";
	T_CHECK(sqlite3_open(db_file, &db) == SQLITE_OK);
	login.at_request = "CREATE TRIGGER full BEFORE UPDATE ON account BEGIN"
		" SELECT RAISE(ABORT, 'disk full'); END";
	login.db = db;
	warnings = 0;
	requests = login.requests;
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_UNREACHABLE);
	T_CHECK(strstr(fail.message, "kept in memory") != NULL);
	T_CHECK(strstr(fail.message, "disk full") != NULL);
	T_CHECK(warnings == 1);
	T_CHECK(login.requests == requests + 1);
	T_CHECK(mstoken_refresher_flush(refresher) == 1);
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(login.requests == requests + 1);
	T_CHECK(sqlite3_exec(db, "DROP TRIGGER full", NULL, NULL,
			     NULL) == SQLITE_OK);
	sqlite3_close(db);
	T_CHECK(mstoken_refresher_flush(refresher) == 0);
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) == 0);
	T_STREQ(token, "three");
	free(token);
	T_CHECK(login.requests == requests + 1);
	T_CHECK(mstoken_store_get(store, "a@b", &account) == 1);
	T_STREQ(account.refresh_token, "rotated again");
	mstoken_account_deinit(&account);
}

/* Two daemons on one database: one of them asks, both have the answer. */
static void *ask_other(void *context)
{
	struct mstoken_failure fail;
	unsigned int expires_in;
	char *token;

	if (mstoken_refresher_get(context, "a@b", NULL, NULL, &token, &expires_in,
				  &fail) < 0)
		return NULL;
	return token;
}

static void test_two(const struct mstoken_refresher_settings *set)
{
	struct mstoken_refresher_settings second = *set;
	struct mstoken_refresher *other;
	struct mstoken_failure fail;
	unsigned int expires_in, requests = login.requests, i;
	pthread_t threads[20];
	void *result;
	char *token;

	second.owner = "two";
	other = mstoken_refresher_create(&second);
	forget();
	login.body = "{\"access_token\":\"four\",\"expires_in\":3600}";
	for (i = 0; i < 20; i++)
		pthread_create(&threads[i], NULL, ask_other,
			       i % 2 == 0 ? refresher : other);
	for (i = 0; i < 20; i++) {
		pthread_join(threads[i], &result);
		T_STREQ((char *)result, "four");
		free(result);
	}
	T_CHECK(login.requests == requests + 1);
	/* unlinked at one, it is gone at the other */
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	T_CHECK(mstoken_refresher_get(other, "a@b", NULL, NULL, &token, &expires_in,
				      &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_NOT_LINKED);
	mstoken_refresher_destroy(&other);
}

/* Unlinked while a refresh is under way: nobody gets its token. */
static void test_unlink(void)
{
	struct mstoken_failure fail;
	unsigned int expires_in;
	pthread_t thread;
	char *token;
	void *late;

	login.status = 200;
	login.body = "{\"access_token\":\"late\",\"expires_in\":3600}";
	forget();
	pthread_create(&thread, NULL, ask, NULL);
	usleep(30000);
	T_CHECK(mstoken_store_delete(store, "a@b") == 1);
	mstoken_refresher_forget(refresher, "a@b");
	pthread_join(thread, &late);
	T_CHECK(late == NULL);
	T_CHECK(mstoken_refresher_get(refresher, "a@b", NULL, NULL, &token,
				      &expires_in, &fail) < 0);
	T_CHECK(fail.state == MSTOKEN_STATE_NOT_LINKED);
}

int main(void)
{
	struct mstoken_refresher_settings set = {
		.owner = "one", .transport_create = fake_create, .app_get = app_get,
		.app_release = app_release, .warn = warn,
		.timeout_msecs = 1000
	};
	char key[80], address[] = "a@b", tid[] = "T", oid[] = "O",
		name[] = "a", token[] = "first", *error = NULL;
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token
	};
	struct mstoken_db_settings db = { .store = NULL };
	struct mstoken_seal *seal;

	snprintf(key, sizeof(key), "test-refresh.%ld.key", (long)getpid());
	seal = mstoken_seal_open(key, &error);
	snprintf(db_file, sizeof(db_file), "test-refresh.%ld.db",
		 (long)getpid());
	db.store = db_file;
	store = mstoken_store_open(&db, seal, "client", &error);
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	set.store = store;
	refresher = mstoken_refresher_create(&set);

	test_single_flight();
	test_rotation_and_rejection();
	test_failures();
	test_pending();
	test_unlink();
	T_CHECK(mstoken_store_link(store, &account, NULL) == 1);
	test_two(&set);

	mstoken_refresher_destroy(&refresher);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
	free(login.last_form);
	(void)unlink(key);
	(void)unlink(db_file);
	snprintf(key, sizeof(key), "%s-wal", db_file);
	(void)unlink(key);
	snprintf(key, sizeof(key), "%s-shm", db_file);
	(void)unlink(key);
	T_RETURN();
}
