/* mailbox.sync: build the environment for plugin/sync, run it, turn its
   result into Dovecot's. */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "mailbox-recent-flags.h"
#include "mailbox-uidvalidity.h"
#include "graph-delta.h"
#include "msgraph-bodies.h"
#include "msgraph-error.h"
#include "msgraph-folders.h"
#include "msgraph-list-notify.h"
#include "msgraph-quarantine.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

/* A folder can be deleted and made anew within one second. */
static uint32_t msgraph_sync_next_uid_validity(void *context)
{
	struct msgraph_mailbox *mbox = context;
	uint32_t uid_validity;

	T_BEGIN {
		uid_validity = mailbox_uidvalidity_next(mbox->box.list,
			t_strconcat(mbox->storage->account->root_dir,
				    "/dovecot-uidvalidity", NULL));
	} T_END;
	return uid_validity;
}

static void
msgraph_sync_recent(void *context, struct mail_index_view *view,
		    uint32_t seq1, uint32_t seq2)
{
	struct msgraph_mailbox *mbox = context;

	mailbox_recent_flags_set_seqs(&mbox->box, view, seq1, seq2);
}

static void
msgraph_sync_expunged(void *context, uint32_t uid, const char *id)
{
	struct msgraph_mailbox *mbox = context;

	/* it may be had back from where Exchange keeps it, so its body is not
	   removed but left to the cache's own rules */
	if (id != NULL)
		msgraph_bodies_release(mbox->storage->account->bodies, id);
	if (mbox->box.v.sync_notify != NULL)
		mailbox_sync_notify(&mbox->box, uid, MAILBOX_SYNC_TYPE_EXPUNGE);
}

static bool msgraph_sync_is_own(void *context, const char *id)
{
	struct msgraph_mailbox *mbox = context;

	return msgraph_bodies_is_pinned(mbox->storage->account->bodies, id);
}

/* What was a draft may have been edited and sent since we have seen it in
   another folder. */
static void
msgraph_sync_arrived(void *context, const char *id, bool draft,
		     uint32_t content)
{
	struct msgraph_mailbox *mbox = context;
	struct msgraph_bodies *bodies = mbox->storage->account->bodies;
	uint32_t kept;

	if (msgraph_bodies_is_draft(bodies, id, &kept) &&
	    (!draft || content == 0 || content != kept))
		msgraph_bodies_remove(bodies, id);
}

static void msgraph_sync_edited(void *context, const char *id)
{
	struct msgraph_mailbox *mbox = context;

	msgraph_bodies_remove(mbox->storage->account->bodies, id);
}

static void msgraph_sync_progress(void *context, unsigned int messages)
{
	struct msgraph_mailbox *mbox = context;
	struct mail_storage *storage = &mbox->storage->storage;

	if (storage->callbacks.notify_ok == NULL)
		return;
	T_BEGIN {
		storage->callbacks.notify_ok(&mbox->box, t_strdup_printf(
			"Reading the list of messages from Microsoft 365: "
			"%u so far", messages), storage->callback_context);
	} T_END;
}

static void msgraph_sync_renamed(void *context, const char *old_id,
				 const char *id)
{
	struct msgraph_mailbox *mbox = context;

	if (old_id != NULL)
		msgraph_bodies_rename(mbox->storage->account->bodies, old_id,
				      id);
}

static void
msgraph_sync_differs(void *context, enum msgraph_difference what, uint32_t uid,
		     const char *id)
{
	struct msgraph_mailbox *mbox = context;

	if (mbox->differs != NULL)
		mbox->differs(mbox->differs_context, what, uid, id);
}

int msgraph_mailbox_sync_env(struct msgraph_mailbox *mbox,
			     struct msgraph_sync_env *env)
{
	struct mailbox *box = &mbox->box;
	struct msgraph_account *account = mbox->storage->account;
	const char *path;

	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX, &path) <= 0)
		return -1;
	i_zero(env);
	env->index = box->index;
	env->idmap = mbox->idmap;
	env->quarantine = mbox->quarantine;
	env->client = account->client;
	env->event = box->event;
	env->folder_id = mbox->folder_id;
	env->dir = path;
	env->expunge_mode = account->set->expunge;
	env->is_trash = mbox->role == GRAPH_FOLDER_DELETED;
	env->trash_id = msgraph_folders_role_id(account->folders,
						GRAPH_FOLDER_DELETED);
	env->index_sync_flags = index_storage_get_sync_flags(box);
	env->next_uid_validity = msgraph_sync_next_uid_validity;
	env->is_own = msgraph_sync_is_own;
	env->recent = msgraph_sync_recent;
	env->expunged = msgraph_sync_expunged;
	env->edited = msgraph_sync_edited;
	env->arrived = msgraph_sync_arrived;
	env->renamed = msgraph_sync_renamed;
	env->differs = msgraph_sync_differs;
	env->progress = msgraph_sync_progress;
	env->context = mbox;
	return 0;
}

static int
msgraph_mailbox_sync_run(struct msgraph_mailbox *mbox,
			 enum msgraph_sync_flags flags,
			 struct msgraph_sync_result *result_r)
{
	struct mailbox *box = &mbox->box;
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_sync_env env;
	const char *error;
	struct timeval now;
	int64_t since;
	int ret;

	if (msgraph_mailbox_sync_env(mbox, &env) < 0)
		return -1;
	i_gettimeofday(&now);
	since = now.tv_sec * 1000LL + now.tv_usec / 1000;
	if ((flags & MSGRAPH_SYNC_AHEAD) != 0 &&
	    graph_delta_have_ahead(account->client, mbox->folder_id))
		since = account->status.ahead_since;
	graph_client_set_deadline(account->client, 0);
	ret = msgraph_sync_run(&env, flags, result_r, &error);
	if (ret < 0) {
		mailbox_set_critical(box, "msgraph: sync: %s", error);
		return -1;
	}
	if (result_r->expunged > 0 && box->v.sync_notify != NULL)
		mailbox_sync_notify(box, 0, 0);
	if (result_r->appended + result_r->expunged + result_r->updated +
	    result_r->pushed > 0 || result_r->push.error != GRAPH_OK)
		msgraph_list_notify_signal(account);
	if ((flags & MSGRAPH_SYNC_PULL) != 0 &&
	    result_r->pull.error == GRAPH_OK) {
		msgraph_notify_pulled(mbox, since);
		account->outage_logged = FALSE;
		mbox->failure_told = FALSE;
		mbox->link_doubtful = FALSE;
	}
	return 0;
}

static void
msgraph_sync_tell(struct msgraph_mailbox *mbox, const char *what,
		  const struct graph_failure *fail)
{
	struct mail_storage *storage = &mbox->storage->storage;
	enum mail_error error;
	const char *text;

	if (storage->callbacks.notify_no == NULL)
		return;
	msgraph_error_describe(fail, &error, &text);
	storage->callbacks.notify_no(&mbox->box, t_strdup_printf(
		"%s: %s", what, text), storage->callback_context);
}

/* Graph now and then says 404 for what exists. To the client a mailbox that is
   gone means the end of the connection, so ask the folder tree, too. */
static bool msgraph_mailbox_is_gone(struct msgraph_mailbox *mbox,
				    const struct graph_failure *pull)
{
	struct msgraph_folders *folders = mbox->storage->account->folders;
	struct graph_failure fail;
	bool changed;

	if (pull->error != GRAPH_ERROR_FOLDER_GONE &&
	    pull->error != GRAPH_ERROR_NOT_FOUND)
		return FALSE;
	return msgraph_folders_refresh(folders, 0, &changed, &fail) == 0 &&
		msgraph_folders_find_id(folders, mbox->folder_id) == NULL;
}

static int
msgraph_mailbox_sync(struct msgraph_mailbox *mbox,
		     enum msgraph_sync_flags flags, unsigned int *news_r)
{
	struct mailbox *box = &mbox->box;
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_sync_result result;
	struct graph_failure ignored;
	bool changed;

	i_zero(&result);
	/* a second time in a row it is the link that is meant */
	if ((flags & MSGRAPH_SYNC_PULL) != 0 && mbox->link_doubtful)
		flags |= MSGRAPH_SYNC_FULL;
	if (msgraph_mailbox_sync_run(mbox, flags, &result) < 0)
		return -1;
	if (news_r != NULL)
		*news_r = result.appended + result.expunged;
	if (result.push.error != GRAPH_OK)
		msgraph_error_log(account, &result.push, "send changes");
	if (result.refused.error != GRAPH_OK)
		msgraph_sync_tell(mbox, "Some changes were not accepted and "
				  "are undone", &result.refused);
	if (result.pull.error == GRAPH_OK)
		return 0;

	if (msgraph_mailbox_is_gone(mbox, &result.pull)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTFOUND,
			"The folder no longer exists in Microsoft 365");
		mailbox_set_deleted(box);
		/* another may have its name by now */
		(void)msgraph_folders_refresh(account->folders, 0, &changed,
					      &ignored);
		return -1;
	}
	if (result.pull.error == GRAPH_ERROR_FOLDER_GONE ||
	    result.pull.error == GRAPH_ERROR_NOT_FOUND)
		mbox->link_doubtful = TRUE;
	if (!result.synced) {
		msgraph_error_set_storage(box->storage, &result.pull);
		return -1;
	}
	msgraph_error_log(account, &result.pull, "read changes");
	if (!mbox->failure_told)
		msgraph_sync_tell(mbox, "Showing the mailbox as it was last "
				  "known", &result.pull);
	mbox->failure_told = TRUE;
	return 0;
}

int msgraph_mailbox_sync_strictly(struct msgraph_mailbox *mbox,
				  enum msgraph_sync_flags flags,
				  struct msgraph_sync_result *result_r)
{
	struct mail_storage *storage = mbox->box.storage;

	if (msgraph_mailbox_sync_run(mbox, flags, result_r) < 0)
		return -1;
	if ((result_r->pull.error == GRAPH_ERROR_FOLDER_GONE ||
	     result_r->pull.error == GRAPH_ERROR_NOT_FOUND) &&
	    !msgraph_mailbox_is_gone(mbox, &result_r->pull) &&
	    msgraph_mailbox_sync_run(mbox, flags | MSGRAPH_SYNC_FULL,
				     result_r) < 0)
		return -1;
	if (result_r->pull.error != GRAPH_OK) {
		msgraph_error_set_storage(storage, &result_r->pull);
		return -1;
	}
	if (result_r->push.error != GRAPH_OK) {
		msgraph_error_set_storage(storage, &result_r->push);
		return -1;
	}
	return 0;
}

int msgraph_mailbox_sync_now(struct msgraph_mailbox *mbox,
			     enum msgraph_sync_flags flags,
			     unsigned int *news_r)
{
	int ret;

	T_BEGIN {
		ret = msgraph_mailbox_sync(mbox, flags | MSGRAPH_SYNC_PULL,
					   news_r);
	} T_END;
	return ret;
}

void msgraph_mailbox_push(struct msgraph_mailbox *mbox)
{
	T_BEGIN {
		(void)msgraph_mailbox_sync(mbox, 0, NULL);
	} T_END;
}

bool msgraph_mailbox_was_synced(struct msgraph_mailbox *mbox)
{
	struct msgraph_folder_state state;
	bool ret;

	T_BEGIN {
		msgraph_idmap_get_state(mbox->idmap, mbox->box.view, &state);
		ret = state.generation > 0;
	} T_END;
	return ret;
}

/* Fast syncs follow every command, an expunge only sends what is pending, and
   where no expunges may be shown the answer would be half of it: these ask Graph
   for nothing. SELECT, NOOP, CHECK, STATUS and IDLE do ask; the first sync of a
   SELECT does not if another session has just done so, since clients open a
   folder with several connections at a time. */
static bool msgraph_mailbox_wants_pull(struct msgraph_mailbox *mbox,
				       enum mailbox_sync_flags flags)
{
	bool first = !mbox->synced;

	mbox->synced = TRUE;
	if (!msgraph_mailbox_was_synced(mbox))
		return TRUE;
	if ((flags & (MAILBOX_SYNC_FLAG_FAST | MAILBOX_SYNC_FLAG_EXPUNGE |
		      MAILBOX_SYNC_FLAG_NO_EXPUNGES)) != 0)
		return FALSE;
	if (!first || (flags & MAILBOX_SYNC_FLAG_FULL_READ) == 0 ||
	    mbox->link_doubtful || !msgraph_notify_is_fresh(mbox))
		return TRUE;
	/* what others have put into the index, and this session by another
	   mailbox object: a pull would have looked */
	(void)mail_index_refresh(mbox->box.index);
	return FALSE;
}

struct mailbox_sync_context *
msgraph_mailbox_sync_init(struct mailbox *box, enum mailbox_sync_flags flags)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	enum msgraph_sync_flags sync_flags = 0;
	int ret = 0;

	if (!box->opened && mailbox_open(box) < 0)
		return index_mailbox_sync_init(box, flags, TRUE);

	if ((flags & MAILBOX_SYNC_FLAG_FORCE_RESYNC) != 0)
		sync_flags = MSGRAPH_SYNC_PULL | MSGRAPH_SYNC_FULL;
	else if (msgraph_mailbox_wants_pull(mbox, flags))
		sync_flags = MSGRAPH_SYNC_PULL;

	if (sync_flags != 0 || msgraph_sync_have_pending(box->index)) {
		T_BEGIN {
			ret = msgraph_mailbox_sync(mbox, sync_flags, NULL);
		} T_END;
	}
	return index_mailbox_sync_init(box, flags, ret < 0);
}
