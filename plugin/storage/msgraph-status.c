#include "lib.h"
#include "array.h"
#include "time-util.h"
#include "mail-storage-private.h"
#include "graph-delta.h"
#include "msgraph-error.h"
#include "msgraph-folders-private.h"
#include "msgraph-list.h"
#include "msgraph-status.h"
#include "msgraph-storage.h"

#include <sys/stat.h>

/* the next STATUS of one command, or of a client that sends one after the
   other, comes within that; and a row of them ends after so long */
#define STATUS_GAP_MSECS 300
#define STATUS_SWEEP_MAX_MSECS 5000

static int64_t timeval_msecs(const struct timeval *tv)
{
	return tv->tv_sec * 1000LL + tv->tv_usec / 1000;
}

int64_t msgraph_status_read(struct mailbox_list *list, const char *id)
{
	struct stat st;

	if (stat(msgraph_list_read_file(list, id), &st) < 0)
		return 0;
	return st.st_mtim.tv_sec * 1000LL + st.st_mtim.tv_nsec / 1000000;
}

/* Nothing can have come since the folder was read. */
static bool status_is_clean(struct msgraph_mailbox *mbox,
			    const struct msgraph_folder_entry *entry)
{
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_folders *folders = account->folders;
	int64_t read = msgraph_status_read(mbox->box.list, entry->id);

	if (read == 0)
		return FALSE;
	if (read > account->status.swept)
		return TRUE;
	return folders->counts_told && !folders->counts_silent &&
		read > entry->changed;
}

/* The same, of the folder that is asked for. */
static bool status_is_known(struct msgraph_mailbox *mbox,
			    const struct msgraph_folder_entry *entry)
{
	const struct mail_index_header *hdr =
		mail_index_get_header(mbox->box.view);

	return msgraph_mailbox_was_synced(mbox) &&
		status_is_clean(mbox, entry) &&
		(msgraph_status_read(mbox->box.list, entry->id) >
		 entry->changed + MSGRAPH_STATUS_LAG_MSECS ||
		 (entry->total == (int)hdr->messages_count &&
		  entry->unread == (int)(hdr->messages_count -
					 hdr->seen_messages_count)));
}

static bool status_is_next(struct msgraph_mailbox *mbox,
			   const struct timeval *now)
{
	struct msgraph_account *account = mbox->storage->account;
	const struct msgraph_status *status = &account->status;

	return status->last.tv_sec != 0 &&
		status->requests ==
			graph_client_request_count(account->client) &&
		timeval_diff_msecs(now, &status->last) >= 0 &&
		timeval_diff_msecs(now, &status->last) < STATUS_GAP_MSECS;
}

/* The folder's entry, if this is one of several and so the folder delta has been
   asked; NULL = this one alone. */
static struct msgraph_folder_entry *status_sweep(struct msgraph_mailbox *mbox)
{
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_folders *folders = account->folders;
	struct msgraph_status *status = &account->status;
	struct msgraph_folder_entry *entry =
		msgraph_folders_entry(folders, mbox->folder_id);
	struct graph_failure fail;
	struct timeval now;
	bool next, listed, changed;

	i_gettimeofday(&now);
	next = status_is_next(mbox, &now);
	if (entry == NULL || entry->answered || !next ||
	    timeval_msecs(&now) > status->swept + STATUS_SWEEP_MAX_MSECS)
		status->sweeping = FALSE;
	if (status->sweeping)
		return entry;
	/* LIST has just asked */
	listed = timeval_cmp(&folders->refreshed, &status->last) > 0 &&
		timeval_msecs(&now) - timeval_msecs(&folders->refreshed) <
		STATUS_GAP_MSECS;
	if (!listed) {
		if (!next || strcmp(status->last_id, mbox->folder_id) == 0 ||
		    msgraph_folders_refresh(folders, 0, &changed, &fail) < 0)
			return NULL;
		entry = msgraph_folders_entry(folders, mbox->folder_id);
	}
	graph_delta_ahead_forget(account->client);
	status->swept_before = status->swept != 0 ? status->swept :
		timeval_msecs(&folders->refreshed);
	status->swept = timeval_msecs(&folders->refreshed);
	status->sweeping = status->fresh = TRUE;
	return entry;
}

void msgraph_status_add(struct msgraph_status_asks *asks,
			const struct msgraph_folder *folder,
			const struct msgraph_folder_entry *entry)
{
	struct mailbox_list *list = asks->list;
	struct msgraph_folder_state state = { .link = NULL };
	struct mailbox *box;
	bool good = FALSE;

	box = mailbox_alloc(list, mailbox_list_get_vname(list,
					folder->storage_name), 0);
	MSGRAPH_MAILBOX(box)->looking = TRUE;
	if (mailbox_open(box) == 0 && MSGRAPH_MAILBOX(box)->idmap != NULL) {
		msgraph_idmap_get_state(MSGRAPH_MAILBOX(box)->idmap, box->view,
					&state);
		good = state.link != NULL ||
			(entry->total >= 0 && entry->total <=
			 MSGRAPH_STATUS_FIRST_ROWS_MAX - asks->first_rows);
	}
	if (good) {
		if (state.link == NULL)
			asks->first_rows += entry->total;
		asks->asks[asks->count].folder_id = t_strdup(entry->id);
		asks->asks[asks->count].link = state.link;
		asks->asks[asks->count++].state = state.pushes;
	}
	mailbox_free(&box);
}

void msgraph_status_ask(struct msgraph_status_asks *asks)
{
	struct msgraph_account *account = msgraph_list_get_account(asks->list);
	struct timeval now;

	if (asks->count < 2)
		return;
	i_gettimeofday(&now);
	account->status.ahead_since = timeval_msecs(&now);
	graph_client_set_deadline(account->client, 0);
	graph_delta_ahead(account->client, asks->asks, asks->count);
}

/* It will be asked for, too. That is not certain of folders that needed it in
   the last row of STATUSes already, and of those that nobody has read yet: the
   client may show only some. They go along where a batch is needed anyway, the
   latter if the folder that needs it (or NULL) is such a one. */
static bool status_is_expected(struct msgraph_mailbox *mbox,
			       const struct msgraph_folder_entry *entry,
			       const struct msgraph_folder_entry *needed)
{
	struct mailbox_list *list = mbox->box.list;

	if (entry->changed > mbox->storage->account->status.swept_before)
		return TRUE;
	return needed != NULL &&
		(msgraph_status_read(list, entry->id) != 0 ||
		 msgraph_status_read(list, needed->id) == 0);
}

static bool status_goes_along(struct msgraph_mailbox *mbox,
			      const struct msgraph_folder_entry *entry,
			      const struct msgraph_folder_entry *needed,
			      bool as_check)
{
	if (entry->answered || status_is_clean(mbox, entry) != as_check)
		return FALSE;
	return as_check || status_is_expected(mbox, entry, needed);
}

/* This folder, if force, and others that will be asked for, in the order of
   LIST: those that need it, then, as far as there is room, others as a
   check. */
static void status_read_ahead(struct msgraph_mailbox *mbox, bool force)
{
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_folders *folders = account->folders;
	unsigned int i, n, pass, first, count = msgraph_folders_count(folders);
	struct msgraph_status_asks asks = { .list = mbox->box.list };
	const struct msgraph_folder_entry *entry;
	const struct msgraph_folder *folder;
	const struct msgraph_folder_entry *needed = !force ? NULL :
		msgraph_folders_entry(folders, mbox->folder_id);

	for (first = 0; first < count; first++) {
		folder = msgraph_folders_get(folders, first);
		if (strcmp(folder->id, mbox->folder_id) == 0)
			break;
	}
	for (pass = 0; pass < 2 && asks.count >= pass; pass++) {
		for (i = 0; i < count && asks.count < N_ELEMENTS(asks.asks);
		     i++) {
			n = (first + i) % count;
			folder = msgraph_folders_get(folders, n);
			entry = msgraph_folders_entry(folders, folder->id);
			if (entry != NULL &&
			    (i == 0 ? force == (pass == 0) :
			     status_goes_along(mbox, entry, needed,
					       pass == 1)) &&
			    !graph_delta_have_ahead(account->client,
						    entry->id))
				msgraph_status_add(&asks, folder, entry);
		}
	}
	msgraph_status_ask(&asks);
}

static int status_sync_swept(struct msgraph_mailbox *mbox,
			     struct msgraph_folder_entry *entry)
{
	struct msgraph_account *account = mbox->storage->account;
	bool clean = status_is_known(mbox, entry);
	unsigned int news = 0;

	if (account->status.fresh ||
	    (!clean && !graph_delta_have_ahead(account->client,
					       entry->id))) T_BEGIN {
		status_read_ahead(mbox, !clean);
	} T_END;
	account->status.fresh = FALSE;
	entry->answered = TRUE;
	if (clean && !graph_delta_have_ahead(account->client, entry->id))
		return 0;
	if (msgraph_mailbox_sync_now(mbox, MSGRAPH_SYNC_AHEAD, &news) < 0)
		return -1;
	if (clean && news > 0)
		entry->suspect = TRUE;
	return 0;
}

int msgraph_status_sync(struct msgraph_mailbox *mbox)
{
	struct msgraph_account *account = mbox->storage->account;
	struct msgraph_status *status = &account->status;
	struct msgraph_folder_entry *entry;
	int ret;

	if (null_strcmp(status->settled_id, mbox->folder_id) == 0) {
		i_free(status->settled_id);
		return 0;
	}
	entry = status_sweep(mbox);
	if (entry != NULL)
		ret = status_sync_swept(mbox, entry);
	else
		ret = msgraph_mailbox_sync_now(mbox, 0, NULL);
	i_free(status->last_id);
	status->last_id = i_strdup(mbox->folder_id);
	status->requests = graph_client_request_count(account->client);
	i_gettimeofday(&status->last);
	return ret;
}
