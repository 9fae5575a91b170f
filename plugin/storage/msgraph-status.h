#ifndef MSGRAPH_STATUS_H
#define MSGRAPH_STATUS_H

/* STATUS of folders that are not selected.

   One STATUS costs one request, the folder's own delta. Clients ask for all
   folders one after the other, though, or in one LIST-STATUS. From the second on
   the folder delta is asked, once for all of them; a folder that it does not
   name, and that was read since it was named last, is answered from the index,
   and the changes of the others come twenty folders a request.

   Whether the folder delta names a folder whose counts alone have changed is
   not promised. It is relied on when it has been seen to, and no longer when
   it has been seen not to: then all folders are read, twenty a request. Free
   places of such a request are used to find out. */

#include "graph-delta.h"

#include <sys/time.h>

/* folders that were never read are read ahead up to so many messages */
#define MSGRAPH_STATUS_FIRST_ROWS_MAX 1000
/* A folder's row may be ahead of its messages: its counts must be ours, unless
   it was read so much later; there are things in folders that are no messages. */
#define MSGRAPH_STATUS_LAG_MSECS 60000

struct mailbox_list;
struct msgraph_folder;
struct msgraph_folder_entry;
struct msgraph_mailbox;

struct msgraph_status {
	/* when the last STATUS was answered, for which folder, and how many
	   requests this session had made by then */
	struct timeval last;
	char *last_id;
	unsigned int requests;
	/* the folder delta has been asked for those that follow (fresh: and
	   none has followed yet); when, and when the time before */
	bool sweeping, fresh;
	int64_t swept, swept_before;
	/* when the changes of several folders were asked for, milliseconds */
	int64_t ahead_since;
	/* NOTIFY is about to tell of this folder what the index has */
	char *settled_id;
};

/* Make the index of this mailbox, which is open, fit to answer a STATUS.
   Returns -1 with the storage error set. */
int msgraph_status_sync(struct msgraph_mailbox *mbox);

/* When the messages of a folder were asked for last, in milliseconds, 0 =
   never. */
int64_t msgraph_status_read(struct mailbox_list *list, const char *id);

/* What to ask for together, at most GRAPH_DELTA_AHEAD_MAX. */
struct msgraph_status_asks {
	struct mailbox_list *list;
	struct graph_delta_ahead_ask asks[GRAPH_DELTA_AHEAD_MAX];
	unsigned int count;
	int first_rows;
};
/* Add one, unless it was never read and has too many messages. */
void msgraph_status_add(struct msgraph_status_asks *asks,
			const struct msgraph_folder *folder,
			const struct msgraph_folder_entry *entry);
/* Ask, if there are several: for one alone this is no gain. */
void msgraph_status_ask(struct msgraph_status_asks *asks);

#endif
