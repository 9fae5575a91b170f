#ifndef MSGRAPH_ACCOUNT_H
#define MSGRAPH_ACCOUNT_H

/* One mailbox at Graph as one process sees it: settings, transport, client,
   token, folder tree, body store. Storage and list of a namespace share it. */

#include "graph-client.h"
#include "msgraph-status.h"

struct mail_user;
struct msgraph_settings;
struct msgraph_folders;
struct msgraph_bodies;

struct msgraph_account {
	pool_t pool;
	int refcount;
	struct event *event;
	const struct msgraph_settings *set;
	/* root of everything we keep on disk, e.g. ~/msgraph */
	const char *root_dir;

	struct msnet_transport *transport;
	struct graph_client *client;
	struct msgraph_folders *folders;
	struct msgraph_bodies *bodies;

	char *token;			/* wiped on free */
	time_t token_expires;

	struct msgraph_status status;
	/* downloads under way; those after the first are background work */
	unsigned int fetching;

	/* the folder that a DELETE has opened, while it is deleted by name */
	const char *deleting_id;

	/* TRUE while Graph is known to be unreachable: log once per outage */
	bool outage_logged;
};

/* Settings only: no network, so that a log-in never fails for a missing
   token. Returns -1 and a text for bad settings. */
int msgraph_account_create(struct mail_user *user, struct event *event,
			   const char *root_dir,
			   const struct msgraph_settings *set,
			   struct msgraph_account **account_r,
			   const char **error_r);
/* Whether the daemon has a token for it: a word for the state, and what to do
   about it or NULL. Data stack. */
const char *msgraph_account_sign_in(struct msgraph_account *account,
				    const char **text_r);
void msgraph_account_ref(struct msgraph_account *account);
void msgraph_account_unref(struct msgraph_account **account);

#endif
