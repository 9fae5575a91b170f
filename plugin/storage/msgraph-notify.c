/* IDLE and NOTIFY: watch the index's log for what other processes bring, and
   poll Graph ourselves. Many idle connections of one user poll once: whoever
   comes first touches a file, the others see its time and wait for the log. */

#include "lib.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "mailbox-watch.h"
#include "msgraph-list.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* times NULL = now */
static void msgraph_notify_touch(const char *path, const struct timespec *times)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	/* If that fails this process polls for itself, which is correct too. */
	if (fd != -1) {
		(void)futimens(fd, times);
		i_close_fd(&fd);
	}
}

void msgraph_notify_pulled(struct msgraph_mailbox *mbox, int64_t when)
{
	struct timespec times[2];

	times[0].tv_sec = when / 1000;
	times[0].tv_nsec = when % 1000 * 1000000;
	times[1] = times[0];
	T_BEGIN {
		msgraph_notify_touch(msgraph_list_read_file(mbox->box.list,
			mbox->folder_id), times);
	} T_END;
}

/* Milliseconds since the time of a file, or -1. */
static int64_t msgraph_notify_age(const char *path)
{
	struct timespec now;
	struct stat st;

	/* the kernel's coarse clock, which also stamps files */
	if (path == NULL || stat(path, &st) < 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	return (now.tv_sec - st.st_mtim.tv_sec) * 1000LL +
		(now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
}

/* Milliseconds until this process may poll; 0 = now. */
static unsigned int
msgraph_notify_wait(struct msgraph_mailbox *mbox, const char *path)
{
	uint64_t interval =
		mbox->storage->account->set->poll_interval * 1000ULL;
	int64_t polled = msgraph_notify_age(path);
	int64_t read = msgraph_notify_age(
		msgraph_list_read_file(mbox->box.list, mbox->folder_id));
	int64_t age = polled < 0 || (read >= 0 && read < polled) ?
		read : polled;

	if (age < 0 || (uint64_t)age >= interval)
		return 0;
	return interval - age;
}

static void msgraph_notify_poll(struct msgraph_mailbox *mbox);

static void
msgraph_notify_schedule(struct msgraph_mailbox *mbox, unsigned int msecs)
{
	/* up to a tenth later, so that many processes do not fire at once */
	unsigned int jitter = i_rand_limit(
		mbox->storage->account->set->poll_interval * 100 + 1);

	timeout_remove(&mbox->to_poll);
	mbox->to_poll = timeout_add_short(msecs + jitter,
					  msgraph_notify_poll, mbox);
}

static void msgraph_notify_poll(struct msgraph_mailbox *mbox)
{
	struct mailbox *box = &mbox->box;
	unsigned int wait;

	timeout_remove(&mbox->to_poll);
	T_BEGIN {
		const char *path = msgraph_notify_path(mbox);

		wait = msgraph_notify_wait(mbox, path);
		if (wait == 0 && path != NULL)
			msgraph_notify_touch(path, NULL);
	} T_END;
	if (wait == 0) {
		msgraph_notify_schedule(mbox,
			mbox->storage->account->set->poll_interval * 1000);
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
	msgraph_notify_schedule(mbox,
		mbox->storage->account->set->poll_interval * 1000);
}

bool msgraph_notify_is_fresh(struct msgraph_mailbox *mbox)
{
	unsigned int secs = mbox->storage->account->set->select_fresh;
	int64_t age;

	if (secs == 0)
		return FALSE;
	T_BEGIN {
		age = msgraph_notify_age(msgraph_list_read_file(mbox->box.list,
			mbox->folder_id));
	} T_END;
	return age >= 0 && age < secs * 1000LL;
}
