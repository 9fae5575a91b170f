#ifndef MSGRAPH_ERROR_H
#define MSGRAPH_ERROR_H

/* The only place where an enum graph_error becomes an enum mail_error and a
   text for the client. */

#include "graph-error.h"
#include "mail-error.h"

struct mail_storage;
struct mailbox_list;
struct msgraph_account;

/* PURE. text_r is on the data stack: one line saying what to do. */
void msgraph_error_describe(const struct graph_failure *fail,
			    enum mail_error *error_r, const char **text_r);
/* Set the error of a storage or a list; PROTOCOL is also logged, outages once
   each. what: "APPEND", "list folders", ... */
void msgraph_error_set_storage(struct mail_storage *storage,
			       const struct graph_failure *fail);
void msgraph_error_set_list(struct mailbox_list *list,
			    const struct graph_failure *fail);
/* Log according to the policy table; for failures that the client does not
   hear of (a pull that failed while the index can still be shown). */
void msgraph_error_log(struct msgraph_account *account,
		       const struct graph_failure *fail, const char *what);

#endif
