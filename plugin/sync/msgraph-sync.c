/* The order of the steps, nothing else. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-index.h"
#include "graph-client.h"
#include "dovecot-compat.h"
#include "msgraph-sync-private.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <unistd.h>

/* local changes may come in while others are sent */
#define SYNC_ROUNDS_MAX 3
/* and while it is asked what has changed; others that never rest must not keep
   the news from anybody */
#define PULL_TRIES_MAX 3
#define LARGE_PULL_ROWS 5000
/* locked by the process that sends; released by the kernel if it dies */
#define PUSH_LOCK_NAME "msgraph.push"
#define PUSH_LOCK_WAIT_MSECS 50
/* what it sends can take minutes, and clients do not wait that long for the
   answer to a FETCH */
#define PUSH_LOCK_MAX_MSECS 2000

bool msgraph_sync_have_pending(struct mail_index *index)
{
	return mail_index_sync_have_any(index, 0);
}

static void sync_get_state(const struct msgraph_sync_env *env,
			   struct msgraph_folder_state *state_r,
			   uint32_t *next_uid_r)
{
	struct mail_index_view *view;

	(void)mail_index_refresh(env->index);
	view = mail_index_view_open(env->index);
	msgraph_idmap_get_state(env->idmap, view, state_r);
	*next_uid_r = mail_index_get_header(view)->next_uid;
	mail_index_view_close(&view);
}

/* The changes since the link are not to be had, or not all of them. */
static bool sync_must_list(const struct msgraph_sync_env *env,
			   const struct msgraph_pull *pull,
			   const struct graph_failure *fail)
{
	if (pull != NULL) {
		if (pull->unnamed) {
			e_warning(env->event, "Graph told of a change without "
				  "a usable id, listing everything");
		}
		return pull->unnamed;
	}
	if (fail->error != GRAPH_ERROR_TOKEN_GONE)
		return FALSE;
	e_debug(env->event, "delta link lost, listing everything");
	return TRUE;
}

static struct msgraph_pull *
sync_pull(const struct msgraph_sync_env *env, enum msgraph_sync_flags flags,
	  struct graph_failure *fail_r)
{
	struct msgraph_folder_state state;
	struct msgraph_pull_start start;
	struct msgraph_pull *pull;

	i_zero(&start);
	sync_get_state(env, &state, &start.next_uid);
	start.generation = state.generation;
	start.pushes = state.pushes;
	start.link = state.link;
	start.ahead = (flags & MSGRAPH_SYNC_AHEAD) != 0;
	start.anew = (flags & (MSGRAPH_SYNC_FULL | MSGRAPH_SYNC_VERIFY)) != 0;
	if (start.anew)
		start.link = NULL;
	pull = msgraph_pull_run(env, &start, fail_r);
	if (start.link != NULL && sync_must_list(env, pull, fail_r)) {
		msgraph_pull_free(&pull);
		i_zero(fail_r);
		start.link = NULL;
		start.ahead = FALSE;
		pull = msgraph_pull_run(env, &start, fail_r);
	}
	return pull;
}

static int sync_begin(const struct msgraph_sync_env *env,
		      struct mail_index_sync_ctx **ctx_r,
		      struct mail_index_view **view_r,
		      struct mail_index_transaction **trans_r,
		      const char **error_r)
{
	if (mail_index_sync_begin(env->index, ctx_r, view_r, trans_r,
				  env->index_sync_flags) < 0) {
		*error_r = msgraph_compat_index_error(env->index);
		return -1;
	}
	return 0;
}

/* What a client has marked as \Deleted is what the draft was; what others have
   made of it is not to go with the next EXPUNGE. A change as one of a client's,
   so that it goes to Graph. */
static int sync_unmark(const struct msgraph_sync_env *env,
		       const ARRAY_TYPE(seq_range) *uids, const char **error_r)
{
	struct mail_index_transaction *trans;
	const struct seq_range *range;
	struct mail_index_view *view;
	uint32_t seq1, seq2;
	int ret;

	if (array_is_empty(uids))
		return 0;
	(void)mail_index_refresh(env->index);
	view = mail_index_view_open(env->index);
	trans = mail_index_transaction_begin(view, 0);
	array_foreach(uids, range) {
		if (mail_index_lookup_seq_range(view, range->seq1, range->seq2,
						&seq1, &seq2))
			mail_index_update_flags_range(trans, seq1, seq2,
						      MODIFY_REMOVE,
						      MAIL_DELETED);
	}
	ret = mail_index_transaction_commit(&trans);
	if (ret < 0)
		*error_r = msgraph_compat_index_error(env->index);
	mail_index_view_close(&view);
	return ret;
}

static int sync_apply(const struct msgraph_sync_env *env,
		      const struct msgraph_pull *pull, pool_t pool,
		      struct msgraph_sync_result *result, const char **error_r)
{
	ARRAY_TYPE(msgraph_pending) pending;
	ARRAY_TYPE(seq_range) marked;
	struct mail_index_transaction *trans;
	struct mail_index_sync_ctx *ctx;
	struct mail_index_view *view;
	int ret;

	if (sync_begin(env, &ctx, &view, &trans, error_r) < 0)
		return -1;
	p_array_init(&pending, pool, 16);
	p_array_init(&marked, pool, 1);
	msgraph_pending_collect(env, ctx, view, pool, &pending);
	ret = msgraph_apply(env, view, pull, &pending, &marked, result,
			    error_r);
	/* the pending records stay for the push */
	mail_index_sync_rollback(&ctx);
	if (ret == 0 && !pull->verify)
		ret = sync_unmark(env, &marked, error_r);
	return ret;
}

static void sync_mark_recent(const struct msgraph_sync_env *env,
			     struct mail_index_view *view)
{
	const struct mail_index_header *hdr = mail_index_get_header(view);
	uint32_t seq1, seq2;

	if (env->recent != NULL &&
	    mail_index_lookup_seq_range(view, hdr->first_recent_uid,
					hdr->next_uid, &seq1, &seq2))
		env->recent(env->context, view, seq1, seq2);
}

/* All of now's pending changes were pushed as they are; they are marked with
   what became of them. */
static bool sync_all_pushed(ARRAY_TYPE(msgraph_pending) *now,
			    const ARRAY_TYPE(msgraph_pending) *pushed)
{
	const struct msgraph_pending *p, *end;
	struct msgraph_pending *n;
	unsigned int count;

	/* both are in the order of UIDs */
	p = array_get(pushed, &count);
	end = p + count;
	array_foreach_modifiable(now, n) {
		while (p < end && p->uid < n->uid)
			p++;
		if (p == end || !p->done || !msgraph_pending_equals(n, p))
			return FALSE;
		n->refused = p->refused;
		n->edited = p->edited;
		n->lives = p->lives;
		n->server = p->server;
	}
	return TRUE;
}

/* What Graph will not have is shown as it is there. */
static void
sync_undo_refused(const struct msgraph_sync_env *env,
		  struct mail_index_view *view,
		  struct mail_index_transaction *trans,
		  const ARRAY_TYPE(msgraph_pending) *pending)
{
	const struct msgraph_pending *p;
	uint32_t seq;

	array_foreach(pending, p) {
		if (p->refused && mail_index_lookup_seq(view, p->uid, &seq))
			(void)msgraph_apply_state(env, view, trans, seq,
						  &p->server);
	}
}

static void
sync_expunge(const struct msgraph_sync_env *env, struct mail_index_view *view,
	     struct mail_index_transaction *trans,
	     const ARRAY_TYPE(msgraph_pending) *pending, bool only_done,
	     struct msgraph_sync_result *result)
{
	const struct msgraph_pending *p;
	uint32_t seq;

	array_foreach(pending, p) {
		if (!p->expunge || p->refused || (only_done && !p->done) ||
		    !mail_index_lookup_seq(view, p->uid, &seq))
			continue;
		mail_index_expunge(trans, seq);
		result->expunged++;
		if (env->expunged != NULL && p->id != NULL && !p->moved)
			env->expunged(env->context, p->uid,
				      p->lives ? NULL : p->id);
		if (env->edited != NULL && p->edited)
			env->edited(env->context, p->id);
	}
}

/* Collect, and if everything pending has been pushed, commit. Returns 1 when
   the sync has ended, 0 when pending_r is to be pushed, -1. */
static int
sync_round(const struct msgraph_sync_env *env, pool_t pool,
	   const ARRAY_TYPE(msgraph_pending) *pushed,
	   ARRAY_TYPE(msgraph_pending) *pending_r,
	   struct msgraph_sync_result *result, const char **error_r)
{
	struct mail_index_transaction *trans;
	struct mail_index_sync_ctx *ctx;
	struct mail_index_view *view;
	unsigned int count;

	if (sync_begin(env, &ctx, &view, &trans, error_r) < 0)
		return -1;
	sync_mark_recent(env, view);
	p_array_init(pending_r, pool, 16);
	msgraph_pending_collect(env, ctx, view, pool, pending_r);
	if (!sync_all_pushed(pending_r, pushed)) {
		mail_index_sync_rollback(&ctx);
		return 0;
	}
	sync_expunge(env, view, trans, pending_r, FALSE, result);
	sync_undo_refused(env, view, trans, pending_r);
	count = array_count(pending_r);
	if (count > 0)
		msgraph_idmap_count_push(env->idmap, view, trans);
	if (mail_index_sync_commit(&ctx) < 0) {
		*error_r = msgraph_compat_index_error(env->index);
		return -1;
	}
	result->pushed = count;
	return 1;
}

static bool sync_any_is_done(const ARRAY_TYPE(msgraph_pending) *pushed)
{
	const struct msgraph_pending *p;

	array_foreach(pushed, p) {
		if (p->done)
			return TRUE;
	}
	return FALSE;
}

/* Not everything could be sent, so the records stay. But what is expunged at
   Graph shall be gone here as well: then nothing is asked for it again. */
static int
sync_partly_pushed(const struct msgraph_sync_env *env,
		   const ARRAY_TYPE(msgraph_pending) *pushed,
		   struct msgraph_sync_result *result, const char **error_r)
{
	struct mail_index_transaction *trans, *own;
	struct mail_index_sync_ctx *ctx;
	struct mail_index_view *view;
	int ret;

	if (sync_begin(env, &ctx, &view, &trans, error_r) < 0)
		return -1;
	own = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	sync_expunge(env, view, own, pushed, TRUE, result);
	if (sync_any_is_done(pushed))
		msgraph_idmap_count_push(env->idmap, view, own);
	ret = mail_index_transaction_commit(&own);
	if (ret < 0)
		*error_r = msgraph_compat_index_error(env->index);
	mail_index_sync_rollback(&ctx);
	return ret;
}

/* One process at a time sends the changes of a folder: else what one has
   collected before could arrive after what another has collected since. Returns
   1 when we have the lock at once, 0 when somebody may have sent meanwhile, -1
   and the failure. */
static int sync_lock_push(const struct msgraph_sync_env *env, int *fd_r,
			  struct graph_failure *fail_r)
{
	const char *path = t_strconcat(env->dir, "/"PUSH_LOCK_NAME, NULL);
	unsigned int waited = 0;
	int ret = 1;

	*fd_r = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd_r == -1) {
		graph_failure_set(fail_r, GRAPH_ERROR_LOCAL, "open(%s): %s",
				  path, strerror(errno));
		return -1;
	}
	while (flock(*fd_r, LOCK_EX | LOCK_NB) < 0) {
		ret = 0;
		waited += PUSH_LOCK_WAIT_MSECS;
		if (waited > PUSH_LOCK_MAX_MSECS ||
		    !graph_client_pause(env->client, PUSH_LOCK_WAIT_MSECS)) {
			graph_failure_set(fail_r, GRAPH_ERROR_UNAVAILABLE,
				"another process is sending changes");
			i_close_fd(fd_r);
			return -1;
		}
	}
	return ret;
}

static int sync_push(const struct msgraph_sync_env *env, pool_t pool,
		     struct msgraph_sync_result *result, const char **error_r)
{
	ARRAY_TYPE(msgraph_pending) pending, pushed;
	int lock, fd = -1, ret = 0;
	unsigned int i;

	p_array_init(&pushed, pool, 1);
	for (i = 0; i <= SYNC_ROUNDS_MAX; i++) {
		ret = sync_round(env, pool, &pushed, &pending, result,
				 error_r);
		if (ret != 0 || i == SYNC_ROUNDS_MAX)
			break;
		if (fd == -1) {
			lock = sync_lock_push(env, &fd, &result->push);
			if (lock < 0)
				break;
			if (lock == 0)
				continue;
		}
		if (msgraph_push_run(env, pool, &pending, result) < 0) {
			ret = sync_partly_pushed(env, &pending, result,
						 error_r);
			break;
		}
		pushed = pending;
	}
	i_close_fd(&fd);
	return ret < 0 ? -1 : 0;
}

int msgraph_sync_count_pending(const struct msgraph_sync_env *env,
			       unsigned int *count_r,
			       const char **index_error_r)
{
	ARRAY_TYPE(msgraph_pending) pending;
	struct mail_index_transaction *trans;
	struct mail_index_sync_ctx *ctx;
	struct mail_index_view *view;
	pool_t pool;

	*count_r = 0;
	if (!msgraph_sync_have_pending(env->index))
		return 0;
	if (sync_begin(env, &ctx, &view, &trans, index_error_r) < 0)
		return -1;
	pool = pool_alloconly_create("msgraph pending", 1024);
	p_array_init(&pending, pool, 16);
	msgraph_pending_collect(env, ctx, view, pool, &pending);
	*count_r = array_count(&pending);
	mail_index_sync_rollback(&ctx);
	pool_unref(&pool);
	return 0;
}

/* What others have sent while it was asked what has changed is not in the
   answer: then it is asked again. A listing is worth keeping all the same; what
   has changed since it began comes next. */
static int
sync_apply_latest(const struct msgraph_sync_env *env,
		  enum msgraph_sync_flags flags, struct msgraph_pull **pull,
		  pool_t pool, struct msgraph_sync_result *result,
		  const char **error_r)
{
	unsigned int tries;
	int ret = 0;

	for (tries = 1; *pull != NULL; tries++) {
		(*pull)->verify = (flags & MSGRAPH_SYNC_VERIFY) != 0;
		(*pull)->at_any_rate = tries == PULL_TRIES_MAX;
		result->unnamed = (*pull)->unnamed;
		ret = sync_apply(env, *pull, pool, result, error_r);
		if (ret < 0 || !result->outdated)
			break;
		result->outdated = FALSE;
		msgraph_pull_free(pull);
		*pull = sync_pull(env, flags & ENUM_NEGATE(MSGRAPH_SYNC_AHEAD),
				  &result->pull);
	}
	return ret;
}

/* After a large pull the heap is mostly holes, which a session that goes on for
   days would keep. */
static void sync_trim_heap(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

int msgraph_sync_run(const struct msgraph_sync_env *env,
		     enum msgraph_sync_flags flags,
		     struct msgraph_sync_result *result_r,
		     const char **index_error_r)
{
	struct msgraph_folder_state state;
	struct msgraph_pull *pull = NULL;
	bool large;
	uint32_t next_uid;
	pool_t pool;
	int ret = 0;

	i_zero(result_r);
	*index_error_r = NULL;
	pool = pool_alloconly_create("msgraph sync", 4096);
	if ((flags & (MSGRAPH_SYNC_PULL | MSGRAPH_SYNC_VERIFY)) != 0)
		pull = sync_pull(env, flags, &result_r->pull);
	if (pull != NULL)
		ret = sync_apply_latest(env, flags, &pull, pool, result_r,
					index_error_r);
	if (pull != NULL && ret == 0 && result_r->compared && !pull->verify)
		msgraph_pull_settle(env, pull);
	if (pull != NULL && ret == 0)
		msgraph_spool_remove(env, pull);
	large = pull != NULL && array_count(&pull->rows) > LARGE_PULL_ROWS;
	msgraph_pull_free(&pull);
	if (large)
		sync_trim_heap();
	if (ret == 0 && (flags & MSGRAPH_SYNC_VERIFY) == 0)
		ret = sync_push(env, pool, result_r, index_error_r);
	sync_get_state(env, &state, &next_uid);
	result_r->synced = state.generation > 0;
	pool_unref(&pool);
	return ret;
}
