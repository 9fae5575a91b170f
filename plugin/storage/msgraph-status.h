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

#include <sys/time.h>

struct msgraph_mailbox;

struct msgraph_status {
	/* when the last STATUS was answered, for which folder, and how many
	   requests this session had made by then */
	struct timeval last;
	char *last_id;
	unsigned int requests;
	/* the folder delta has been asked for those that follow (fresh: and
	   none has followed yet); when */
	bool sweeping, fresh;
	int64_t swept;
	/* when the changes of several folders were asked for, milliseconds */
	int64_t ahead_since;
};

/* Make the index of this mailbox, which is open, fit to answer a STATUS.
   Returns -1 with the storage error set. */
int msgraph_status_sync(struct msgraph_mailbox *mbox);

#endif
