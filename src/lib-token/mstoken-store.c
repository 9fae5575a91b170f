#include "mstoken-store-private.h"
#include "mstoken-db.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct mstoken_store *
mstoken_store_open(const struct mstoken_db_settings *set,
		   struct mstoken_seal *seal, const char *client_id,
		   char **error_r)
{
	struct mstoken_db *db = mstoken_db_open(set, error_r);
	struct mstoken_store *store;

	if (db == NULL)
		return NULL;
	store = msnet_malloc(sizeof(*store));
	store->db = db;
	store->seal = seal;
	pthread_mutex_init(&store->mutex, NULL);
	mstoken_store_set_client_id(store, "", client_id);
	return store;
}

void mstoken_store_close(struct mstoken_store **_store)
{
	struct mstoken_store *store = *_store;
	struct store_client *client;

	if (store == NULL)
		return;
	*_store = NULL;
	mstoken_db_close(&store->db);
	pthread_mutex_destroy(&store->mutex);
	while ((client = store->clients) != NULL) {
		store->clients = client->next;
		free(client->registration);
		free(client->client_id);
		free(client);
	}
	free(store);
}

static struct store_client *
store_find_client(struct mstoken_store *store, const char *registration)
{
	struct store_client *client;

	for (client = store->clients; client != NULL; client = client->next) {
		if (strcmp(client->registration, registration) == 0)
			return client;
	}
	return NULL;
}

void mstoken_store_set_client_id(struct mstoken_store *store,
				 const char *registration,
				 const char *client_id)
{
	struct store_client *client;

	pthread_mutex_lock(&store->mutex);
	client = store_find_client(store, registration);
	if (client == NULL) {
		client = msnet_malloc(sizeof(*client));
		client->registration = msnet_strdup(registration);
		client->next = store->clients;
		store->clients = client;
	}
	free(client->client_id);
	client->client_id = msnet_strdup(client_id == NULL ? "" : client_id);
	pthread_mutex_unlock(&store->mutex);
}

const char *mstoken_store_error(struct mstoken_store *store)
{
	return mstoken_db_error();
}

struct store_number store_number(int64_t value)
{
	struct store_number number;

	snprintf(number.text, sizeof(number.text), "%lld", (long long)value);
	return number;
}

char *store_address(const char *address)
{
	char *copy = msnet_strdup(address), *p;

	for (p = copy; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	}
	return copy;
}

/*
 * Sealing
 */

char *store_seal_context(struct mstoken_store *store, const char *registration,
			 const char *address, const char *tid, bool access)
{
	const struct store_client *client;
	struct msnet_buf buf = { 0 };
	char *key = store_address(address);

	pthread_mutex_lock(&store->mutex);
	client = store_find_client(store, registration);
	msnet_buf_printf(&buf, "%s\n%s\n%s%s", key, tid,
			 client == NULL ? "" : client->client_id,
			 access ? "\naccess" : "");
	pthread_mutex_unlock(&store->mutex);
	free(key);
	return msnet_buf_steal(&buf);
}

/* Heap; "" for no token. */
static char *seal_token(struct mstoken_store *store, const char *registration,
			const char *address, const char *tid, bool access,
			const char *token)
{
	char *context, *sealed;

	if (token == NULL || *token == '\0')
		return msnet_strdup("");
	context = store_seal_context(store, registration, address, tid, access);
	sealed = mstoken_seal_text(store->seal, token, context);
	free(context);
	return sealed;
}

/* Heap; "" if it cannot be opened. */
static char *unseal_token(struct mstoken_store *store,
			  const struct mstoken_account *account, bool access,
			  const char *sealed)
{
	char *context, *token;

	context = store_seal_context(store, account->registration,
				     account->address, account->tid, access);
	token = mstoken_unseal_text(store->seal, sealed, context);
	free(context);
	return token != NULL ? token : msnet_strdup("");
}

/*
 * Accounts
 */

#define ACCOUNT_COLUMNS \
	"address, tid, oid, username, state, state_text, version, " \
	"state_since, linked_at, refreshed_at, registration"
#define ACCOUNT_COLUMNS_COUNT 11

static void account_from_row(const char *const *columns,
			     struct mstoken_account *account_r)
{
	memset(account_r, 0, sizeof(*account_r));
	account_r->address = msnet_strdup(columns[0]);
	account_r->tid = msnet_strdup(columns[1]);
	account_r->oid = msnet_strdup(columns[2]);
	account_r->username = msnet_strdup(columns[3]);
	account_r->state = mstoken_state_parse(columns[4]);
	account_r->state_text = msnet_strdup(columns[5]);
	account_r->version = mstoken_db_number(columns[6]);
	account_r->state_since = mstoken_db_number(columns[7]);
	account_r->linked_at = mstoken_db_number(columns[8]);
	account_r->refreshed_at = mstoken_db_number(columns[9]);
	account_r->registration = msnet_strdup(columns[10]);
}

struct get_context {
	struct mstoken_account *account;
	char *refresh, *access;		/* sealed */
};

static void get_row(const char *const *columns, void *context)
{
	struct get_context *get = context;

	account_from_row(columns, get->account);
	columns += ACCOUNT_COLUMNS_COUNT;
	get->refresh = msnet_strdup(columns[0]);
	get->access = msnet_strdup(columns[1]);
	get->account->access_expires = mstoken_db_number(columns[2]);
}

int mstoken_store_get(struct mstoken_store *store, const char *address,
		      struct mstoken_account *account_r)
{
	char *key = store_address(address);
	const char *const params[] = { key, NULL };
	struct get_context get = { .account = account_r };
	int ret;

	memset(account_r, 0, sizeof(*account_r));
	ret = mstoken_db_run(store->db, "SELECT " ACCOUNT_COLUMNS
		", refresh_token, access_token, access_expires"
		" FROM account WHERE address = $1", params, get_row, &get);
	free(key);
	if (ret <= 0)
		return ret;
	account_r->refresh_token = unseal_token(store, account_r, false,
						get.refresh);
	account_r->access_token = unseal_token(store, account_r, true,
					       get.access);
	if (account_r->refresh_token[0] == '\0')
		account_r->missing_key = mstoken_seal_missing_key(store->seal,
								  get.refresh);
	free(get.refresh);
	free(get.access);
	return 1;
}

static int
link_account(struct mstoken_store *store, const struct mstoken_account *account)
{
	char *key = store_address(account->address);
	const char *registration = account->registration == NULL ? "" :
		account->registration;
	char *refresh = seal_token(store, registration, key, account->tid,
				   false, account->refresh_token);
	char *access = seal_token(store, registration, key, account->tid,
				  true, account->access_token);
	struct store_number now = store_number((int64_t)time(NULL));
	struct store_number expires = store_number(account->access_expires);
	/* higher than that of an account of this address that was unlinked */
	struct store_number version =
		store_number((int64_t)time(NULL) * 1000);
	const char *const params[] = {
		key, account->tid, account->oid, account->username, refresh,
		access, expires.text, version.text, now.text, registration,
		NULL
	};
	int ret;

	ret = mstoken_db_run(store->db,
		"INSERT INTO account (address, tid, oid, username,"
		" refresh_token, access_token, access_expires, version, state,"
		" state_text, state_since, linked_at, refreshed_at,"
		" registration)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ok', '',"
		" $9, $9, $9, $10)"
		" ON CONFLICT (address) DO UPDATE SET"
		" refresh_token = excluded.refresh_token,"
		" access_token = excluded.access_token,"
		" access_expires = excluded.access_expires,"
		" username = excluded.username, version = account.version + 1,"
		" state = 'ok', state_text = '',"
		" state_since = excluded.state_since,"
		" linked_at = excluded.linked_at,"
		" refreshed_at = excluded.refreshed_at,"
		" registration = excluded.registration"
		" WHERE account.tid = excluded.tid"
		" AND account.oid = excluded.oid",
		params, NULL, NULL);
	free(key);
	free(refresh);
	free(access);
	return ret;
}

int mstoken_store_link(struct mstoken_store *store,
		       const struct mstoken_account *account,
		       const char *invitation)
{
	int ret;

	if (mstoken_db_begin(store->db) < 0)
		return -1;
	ret = link_account(store, account);
	if (ret > 0 && invitation != NULL &&
	    mstoken_store_use_invitation(store, invitation) < 0)
		ret = -1;
	if (ret <= 0)
		mstoken_db_rollback(store->db);
	else if (mstoken_db_commit(store->db) < 0)
		ret = -1;
	return ret;
}

int mstoken_store_set_token(struct mstoken_store *store, const char *address,
			    int64_t version, const char *tid,
			    const struct mstoken_tokens *tokens)
{
	char *key = store_address(address);
	const char *registration = tokens->registration == NULL ? "" :
		tokens->registration;
	char *refresh = seal_token(store, registration, key, tid, false,
				   tokens->refresh_token);
	char *access = seal_token(store, registration, key, tid, true,
				  tokens->access_token);
	struct store_number expires = store_number(tokens->access_expires);
	struct store_number number = store_number(version);
	struct store_number now = store_number((int64_t)time(NULL));
	const char *const params[] = {
		key, number.text, refresh, access, expires.text, now.text, NULL
	};
	int ret;

	ret = mstoken_db_run(store->db,
		"UPDATE account SET refresh_token = $3, access_token = $4,"
		" access_expires = $5, version = version + 1,"
		" state = 'ok', state_text = '', state_since ="
		" CASE state WHEN 'ok' THEN state_since ELSE $6 END,"
		" refreshed_at = $6, lease_owner = ''"
		" WHERE address = $1 AND version = $2", params, NULL, NULL);
	free(key);
	free(refresh);
	free(access);
	return ret;
}

int mstoken_store_set_state(struct mstoken_store *store, const char *address,
			    int64_t version, enum mstoken_state state,
			    const char *text)
{
	char *key = store_address(address);
	struct store_number number = store_number(version);
	struct store_number now = store_number((int64_t)time(NULL));
	const char *const params[] = {
		key, number.text, mstoken_state_name(state), text, now.text,
		NULL
	};
	int ret;

	ret = mstoken_db_run(store->db,
		"UPDATE account SET state_since ="
		" CASE state WHEN $3 THEN state_since ELSE $5 END,"
		" state = $3, state_text = $4"
		" WHERE address = $1 AND version = $2", params, NULL, NULL);
	free(key);
	return ret;
}

int mstoken_store_delete(struct mstoken_store *store, const char *address)
{
	char *key = store_address(address);
	const char *const params[] = { key, NULL };
	int ret = -1;

	if (mstoken_db_begin(store->db) == 0) {
		if (mstoken_db_run(store->db, "DELETE FROM invitation"
				   " WHERE address = $1", params,
				   NULL, NULL) >= 0)
			/* its app password goes with it */
			ret = mstoken_db_run(store->db, "DELETE FROM account"
					     " WHERE address = $1", params,
					     NULL, NULL);
		if (ret < 0)
			mstoken_db_rollback(store->db);
		else if (mstoken_db_commit(store->db) < 0)
			ret = -1;
	}
	free(key);
	return ret;
}

struct list_context {
	struct mstoken_account *accounts;
	unsigned int count, size;
};

static void list_row(const char *const *columns, void *context)
{
	struct list_context *list = context;
	struct mstoken_account *account;

	if (list->count == list->size) {
		list->size = list->size == 0 ? 16 : list->size * 2;
		list->accounts = msnet_realloc(list->accounts,
			list->size * sizeof(*list->accounts));
	}
	account = &list->accounts[list->count++];
	account_from_row(columns, account);
	account->refresh_token = msnet_strdup("");
	account->access_token = msnet_strdup("");
}

int mstoken_store_list(struct mstoken_store *store,
		       struct mstoken_account **accounts_r,
		       unsigned int *count_r)
{
	static const char *const none[] = { NULL };
	struct list_context list = { 0 };

	if (mstoken_db_run(store->db, "SELECT " ACCOUNT_COLUMNS
			   " FROM account ORDER BY address", none, list_row,
			   &list) < 0)
		return -1;
	*accounts_r = list.accounts;
	*count_r = list.count;
	return 1;
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

void mstoken_account_deinit(struct mstoken_account *account)
{
	free(account->address);
	free(account->tid);
	free(account->oid);
	free(account->username);
	free(account->state_text);
	free(account->registration);
	free(account->missing_key);
	msnet_secret_free(&account->refresh_token);
	msnet_secret_free(&account->access_token);
	memset(account, 0, sizeof(*account));
}
