/* IDLE, and NOTIFY of the selected mailbox: watch the index's log for what other
   processes bring, and poll Graph ourselves. Many idle connections of one user
   poll once (msgraph-poll.h); the others wait for the log. */

#include "lib.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "mailbox-watch.h"
#include "msgraph-list.h"
#include "msgraph-poll.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

/* its time: when somebody set out to poll last */
#define MSGRAPH_POLLED_FNAME "msgraph.polled"

static const char *msgraph_notify_path(struct msgraph_mailbox *mbox)
{
	const char *dir;

	if (mailbox_get_path_to(&mbox->box, MAILBOX_LIST_PATH_TYPE_INDEX,
				&dir) <= 0)
		return NULL;
	return t_strconcat(dir, "/"MSGRAPH_POLLED_FNAME, NULL);
}

void msgraph_notify_pulled(struct msgraph_mailbox *mbox, int64_t when)
{
	struct timespec times[2];

	times[0].tv_sec = when / 1000;
	times[0].tv_nsec = when % 1000 * 1000000;
	times[1] = times[0];
	T_BEGIN {
		msgraph_poll_touch(msgraph_list_read_file(mbox->box.list,
			mbox->folder_id), times);
	} T_END;
}

static unsigned int msgraph_notify_interval(struct msgraph_mailbox *mbox)
{
	return mbox->storage->account->set->poll_interval * 1000;
}

static void msgraph_notify_poll(struct msgraph_mailbox *mbox);

static void
msgraph_notify_schedule(struct msgraph_mailbox *mbox, unsigned int msecs)
{
	msecs += msgraph_poll_jitter(msgraph_notify_interval(mbox));
	timeout_remove(&mbox->to_poll);
	mbox->to_poll = timeout_add_short(msecs, msgraph_notify_poll, mbox);
}

static void msgraph_notify_poll(struct msgraph_mailbox *mbox)
{
	struct mailbox *box = &mbox->box;
	unsigned int wait;

	timeout_remove(&mbox->to_poll);
	T_BEGIN {
		const char *path = msgraph_notify_path(mbox);

		wait = msgraph_poll_wait(msgraph_notify_interval(mbox), path,
			msgraph_list_read_file(mbox->box.list,
					       mbox->folder_id));
		if (wait == 0 && path != NULL)
			msgraph_poll_touch(path, NULL);
	} T_END;
	if (wait == 0) {
		msgraph_notify_schedule(mbox, msgraph_notify_interval(mbox));
		/* makes the caller sync, which pulls; it may also stop the
		   notifications, so nothing after this */
		box->notify_callback(box, box->notify_context);
	} else {
		msgraph_notify_schedule(mbox, wait);
	}
}

void msgraph_notify_changes(struct mailbox *box)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(box);
	const char *dir;

	if (box->notify_callback == NULL) {
		timeout_remove(&mbox->to_poll);
		mailbox_watch_remove_all(box);
		return;
	}
	if (mbox->to_poll != NULL)
		return;
	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX, &dir) > 0) {
		mailbox_watch_add(box, t_strconcat(dir, "/", box->index_prefix,
						   ".log", NULL));
	}
	msgraph_notify_schedule(mbox, msgraph_notify_interval(mbox));
}

bool msgraph_notify_is_fresh(struct msgraph_mailbox *mbox)
{
	unsigned int secs = mbox->storage->account->set->select_fresh;
	int64_t age;

	if (secs == 0)
		return FALSE;
	T_BEGIN {
		age = msgraph_poll_age(msgraph_list_read_file(mbox->box.list,
			mbox->folder_id));
	} T_END;
	return age >= 0 && age < secs * 1000LL;
}
