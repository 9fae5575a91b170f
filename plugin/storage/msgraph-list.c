/* The mailbox_list driver: names and flags from the folder tree. */

#include "lib.h"
#include "imap-match.h"
#include "mailbox-tree.h"
#include "mailbox-list-private.h"
#include "mailbox-list-subscriptions.h"
#include "subscription-file.h"
#include "mail-storage-private.h"
#include "unlink-directory.h"
#include "dovecot-compat.h"
#include "msgraph-error.h"
#include "msgraph-folders.h"
#include "msgraph-list.h"
#include "msgraph-list-notify.h"
#include "msgraph-storage.h"

/* one LIST command may iterate more than once */
#define LIST_REFRESH_MSECS 1000

struct msgraph_list_iter {
	struct mailbox_list_iterate_context ctx;
	struct mailbox_tree_context *tree;
	struct mailbox_tree_iterate_context *iter;
	struct mailbox_info info;
};

static struct mailbox_list *msgraph_list_alloc(void)
{
	struct mailbox_list *list;
	pool_t pool;

	pool = pool_alloconly_create("msgraph mailbox list", 1024);
	list = p_new(pool, struct mailbox_list, 1);
	*list = msgraph_mailbox_list;
	list->pool = pool;
	return list;
}

static void msgraph_list_deinit(struct mailbox_list *list)
{
	pool_unref(&list->pool);
}

struct msgraph_account *msgraph_list_get_account(struct mailbox_list *list)
{
	struct mail_storage *storage;

	storage = list->ns->storage;
	if (storage == NULL ||
	    strcmp(storage->name, MSGRAPH_STORAGE_NAME) != 0)
		return NULL;
	return MSGRAPH_STORAGE(storage)->account;
}

/* The tree as it is known. NULL with the list's error set. */
static struct msgraph_folders *msgraph_list_tree(struct mailbox_list *list)
{
	struct msgraph_account *account = msgraph_list_get_account(list);
	struct graph_failure fail;

	if (account == NULL) {
		mailbox_list_set_critical(list, "msgraph: no storage");
		return NULL;
	}
	if (msgraph_folders_load(account->folders, &fail) < 0) {
		msgraph_error_set_list(list, &fail);
		return NULL;
	}
	return account->folders;
}

/* An unknown name may be a folder that somebody has just made: ask once. Known
   names cost nothing. NULL if there is none. */
static const struct msgraph_folder *
msgraph_list_find(struct mailbox_list *list, struct msgraph_folders *folders,
		  const char *name)
{
	const struct msgraph_folder *folder =
		msgraph_folders_find(folders, name);
	struct graph_failure fail;
	bool changed;

	if (folder != NULL)
		return folder;
	if (msgraph_folders_refresh(folders, LIST_REFRESH_MSECS, &changed,
				    &fail) < 0) {
		msgraph_error_log(msgraph_list_get_account(list), &fail,
				  "list folders");
		return NULL;
	}
	return msgraph_folders_find(folders, name);
}

static char msgraph_list_get_hierarchy_sep(struct mailbox_list *list
					   ATTR_UNUSED)
{
	return '/';
}

static const char *
msgraph_list_folder_dir(const char *root, const char *id)
{
	guid_128_t guid;

	msgraph_id_guid128(id, guid);
	return t_strdup_printf("%s/mailboxes/%s", root,
			       guid_128_to_string(guid));
}

const char *msgraph_list_read_file(struct mailbox_list *list,
				   const char *folder_id)
{
	return t_strconcat(msgraph_list_folder_dir(
		msgraph_compat_root_dir(list), folder_id), "/msgraph.read",
		NULL);
}

bool msgraph_list_is_dir_of(struct mailbox_list *list, const char *dir,
			    const char *folder_id)
{
	return strcmp(dir, msgraph_list_folder_dir(
		msgraph_compat_root_dir(list), folder_id)) == 0;
}

const char *msgraph_list_log_file(struct mailbox_list *list,
				  const char *folder_id)
{
	return t_strconcat(msgraph_list_folder_dir(
		msgraph_compat_root_dir(list), folder_id),
		"/"MAIL_INDEX_PREFIX".log", NULL);
}

static int
msgraph_list_get_path(struct mailbox_list *list, const char *name,
		      enum mailbox_list_path_type type, const char **path_r)
{
	const struct msgraph_folder *folder;
	struct msgraph_folders *folders;
	const char *root = msgraph_compat_root_dir(list);

	switch (type) {
	case MAILBOX_LIST_PATH_TYPE_ALT_DIR:
	case MAILBOX_LIST_PATH_TYPE_ALT_MAILBOX:
	case MAILBOX_LIST_PATH_TYPE_INDEX_PRIVATE:
		return 0;
	default:
		break;
	}
	if (name == NULL) {
		*path_r = root;
		return root != NULL ? 1 : 0;
	}
	folders = msgraph_list_tree(list);
	if (folders == NULL)
		return -1;
	folder = msgraph_list_find(list, folders, name);
	if (folder == NULL) {
		mailbox_list_set_error(list, MAIL_ERROR_NOTFOUND,
			T_MAIL_ERR_MAILBOX_NOT_FOUND(name));
		return -1;
	}
	*path_r = msgraph_list_folder_dir(root, folder->id);
	return 1;
}

static const char *
msgraph_list_get_temp_prefix(struct mailbox_list *list,
			     bool global ATTR_UNUSED)
{
	return t_strconcat(msgraph_compat_root_dir(list), "/temp.", NULL);
}

static const char *
msgraph_list_join_refpattern(struct mailbox_list *list ATTR_UNUSED,
			     const char *ref, const char *pattern)
{
	return t_strconcat(ref, pattern, NULL);
}

/*
 * Iteration
 */

static const char *special_use_of(enum graph_folder_role role)
{
	switch (role) {
	case GRAPH_FOLDER_DRAFTS:
		return "\\Drafts";
	case GRAPH_FOLDER_SENT:
		return "\\Sent";
	case GRAPH_FOLDER_DELETED:
		return "\\Trash";
	case GRAPH_FOLDER_JUNK:
		return "\\Junk";
	case GRAPH_FOLDER_ARCHIVE:
		return "\\Archive";
	default:
		return NULL;
	}
}

static int msgraph_list_refresh(struct mailbox_list *list)
{
	struct msgraph_account *account = msgraph_list_get_account(list);
	struct msgraph_folders *folders = msgraph_list_tree(list);
	struct graph_failure fail;
	bool changed;

	if (folders == NULL)
		return -1;
	if (msgraph_folders_refresh(folders, LIST_REFRESH_MSECS, &changed,
				    &fail) < 0) {
		/* the tree as it was last known is better than none */
		msgraph_error_log(account, &fail, "list folders");
	}
	return 0;
}

static void msgraph_list_build_tree(struct msgraph_list_iter *iter)
{
	struct mailbox_list *list = iter->ctx.list;
	struct msgraph_folders *folders =
		msgraph_list_get_account(list)->folders;
	struct mailbox_list_iter_update_context update;
	const struct msgraph_folder *folder;
	unsigned int i;

	i_zero(&update);
	update.iter_ctx = &iter->ctx;
	update.tree_ctx = iter->tree;
	update.glob = iter->ctx.glob;
	update.match_parents = TRUE;
	for (i = 0; i < msgraph_folders_count(folders); i++) T_BEGIN {
		folder = msgraph_folders_get(folders, i);
		update.leaf_flags = folder->has_children ?
			MAILBOX_CHILDREN : MAILBOX_NOCHILDREN;
		mailbox_list_iter_update(&update,
			mailbox_list_get_vname(list, folder->storage_name));
	} T_END;
}

static struct mailbox_list_iterate_context *
msgraph_list_iter_init(struct mailbox_list *list, const char *const *patterns,
		       enum mailbox_list_iter_flags flags)
{
	struct mailbox_list_iterate_context *ctx;
	struct msgraph_list_iter *iter;
	char sep = mail_namespace_get_sep(list->ns);
	pool_t pool;
	int ret = 0;

	if ((flags & MAILBOX_LIST_ITER_SELECT_SUBSCRIBED) == 0 ||
	    (flags & MAILBOX_LIST_ITER_RETURN_NO_FLAGS) == 0)
		ret = msgraph_list_refresh(list);
	if ((flags & MAILBOX_LIST_ITER_RETURN_SUBSCRIBED) != 0 &&
	    mailbox_list_iter_subscriptions_refresh(list) < 0)
		ret = -1;
	if ((flags & MSGRAPH_COMPAT_ITER_SUBSCRIBED) != 0) {
		ctx = msgraph_compat_subscriptions_iter_init(list, patterns,
							   flags);
		if (ret < 0)
			ctx->failed = TRUE;
		return ctx;
	}

	pool = pool_alloconly_create("msgraph list iter", 1024);
	iter = p_new(pool, struct msgraph_list_iter, 1);
	iter->ctx.pool = pool;
	iter->ctx.list = list;
	iter->ctx.flags = flags;
	iter->ctx.glob = imap_match_init_multiple(pool, patterns, FALSE, sep);
	array_create(&iter->ctx.module_contexts, pool, sizeof(void *), 5);
	iter->info.ns = list->ns;
	iter->tree = mailbox_tree_init(sep);
	mailbox_tree_set_parents_nonexistent(iter->tree);
	if (ret == 0)
		msgraph_list_build_tree(iter);
	else
		iter->ctx.failed = TRUE;
	iter->iter = mailbox_tree_iterate_init(iter->tree, NULL, 0);
	return &iter->ctx;
}

static const struct mailbox_info *
msgraph_list_iter_next(struct mailbox_list_iterate_context *_ctx)
{
	struct msgraph_list_iter *iter;
	const struct msgraph_folder *folder;
	struct mailbox_node *node;
	const char *vname;

	if (_ctx->failed)
		return NULL;
	if ((_ctx->flags & MSGRAPH_COMPAT_ITER_SUBSCRIBED) != 0)
		return msgraph_compat_subscriptions_iter_next(_ctx);

	iter = container_of(_ctx, struct msgraph_list_iter, ctx);
	do {
		node = mailbox_tree_iterate_next(iter->iter, &vname);
		if (node == NULL)
			return mailbox_list_iter_default_next(_ctx);
	} while ((node->flags & MAILBOX_MATCHED) == 0);

	iter->info.vname = vname;
	iter->info.flags = node->flags;
	if ((_ctx->flags & MAILBOX_LIST_ITER_RETURN_SUBSCRIBED) != 0)
		msgraph_compat_set_subscription_flags(_ctx->list, vname,
						      &iter->info.flags);
	iter->info.special_use = NULL;
	folder = msgraph_folders_find(
		msgraph_list_get_account(_ctx->list)->folders,
		mailbox_list_get_storage_name(_ctx->list, vname));
	if (folder != NULL)
		iter->info.special_use = special_use_of(folder->role);
	return &iter->info;
}

static int msgraph_list_iter_deinit(struct mailbox_list_iterate_context *_ctx)
{
	struct msgraph_list_iter *iter;
	int ret = _ctx->failed ? -1 : 0;

	if ((_ctx->flags & MSGRAPH_COMPAT_ITER_SUBSCRIBED) != 0)
		return msgraph_compat_subscriptions_iter_deinit(_ctx);
	iter = container_of(_ctx, struct msgraph_list_iter, ctx);
	mailbox_tree_iterate_deinit(&iter->iter);
	mailbox_tree_deinit(&iter->tree);
	pool_unref(&_ctx->pool);
	return ret;
}

/*
 * Subscriptions: a local file
 */

static const char *msgraph_list_subscriptions_path(struct mailbox_list *list)
{
	return t_strconcat(msgraph_compat_root_dir(list), "/",
			   msgraph_compat_subscriptions_file(list), NULL);
}

static int
msgraph_list_subscriptions_refresh(struct mailbox_list *src_list,
				   struct mailbox_list *dest_list)
{
	return mailbox_list_subscriptions_refresh(src_list, dest_list);
}

static int msgraph_list_set_subscribed(struct mailbox_list *list,
				       const char *name, bool set)
{
	struct msgraph_account *account = msgraph_list_get_account(list);
	int ret;

	ret = subsfile_set_subscribed(list,
		msgraph_list_subscriptions_path(list),
		msgraph_list_get_temp_prefix(list, FALSE), name, set);
	if (ret > 0 && account != NULL)
		msgraph_list_notify_signal(account);
	return ret;
}

/*
 * Changes
 */

static int
msgraph_list_delete_mailbox(struct mailbox_list *list, const char *name)
{
	struct msgraph_account *account = msgraph_list_get_account(list);
	struct msgraph_folders *folders = msgraph_list_tree(list);
	const struct msgraph_folder *folder;
	struct graph_failure fail;
	const char *dir = NULL, *error;

	if (folders == NULL)
		return -1;
	folder = msgraph_folders_find(folders, name);
	if (folder != NULL && account->deleting_id != NULL &&
	    strcmp(folder->id, account->deleting_id) != 0) {
		mailbox_list_set_error(list, MAIL_ERROR_INUSE,
			"The folder has just been renamed; try again");
		return -1;
	}
	if (folder != NULL)
		dir = msgraph_list_folder_dir(msgraph_compat_root_dir(list),
					      folder->id);
	if (msgraph_folders_delete(folders, name, &fail) < 0) {
		msgraph_error_set_list(list, &fail);
		return -1;
	}
	if (dir != NULL &&
	    unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		mailbox_list_set_critical(list, "%s", error);
	return 0;
}

/* There are no directories that are not mailboxes. */
static int
msgraph_list_delete_dir(struct mailbox_list *list, const char *name)
{
	mailbox_list_set_error(list, MAIL_ERROR_NOTFOUND,
			       T_MAIL_ERR_MAILBOX_NOT_FOUND(name));
	return -1;
}

static int
msgraph_list_delete_symlink(struct mailbox_list *list,
			    const char *name ATTR_UNUSED)
{
	mailbox_list_set_error(list, MAIL_ERROR_NOTPOSSIBLE,
			       "Not supported");
	return -1;
}

static int
msgraph_list_rename_mailbox(struct mailbox_list *oldlist, const char *oldname,
			    struct mailbox_list *newlist, const char *newname)
{
	struct msgraph_folders *folders = msgraph_list_tree(oldlist);
	struct graph_failure fail;

	if (folders == NULL)
		return -1;
	if (oldlist != newlist) {
		mailbox_list_set_error(oldlist, MAIL_ERROR_NOTPOSSIBLE,
			"Cannot rename mailboxes across storages");
		return -1;
	}
	if (msgraph_folders_rename(folders, oldname, newname, &fail) < 0) {
		msgraph_error_set_list(oldlist, &fail);
		return -1;
	}
	return 0;
}

struct mailbox_list msgraph_mailbox_list = {
	.name = MSGRAPH_LIST_NAME,
	/* No list index: it would answer STATUS of unselected folders without
	   asking Graph. So NOTIFY of them is ours, too. */
	.props = MAILBOX_LIST_PROP_NO_ROOT | MAILBOX_LIST_PROP_AUTOCREATE_DIRS |
		MAILBOX_LIST_PROP_NO_LIST_INDEX,
	.mailbox_name_max_length = MAILBOX_LIST_NAME_MAX_LENGTH,

	.v = {
		.alloc = msgraph_list_alloc,
		.deinit = msgraph_list_deinit,
		MSGRAPH_COMPAT_LIST_VFUNCS
		.get_hierarchy_sep = msgraph_list_get_hierarchy_sep,
		.get_vname = mailbox_list_default_get_vname,
		.get_storage_name = mailbox_list_default_get_storage_name,
		.get_path = msgraph_list_get_path,
		.get_temp_prefix = msgraph_list_get_temp_prefix,
		.join_refpattern = msgraph_list_join_refpattern,
		.iter_init = msgraph_list_iter_init,
		.iter_next = msgraph_list_iter_next,
		.iter_deinit = msgraph_list_iter_deinit,
		.subscriptions_refresh = msgraph_list_subscriptions_refresh,
		.set_subscribed = msgraph_list_set_subscribed,
		.delete_mailbox = msgraph_list_delete_mailbox,
		.delete_dir = msgraph_list_delete_dir,
		.delete_symlink = msgraph_list_delete_symlink,
		.rename_mailbox = msgraph_list_rename_mailbox,
		.notify_init = msgraph_list_notify_init,
		.notify_next = msgraph_list_notify_next,
		.notify_deinit = msgraph_list_notify_deinit,
		.notify_wait = msgraph_list_notify_wait,
		.notify_flush = msgraph_list_notify_flush,
	}
};
