/* A pull into the index, under the sync lock: one transaction, or for many new
   messages several, whose last one has the link. If that one does not come, the
   same rows come again and find what is there. */

#include "lib.h"
#include "array.h"
#include "bsearch-insert-pos.h"
#include "ioloop.h"
#include "mail-index.h"
#include "dovecot-compat.h"
#include "msgraph-cache.h"
#include "msgraph-flags.h"
#include "msgraph-sync-private.h"

/* new messages of one transaction, which is in memory three times */
#define APPLY_SLICE_MAX 2000

struct apply {
	const struct msgraph_sync_env *env;
	const struct msgraph_pull *pull;
	ARRAY_TYPE(msgraph_pending) *pending;
	ARRAY_TYPE(seq_range) *marked;
	struct mail_index_view *view;
	struct mail_index_transaction *trans;
	struct msgraph_cache *cache;
	/* NULL until it is needed */
	struct msgraph_adopt *adopt;
	struct msgraph_sync_result *result;
	uint32_t next_uid;
	unsigned int id_changes;
	unsigned int slice;
	const char **error_r;
};

static void apply_begin(struct apply *apply)
{
	apply->trans = mail_index_transaction_begin(apply->view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	msgraph_cache_begin(apply->cache, apply->trans);
	msgraph_idmap_gather(apply->env->idmap);
	apply->slice = 0;
}

static int apply_commit(struct apply *apply)
{
	int ret = msgraph_idmap_gathered(apply->env->idmap, apply->error_r);

	if (ret < 0) {
		mail_index_transaction_rollback(&apply->trans);
	} else {
		ret = mail_index_transaction_commit(&apply->trans);
		if (ret < 0)
			*apply->error_r =
				msgraph_compat_index_error(apply->env->index);
	}
	/* the cache view must outlive the commit */
	msgraph_cache_end(apply->cache);
	return ret;
}

static int pending_uid_cmp(const uint32_t *uid,
			   const struct msgraph_pending *p)
{
	return *uid < p->uid ? -1 : *uid > p->uid ? 1 : 0;
}

static const struct msgraph_pending *
apply_pending(struct apply *apply, uint32_t uid)
{
	return array_is_empty(apply->pending) ? NULL :
		array_bsearch(apply->pending, &uid, pending_uid_cmp);
}

/* seq 0 = the message is not here yet */
static void apply_differs(struct apply *apply, enum msgraph_difference what,
			  uint32_t seq, const char *id)
{
	uint32_t uid = 0;

	if (apply->env->differs == NULL)
		return;
	if (seq > 0)
		mail_index_lookup_uid(apply->view, seq, &uid);
	apply->env->differs(apply->env->context, what, uid, id);
}

/* id NULL: the message lives on elsewhere. */
static void apply_expunge(struct apply *apply, uint32_t seq, const char *id)
{
	uint32_t uid;

	mail_index_lookup_uid(apply->view, seq, &uid);
	mail_index_expunge(apply->trans, seq);
	apply->result->expunged++;
	if (apply->env->expunged != NULL && !apply->pull->verify)
		apply->env->expunged(apply->env->context, uid, id);
}

/* The keywords a message shall have: Graph's, and where the row does not say
   (categories or $Forwarded), those it has. */
static const char *const *
apply_keywords(const struct apply *apply, uint32_t seq,
	       const struct msgraph_flag_state *state, bool *differ_r)
{
	const ARRAY_TYPE(keywords) *names =
		mail_index_get_keywords(apply->env->index);
	ARRAY_TYPE(keyword_indexes) indexes;
	ARRAY_TYPE(const_string) want, have;
	const unsigned int *idx;
	const char *const *p, *name;
	unsigned int i;
	bool found;

	t_array_init(&indexes, 8);
	t_array_init(&have, 8);
	t_array_init(&want, 8);
	if (seq > 0)
		mail_index_lookup_keywords(apply->view, seq, &indexes);
	array_foreach(&indexes, idx) {
		name = *array_idx(names, *idx);
		array_push_back(&have, &name);
		if (strcasecmp(name, MSGRAPH_KEYWORD_FORWARDED) == 0 ?
		    !state->forwarded_known : !state->categories_known)
			array_push_back(&want, &name);
	}
	for (p = state->keywords; p != NULL && *p != NULL; p++) {
		found = FALSE;
		for (i = 0; i < array_count(&want); i++) {
			if (strcasecmp(*array_idx(&want, i), *p) == 0)
				found = TRUE;
		}
		if (!found)
			array_push_back(&want, p);
	}
	if (state->forwarded_known && state->forwarded) {
		name = MSGRAPH_KEYWORD_FORWARDED;
		array_push_back(&want, &name);
	}
	*differ_r = array_count(&want) != array_count(&have);
	for (i = 0; i < array_count(&want) && !*differ_r; i++) {
		found = FALSE;
		array_foreach(&have, p) {
			if (strcasecmp(*p, *array_idx(&want, i)) == 0)
				found = TRUE;
		}
		*differ_r = !found;
	}
	array_append_zero(&want);
	return array_front(&want);
}

static void apply_set_keywords(const struct apply *apply, uint32_t seq,
			       const char *const *names)
{
	struct mail_keywords *keywords =
		mail_index_keywords_create(apply->env->index, names);

	mail_index_update_keywords(apply->trans, seq, MODIFY_REPLACE,
				   keywords);
	mail_index_keywords_unref(&keywords);
}

static bool apply_state(const struct apply *apply, uint32_t seq,
			const struct msgraph_flag_state *state)
{
	const struct mail_index_record *rec =
		mail_index_lookup(apply->view, seq);
	enum mail_flags flags, old = rec->flags & MAIL_FLAGS_NONRECENT;
	const char *const *keywords;
	bool differ;

	flags = (old & ENUM_NEGATE(state->known)) |
		(state->flags & state->known);
	if (flags != old) {
		mail_index_update_flags(apply->trans, seq, MODIFY_ADD,
					flags & ENUM_NEGATE(old));
		mail_index_update_flags(apply->trans, seq, MODIFY_REMOVE,
					old & ENUM_NEGATE(flags));
	}
	keywords = apply_keywords(apply, seq, state, &differ);
	if (differ)
		apply_set_keywords(apply, seq, keywords);
	return flags != old || differ;
}

bool msgraph_apply_state(const struct msgraph_sync_env *env,
			 struct mail_index_view *view,
			 struct mail_index_transaction *trans, uint32_t seq,
			 const struct msgraph_flag_state *state)
{
	const struct apply apply = {
		.env = env, .view = view, .trans = trans
	};

	return apply_state(&apply, seq, state);
}

static void apply_flags(struct apply *apply, uint32_t seq,
			const struct msgraph_row *said)
{
	const struct msgraph_pending *pending;
	struct msgraph_flag_state state = said->state;
	uint32_t uid;

	mail_index_lookup_uid(apply->view, seq, &uid);
	pending = apply_pending(apply, uid);
	if (pending != NULL) {
		/* what the user has just done wins until Graph has it */
		state.known &= ENUM_NEGATE(pending->changed);
		if (pending->keywords_changed) {
			state.categories_known = FALSE;
			state.forwarded_known = FALSE;
			state.keywords = NULL;
		}
	}
	if (apply_state(apply, seq, &state)) {
		apply->result->updated++;
		apply_differs(apply, MSGRAPH_DIFFERS_FLAGS, seq, said->id);
	}
}

/* Sequence of the live record with this id, 0 if there is none. One that we
   moved away ourselves does not count: if the id is here again, the message
   has come back. */
static uint32_t apply_find(struct apply *apply, const char *id)
{
	struct msgraph_rec rec;
	const char *found, *error;
	uint32_t seq = msgraph_idmap_find(apply->env->idmap, apply->view, id);

	if (seq != 0 &&
	    msgraph_idmap_get(apply->env->idmap, apply->view, seq, &found,
			      &rec, &error) > 0 &&
	    (rec.flags & MSGRAPH_REC_MOVED) != 0)
		return 0;
	return seq;
}

static int apply_append(struct apply *apply, const struct msgraph_row *said)
{
	const struct msgraph_sync_env *env = apply->env;
	enum mail_flags flags = said->state.flags;
	bool own;
	const char *const *keywords;
	uint32_t seq;
	bool differ;

	/* known and new at a time: a draft that has been edited */
	if ((flags & MAIL_DELETED) != 0 && apply_find(apply, said->id) != 0) {
		seq_range_array_add(apply->marked, apply->next_uid);
		flags &= ENUM_NEGATE(MAIL_DELETED);
	}
	if (env->arrived != NULL && !apply->pull->verify)
		env->arrived(env->context, said->id, said->draft,
			     said->content_sum);
	/* others have moved here what we had appended elsewhere */
	own = env->is_own != NULL && env->is_own(env->context, said->id);
	mail_index_append(apply->trans, apply->next_uid++, &seq);
	if (msgraph_idmap_set(env->idmap, apply->trans, seq, said->id,
			      said->size_estimate, own ? MSGRAPH_REC_PINNED |
			      MSGRAPH_REC_SIZED : 0, said->content_sum,
			      apply->error_r) < 0)
		return -1;
	mail_index_update_flags(apply->trans, seq, MODIFY_REPLACE, flags);
	keywords = apply_keywords(apply, 0, &said->state, &differ);
	if (differ)
		apply_set_keywords(apply, seq, keywords);
	msgraph_cache_add(apply->cache, seq, said, own);
	/* what the first listing finds was there before us */
	if (apply->pull->generation > 0)
		msgraph_cache_set_saved(apply->cache, seq, ioloop_time);
	apply->result->appended++;
	apply->slice++;
	return 0;
}

static int apply_fail_read(struct apply *apply)
{
	*apply->error_r = t_strdup_printf("the list of changes in %s cannot "
					  "be read back: %m", apply->env->dir);
	return -1;
}

/* What a row says, or what was said when its message was asked for singly.
   Returns 1, 0 if nothing is said, -1. */
static int apply_open_row(struct apply *apply, const struct msgraph_pulled *row,
			  struct msgraph_row *said_r, bool *asked_r)
{
	int ret;

	*asked_r = msgraph_pull_asked(apply->env, apply->pull, row, said_r);
	if (*asked_r)
		return 1;
	ret = msgraph_pull_read(apply->pull, row, said_r);
	return ret < 0 ? apply_fail_read(apply) : ret;
}

/* Others may edit a draft under its id; but what was shown under a UID
   stays. */
static bool apply_is_edited(struct apply *apply, uint32_t seq,
			    const struct msgraph_row *said)
{
	uint32_t content = said->content_sum;
	struct msgraph_rec rec;
	const char *id, *error;

	if (content == 0 ||
	    msgraph_idmap_get(apply->env->idmap, apply->view, seq, &id, &rec,
			      &error) <= 0)
		return FALSE;
	if (rec.content == 0) {
		/* saved by us, and this is the first time that it is listed */
		msgraph_idmap_set_content(apply->env->idmap, apply->view,
					  apply->trans, seq, content);
		return FALSE;
	}
	return msgraph_rec_is_edited(&rec, content, said->size_estimate);
}

static void apply_restore(struct apply *apply, uint32_t seq,
			  const struct msgraph_row *said)
{
	struct msgraph_rec rec;
	const char *id, *error;

	if (msgraph_idmap_get(apply->env->idmap, apply->view, seq, &id, &rec,
			      &error) > 0)
		msgraph_cache_restore(apply->cache, seq, said,
				      (rec.flags & MSGRAPH_REC_PINNED) != 0);
}

/* Returns 1, 0 if the message is to get a new UID, -1. */
static int apply_known(struct apply *apply, const struct msgraph_pulled *row,
		       uint32_t seq)
{
	struct msgraph_row said;
	bool asked;
	int ret;

	ret = apply_open_row(apply, row, &said, &asked);
	if (ret <= 0)
		return ret < 0 ? -1 : 1;
	if (apply_is_edited(apply, seq, &said)) {
		apply_differs(apply, MSGRAPH_DIFFERS_CONTENT, seq, said.id);
		apply_expunge(apply, seq, said.id);
		if (apply->env->edited != NULL && !apply->pull->verify)
			apply->env->edited(apply->env->context, said.id);
		return 0;
	}
	apply_flags(apply, seq, &said);
	if (apply->pull->full)
		apply_restore(apply, seq, &said);
	return 1;
}

/* After a complete listing a message may be known under an id that it no longer
   has, as when the mailbox was moved to another place. Returns 1 when it is. */
static int apply_adopt(struct apply *apply, const struct msgraph_row *said)
{
	const struct msgraph_sync_env *env = apply->env;
	const char *old, *error;
	uint32_t seq;

	if (!apply->pull->full || apply->pull->generation == 0 ||
	    apply->pull->unnamed)
		return 0;
	if (apply->adopt == NULL)
		apply->adopt = msgraph_adopt_init(env, apply->view,
						  apply->cache, apply->pull);
	seq = msgraph_adopt_take(apply->adopt, said);
	if (seq == 0)
		return 0;
	apply_differs(apply, MSGRAPH_DIFFERS_ID, seq, said->id);
	if (msgraph_idmap_get(env->idmap, apply->view, seq, &old, NULL,
			      &error) <= 0)
		old = NULL;
	if (msgraph_idmap_set_id(env->idmap, apply->view, apply->trans, seq,
				 said->id, apply->error_r) < 0)
		return -1;
	apply->id_changes++;
	if (env->renamed != NULL && !apply->pull->verify)
		env->renamed(env->context, old, said->id);
	apply_flags(apply, seq, said);
	return 1;
}

static int apply_fresh(struct apply *apply, const struct msgraph_pulled *row)
{
	struct msgraph_row said;
	bool asked;
	int ret;

	ret = apply_open_row(apply, row, &said, &asked);
	/* one that was only named cannot be shown */
	if (ret <= 0 || (!asked && row->partial))
		return ret < 0 ? -1 : 0;
	ret = apply_adopt(apply, &said);
	if (ret == 0) {
		apply_differs(apply, MSGRAPH_DIFFERS_MISSING, 0, said.id);
		ret = apply_append(apply, &said);
	}
	return ret < 0 ? -1 : 0;
}

/* Returns 1 if the message is to be appended. */
static int apply_old_row(struct apply *apply, const struct msgraph_pulled *row)
{
	const char *id = msgraph_pull_id(apply->pull, row);
	uint32_t seq;
	int ret;

	if (id == NULL)
		return apply_fail_read(apply);
	seq = apply_find(apply, id);
	if (row->removed) {
		if (seq != 0) {
			apply_differs(apply, MSGRAPH_DIFFERS_GONE, seq, id);
			apply_expunge(apply, seq, row->lives ? NULL : id);
		}
		return 0;
	}
	if (seq == 0)
		return 1;
	ret = apply_known(apply, row, seq);
	return ret < 0 ? -1 : ret == 0 ? 1 : 0;
}

static int apply_old_rows(struct apply *apply,
			  ARRAY_TYPE(msgraph_pulled_ptr) *fresh)
{
	const struct msgraph_pulled *row;
	int ret = 0;

	array_foreach(&apply->pull->rows, row) {
		T_BEGIN {
			ret = apply_old_row(apply, row);
		} T_END_PASS_STR_IF(ret < 0, apply->error_r);
		if (ret < 0)
			return -1;
		if (ret > 0)
			array_push_back(fresh, &row);
	}
	return msgraph_order_rows(apply->pull, fresh) < 0 ?
		apply_fail_read(apply) : 0;
}

static int apply_fresh_rows(struct apply *apply,
			    const ARRAY_TYPE(msgraph_pulled_ptr) *fresh)
{
	const struct msgraph_pulled *const *p;
	int ret = 0;

	array_foreach(fresh, p) {
		T_BEGIN {
			ret = apply_fresh(apply, *p);
		} T_END_PASS_STR_IF(ret < 0, apply->error_r);
		if (ret == 0 && apply->slice >= APPLY_SLICE_MAX &&
		    apply->adopt == NULL && !apply->pull->verify) {
			ret = apply_commit(apply);
			if (ret == 0)
				apply_begin(apply);
		}
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int apply_rows(struct apply *apply)
{
	ARRAY_TYPE(msgraph_pulled_ptr) fresh;
	int ret;

	i_array_init(&fresh, 64);
	ret = apply_old_rows(apply, &fresh);
	if (ret == 0)
		ret = apply_fresh_rows(apply, &fresh);
	array_free(&fresh);
	return ret;
}

/* Returns 1 if the record stands for nothing that the listing has named, 0,
   -1. */
static int apply_is_unnamed(struct apply *apply, uint32_t seq,
			    const char **id_r)
{
	struct msgraph_pulled *row;
	struct msgraph_rec rec;
	const char *error;
	int ret;

	if (apply->adopt != NULL && msgraph_adopt_is_taken(apply->adopt, seq))
		return 0;
	ret = msgraph_idmap_get(apply->env->idmap, apply->view, seq, id_r,
				&rec, &error);
	if (ret == 0)
		*id_r = NULL;
	if (ret <= 0)
		return ret == 0 ? 1 : 0;
	ret = msgraph_pull_find(apply->pull, *id_r, &row);
	/* perhaps it lives on, and nobody else has these bytes */
	if ((rec.flags & (MSGRAPH_REC_MOVED | MSGRAPH_REC_PINNED)) != 0)
		*id_r = NULL;
	return ret < 0 ? apply_fail_read(apply) : ret == 0 ? 1 : 0;
}

/* After a complete listing: what it did not name is gone, except what has been
   saved since it began. */
static int apply_sweep(struct apply *apply)
{
	const struct mail_index_header *hdr =
		mail_index_get_header(apply->view);
	const char *id;
	uint32_t seq, uid;
	int ret = 0;

	for (seq = 1; seq <= hdr->messages_count && ret >= 0; seq++) {
		mail_index_lookup_uid(apply->view, seq, &uid);
		if (uid >= apply->pull->next_uid)
			continue;
		T_BEGIN {
			ret = apply_is_unnamed(apply, seq, &id);
			if (ret > 0) {
				apply_differs(apply, MSGRAPH_DIFFERS_GONE, seq,
					      id);
				apply_expunge(apply, seq, id);
			}
		} T_END_PASS_STR_IF(ret < 0, apply->error_r);
	}
	return ret < 0 ? -1 : 0;
}

static void apply_uid_validity(struct apply *apply)
{
	const struct msgraph_sync_env *env = apply->env;
	uint32_t uid_validity;

	if (mail_index_get_header(apply->view)->uid_validity != 0)
		return;
	uid_validity = env->next_uid_validity == NULL ?
		(uint32_t)ioloop_time : env->next_uid_validity(env->context);
	mail_index_update_header(apply->trans,
		offsetof(struct mail_index_header, uid_validity),
		&uid_validity, sizeof(uid_validity), TRUE);
}

int msgraph_apply(const struct msgraph_sync_env *env,
		  struct mail_index_view *view,
		  const struct msgraph_pull *pull,
		  ARRAY_TYPE(msgraph_pending) *pending,
		  ARRAY_TYPE(seq_range) *marked,
		  struct msgraph_sync_result *result, const char **error_r)
{
	struct apply apply;
	struct msgraph_folder_state state;
	const char *ignored;
	int ret;

	msgraph_idmap_get_state(env->idmap, view, &state);
	if (state.generation != pull->generation) {
		/* another process was faster; its result is in the index */
		return 0;
	}
	if (!pull->at_any_rate && state.pushes != pull->pushes) {
		/* what it says may be older than what was sent since it was
		   asked for, and is no longer pending */
		result->outdated = TRUE;
		if (!pull->full || pull->verify)
			return 0;
	}
	result->compared = TRUE;
	i_zero(&apply);
	apply.env = env;
	apply.pull = pull;
	apply.pending = pending;
	apply.marked = marked;
	apply.view = view;
	apply.result = result;
	apply.error_r = error_r;
	apply.next_uid = mail_index_get_header(view)->next_uid;
	if (pull->generation > 0 && array_is_empty(&pull->rows) &&
	    !pull->full && null_strcmp(state.link, pull->link) == 0)
		return 0;

	apply.cache = msgraph_cache_init(env->index);
	apply_begin(&apply);
	apply_uid_validity(&apply);
	ret = apply_rows(&apply);
	if (ret == 0 && msgraph_pull_sweeps(pull))
		ret = apply_sweep(&apply);
	if (ret == 0) {
		state.link = pull->link;
		state.generation++;
		state.id_changes += apply.id_changes;
		msgraph_idmap_set_state(env->idmap, view, apply.trans, &state);
	}
	msgraph_adopt_deinit(&apply.adopt);
	if (ret == 0 && !pull->verify)
		ret = apply_commit(&apply);
	else if (apply.trans != NULL) {
		(void)msgraph_idmap_gathered(env->idmap, &ignored);
		mail_index_transaction_rollback(&apply.trans);
	}
	msgraph_cache_deinit(&apply.cache);
	return ret;
}
