#ifndef GRAPH_USER_H
#define GRAPH_USER_H

/* https://learn.microsoft.com/graph/api/user-get */

#include "graph-error.h"

struct graph_client;

/* Free with graph_user_deinit(). Strings are never NULL, "" if absent. */
struct graph_user {
	char *id;			/* = claim oid */
	char *user_principal_name;
	char *mail;
	char *display_name;
	char **proxy_addresses;		/* NULL-terminated, "SMTP:a@b" */
};

/* Whose mailbox the client's is. Blocks. Returns 0 or -1. */
int graph_user_get(struct graph_client *client, struct graph_user *user_r,
		   struct graph_failure *fail_r);
/* Can the mailbox be opened? Blocks. Returns 0 or -1. */
int graph_user_check_mailbox(struct graph_client *client,
			     struct graph_failure *fail_r);
void graph_user_deinit(struct graph_user *user);

#endif
