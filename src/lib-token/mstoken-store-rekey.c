/* All tokens sealed with the newest key. Batches, each in a transaction; what
   is done is done when it is broken off. */

#include "mstoken-store-private.h"
#include "mstoken-db.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <stdlib.h>
#include <string.h>

#define REKEY_BATCH "100"
#define REKEY_BATCH_SIZE 100

struct rekey_row {
	char *address, *tid, *refresh, *access, *registration;
};

struct rekey_batch {
	struct rekey_row rows[REKEY_BATCH_SIZE];
	unsigned int count;
};

static void rekey_add_row(const char *const *columns, void *context)
{
	struct rekey_batch *batch = context;
	struct rekey_row *row = &batch->rows[batch->count++];

	row->address = msnet_strdup(columns[0]);
	row->tid = msnet_strdup(columns[1]);
	row->refresh = msnet_strdup(columns[2]);
	row->access = msnet_strdup(columns[3]);
	row->registration = msnet_strdup(columns[4]);
}

static void rekey_batch_deinit(struct rekey_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->count; i++) {
		free(batch->rows[i].address);
		free(batch->rows[i].tid);
		free(batch->rows[i].refresh);
		free(batch->rows[i].access);
		free(batch->rows[i].registration);
	}
	batch->count = 0;
}

/* Heap; NULL if it cannot be opened. */
static char *reseal(struct mstoken_store *store, const struct rekey_row *row,
		    bool access, const char *sealed)
{
	char *context, *token, *again;

	if (*sealed == '\0' || mstoken_seal_is_newest(store->seal, sealed))
		return msnet_strdup(sealed);
	context = store_seal_context(store, row->registration, row->address,
				     row->tid, access);
	token = mstoken_unseal_text(store->seal, sealed, context);
	again = token == NULL ? NULL :
		mstoken_seal_text(store->seal, token, context);
	msnet_secret_free(&token);
	free(context);
	return again;
}

static int rekey_row(struct mstoken_store *store, const struct rekey_row *row,
		     struct mstoken_rekey *rekey)
{
	char *refresh = reseal(store, row, false, row->refresh);
	char *access = reseal(store, row, true, row->access);
	/* an access token that cannot be opened is just asked for again */
	const char *const params[] = {
		row->address, row->refresh, refresh,
		access == NULL ? "" : access, NULL
	};
	int ret = 0;

	if (refresh == NULL)
		rekey->unopened++;
	else if (strcmp(refresh, row->refresh) == 0 && access != NULL &&
		 strcmp(access, row->access) == 0)
		rekey->current++;
	else {
		/* unless another daemon has stored a newer one meanwhile, which
		   is sealed with the newest key */
		ret = mstoken_db_run(store->db, "UPDATE account"
			" SET refresh_token = $3, access_token = $4"
			" WHERE address = $1 AND refresh_token = $2",
			params, NULL, NULL);
		rekey->resealed++;
	}
	free(refresh);
	free(access);
	return ret < 0 ? -1 : 0;
}

static int rekey_batch(struct mstoken_store *store, const char *after,
		       struct rekey_batch *batch, struct mstoken_rekey *rekey)
{
	const char *const params[] = { after, NULL };
	unsigned int i;
	int ret;

	if (mstoken_db_begin(store->db) < 0)
		return -1;
	ret = mstoken_db_run(store->db, "SELECT address, tid, refresh_token,"
		" access_token, registration FROM account WHERE address > $1"
		" ORDER BY address LIMIT " REKEY_BATCH, params, rekey_add_row,
		batch);
	for (i = 0; ret >= 0 && i < batch->count; i++)
		ret = rekey_row(store, &batch->rows[i], rekey);
	if (ret < 0) {
		mstoken_db_rollback(store->db);
		return -1;
	}
	return mstoken_db_commit(store->db);
}

int mstoken_store_rekey(struct mstoken_store *store,
			struct mstoken_rekey *rekey_r)
{
	struct rekey_batch *batch = msnet_malloc(sizeof(*batch));
	char *after = msnet_strdup("");
	bool more = true;
	int ret = 0;

	memset(rekey_r, 0, sizeof(*rekey_r));
	while (ret == 0 && more) {
		ret = rekey_batch(store, after, batch, rekey_r);
		more = batch->count == REKEY_BATCH_SIZE;
		if (more) {
			free(after);
			after = msnet_strdup(
				batch->rows[batch->count - 1].address);
		}
		rekey_batch_deinit(batch);
	}
	free(after);
	free(batch);
	return ret;
}
