#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-namespace.h"
#include "graph-client.h"
#include "msgraph-admin.h"
#include "msgraph-error.h"
#include "msgraph-folders.h"
#include "msgraph-list.h"
#include "msgraph-quarantine.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

#include <sys/stat.h>

/* another process may apply what it has pulled while we compare */
#define VERIFY_TRIES 5

static const char *const difference_names[] = {
	[MSGRAPH_DIFFERS_MISSING] = "missing",
	[MSGRAPH_DIFFERS_GONE] = "gone",
	[MSGRAPH_DIFFERS_FLAGS] = "flags",
	[MSGRAPH_DIFFERS_ID] = "id",
	[MSGRAPH_DIFFERS_CONTENT] = "content",
};

struct verify {
	pool_t pool;
	ARRAY_TYPE(msgraph_admin_difference) found;
};

static bool is_ours(const struct mail_storage *storage)
{
	return strcmp(storage->name, MSGRAPH_STORAGE_NAME) == 0;
}

MSGRAPH_ADMIN_EXPORT
bool msgraph_admin_has_namespace(struct mail_namespace *ns)
{
	return ns->alias_for == NULL &&
		is_ours(mail_namespace_get_default_storage(ns));
}

MSGRAPH_ADMIN_EXPORT
bool msgraph_admin_has_mailbox(struct mailbox *box)
{
	return is_ours(mailbox_get_storage(box));
}

MSGRAPH_ADMIN_EXPORT
int msgraph_admin_names(struct mail_namespace *ns, bool ask, pool_t pool,
			ARRAY_TYPE(const_string) *names_r,
			enum mail_error *kind_r, const char **error_r)
{
	struct msgraph_account *account = msgraph_list_get_account(ns->list);
	struct msgraph_folders *folders = account->folders;
	struct graph_failure fail;
	const char *name;
	unsigned int i;
	bool changed;

	if (msgraph_folders_load(folders, &fail) < 0 ||
	    (ask && msgraph_folders_refresh(folders, 0, &changed,
					    &fail) < 0)) {
		msgraph_error_describe(&fail, kind_r, error_r);
		return -1;
	}
	p_array_init(names_r, pool, 32);
	for (i = 0; i < msgraph_folders_count(folders); i++) {
		name = mailbox_list_get_vname(ns->list,
			msgraph_folders_get(folders, i)->storage_name);
		name = p_strdup(pool, name);
		array_push_back(names_r, &name);
	}
	return 0;
}

MSGRAPH_ADMIN_EXPORT
const char *msgraph_admin_account(struct mail_namespace *ns,
				  const char **state_r, const char **text_r)
{
	struct msgraph_account *account = msgraph_list_get_account(ns->list);

	*state_r = msgraph_account_sign_in(account, text_r);
	return account->set->account;
}

/*
 * Status
 */

static int
status_fill(struct msgraph_mailbox *mbox, struct msgraph_admin_status *status)
{
	struct mailbox *box = &mbox->box;
	struct msgraph_folder_state state;
	struct msgraph_sync_env env;
	const char *error;
	struct stat st;

	if (msgraph_mailbox_sync_env(mbox, &env) < 0)
		return -1;
	if (msgraph_sync_count_pending(&env, &status->pending, &error) < 0) {
		mailbox_set_critical(box, "msgraph: %s", error);
		return -1;
	}
	msgraph_idmap_get_state(mbox->idmap, box->view, &state);
	status->messages = mail_index_view_get_messages_count(box->view);
	status->quarantined = msgraph_quarantine_count(mbox->quarantine);
	if (msgraph_sync_is_listing(env.dir))
		status->delta = "listing";
	else if (state.generation == 0)
		status->delta = "new";
	else
		status->delta = state.link == NULL ? "lost" : "ok";
	if (stat(msgraph_list_read_file(box->list, mbox->folder_id), &st) == 0)
		status->synced = st.st_mtime;
	return 0;
}

/* A folder that nobody has ever opened is left as it is. */
static bool status_is_untouched(struct mailbox *box)
{
	const char *path;
	struct stat st;

	return !box->opened &&
		mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX,
				    &path) > 0 &&
		stat(path, &st) < 0 && errno == ENOENT;
}

MSGRAPH_ADMIN_EXPORT
int msgraph_admin_status(struct mailbox *box,
			 struct msgraph_admin_status *status_r)
{
	int ret;

	i_zero(status_r);
	status_r->delta = "new";
	if (status_is_untouched(box))
		return 0;
	if (mailbox_open(box) < 0)
		return -1;
	T_BEGIN {
		ret = status_fill(MSGRAPH_MAILBOX(box), status_r);
	} T_END;
	return ret;
}

/*
 * Sync
 */

static int
admin_sync(struct mailbox *box, enum msgraph_sync_flags flags,
	   struct msgraph_sync_result *result_r)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	int ret;

	if (mailbox_open(box) < 0)
		return -1;
	graph_client_set_priority(mbox->storage->account->client,
				  GRAPH_PRIORITY_BACKGROUND);
	T_BEGIN {
		ret = msgraph_mailbox_sync_strictly(mbox, flags, result_r);
	} T_END;
	graph_client_set_priority(mbox->storage->account->client,
				  GRAPH_PRIORITY_INTERACTIVE);
	/* ours, and those of others that see the index */
	return ret < 0 ? -1 : mailbox_sync(box, MAILBOX_SYNC_FLAG_FAST);
}

MSGRAPH_ADMIN_EXPORT
int msgraph_admin_sync(struct mailbox *box,
		       struct msgraph_admin_changes *changes_r)
{
	struct msgraph_sync_result result;

	if (admin_sync(box, MSGRAPH_SYNC_PULL, &result) < 0)
		return -1;
	changes_r->appended = result.appended;
	changes_r->expunged = result.expunged;
	changes_r->updated = result.updated;
	changes_r->pushed = result.pushed;
	return 0;
}

/*
 * Verify
 */

static void verify_found(void *context, enum msgraph_difference what,
			 uint32_t uid, const char *id)
{
	struct verify *verify = context;
	struct msgraph_admin_difference *found =
		array_append_space(&verify->found);

	found->what = difference_names[what];
	found->uid = uid;
	found->id = p_strdup(verify->pool, id);
}

/* Compare once, after a sync, so that what has changed meanwhile is known. */
static int verify_once(struct mailbox *box, struct verify *verify)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	struct msgraph_sync_result result;
	unsigned int tries;
	int ret;

	for (tries = 0; tries < VERIFY_TRIES; tries++) {
		array_clear(&verify->found);
		if (admin_sync(box, MSGRAPH_SYNC_PULL, &result) < 0)
			return -1;
		mbox->differs = verify_found;
		mbox->differs_context = verify;
		ret = admin_sync(box, MSGRAPH_SYNC_VERIFY, &result);
		mbox->differs = NULL;
		if (ret < 0)
			return -1;
		if (result.unnamed) {
			e_warning(box->event, "msgraph: some rows of the "
				  "listing could not be used, so nothing was "
				  "looked for that is gone");
		}
		if (result.compared)
			return 0;
	}
	mail_storage_set_error(box->storage, MAIL_ERROR_INUSE,
		"Other sessions change the mailbox all the time. Try again");
	return -1;
}

static bool
verify_has(const ARRAY_TYPE(msgraph_admin_difference) *all,
	   const struct msgraph_admin_difference *one)
{
	const struct msgraph_admin_difference *d;

	array_foreach(all, d) {
		if (d->what == one->what && d->uid == one->uid &&
		    null_strcmp(d->id, one->id) == 0)
			return TRUE;
	}
	return FALSE;
}

/* What is found a second time, after one more sync, is not merely something
   that has changed between the listing and a sync. */
static int verify_twice(struct mailbox *box, struct verify *verify,
			ARRAY_TYPE(msgraph_admin_difference) *found_r)
{
	struct verify again = { .pool = verify->pool };
	const struct msgraph_admin_difference *d;
	int ret;

	if (verify_once(box, verify) < 0)
		return -1;
	if (array_is_empty(&verify->found))
		return 0;
	i_array_init(&again.found, 16);
	ret = verify_once(box, &again);
	array_foreach(&verify->found, d) {
		if (ret == 0 && verify_has(&again.found, d))
			array_push_back(found_r, d);
	}
	array_free(&again.found);
	return ret;
}

/* All that was found is mended by taking a complete listing for the truth; then
   it is looked whether it was. */
static int verify_repair(struct mailbox *box, struct verify *verify,
			 ARRAY_TYPE(msgraph_admin_difference) *found)
{
	struct msgraph_admin_difference *d;
	struct msgraph_sync_result result;

	if (admin_sync(box, MSGRAPH_SYNC_PULL | MSGRAPH_SYNC_FULL,
		       &result) < 0 || verify_once(box, verify) < 0)
		return -1;
	array_foreach_modifiable(found, d)
		d->mended = !verify_has(&verify->found, d);
	return 0;
}

MSGRAPH_ADMIN_EXPORT
int msgraph_admin_verify(struct mailbox *box, bool repair, pool_t pool,
			 ARRAY_TYPE(msgraph_admin_difference) *found_r)
{
	struct verify verify = { .pool = pool };
	int ret;

	p_array_init(found_r, pool, 16);
	i_array_init(&verify.found, 16);
	ret = verify_twice(box, &verify, found_r);
	if (ret == 0 && repair && !array_is_empty(found_r))
		ret = verify_repair(box, &verify, found_r);
	array_free(&verify.found);
	return ret;
}
