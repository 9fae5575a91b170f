#include "lib.h"
#include "array.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "graph-delta.h"
#include "msgraph-error.h"
#include "msgraph-folders-private.h"
#include "msgraph-list.h"
#include "msgraph-list-poll.h"
#include "msgraph-poll.h"
#include "msgraph-settings.h"
#include "msgraph-status.h"
#include "msgraph-storage.h"

struct list_poll_folder {
	const char *id;
	int64_t read;
	enum msgraph_poll_need need;
};

ARRAY_DEFINE_TYPE(list_poll_folder, struct list_poll_folder);

struct list_poll {
	struct mailbox_list *list;
	struct msgraph_account *account;
	int64_t now;
	/* on the data stack; those that must be asked for come first, and what
	   was read longest ago */
	ARRAY_TYPE(list_poll_folder) todo;
};

static struct mailbox *
list_poll_alloc(struct list_poll *poll, const struct msgraph_folder *folder)
{
	return mailbox_alloc(poll->list, mailbox_list_get_vname(poll->list,
					folder->storage_name), 0);
}

/* This process has it selected and so looks after it already. */
static bool list_poll_is_watched(struct list_poll *poll, const char *id)
{
	const struct mailbox *box = poll->list->ns->storage->mailboxes;

	for (; box != NULL; box = box->next) {
		const struct msgraph_mailbox *mbox =
			container_of(box, const struct msgraph_mailbox, box);

		if (box->notify_callback != NULL && mbox->folder_id != NULL &&
		    strcmp(mbox->folder_id, id) == 0)
			return TRUE;
	}
	return FALSE;
}

static bool
list_poll_differs(struct list_poll *poll, const struct msgraph_folder *folder,
		  const struct msgraph_folder_entry *entry)
{
	const struct mail_index_header *hdr;
	struct mailbox *box = list_poll_alloc(poll, folder);
	bool differs = FALSE;

	MSGRAPH_MAILBOX(box)->looking = TRUE;
	if (mailbox_open(box) == 0) {
		hdr = mail_index_get_header(box->view);
		differs = entry->total != (int)hdr->messages_count ||
			entry->unread != (int)(hdr->messages_count -
					       hdr->seen_messages_count);
	}
	mailbox_free(&box);
	return differs;
}

static void
list_poll_add(struct list_poll *poll, const struct msgraph_folder *folder,
	      const struct msgraph_folder_entry *entry)
{
	struct msgraph_folders *folders = poll->account->folders;
	struct msgraph_poll_folder facts = {
		.now = poll->now,
		.interval = poll->account->set->poll_interval * 1000LL,
		.read = msgraph_status_read(poll->list, entry->id),
		.listed = entry->listed,
		.changed = entry->changed,
		.total = entry->total,
		.told = folders->counts_told && !folders->counts_silent,
	};
	struct list_poll_folder *todo;
	enum msgraph_poll_need need;

	if (list_poll_is_watched(poll, entry->id))
		return;
	/* to look is cheap only where it matters */
	if (facts.total >= 0 && facts.read > facts.changed &&
	    facts.read <= facts.changed + MSGRAPH_STATUS_LAG_MSECS)
		facts.differs = list_poll_differs(poll, folder, entry);
	need = msgraph_poll_need(&facts);
	if (need == MSGRAPH_POLL_NONE)
		return;
	todo = array_append_space(&poll->todo);
	todo->id = t_strdup(entry->id);
	todo->read = facts.read;
	todo->need = need;
}

static int todo_cmp(const struct list_poll_folder *a,
		    const struct list_poll_folder *b)
{
	if (a->need != b->need)
		return a->need > b->need ? -1 : 1;
	return a->read < b->read ? -1 : a->read > b->read ? 1 : 0;
}

/* Ask for the changes of the next folders. Returns how many they are. */
static unsigned int list_poll_ask(struct list_poll *poll, unsigned int first)
{
	struct msgraph_folders *folders = poll->account->folders;
	struct msgraph_status_asks asks = { .list = poll->list };
	const struct msgraph_folder_entry *entry;
	const struct msgraph_folder *folder;
	const struct list_poll_folder *todo;
	unsigned int i;

	for (i = first; i < array_count(&poll->todo) &&
	     asks.count < N_ELEMENTS(asks.asks); i++) {
		todo = array_idx(&poll->todo, i);
		folder = msgraph_folders_find_id(folders, todo->id);
		entry = msgraph_folders_entry(folders, todo->id);
		if (folder != NULL && entry != NULL)
			msgraph_status_add(&asks, folder, entry);
	}
	graph_delta_ahead_forget(poll->account->client);
	msgraph_status_ask(&asks);
	return i - first;
}

static void
list_poll_read(struct list_poll *poll, const struct list_poll_folder *todo)
{
	struct msgraph_folders *folders = poll->account->folders;
	const struct msgraph_folder *folder =
		msgraph_folders_find_id(folders, todo->id);
	struct msgraph_folder_entry *entry =
		msgraph_folders_entry(folders, todo->id);
	bool clean = entry != NULL && todo->read > entry->changed;
	struct mailbox *box;
	unsigned int news = 0;

	if (folder == NULL ||
	    (todo->need != MSGRAPH_POLL_MUST &&
	     !graph_delta_have_ahead(poll->account->client, todo->id)))
		return;
	box = list_poll_alloc(poll, folder);
	/* nobody has asked for it, so nobody is told if it fails */
	MSGRAPH_MAILBOX(box)->failure_told = TRUE;
	if (mailbox_open(box) == 0)
		(void)msgraph_mailbox_sync_now(MSGRAPH_MAILBOX(box),
					       MSGRAPH_SYNC_AHEAD, &news);
	mailbox_free(&box);
	/* the folder delta has not told of it: see msgraph-status.h */
	entry = msgraph_folders_entry(folders, todo->id);
	if (clean && news > 0 && entry != NULL)
		entry->suspect = TRUE;
}

static void list_poll_messages(struct list_poll *poll)
{
	struct msgraph_folders *folders = poll->account->folders;
	const struct msgraph_folder_entry *entry;
	const struct msgraph_folder *folder;
	const struct list_poll_folder *todo;
	unsigned int i, first, count, asked;

	t_array_init(&poll->todo, 32);
	for (i = 0; i < msgraph_folders_count(folders); i++) {
		folder = msgraph_folders_get(folders, i);
		entry = msgraph_folders_entry(folders, folder->id);
		if (entry != NULL)
			list_poll_add(poll, folder, entry);
	}
	array_sort(&poll->todo, todo_cmp);
	todo = array_get(&poll->todo, &count);
	for (first = 0; first < count &&
	     todo[first].need == MSGRAPH_POLL_MUST; first += asked) {
		asked = list_poll_ask(poll, first);
		for (i = first; i < first + asked; i++) T_BEGIN {
			list_poll_read(poll, &todo[i]);
		} T_END;
	}
	graph_delta_ahead_forget(poll->account->client);
}

void msgraph_list_poll(struct mailbox_list *list, bool messages)
{
	struct list_poll poll = {
		.list = list,
		.account = msgraph_list_get_account(list),
	};
	struct graph_failure fail;
	struct timeval now;
	bool changed;

	if (msgraph_folders_load(poll.account->folders, &fail) < 0 ||
	    msgraph_folders_refresh(poll.account->folders, 0, &changed,
				    &fail) < 0) {
		msgraph_error_log(poll.account, &fail, "list folders");
		return;
	}
	if (messages) T_BEGIN {
		i_gettimeofday(&now);
		poll.now = now.tv_sec * 1000LL + now.tv_usec / 1000;
		list_poll_messages(&poll);
	} T_END;
}
