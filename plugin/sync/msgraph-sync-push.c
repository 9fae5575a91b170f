/* Pending local changes: from the index's log, and to Graph in batches. */

#include "lib.h"
#include "array.h"
#include "mail-index.h"
#include "graph-batch.h"
#include "msgraph-flags.h"
#include "msgraph-sync-private.h"

#define RECOVERABLE_FOLDER "recoverableitemsdeletions"

/*
 * Collect
 */

static struct msgraph_pending *
pending_get(ARRAY_TYPE(msgraph_pending) *pending, uint32_t uid)
{
	struct msgraph_pending *p;

	/* records come in order of UIDs, mostly one a message */
	array_foreach_modifiable(pending, p) {
		if (p->uid == uid)
			return p;
	}
	p = array_append_space(pending);
	p->uid = uid;
	return p;
}

static int pending_cmp(const struct msgraph_pending *a,
		       const struct msgraph_pending *b)
{
	return a->uid < b->uid ? -1 : a->uid > b->uid ? 1 : 0;
}

static void
pending_add(const struct mail_index_sync_rec *rec, struct mail_index_view *view,
	    ARRAY_TYPE(msgraph_pending) *pending)
{
	struct msgraph_pending *last, *p;
	uint32_t seq, seq2, uid;

	if (!mail_index_lookup_seq_range(view, rec->uid1, rec->uid2,
					 &seq, &seq2))
		return;
	for (; seq <= seq2; seq++) {
		mail_index_lookup_uid(view, seq, &uid);
		last = array_is_empty(pending) ? NULL :
			array_back_modifiable(pending);
		p = last != NULL && last->uid == uid ? last :
			last == NULL || last->uid < uid ?
			array_append_space(pending) :
			pending_get(pending, uid);
		p->uid = uid;
		switch (rec->type) {
		case MAIL_INDEX_SYNC_TYPE_EXPUNGE:
			p->expunge = TRUE;
			break;
		case MAIL_INDEX_SYNC_TYPE_FLAGS:
			p->changed |= rec->add_flags | rec->remove_flags;
			break;
		case MAIL_INDEX_SYNC_TYPE_KEYWORD_ADD:
		case MAIL_INDEX_SYNC_TYPE_KEYWORD_REMOVE:
			p->keywords_changed = TRUE;
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
	struct msgraph_rec own;
	const char *id, *error;
	uint32_t seq;

	if (!mail_index_lookup_seq(view, p->uid, &seq))
		return;
	rec = mail_index_lookup(view, seq);
	p->flags = rec->flags;
	p->keywords = pending_keywords(env->index, view, seq, pool);
	if (msgraph_idmap_get(env->idmap, view, seq, &id, &own, &error) > 0) {
		p->id = p_strdup(pool, id);
		p->moved = (own.flags & MSGRAPH_REC_MOVED) != 0;
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
		pending_add(&rec, view, pending);
	array_foreach_modifiable(pending, p) T_BEGIN {
		pending_fill(env, view, pool, p);
	} T_END;
	array_sort(pending, pending_cmp);
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

/* Remember which operation of a batch belongs to which change. */
struct push_batch {
	struct graph_batch *batch;
	ARRAY(struct msgraph_pending *) ops;
};

static void push_begin(const struct msgraph_sync_env *env,
		       struct push_batch *push)
{
	push->batch = graph_batch_init(env->client);
	t_array_init(&push->ops, 16);
}

static int push_send(struct push_batch *push, struct graph_failure *fail_r)
{
	if (graph_batch_count(push->batch) == 0)
		return 0;
	return graph_batch_run(push->batch, fail_r);
}

/* A verdict that repeating will not change. */
static bool push_is_final(enum graph_error error)
{
	return error == GRAPH_ERROR_REFUSED || error == GRAPH_ERROR_PERM ||
		error == GRAPH_ERROR_TOO_BIG;
}

static void push_patches(const struct msgraph_sync_env *env,
			 ARRAY_TYPE(msgraph_pending) *pending,
			 struct graph_failure *fail)
{
	const struct graph_batch_result *result;
	struct msgraph_pending *p;
	struct push_batch push;
	struct graph_patch patch;
	struct graph_failure run_fail;
	unsigned int i;

	push_begin(env, &push);
	array_foreach_modifiable(pending, p) {
		if (p->expunge)
			continue;
		if (p->id == NULL || p->moved ||
		    !msgraph_flags_to_patch(p->changed, p->flags,
					    p->keywords_changed, p->keywords,
					    &patch)) {
			p->done = TRUE;
			continue;
		}
		(void)graph_batch_patch(push.batch, p->id, &patch);
		array_push_back(&push.ops, &p);
	}
	(void)push_send(&push, &run_fail);
	for (i = 0; i < array_count(&push.ops); i++) {
		p = *array_idx_modifiable(&push.ops, i);
		result = graph_batch_result(push.batch, i);
		if (result->failure.error == GRAPH_OK)
			p->done = TRUE;
		else if (result->failure.error == GRAPH_ERROR_NOT_FOUND) {
			/* the next pull tells where it went */
			p->done = TRUE;
		} else if (push_is_final(result->failure.error)) {
			e_warning(env->event, "uid=%u: %s", p->uid,
				  result->failure.message);
			p->done = TRUE;
		} else {
			*fail = result->failure;
		}
	}
	graph_batch_deinit(&push.batch);
}

/* Is the message still in this folder? One that somebody has moved away must
   not be deleted where it is now. */
static void push_verify(const struct msgraph_sync_env *env,
			ARRAY_TYPE(msgraph_pending) *pending,
			struct graph_failure *fail)
{
	const struct graph_batch_result *result;
	struct graph_failure run_fail;
	struct msgraph_pending *p;
	struct push_batch push;
	unsigned int i;

	push_begin(env, &push);
	array_foreach_modifiable(pending, p) {
		if (!p->expunge)
			continue;
		if (p->id == NULL || p->moved) {
			p->done = TRUE;
			continue;
		}
		(void)graph_batch_get_parent(push.batch, p->id);
		array_push_back(&push.ops, &p);
	}
	(void)push_send(&push, &run_fail);
	for (i = 0; i < array_count(&push.ops); i++) {
		p = *array_idx_modifiable(&push.ops, i);
		result = graph_batch_result(push.batch, i);
		if (result->failure.error == GRAPH_ERROR_NOT_FOUND ||
		    (result->message != NULL &&
		     result->message->parent_id != NULL &&
		     strcmp(result->message->parent_id,
			    env->folder_id) != 0))
			p->done = TRUE;
		else if (result->message == NULL) {
			*fail = result->failure;
			p->gone = TRUE;	/* not this time */
		}
	}
	graph_batch_deinit(&push.batch);
}

enum push_way { PUSH_MOVE, PUSH_DELETE, PUSH_PERMANENT };

static void
push_expunge_by(const struct msgraph_sync_env *env,
		ARRAY_TYPE(msgraph_pending) *pending, enum push_way way,
		const char *folder_id, bool last, struct graph_failure *fail)
{
	const struct graph_batch_result *result;
	struct graph_failure run_fail;
	struct msgraph_pending *p;
	struct push_batch push;
	unsigned int i;

	push_begin(env, &push);
	array_foreach_modifiable(pending, p) {
		if (!p->expunge || p->done || p->gone)
			continue;
		if (way == PUSH_MOVE)
			(void)graph_batch_move(push.batch, p->id, folder_id);
		else if (way == PUSH_DELETE)
			(void)graph_batch_delete(push.batch, p->id);
		else
			(void)graph_batch_permanent_delete(push.batch, p->id);
		array_push_back(&push.ops, &p);
	}
	(void)push_send(&push, &run_fail);
	for (i = 0; i < array_count(&push.ops); i++) {
		p = *array_idx_modifiable(&push.ops, i);
		result = graph_batch_result(push.batch, i);
		if (result->failure.error == GRAPH_OK ||
		    (result->failure.error == GRAPH_ERROR_NOT_FOUND &&
		     (last || way != PUSH_MOVE)))
			p->done = TRUE;
		else if (last || graph_error_is_transient(
					result->failure.error))
			*fail = result->failure;
	}
	graph_batch_deinit(&push.batch);
}

static void push_expunges(const struct msgraph_sync_env *env,
			  ARRAY_TYPE(msgraph_pending) *pending,
			  struct graph_failure *fail)
{
	push_verify(env, pending, fail);
	if (fail->error != GRAPH_OK)
		return;
	switch (env->expunge_mode) {
	case MSGRAPH_EXPUNGE_TRASH:
		if (!env->is_trash && env->trash_id != NULL) {
			push_expunge_by(env, pending, PUSH_MOVE, env->trash_id,
					TRUE, fail);
			return;
		}
		break;
	case MSGRAPH_EXPUNGE_PERMANENT:
		push_expunge_by(env, pending, PUSH_PERMANENT, NULL, FALSE,
				fail);
		break;
	case MSGRAPH_EXPUNGE_RECOVERABLE:
		break;
	}
	if (fail->error == GRAPH_OK)
		push_expunge_by(env, pending, PUSH_MOVE, RECOVERABLE_FOLDER,
				FALSE, fail);
	if (fail->error == GRAPH_OK)
		push_expunge_by(env, pending, PUSH_DELETE, NULL, TRUE, fail);
}

int msgraph_push_run(const struct msgraph_sync_env *env,
		     ARRAY_TYPE(msgraph_pending) *pending,
		     struct graph_failure *fail_r)
{
	struct msgraph_pending *p;

	i_zero(fail_r);
	T_BEGIN {
		push_patches(env, pending, fail_r);
		if (fail_r->error == GRAPH_OK)
			push_expunges(env, pending, fail_r);
	} T_END;
	array_foreach_modifiable(pending, p) {
		if (!p->done) {
			if (fail_r->error == GRAPH_OK)
				graph_failure_set(fail_r,
					GRAPH_ERROR_UNAVAILABLE,
					"changes could not be sent");
			return -1;
		}
	}
	return 0;
}
