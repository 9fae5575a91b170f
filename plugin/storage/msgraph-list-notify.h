#ifndef MSGRAPH_LIST_NOTIFY_H
#define MSGRAPH_LIST_NOTIFY_H

/* NOTIFY (RFC 5465) of folders that are not selected: the list's vfuncs.

   Known changes are found by looking at the folder tree and at the logs of the
   folders' indexes, without a request. This is done when the session's own poll
   has ended (msgraph-list-poll.h) and when somebody, in whatever process, has
   signalled that something is new: a file in the account's directory is written
   to, and this is what sessions with NOTIFY watch. */

#include "mailbox-list-notify.h"

struct msgraph_account;

int msgraph_list_notify_init(struct mailbox_list *list,
			     enum mailbox_list_notify_event mask,
			     struct mailbox_list_notify **notify_r);
int msgraph_list_notify_next(struct mailbox_list_notify *notify,
			     const struct mailbox_list_notify_rec **rec_r);
void msgraph_list_notify_deinit(struct mailbox_list_notify *notify);
void msgraph_list_notify_wait(struct mailbox_list_notify *notify,
			      void (*callback)(void *context), void *context);
void msgraph_list_notify_flush(struct mailbox_list_notify *notify);

/* The folder tree or the index of a folder has changed. Costs nothing where
   nobody watches. */
void msgraph_list_notify_signal(struct msgraph_account *account);

#endif
