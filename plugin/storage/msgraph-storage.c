/* The storage class and the mailbox: alloc, open, status, create, delete.
   What a mailbox does with its messages is in the other files of this folder;
   what is generic is lib-storage's index-storage. */

#include "lib.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-namespace.h"
#include "index-mail.h"
#include "dovecot-compat.h"
#include "msgraph-bodies.h"
#include "msgraph-error.h"
#include "msgraph-folders.h"
#include "msgraph-list.h"
#include "msgraph-quarantine.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

/* an unknown folder is looked for, but not again at once */
#define FOLDER_REFRESH_MSECS 1000

#define METADATA_OF_MESSAGES \
	(MAILBOX_METADATA_VIRTUAL_SIZE | MAILBOX_METADATA_PHYSICAL_SIZE | \
	 MAILBOX_METADATA_FIRST_SAVE_DATE)

struct event_category event_category_msgraph = {
	.name = "msgraph",
	.parent = &event_category_storage,
};

static struct mailbox msgraph_mailbox;

static struct mail_storage *msgraph_storage_alloc(void)
{
	struct msgraph_storage *storage;
	pool_t pool;

	pool = pool_alloconly_create("msgraph storage", 1024);
	storage = p_new(pool, struct msgraph_storage, 1);
	storage->storage = msgraph_storage;
	storage->storage.pool = pool;
	return &storage->storage;
}

static int
msgraph_storage_create(struct mail_storage *_storage,
		       struct mail_namespace *ns, const char **error_r)
{
	struct msgraph_storage *storage = MSGRAPH_STORAGE(_storage);
	const struct msgraph_settings *set;
	const char *root_dir;

	if (msgraph_settings_read(ns, _storage->pool, &set, error_r) < 0)
		return -1;
	root_dir = mailbox_list_get_root_forced(ns->list,
						MAILBOX_LIST_PATH_TYPE_DIR);
	if (strcmp(ns->list->name, MSGRAPH_LIST_NAME) != 0) {
		*error_r = t_strdup_printf(
			"msgraph: the mailbox list layout must be "
			MSGRAPH_LIST_NAME", not %s", ns->list->name);
		return -1;
	}
	if (msgraph_account_create(ns->user, _storage->event, root_dir, set,
				   &storage->account, error_r) < 0)
		return -1;
	/* One storage object for each (service, account, mailbox). */
	_storage->unique_root_dir = p_strdup_printf(_storage->pool,
		"%s\t%s\t%s\t%s", set->url, set->account, set->mailbox,
		root_dir);
	return 0;
}

static void msgraph_storage_destroy(struct mail_storage *_storage)
{
	struct msgraph_storage *storage = MSGRAPH_STORAGE(_storage);

	if (storage->account != NULL)
		msgraph_account_unref(&storage->account);
	index_storage_destroy(_storage);
}

static struct mailbox *
msgraph_mailbox_alloc(struct mail_storage *storage, struct mailbox_list *list,
		      const char *vname, enum mailbox_flags flags)
{
	struct msgraph_mailbox *mbox;
	struct index_mailbox_context *ibox;
	pool_t pool;

	/* UIDs exist in the index alone */
	flags &= ENUM_NEGATE(MAILBOX_FLAG_NO_INDEX_FILES);

	pool = pool_alloconly_create("msgraph mailbox", 1024*3);
	mbox = p_new(pool, struct msgraph_mailbox, 1);
	mbox->box = msgraph_mailbox;
	mbox->box.pool = pool;
	mbox->box.storage = storage;
	mbox->box.list = list;
	mbox->box.mail_vfuncs = &msgraph_mail_vfuncs;
	mbox->storage = MSGRAPH_STORAGE(storage);
	mbox->role = GRAPH_FOLDER_ROLE_COUNT;

	index_storage_mailbox_alloc(&mbox->box, vname, flags,
				    MAIL_INDEX_PREFIX);
	ibox = INDEX_STORAGE_CONTEXT(&mbox->box);
	ibox->index_flags |= MAIL_INDEX_OPEN_FLAG_KEEP_BACKUPS |
		MAIL_INDEX_OPEN_FLAG_NEVER_IN_MEMORY;
	return &mbox->box;
}

/* Find the box's folder in the tree: as it is known, then once more after
   asking Graph. Returns 1, 0 = no such folder, -1 = error set. */
static int
msgraph_mailbox_find_folder(struct msgraph_mailbox *mbox,
			    const struct msgraph_folder **folder_r)
{
	struct msgraph_folders *folders = mbox->storage->account->folders;
	struct graph_failure fail;
	bool changed;

	if (msgraph_folders_load(folders, &fail) < 0) {
		msgraph_error_set_storage(mbox->box.storage, &fail);
		return -1;
	}
	*folder_r = msgraph_folders_find(folders, mbox->box.name);
	if (*folder_r != NULL)
		return 1;
	if (msgraph_folders_refresh(folders, FOLDER_REFRESH_MSECS, &changed,
				    &fail) < 0) {
		msgraph_error_set_storage(mbox->box.storage, &fail);
		return -1;
	}
	*folder_r = msgraph_folders_find(folders, mbox->box.name);
	return *folder_r != NULL ? 1 : 0;
}

static int
msgraph_mailbox_exists(struct mailbox *box, bool auto_boxes,
		       enum mailbox_existence *existence_r)
{
	const struct msgraph_folder *folder;
	int ret;

	if (auto_boxes && mailbox_is_autocreated(box)) {
		*existence_r = MAILBOX_EXISTENCE_SELECT;
		return 0;
	}
	ret = msgraph_mailbox_find_folder(MSGRAPH_MAILBOX(box), &folder);
	if (ret < 0)
		return -1;
	*existence_r = ret > 0 ? MAILBOX_EXISTENCE_SELECT :
		MAILBOX_EXISTENCE_NONE;
	return 0;
}

static int msgraph_mailbox_open(struct mailbox *box)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	const struct msgraph_folder *folder;
	struct graph_failure fail;
	const char *path;
	bool changed;
	int ret;

	/* what is deleted is what has the name now, not some time ago */
	if (box->deleting &&
	    msgraph_folders_refresh(mbox->storage->account->folders, 0,
				    &changed, &fail) < 0) {
		msgraph_error_set_storage(box->storage, &fail);
		return -1;
	}
	ret = msgraph_mailbox_find_folder(mbox, &folder);
	if (ret < 0)
		return -1;
	if (ret == 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTFOUND,
				       T_MAIL_ERR_MAILBOX_NOT_FOUND(box->vname));
		return -1;
	}
	mbox->folder_id = p_strdup(box->pool, folder->id);
	mbox->role = folder->role;
	if (mailbox_create_missing_dir(box, MAILBOX_LIST_PATH_TYPE_INDEX) < 0)
		return -1;
	/* it is found by the name: another process may just have learnt that
	   this is another folder's now */
	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX,
				&path) > 0 &&
	    !msgraph_list_is_dir_of(box->list, path, mbox->folder_id)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_INUSE,
			"The folder has just been renamed; try again");
		return -1;
	}
	if (index_storage_mailbox_open(box, FALSE) < 0)
		return -1;
	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX, &path) <= 0) {
		mailbox_set_critical(box, "msgraph: no index path");
		return -1;
	}
	mbox->idmap = msgraph_idmap_init(box->index, path);
	mbox->quarantine = msgraph_quarantine_init(path, box->event);
	return 0;
}

static void msgraph_mailbox_close(struct mailbox *box)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);

	timeout_remove(&mbox->to_poll);
	/* What the session has changed last goes to Graph now; if that fails
	   it stays in the index's log and the next session sends it. */
	if (mbox->idmap != NULL && box->opened && !box->deleting &&
	    !box->mailbox_deleted && !mbox->looking &&
	    msgraph_sync_have_pending(box->index))
		msgraph_mailbox_push(mbox);
	if (mbox->idmap != NULL)
		msgraph_idmap_deinit(&mbox->idmap);
	msgraph_quarantine_deinit(&mbox->quarantine);
	index_storage_mailbox_close(box);
}

static int
msgraph_mailbox_create(struct mailbox *box,
		       const struct mailbox_update *update,
		       bool directory ATTR_UNUSED)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	struct msgraph_folders *folders = mbox->storage->account->folders;
	const struct msgraph_folder *folder;
	struct graph_failure fail;
	int ret;

	if (update != NULL &&
	    (update->uid_validity != 0 ||
	     !guid_128_is_empty(update->mailbox_guid))) {
		/* dsync goes on with a folder that exists */
		ret = msgraph_mailbox_find_folder(mbox, &folder);
		if (ret == 0) {
			mail_storage_set_error(box->storage,
				MAIL_ERROR_NOTPOSSIBLE,
				"Identity of a Microsoft 365 folder cannot be "
				"chosen");
		}
		if (ret <= 0)
			return -1;
	}
	if (msgraph_folders_load(folders, &fail) < 0 ||
	    msgraph_folders_create(folders, box->name, &fail) < 0) {
		msgraph_error_set_storage(box->storage, &fail);
		return -1;
	}
	return 0;
}

static int
msgraph_mailbox_update(struct mailbox *box, const struct mailbox_update *update)
{
	if (update->uid_validity != 0 ||
	    !guid_128_is_empty(update->mailbox_guid)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
			"Identity of a Microsoft 365 folder cannot be changed");
		return -1;
	}
	return index_storage_mailbox_update(box, update);
}

/* As Graph sees it now; new messages that it only names are there, too. */
static int msgraph_mailbox_check_empty(struct mailbox *box)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	struct msgraph_sync_result result;
	struct mail_index_view *view;
	unsigned int i, count;

	if (msgraph_mailbox_sync_strictly(mbox, MSGRAPH_SYNC_PULL,
					  &result) < 0)
		return -1;
	view = mail_index_view_open(box->index);
	count = mail_index_view_get_messages_count(view);
	mail_index_view_close(&view);
	for (i = msgraph_quarantine_count(mbox->quarantine); i > 0; i--) {
		if (msgraph_quarantine_get(mbox->quarantine, i - 1)->kind ==
		    MSGRAPH_QUARANTINE_ROW)
			count++;
	}
	if (count > 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_EXISTS,
				       "Mailbox isn't empty");
		return -1;
	}
	return 0;
}

static int msgraph_mailbox_delete(struct mailbox *box)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	struct msgraph_account *account = mbox->storage->account;
	int ret = 0;

	if (!box->opened)
		return index_storage_mailbox_delete(box);
	/* the list deletes by name */
	account->deleting_id = mbox->folder_id;
	/* Graph takes the folder and what is in it in one request, so the
	   generic expunge of all messages first is left out. If Graph refuses,
	   mailbox_delete() takes the mark back. */
	if (box->deleting_must_be_empty) T_BEGIN {
		ret = msgraph_mailbox_check_empty(box);
	} T_END;
	if (ret == 0)
		ret = mailbox_mark_index_deleted(box, TRUE);
	if (ret == 0)
		ret = index_storage_mailbox_delete_post(box);
	account->deleting_id = NULL;
	return ret;
}

static int
msgraph_mailbox_get_status(struct mailbox *box,
			   enum mailbox_status_items items,
			   struct mailbox_status *status_r)
{
	/* index-storage would open it with a fast sync, which asks Graph
	   nothing */
	if (items != 0 && !box->opened &&
	    (mailbox_open(box) < 0 ||
	     msgraph_status_sync(MSGRAPH_MAILBOX(box)) < 0 ||
	     mailbox_sync(box, MAILBOX_SYNC_FLAG_FAST) < 0))
		return -1;
	if (index_storage_get_status(box, items, status_r) < 0)
		return -1;
	status_r->have_guids = TRUE;
	/* dsync then finds its messages by them. It is not asked to keep one:
	   what would have to is refused by msgraph_save_check_identity(). */
	status_r->have_save_guids = TRUE;
	if ((items & STATUS_PERMANENT_FLAGS) != 0) {
		/* \Draft is Graph's to decide and never changes */
		status_r->permanent_flags &= ENUM_NEGATE(MAIL_DRAFT);
	}
	return 0;
}

/* Of the folder's id: outlives renames and a lost index. Where dsync finds a
   folder on both sides, both take the greater GUID of the two. This one cannot
   change, so it is made greater than any that Dovecot itself makes: they begin
   with a nanosecond, the low byte first. */
static void msgraph_folder_guid128(const char *id, guid_128_t guid_r)
{
	msgraph_id_guid128(id, guid_r);
	memset(guid_r, 0xff, sizeof(uint32_t));
}

static int
msgraph_mailbox_get_metadata(struct mailbox *box,
			     enum mailbox_metadata_items items,
			     struct mailbox_metadata *metadata_r)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	const struct msgraph_folder *folder;
	int ret;

	if ((items & MAILBOX_METADATA_GUID) != 0 && box->opened) {
		msgraph_folder_guid128(mbox->folder_id, metadata_r->guid);
		items &= ENUM_NEGATE(MAILBOX_METADATA_GUID);
	} else if ((items & MAILBOX_METADATA_GUID) != 0) {
		ret = msgraph_mailbox_find_folder(mbox, &folder);
		if (ret < 0)
			return -1;
		if (ret == 0) {
			mail_storage_set_error(box->storage,
				MAIL_ERROR_NOTFOUND,
				T_MAIL_ERR_MAILBOX_NOT_FOUND(box->vname));
			return -1;
		}
		msgraph_folder_guid128(folder->id, metadata_r->guid);
		items &= ENUM_NEGATE(MAILBOX_METADATA_GUID);
	}
	/* as for the status: index-storage asks Graph nothing */
	if ((items & METADATA_OF_MESSAGES) != 0 && !box->opened &&
	    (mailbox_open(box) < 0 || mailbox_sync(box, 0) < 0))
		return -1;
	if (items != 0 &&
	    index_mailbox_get_metadata(box, items, metadata_r) < 0)
		return -1;
	return 0;
}

struct mail_storage msgraph_storage = {
	.name = MSGRAPH_STORAGE_NAME,
	.class_flags = MAIL_STORAGE_CLASS_FLAG_NO_ROOT |
		MAIL_STORAGE_CLASS_FLAG_UNIQUE_ROOT |
		MAIL_STORAGE_CLASS_FLAG_HAVE_MAIL_GUIDS |
		MAIL_STORAGE_CLASS_FLAG_HAVE_MAIL_GUID128 |
		MAIL_STORAGE_CLASS_FLAG_SECONDARY_INDEX,
	.event_category = &event_category_msgraph,

	.v = {
		.alloc = msgraph_storage_alloc,
		.create = msgraph_storage_create,
		.destroy = msgraph_storage_destroy,
		MSGRAPH_COMPAT_STORAGE_VFUNCS
		.mailbox_alloc = msgraph_mailbox_alloc,
	}
};

static struct mailbox msgraph_mailbox = {
	.v = {
		.is_readonly = index_storage_is_readonly,
		.enable = index_storage_mailbox_enable,
		.exists = msgraph_mailbox_exists,
		.open = msgraph_mailbox_open,
		.close = msgraph_mailbox_close,
		.free = index_storage_mailbox_free,
		.create_box = msgraph_mailbox_create,
		.update_box = msgraph_mailbox_update,
		.delete_box = msgraph_mailbox_delete,
		.rename_box = index_storage_mailbox_rename,
		.get_status = msgraph_mailbox_get_status,
		.get_metadata = msgraph_mailbox_get_metadata,
		.set_subscribed = index_storage_set_subscribed,
		.attribute_set = index_storage_attribute_set,
		.attribute_get = index_storage_attribute_get,
		.attribute_iter_init = index_storage_attribute_iter_init,
		.attribute_iter_next = index_storage_attribute_iter_next,
		.attribute_iter_deinit = index_storage_attribute_iter_deinit,
		.list_index_has_changed = index_storage_list_index_has_changed,
		.list_index_update_sync = index_storage_list_index_update_sync,
		.sync_init = msgraph_mailbox_sync_init,
		.sync_next = index_mailbox_sync_next,
		.sync_deinit = index_mailbox_sync_deinit,
		.notify_changes = msgraph_notify_changes,
		.transaction_begin = index_transaction_begin,
		.transaction_commit = index_transaction_commit,
		.transaction_rollback = index_transaction_rollback,
		.mail_alloc = msgraph_mail_alloc,
		.search_init = msgraph_search_init,
		.search_deinit = msgraph_search_deinit,
		.search_next_nonblock = index_storage_search_next_nonblock,
		.search_next_update_seq = index_storage_search_next_update_seq,
		.search_next_match_mail = index_storage_search_next_match_mail,
		.save_alloc = msgraph_save_alloc,
		.save_begin = msgraph_save_begin,
		.save_continue = msgraph_save_continue,
		.save_finish = msgraph_save_finish,
		.save_cancel = msgraph_save_cancel,
		.copy = msgraph_copy,
		.transaction_save_commit_pre =
			msgraph_transaction_save_commit_pre,
		.transaction_save_commit_post =
			msgraph_transaction_save_commit_post,
		.transaction_save_rollback = msgraph_transaction_save_rollback,
		.is_inconsistent = index_storage_is_inconsistent,
	}
};
