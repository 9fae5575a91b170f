#ifndef MSGRAPH_ADMIN_H
#define MSGRAPH_ADMIN_H

/* What doveadm msgraph asks of the storage. The functions are the only ones
   that this module shows to others, so here is nothing of its insides. */

#include "mail-error.h"

struct mailbox;
struct mail_namespace;

#define MSGRAPH_ADMIN_EXPORT __attribute__((visibility("default")))

struct msgraph_admin_status {
	/* "new": never listed; "listing": not to the end; "lost": the next sync
	   lists everything; "ok" */
	const char *delta;
	/* when Graph was asked last and answered; 0 = never */
	time_t synced;
	unsigned int messages;
	/* with changes that Graph does not have yet */
	unsigned int pending;
	/* Graph names them and cannot give them */
	unsigned int quarantined;
};

struct msgraph_admin_changes {
	unsigned int appended, expunged, updated, pushed;
};

struct msgraph_admin_difference {
	/* "missing", "gone", "flags", "id", "content" */
	const char *what;
	uint32_t uid;			/* 0 = has none yet */
	const char *id;			/* NULL = cannot be read */
	bool mended;
};
ARRAY_DEFINE_TYPE(msgraph_admin_difference, struct msgraph_admin_difference);

/* The namespace or mailbox is in this storage. */
bool msgraph_admin_has_namespace(struct mail_namespace *ns);
bool msgraph_admin_has_mailbox(struct mailbox *box);

/* Names of all mailboxes, from pool. ask: Graph is asked for news of them
   first. Returns -1 with *error_r and its kind. */
int msgraph_admin_names(struct mail_namespace *ns, bool ask, pool_t pool,
			ARRAY_TYPE(const_string) *names_r,
			enum mail_error *kind_r, const char **error_r);
/* The linked account, its state in a word and, if that is not "ok", in a text;
   data stack. Asks msgraph-oauthd. */
const char *msgraph_admin_account(struct mail_namespace *ns,
				  const char **state_r, const char **text_r);

/* All return -1 with the mailbox's error set, open it if it is not, and may be
   called for mailboxes of this storage only. */
/* Asks Graph for nothing. */
int msgraph_admin_status(struct mailbox *box,
			 struct msgraph_admin_status *status_r);
int msgraph_admin_sync(struct mailbox *box,
		       struct msgraph_admin_changes *changes_r);
/* Sync, then compare with a complete listing; repair: mend what differs. What
   is found is from pool. */
int msgraph_admin_verify(struct mailbox *box, bool repair, pool_t pool,
			 ARRAY_TYPE(msgraph_admin_difference) *found_r);

#endif
