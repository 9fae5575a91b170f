#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "time-util.h"
#include "mail-index-modseq.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mailbox-tree.h"
#include "msgraph-folders-private.h"
#include "msgraph-known.h"
#include "msgraph-list.h"
#include "msgraph-list-notify.h"
#include "msgraph-list-poll.h"
#include "msgraph-poll.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* what comes together is told together */
#define NOTIFY_DELAY_MSECS 500
/* a command is not over: its answer is not to be broken into */
#define NOTIFY_BUSY_MSECS 200

#define SIGNAL_FNAME "msgraph.changed"
/* their times: when somebody set out to poll folders with their messages, and
   folders alone */
#define POLLED_FNAME "msgraph.polled"
#define LISTED_FNAME "msgraph.listed"

struct notify_folder {
	char *id, *name;
	struct stat log_st;
	struct msgraph_known_counts counts;
};

struct msgraph_list_notify {
	struct mailbox_list_notify notify;
	struct msgraph_account *account;
	int64_t started;

	/* what the client knows; sorted by id */
	ARRAY(struct notify_folder) folders;
	/* sorted; only if asked for */
	ARRAY_TYPE(const_string) subscriptions;
	pool_t subscriptions_pool;
	bool known;

	/* what it is to be told, while it is read; strings in the pool */
	ARRAY(struct mailbox_list_notify_rec) recs;
	pool_t recs_pool;
	unsigned int recs_idx;
	bool reading;

	void (*callback)(void *context);
	void *context;
	struct io *io_signal;
	struct timeout *to_poll, *to_tell;
};

static const char *
notify_file(const struct msgraph_account *account, const char *name)
{
	return t_strconcat(account->root_dir, "/", name, NULL);
}

void msgraph_list_notify_signal(struct msgraph_account *account)
{
	int fd;

	T_BEGIN {
		fd = open(notify_file(account, SIGNAL_FNAME),
			  O_WRONLY | O_CLOEXEC);
	} T_END;
	/* without it the others look when they poll */
	if (fd != -1) {
		(void)!pwrite(fd, "\n", 1, 0);
		i_close_fd(&fd);
	}
}

static bool notify_wants_messages(const struct msgraph_list_notify *n)
{
	return (n->notify.mask & (MAILBOX_LIST_NOTIFY_STATUS |
				  MAILBOX_LIST_NOTIFY_UIDVALIDITY)) != 0;
}

/*
 * What has changed
 */

static void
notify_add(struct msgraph_list_notify *n, enum mailbox_list_notify_event events,
	   const char *name, const char *old_name)
{
	struct mailbox_list *list = n->notify.list;
	struct mailbox_list_notify_rec *rec;

	if ((events & n->notify.mask) == 0)
		return;
	rec = array_append_space(&n->recs);
	rec->events = events;
	rec->storage_name = p_strdup(n->recs_pool, name);
	rec->vname = p_strdup(n->recs_pool,
			      mailbox_list_get_vname(list, name));
	if (old_name != NULL) {
		rec->old_vname = p_strdup(n->recs_pool,
			mailbox_list_get_vname(list, old_name));
	}
}

static void
notify_add_changes(struct msgraph_list_notify *n,
		   const ARRAY_TYPE(msgraph_known_change) *changes)
{
	const struct msgraph_known_change *change;

	array_foreach(changes, change)
		notify_add(n, change->events, change->name, change->old_name);
}

static int notify_folder_cmp(const struct notify_folder *a,
			     const struct notify_folder *b)
{
	return strcmp(a->id, b->id);
}

static int name_cmp(const struct msgraph_known_name *a,
		    const struct msgraph_known_name *b)
{
	return strcmp(a->id, b->id);
}

static void notify_folder_free(struct notify_folder *folder)
{
	i_free(folder->id);
	i_free(folder->name);
}

/* Make the client's folders those of the tree, with the counts that it knows. */
static void
notify_take_names(struct msgraph_list_notify *n,
		  ARRAY_TYPE(msgraph_known_name) *now)
{
	const struct msgraph_known_name *name;
	struct msgraph_known_name name_key;
	struct notify_folder *folder, key;
	unsigned int i = 0;

	while (i < array_count(&n->folders)) {
		folder = array_idx_modifiable(&n->folders, i);
		name_key.id = folder->id;
		name = array_bsearch(now, &name_key, name_cmp);
		if (name == NULL) {
			notify_folder_free(folder);
			array_delete(&n->folders, i, 1);
			continue;
		}
		if (strcmp(folder->name, name->name) != 0) {
			i_free(folder->name);
			folder->name = i_strdup(name->name);
		}
		i++;
	}
	array_foreach(now, name) {
		i_zero(&key);
		key.id = i_strdup(name->id);
		if (array_bsearch(&n->folders, &key,
				  notify_folder_cmp) != NULL) {
			i_free(key.id);
			continue;
		}
		key.name = i_strdup(name->name);
		array_push_back(&n->folders, &key);
	}
	array_sort(&n->folders, notify_folder_cmp);
}

static void notify_look_at_names(struct msgraph_list_notify *n)
{
	struct msgraph_folders *folders = n->account->folders;
	ARRAY_TYPE(msgraph_known_name) old, now;
	ARRAY_TYPE(msgraph_known_change) changes;
	const struct notify_folder *known;
	const struct msgraph_folder *folder;
	struct msgraph_known_name *name;
	unsigned int i;

	t_array_init(&old, array_count(&n->folders));
	t_array_init(&now, msgraph_folders_count(folders));
	t_array_init(&changes, 8);
	array_foreach(&n->folders, known) {
		name = array_append_space(&old);
		name->id = known->id;
		name->name = known->name;
	}
	for (i = 0; i < msgraph_folders_count(folders); i++) {
		folder = msgraph_folders_get(folders, i);
		name = array_append_space(&now);
		name->id = folder->id;
		name->name = folder->storage_name;
	}
	array_sort(&now, name_cmp);
	msgraph_known_names(&old, &now, &changes);
	notify_add_changes(n, &changes);
	notify_take_names(n, &now);
}

static bool
notify_get_counts(struct msgraph_list_notify *n,
		  const struct notify_folder *folder,
		  struct msgraph_known_counts *counts_r)
{
	struct mailbox_list *list = n->notify.list;
	const struct mail_index_header *hdr;
	struct mail_index_view *view;
	struct mailbox *box;
	bool ret = FALSE;

	i_zero(counts_r);
	box = mailbox_alloc(list, mailbox_list_get_vname(list, folder->name),
			    0);
	MSGRAPH_MAILBOX(box)->looking = TRUE;
	if (mailbox_open(box) == 0 && mail_index_refresh(box->index) == 0) {
		view = mail_index_view_open(box->index);
		hdr = mail_index_get_header(view);
		counts_r->uidvalidity = hdr->uid_validity;
		counts_r->uidnext = hdr->next_uid;
		counts_r->messages = hdr->messages_count;
		counts_r->unseen = hdr->messages_count -
			hdr->seen_messages_count;
		counts_r->modseq = mail_index_modseq_get_highest(view);
		mail_index_view_close(&view);
		/* before its first listing is complete it has no UIDs */
		ret = counts_r->uidvalidity != 0;
	}
	mailbox_free(&box);
	return ret;
}

/* The folder was read for the first time, and it has what it had when the client
   began to listen. */
static bool
notify_is_no_news(struct msgraph_list_notify *n,
		  const struct notify_folder *folder,
		  const struct msgraph_known_counts *now)
{
	const struct msgraph_folder_entry *entry =
		msgraph_folders_entry(n->account->folders, folder->id);

	return folder->counts.uidvalidity == 0 && entry != NULL &&
		entry->changed <= n->started &&
		entry->total == (int)now->messages &&
		entry->unread == (int)now->unseen;
}

static void notify_look_at_messages(struct msgraph_list_notify *n)
{
	struct msgraph_known_counts now;
	struct notify_folder *folder;
	struct stat st;

	array_foreach_modifiable(&n->folders, folder) T_BEGIN {
		const char *path = msgraph_list_log_file(n->notify.list,
							 folder->id);

		if (stat(path, &st) == 0 && ST_CHANGED(st, folder->log_st) &&
		    notify_get_counts(n, folder, &now)) {
			if (n->known && !notify_is_no_news(n, folder, &now)) {
				notify_add(n, msgraph_known_events(
					&folder->counts, &now), folder->name,
					NULL);
			}
			folder->log_st = st;
			folder->counts = now;
		}
	} T_END;
}

static int string_cmp(const char *const *a, const char *const *b)
{
	return strcmp(*a, *b);
}

static void notify_look_at_subscriptions(struct msgraph_list_notify *n)
{
	struct mailbox_list *list = n->notify.list;
	ARRAY_TYPE(msgraph_known_change) changes;
	struct mailbox_tree_iterate_context *iter;
	ARRAY_TYPE(const_string) now;
	const char *name;
	pool_t pool;

	if (mailbox_list_iter_subscriptions_refresh(list) < 0)
		return;
	pool = pool_alloconly_create("msgraph subscriptions", 1024);
	p_array_init(&now, pool, 16);
	iter = mailbox_tree_iterate_init(list->subscriptions, NULL,
					 MAILBOX_SUBSCRIBED);
	while (mailbox_tree_iterate_next(iter, &name) != NULL) {
		name = p_strdup(pool,
				mailbox_list_get_storage_name(list, name));
		array_push_back(&now, &name);
	}
	mailbox_tree_iterate_deinit(&iter);
	array_sort(&now, string_cmp);
	if (n->subscriptions_pool != NULL) {
		t_array_init(&changes, 8);
		msgraph_known_subscriptions(&n->subscriptions, &now, &changes);
		notify_add_changes(n, &changes);
		pool_unref(&n->subscriptions_pool);
	}
	n->subscriptions = now;
	n->subscriptions_pool = pool;
}

/* No request, except when the tree is not known at all. The first look finds
   what the client is taken to know. */
static void notify_look(struct msgraph_list_notify *n)
{
	struct graph_failure fail;

	if (msgraph_folders_load(n->account->folders, &fail) < 0)
		return;
	notify_look_at_names(n);
	if ((n->notify.mask & (MAILBOX_LIST_NOTIFY_SUBSCRIBE |
			       MAILBOX_LIST_NOTIFY_UNSUBSCRIBE)) != 0)
		notify_look_at_subscriptions(n);
	if (notify_wants_messages(n))
		notify_look_at_messages(n);
	if (!n->known)
		array_clear(&n->recs);
	n->known = TRUE;
}

static void notify_forget_recs(struct msgraph_list_notify *n)
{
	array_clear(&n->recs);
	p_clear(n->recs_pool);
	n->recs_idx = 0;
	n->reading = FALSE;
	i_free(n->account->status.settled_id);
}

int msgraph_list_notify_next(struct mailbox_list_notify *notify,
			     const struct mailbox_list_notify_rec **rec_r)
{
	struct msgraph_list_notify *n =
		container_of(notify, struct msgraph_list_notify, notify);
	const struct mailbox_list_notify_rec *rec;
	const struct msgraph_folder *folder;

	if (!n->reading) T_BEGIN {
		notify_look(n);
		n->reading = TRUE;
	} T_END;
	if (n->recs_idx == array_count(&n->recs)) {
		notify_forget_recs(n);
		return 0;
	}
	rec = array_idx(&n->recs, n->recs_idx++);
	i_free(n->account->status.settled_id);
	folder = msgraph_folders_find(n->account->folders, rec->storage_name);
	/* the STATUS that follows tells what was found */
	if ((rec->events & (MAILBOX_LIST_NOTIFY_STATUS |
			    MAILBOX_LIST_NOTIFY_UIDVALIDITY)) != 0 &&
	    folder != NULL)
		n->account->status.settled_id = i_strdup(folder->id);
	*rec_r = rec;
	return 1;
}

/*
 * When
 */

/* A command has begun and not ended: it waits for the client, who reads or
   sends a message. */
static bool notify_is_busy(struct msgraph_list_notify *n)
{
	const struct mailbox *box = n->notify.list->ns->storage->mailboxes;

	for (; box != NULL; box = box->next) {
		if (box->transaction_count > 0)
			return TRUE;
	}
	return FALSE;
}

static void notify_tell(struct msgraph_list_notify *n)
{
	timeout_remove(&n->to_tell);
	if (notify_is_busy(n)) {
		n->to_tell = timeout_add_short(NOTIFY_BUSY_MSECS, notify_tell,
					       n);
		return;
	}
	n->callback(n->context);
	/* only asked for while it is told */
	i_free(n->account->status.settled_id);
	if (n->reading) {
		/* the client is slow to read */
		n->to_tell = timeout_add_short(NOTIFY_DELAY_MSECS, notify_tell,
					       n);
	}
}

static void notify_tell_soon(struct msgraph_list_notify *n)
{
	if (n->to_tell == NULL) {
		n->to_tell = timeout_add_short(NOTIFY_DELAY_MSECS, notify_tell,
					       n);
	}
}

static void notify_poll(struct msgraph_list_notify *n);

static void
notify_schedule(struct msgraph_list_notify *n, unsigned int msecs)
{
	timeout_remove(&n->to_poll);
	n->to_poll = timeout_add_short(msecs, notify_poll, n);
}

static void notify_poll(struct msgraph_list_notify *n)
{
	unsigned int interval = n->account->set->poll_interval * 1000;
	bool messages = notify_wants_messages(n);
	unsigned int wait;

	if (notify_is_busy(n)) {
		notify_schedule(n, NOTIFY_BUSY_MSECS);
		return;
	}
	T_BEGIN {
		const char *polled = notify_file(n->account, POLLED_FNAME);
		const char *listed = notify_file(n->account, LISTED_FNAME);

		wait = msgraph_poll_wait(interval, polled,
					 messages ? NULL : listed);
		if (wait == 0) {
			if (messages)
				msgraph_poll_touch(polled, NULL);
			msgraph_poll_touch(listed, NULL);
			msgraph_list_poll(n->notify.list, messages);
			wait = interval;
		}
	} T_END;
	notify_schedule(n, wait + msgraph_poll_jitter(interval));
	notify_tell_soon(n);
}

void msgraph_list_notify_wait(struct mailbox_list_notify *notify,
			      void (*callback)(void *context), void *context)
{
	struct msgraph_list_notify *n =
		container_of(notify, struct msgraph_list_notify, notify);
	unsigned int interval = n->account->set->poll_interval * 1000;

	n->callback = callback;
	n->context = context;
	io_remove(&n->io_signal);
	timeout_remove(&n->to_poll);
	timeout_remove(&n->to_tell);
	if (callback == NULL)
		return;
	T_BEGIN {
		const char *path = notify_file(n->account, SIGNAL_FNAME);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd != -1)
			i_close_fd(&fd);
		(void)io_add_notify(path, notify_tell_soon, n, &n->io_signal);
	} T_END;
	notify_schedule(n, interval + msgraph_poll_jitter(interval));
}

void msgraph_list_notify_flush(struct mailbox_list_notify *notify)
{
	struct msgraph_list_notify *n =
		container_of(notify, struct msgraph_list_notify, notify);

	if (n->callback != NULL)
		notify_tell(n);
}

int msgraph_list_notify_init(struct mailbox_list *list,
			     enum mailbox_list_notify_event mask,
			     struct mailbox_list_notify **notify_r)
{
	struct msgraph_account *account = msgraph_list_get_account(list);
	struct msgraph_list_notify *n;
	struct timeval now;

	if (account == NULL)
		return -1;
	i_gettimeofday(&now);
	n = i_new(struct msgraph_list_notify, 1);
	n->notify.list = list;
	n->notify.mask = mask;
	n->account = account;
	n->started = now.tv_sec * 1000LL + now.tv_usec / 1000;
	i_array_init(&n->folders, 32);
	i_array_init(&n->recs, 16);
	n->recs_pool = pool_alloconly_create("msgraph notify", 1024);
	T_BEGIN {
		notify_look(n);
	} T_END;
	*notify_r = &n->notify;
	return 0;
}

void msgraph_list_notify_deinit(struct mailbox_list_notify *notify)
{
	struct msgraph_list_notify *n =
		container_of(notify, struct msgraph_list_notify, notify);
	struct notify_folder *folder;

	io_remove(&n->io_signal);
	timeout_remove(&n->to_poll);
	timeout_remove(&n->to_tell);
	notify_forget_recs(n);
	array_foreach_modifiable(&n->folders, folder)
		notify_folder_free(folder);
	array_free(&n->folders);
	array_free(&n->recs);
	pool_unref(&n->recs_pool);
	pool_unref(&n->subscriptions_pool);
	i_free(n);
}
