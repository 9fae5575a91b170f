/* Pending local changes: from the index's log, and to Graph in batches. */

#include "lib.h"
#include "array.h"
#include "bsearch-insert-pos.h"
#include "mail-index.h"
#include "graph-batch.h"
#include "graph-client.h"
#include "msgraph-cache.h"
#include "msgraph-flags.h"
#include "msgraph-quarantine.h"
#include "msgraph-sync-private.h"

#define RECOVERABLE_FOLDER "recoverableitemsdeletions"

/*
 * Collect
 */

static int pending_uid_cmp(const uint32_t *uid,
			   const struct msgraph_pending *p)
{
	return *uid < p->uid ? -1 : *uid > p->uid ? 1 : 0;
}

/* The array stays in the order of UIDs, in which records mostly come. */
static struct msgraph_pending *
pending_get(ARRAY_TYPE(msgraph_pending) *pending, uint32_t uid)
{
	struct msgraph_pending *p, fresh = { .uid = uid };
	unsigned int idx = array_count(pending);

	if (idx > 0) {
		p = array_back_modifiable(pending);
		if (p->uid == uid)
			return p;
		if (p->uid > uid &&
		    array_bsearch_insert_pos(pending, &uid, pending_uid_cmp,
					     &idx))
			return array_idx_modifiable(pending, idx);
	}
	array_insert(pending, idx, &fresh, 1);
	return array_idx_modifiable(pending, idx);
}

static void
pending_touch(const struct msgraph_sync_env *env, pool_t pool,
	      const struct mail_index_sync_rec *rec, struct msgraph_pending *p)
{
	const ARRAY_TYPE(keywords) *names =
		mail_index_get_keywords(env->index);
	const char *name = p_strdup(pool, *array_idx(names, rec->keyword_idx));

	p->keywords_changed = TRUE;
	if (!array_is_created(&p->touched))
		p_array_init(&p->touched, pool, 4);
	array_push_back(&p->touched, &name);
}

static void
pending_add(const struct msgraph_sync_env *env, pool_t pool,
	    const struct mail_index_sync_rec *rec, struct mail_index_view *view,
	    ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *p;
	uint32_t seq, seq2, uid;

	if (!mail_index_lookup_seq_range(view, rec->uid1, rec->uid2,
					 &seq, &seq2))
		return;
	for (; seq <= seq2; seq++) {
		mail_index_lookup_uid(view, seq, &uid);
		p = pending_get(pending, uid);
		switch (rec->type) {
		case MAIL_INDEX_SYNC_TYPE_EXPUNGE:
			p->expunge = TRUE;
			break;
		case MAIL_INDEX_SYNC_TYPE_FLAGS:
			p->changed |= rec->add_flags | rec->remove_flags;
			break;
		case MAIL_INDEX_SYNC_TYPE_KEYWORD_ADD:
		case MAIL_INDEX_SYNC_TYPE_KEYWORD_REMOVE:
			pending_touch(env, pool, rec, p);
			break;
		}
	}
}

static const char *const *
pending_keywords(struct mail_index *index, struct mail_index_view *view,
		 uint32_t seq, pool_t pool)
{
	const ARRAY_TYPE(keywords) *names = mail_index_get_keywords(index);
	ARRAY_TYPE(keyword_indexes) indexes;
	ARRAY_TYPE(const_string) out;
	const unsigned int *idx;
	const char *name;

	t_array_init(&indexes, 16);
	p_array_init(&out, pool, 16);
	mail_index_lookup_keywords(view, seq, &indexes);
	array_foreach(&indexes, idx) {
		name = p_strdup(pool, *array_idx(names, *idx));
		array_push_back(&out, &name);
	}
	array_append_zero(&out);
	return array_front(&out);
}

static void
pending_fill(const struct msgraph_sync_env *env, struct mail_index_view *view,
	     pool_t pool, struct msgraph_pending *p)
{
	const struct mail_index_record *rec;
	const char *id, *error;
	uint32_t seq;
	int ret;

	if (!mail_index_lookup_seq(view, p->uid, &seq))
		return;
	rec = mail_index_lookup(view, seq);
	p->flags = rec->flags;
	p->keywords = pending_keywords(env->index, view, seq, pool);
	ret = msgraph_idmap_get(env->idmap, view, seq, &id, &p->own,
				&error);
	if (ret < 0) {
		e_error(env->event, "%s", error);
		p->unreadable = TRUE;
	} else if (ret > 0) {
		p->id = p_strdup(pool, id);
		p->moved = (p->own.flags & MSGRAPH_REC_MOVED) != 0;
	}
}

void msgraph_pending_collect(const struct msgraph_sync_env *env,
			     struct mail_index_sync_ctx *ctx,
			     struct mail_index_view *view, pool_t pool,
			     ARRAY_TYPE(msgraph_pending) *pending)
{
	struct mail_index_sync_rec rec;
	struct msgraph_pending *p;

	while (mail_index_sync_next(ctx, &rec))
		pending_add(env, pool, &rec, view, pending);
	array_foreach_modifiable(pending, p) T_BEGIN {
		if (array_is_created(&p->touched)) {
			array_append_zero(&p->touched);
			array_pop_back(&p->touched);
		}
		pending_fill(env, view, pool, p);
	} T_END;
}

static bool keywords_equal(const char *const *a, const char *const *b)
{
	for (; a != NULL && b != NULL && *a != NULL && *b != NULL; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return FALSE;
	}
	return (a == NULL || *a == NULL) && (b == NULL || *b == NULL);
}

bool msgraph_pending_equals(const struct msgraph_pending *a,
			    const struct msgraph_pending *b)
{
	if (a->uid != b->uid || a->expunge != b->expunge)
		return FALSE;
	return a->expunge ||
		(a->changed == b->changed && a->flags == b->flags &&
		 a->keywords_changed == b->keywords_changed &&
		 keywords_equal(a->keywords, b->keywords));
}

/*
 * Push
 */

/* Expunges are looked at and carried out so many at a time, so that those
   that are done count when the time is over. */
#define EXPUNGE_CHUNK 400
/* more that end in a 500 are an outage, not single messages */
#define PUSH_POISON_MAX 20

enum push_way { PUSH_MOVE, PUSH_DELETE, PUSH_PERMANENT };

struct push {
	const struct msgraph_sync_env *env;
	/* the ones that the steps of an expunge are about */
	struct msgraph_pending *chunk, *chunk_end;
	/* how these are to go, and no other way is left; what has gone can be
	   seen in Deleted Items */
	enum push_way way;
	bool last_way, to_trash;
	/* first failure and first refusal, for the caller */
	struct graph_failure fail, refused;
	/* nothing else would get through either */
	bool down;
	/* some change did get through */
	bool works;
	/* some change has not before, and waits its time */
	bool held;
	/* changes that have ended in a 500 */
	unsigned int poison;

	struct graph_batch *batch;
	/* which operation of the batch belongs to which change */
	ARRAY(struct msgraph_pending *) ops;
	pool_t pool;
};

static void push_begin(struct push *push)
{
	push->batch = graph_batch_init(push->env->client);
	array_clear(&push->ops);
}

/* The operation that was just added to the batch is about p. */
static void push_add(struct push *push, struct msgraph_pending *p)
{
	array_push_back(&push->ops, &p);
}

/* Sends the batch, which changes something or asks; answered() gets each
   result. */
static void push_end(struct push *push, bool writes,
		     void (*answered)(struct push *push,
				      struct msgraph_pending *p,
				      const struct graph_batch_result *result))
{
	struct graph_failure ignored;
	unsigned int i;

	if (graph_batch_count(push->batch) > 0)
		(void)graph_batch_run(push->batch, &ignored);
	for (i = 0; writes && i < array_count(&push->ops); i++) {
		if (graph_batch_result(push->batch, i)->failure.error ==
		    GRAPH_OK)
			push->works = TRUE;
	}
	for (i = 0; i < array_count(&push->ops); i++)
		answered(push, *array_idx_modifiable(&push->ops, i),
			 graph_batch_result(push->batch, i));
	graph_batch_deinit(&push->batch);
}

static void push_failed(struct push *push, struct msgraph_pending *p,
			const struct graph_batch_result *result)
{
	p->failed = TRUE;
	if (push->fail.error == GRAPH_OK)
		push->fail = result->failure;
	if (result->answered &&
	    result->failure.error == GRAPH_ERROR_UNAVAILABLE &&
	    graph_failure_may_be_item(&result->failure) &&
	    push->poison++ < PUSH_POISON_MAX)
		msgraph_quarantine_failed(push->env->quarantine, p->id,
					  MSGRAPH_QUARANTINE_CHANGE,
					  &result->failure);
	if (!result->answered || result->failure.error == GRAPH_ERROR_THROTTLED)
		push->down = TRUE;
}

/* A verdict about this message that repeating will not change. A 500 is one if
   it stays through all the tries of a batch while other changes get through:
   what the service cannot read it cannot change either. */
static bool push_is_final(const struct push *push,
			  const struct graph_batch_result *result)
{
	const struct graph_failure *fail = &result->failure;

	if (!result->answered)
		return FALSE;
	switch (fail->error) {
	case GRAPH_ERROR_REFUSED:
	case GRAPH_ERROR_PERM:
	case GRAPH_ERROR_TOO_BIG:
		return TRUE;
	case GRAPH_ERROR_UNAVAILABLE:
		return push->works && graph_failure_may_be_item(fail);
	default:
		return FALSE;
	}
}

static void push_refused(struct push *push, struct msgraph_pending *p,
			 const struct graph_batch_result *result)
{
	e_info(push->env->event, "uid=%u: %s refused: %s", p->uid,
	       p->expunge ? "expunge" : "change of flags",
	       result->failure.message);
	if (push->refused.error == GRAPH_OK)
		push->refused = result->failure;
	p->refused = TRUE;
	p->done = TRUE;
}

/* TRUE if there is nothing at Graph that this change could be about. */
static bool push_is_void(struct msgraph_pending *p)
{
	if (p->unreadable)
		p->failed = TRUE;
	else if (p->id == NULL || p->moved)
		p->done = TRUE;
	return p->done || p->failed;
}

static void push_patched(struct push *push, struct msgraph_pending *p,
			 const struct graph_batch_result *result)
{
	if (result->failure.error == GRAPH_OK ||
	    /* the next pull tells where it went */
	    result->failure.error == GRAPH_ERROR_NOT_FOUND) {
		p->done = TRUE;
	} else if (push_is_final(push, result)) {
		push_refused(push, p, result);
	} else {
		push_failed(push, p, result);
	}
}

static bool push_touches(const struct msgraph_pending *p, bool forwarded)
{
	const char *const *name;

	if (!array_is_created(&p->touched))
		return FALSE;
	array_foreach(&p->touched, name) {
		if ((strcasecmp(*name, MSGRAPH_KEYWORD_FORWARDED) == 0) ==
		    forwarded)
			return TRUE;
	}
	return FALSE;
}

/* Categories can be set only all at once, and others may have set some since
   we asked last. */
static void push_merge(struct push *push, struct msgraph_pending *p,
		       const struct graph_batch_result *result)
{
	if (result->failure.error != GRAPH_OK)
		push_patched(push, p, result);
	else if (result->message->has_categories)
		p->categories = msgraph_categories_merge(push->pool,
			result->message->categories, p->keywords,
			array_front(&p->touched));
}

static void push_merge_keywords(struct push *push,
				ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *p;

	push_begin(push);
	array_foreach_modifiable(pending, p) {
		if (p->expunge || push_is_void(p) || !push_touches(p, FALSE))
			continue;
		(void)graph_batch_get_parent(push->batch, p->id);
		push_add(push, p);
	}
	push_end(push, FALSE, push_merge);
}

static void push_fill_patch(const struct msgraph_pending *p,
			    struct graph_patch *patch)
{
	if (!p->keywords_changed)
		return;
	if (p->categories != NULL)
		patch->categories = p->categories;
	if (!push_touches(p, FALSE))
		patch->categories = NULL;
	if (!push_touches(p, TRUE) && (p->changed & MAIL_ANSWERED) == 0)
		patch->verb = GRAPH_VERB_UNKNOWN;
}

static void push_patches(struct push *push,
			 ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *p;
	struct graph_patch patch;

	push_merge_keywords(push, pending);
	push_begin(push);
	array_foreach_modifiable(pending, p) {
		if (p->expunge || push_is_void(p))
			continue;
		if (!msgraph_flags_to_patch(p->changed, p->flags,
					    p->keywords_changed, p->keywords,
					    &patch)) {
			p->done = TRUE;
			continue;
		}
		push_fill_patch(p, &patch);
		(void)graph_batch_patch(push->batch, p->id, &patch);
		push_add(push, p);
	}
	push_end(push, TRUE, push_patched);
}

/* What a message that keeps its flags has at Graph. */
static void push_set_server(struct push *push, struct msgraph_pending *p,
			    const struct graph_message *msg)
{
	ARRAY_TYPE(const_string) keywords;
	const char *const *name, *copy;

	msgraph_flags_from_row(msg, &p->server);
	if (p->server.keywords == NULL)
		return;
	p_array_init(&keywords, push->pool, 8);
	for (name = p->server.keywords; *name != NULL; name++) {
		copy = p_strdup(push->pool, *name);
		array_push_back(&keywords, &copy);
	}
	array_append_zero(&keywords);
	p->server.keywords = array_front(&keywords);
}

static void push_told_refused(struct push *push, struct msgraph_pending *p,
			      const struct graph_batch_result *result)
{
	if (result->message != NULL) {
		push_set_server(push, p, result->message);
	} else if (result->failure.error != GRAPH_ERROR_NOT_FOUND &&
		   !push_is_final(push, result)) {
		/* ask again with the next sync; if it cannot be had at all,
		   what is shown stays until a pull tells */
		p->refused = FALSE;
		p->done = FALSE;
		push_failed(push, p, result);
	}
}

/* Look at what was refused, so that it can be undone. */
static void push_ask_refused(struct push *push,
			     ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *p;

	push_begin(push);
	array_foreach_modifiable(pending, p) {
		if (!p->refused || p->expunge)
			continue;
		(void)graph_batch_get(push->batch, p->id);
		push_add(push, p);
	}
	push_end(push, FALSE, push_told_refused);
}

/* Others have edited the draft since: what the client has expunged is gone, and
   what is there now is another message, which the next pull brings. */
static bool push_is_edited(const struct msgraph_pending *p,
			   const struct graph_message *msg)
{
	return msgraph_rec_is_edited(&p->own, msgraph_cache_content(msg),
				     msgraph_cache_size_estimate(msg->size));
}

static void push_verified(struct push *push, struct msgraph_pending *p,
			  const struct graph_batch_result *result)
{
	struct msgraph_flag_state state;

	p->lives = result->message != NULL &&
		result->message->parent_id != NULL &&
		strcmp(result->message->parent_id, push->env->folder_id) != 0;
	if (result->failure.error == GRAPH_ERROR_NOT_FOUND || p->lives)
		p->done = TRUE;
	else if (result->message == NULL && push_is_final(push, result))
		push_refused(push, p, result);
	else if (result->message == NULL)
		push_failed(push, p, result);
	else if (push_is_edited(p, result->message)) {
		p->edited = TRUE;
		msgraph_flags_from_row(result->message, &state);
		p->marked = (state.flags & MAIL_DELETED) != 0;
		p->done = !p->marked;
	}
}

/* Nor is the edited draft to go with the next EXPUNGE. */
static void push_unmark(struct push *push)
{
	struct msgraph_pending *p;
	struct graph_patch patch;

	push_begin(push);
	for (p = push->chunk; p < push->chunk_end; p++) {
		if (!p->marked || p->done || p->failed)
			continue;
		(void)msgraph_flags_to_patch(MAIL_DELETED, 0, FALSE, NULL,
					     &patch);
		(void)graph_batch_patch(push->batch, p->id, &patch);
		push_add(push, p);
	}
	push_end(push, TRUE, push_patched);
}

/* Is the message still in this folder? One that is elsewhere, because somebody
   or a step of ours has moved it, must not be touched there. Nor must a draft
   be that is not the same any more. */
static void push_verify(struct push *push)
{
	struct msgraph_pending *p;

	push_begin(push);
	for (p = push->chunk; p < push->chunk_end; p++) {
		if (!p->expunge || p->done || p->failed || push_is_void(p))
			continue;
		if (p->own.content != 0)
			(void)graph_batch_get_content(push->batch, p->id);
		else
			(void)graph_batch_get_parent(push->batch, p->id);
		push_add(push, p);
	}
	push_end(push, FALSE, push_verified);
	push_unmark(push);
}

/* What is refused is left for another way, if this is not the last. So is what is
   not found by a way that may be missing itself: what is gone is found out before
   the next. */
static void push_expunged(struct push *push, struct msgraph_pending *p,
			  const struct graph_batch_result *result)
{
	enum graph_error error = result->failure.error;

	if (error == GRAPH_OK ||
	    (error == GRAPH_ERROR_NOT_FOUND && push->way == PUSH_DELETE)) {
		p->done = TRUE;
		p->lives = error == GRAPH_OK && push->to_trash;
	} else if (push->last_way && push_is_final(push, result))
		push_refused(push, p, result);
	else if (push->last_way ||
		 (graph_error_is_transient(error) &&
		  !push_is_final(push, result)))
		push_failed(push, p, result);
}

static void push_expunge_by(struct push *push, enum push_way way,
			    const char *folder_id, bool last)
{
	struct msgraph_pending *p;

	push_verify(push);
	push_begin(push);
	for (p = push->chunk; p < push->chunk_end; p++) {
		if (!p->expunge || p->done || p->failed)
			continue;
		if (way == PUSH_MOVE)
			(void)graph_batch_move(push->batch, p->id, folder_id);
		else if (way == PUSH_DELETE)
			(void)graph_batch_delete(push->batch, p->id);
		else
			(void)graph_batch_permanent_delete(push->batch, p->id);
		push_add(push, p);
	}
	push->way = way;
	push->last_way = last;
	push_end(push, TRUE, push_expunged);
}

static void push_expunge_chunk(struct push *push)
{
	const struct msgraph_sync_env *env = push->env;

	switch (env->expunge_mode) {
	case MSGRAPH_EXPUNGE_TRASH:
		push->to_trash = !env->is_trash && env->trash_id != NULL;
		if (push->to_trash) {
			push_expunge_by(push, PUSH_MOVE, env->trash_id, FALSE);
			/* goes there, too */
			push_expunge_by(push, PUSH_DELETE, NULL, TRUE);
			return;
		}
		break;
	case MSGRAPH_EXPUNGE_PERMANENT:
		push_expunge_by(push, PUSH_PERMANENT, NULL, FALSE);
		break;
	case MSGRAPH_EXPUNGE_RECOVERABLE:
		break;
	}
	push_expunge_by(push, PUSH_MOVE, RECOVERABLE_FOLDER, FALSE);
	push_expunge_by(push, PUSH_DELETE, NULL, TRUE);
}

static void push_expunges(struct push *push,
			  ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *p;
	unsigned int count, first;

	p = array_get_modifiable(pending, &count);
	for (first = 0; first < count && !push->down; first += EXPUNGE_CHUNK) {
		push->chunk = p + first;
		push->chunk_end = p + I_MIN(first + EXPUNGE_CHUNK, count);
		push_expunge_chunk(push);
	}
}

/* What has ended in a 500 waits, unless others have to be sent as well: how they
   fare tells whether it is about this message alone. */
static bool push_is_held(struct push *push,
			 const ARRAY_TYPE(msgraph_pending) *pending)
{
	const struct msgraph_quarantined *entry;
	const struct msgraph_pending *p;
	time_t now = time(NULL);

	push->held = msgraph_quarantine_count(push->env->quarantine) > 0;
	if (!push->held)
		return FALSE;
	array_foreach(pending, p) {
		entry = p->id == NULL ? NULL :
			msgraph_quarantine_find(push->env->quarantine, p->id,
						MSGRAPH_QUARANTINE_CHANGE);
		if (entry == NULL || entry->next <= now)
			return FALSE;
		graph_failure_set(&push->fail, GRAPH_ERROR_UNAVAILABLE,
			"changes wait that Graph could not carry out (%s), "
			"tried again in %lld s", entry->reason,
			(long long)(entry->next - now));
	}
	return TRUE;
}

/* It is in quarantine no more, whether carried out or refused. */
static void push_settle(struct push *push, const struct msgraph_pending *p)
{
	if (push->held && p->done && p->id != NULL)
		msgraph_quarantine_remove(push->env->quarantine, p->id,
					  MSGRAPH_QUARANTINE_CHANGE);
}

static void push_all(struct push *push, ARRAY_TYPE(msgraph_pending) *pending)
{
	graph_client_extend_deadline(push->env->client,
		I_MIN(array_count(pending), MSGRAPH_LONG_MAX_MSECS /
		      MSGRAPH_MSECS_PER_MESSAGE) * MSGRAPH_MSECS_PER_MESSAGE);
	push_patches(push, pending);
	push_ask_refused(push, pending);
	if (!push->down)
		push_expunges(push, pending);
}

int msgraph_push_run(const struct msgraph_sync_env *env, pool_t pool,
		     ARRAY_TYPE(msgraph_pending) *pending,
		     struct msgraph_sync_result *result)
{
	struct push push = { .env = env, .pool = pool };
	const struct msgraph_pending *p;
	int ret = 0;

	i_array_init(&push.ops, 16);
	T_BEGIN {
		if (!push_is_held(&push, pending))
			push_all(&push, pending);
	} T_END;
	array_free(&push.ops);
	result->push = push.fail;
	if (push.refused.error != GRAPH_OK)
		result->refused = push.refused;
	array_foreach(pending, p) {
		push_settle(&push, p);
		if (!p->done)
			ret = -1;
	}
	if (ret < 0 && result->push.error == GRAPH_OK)
		graph_failure_set(&result->push, GRAPH_ERROR_UNAVAILABLE,
				  "changes could not be sent");
	return ret;
}
