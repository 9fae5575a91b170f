#ifndef MSGRAPH_LIST_POLL_H
#define MSGRAPH_LIST_POLL_H

/* While a NOTIFY session is idle: ask Graph for the folders, by one request,
   and for the messages of those that need it (msgraph_poll_need()), twenty
   folders a request. What has changed is in the tree and in the indexes then. */

struct mailbox_list;

/* Blocks. messages = FALSE: the folders alone. What fails is logged, once an
   outage. */
void msgraph_list_poll(struct mailbox_list *list, bool messages);

#endif
