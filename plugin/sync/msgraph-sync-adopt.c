/* When a mailbox is moved to another place its messages get other ids, and an
   id in the side file can get lost. Clients know messages by their UIDs, which are
   worth keeping: what a complete listing does not name, and what it names for
   the first time, is the same message if both its Message-ID and the second in
   which it arrived are the same. */

#include "lib.h"
#include "hash.h"
#include "mail-index.h"
#include "msgraph-cache.h"
#include "msgraph-sync-private.h"

struct msgraph_adopt {
	pool_t pool;
	/* what tells the message -> sequence; 0 = several are alike, or it has
	   been given away */
	HASH_TABLE(char *, void *) orphans;
	HASH_TABLE(void *, void *) taken;
};

static bool
adopt_is_orphan(const struct msgraph_sync_env *env,
		struct mail_index_view *view, const struct msgraph_pull *pull,
		uint32_t seq)
{
	struct msgraph_pulled *row;
	struct msgraph_rec rec;
	const char *id, *error;
	uint32_t uid;
	int ret;

	mail_index_lookup_uid(view, seq, &uid);
	if (uid >= pull->next_uid)
		return FALSE;
	i_zero(&rec);
	ret = msgraph_idmap_get(env->idmap, view, seq, &id, &rec, &error);
	if ((rec.flags & MSGRAPH_REC_MOVED) != 0)
		return FALSE;
	return ret == 0 ||
		(ret > 0 && msgraph_pull_find(pull, id, &row) == 0);
}

static void adopt_add(struct msgraph_adopt *adopt, const char *identity,
		      uint32_t seq)
{
	char *key;
	void *value;

	if (hash_table_lookup_full(adopt->orphans, identity, &key, &value))
		hash_table_update(adopt->orphans, key, NULL);
	else
		hash_table_insert(adopt->orphans,
				  p_strdup(adopt->pool, identity),
				  POINTER_CAST(seq));
}

struct msgraph_adopt *
msgraph_adopt_init(const struct msgraph_sync_env *env,
		   struct mail_index_view *view, struct msgraph_cache *cache,
		   const struct msgraph_pull *pull)
{
	pool_t pool = pool_alloconly_create("msgraph adopt", 1024);
	struct msgraph_adopt *adopt = p_new(pool, struct msgraph_adopt, 1);
	uint32_t seq, count = mail_index_view_get_messages_count(view);

	adopt->pool = pool;
	hash_table_create(&adopt->orphans, default_pool, 0, str_hash, strcmp);
	hash_table_create_direct(&adopt->taken, default_pool, 0);
	for (seq = 1; seq <= count; seq++) T_BEGIN {
		const char *identity =
			!adopt_is_orphan(env, view, pull, seq) ? NULL :
			msgraph_cache_identity(cache, seq);

		if (identity != NULL)
			adopt_add(adopt, identity, seq);
	} T_END;
	return adopt;
}

uint32_t msgraph_adopt_take(struct msgraph_adopt *adopt,
			    const struct msgraph_row *said)
{
	uint32_t seq;
	char *key;
	void *value;

	if (said->identity == NULL ||
	    !hash_table_lookup_full(adopt->orphans, said->identity, &key,
				    &value) ||
	    value == NULL)
		return 0;
	seq = POINTER_CAST_TO(value, uint32_t);
	hash_table_update(adopt->orphans, key, NULL);
	hash_table_insert(adopt->taken, value, value);
	return seq;
}

bool msgraph_adopt_is_taken(struct msgraph_adopt *adopt, uint32_t seq)
{
	return hash_table_lookup(adopt->taken, POINTER_CAST(seq)) != NULL;
}

void msgraph_adopt_deinit(struct msgraph_adopt **_adopt)
{
	struct msgraph_adopt *adopt = *_adopt;

	if (adopt == NULL)
		return;
	*_adopt = NULL;
	hash_table_destroy(&adopt->orphans);
	hash_table_destroy(&adopt->taken);
	pool_unref(&adopt->pool);
}
