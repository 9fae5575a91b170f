#ifndef MSGRAPH_STORAGE_H
#define MSGRAPH_STORAGE_H

#include "index-storage.h"
#include "index-mail.h"
#include "graph-folder.h"
#include "msgraph-sync.h"
#include "msgraph-account.h"

#define MSGRAPH_STORAGE_NAME "msgraph"

extern struct mail_storage msgraph_storage;
extern const struct mail_vfuncs msgraph_mail_vfuncs;
extern struct event_category event_category_msgraph;

struct msgraph_storage {
	struct mail_storage storage;
	struct msgraph_account *account;
};

struct msgraph_mailbox {
	struct mailbox box;
	struct msgraph_storage *storage;

	/* in box.pool; set by open */
	const char *folder_id;
	enum graph_folder_role role;
	struct msgraph_idmap *idmap;
	struct msgraph_quarantine *quarantine;

	struct timeout *to_poll;
	/* mailbox.sync has been called */
	bool synced;
	/* the client has been told why Graph cannot be asked */
	bool failure_told;
	/* the delta link was called unknown, though the folder is there */
	bool link_doubtful;
	/* open to look at its index: what is pending is others' to send */
	bool looking;

	/* arguments of searches under way that the service has answered */
	struct msgraph_searched *searched;

	/* NULL, or who wants to know what a pull finds */
	void (*differs)(void *context, enum msgraph_difference what,
			uint32_t uid, const char *id);
	void *differs_context;
};

#define MSGRAPH_STORAGE(s) \
	(container_of((s), struct msgraph_storage, storage))
#define MSGRAPH_MAILBOX(s) \
	(container_of((s), struct msgraph_mailbox, box))

/* msgraph-mailbox-sync.c */
struct mailbox_sync_context *
msgraph_mailbox_sync_init(struct mailbox *box, enum mailbox_sync_flags flags);
/* What the steps of a sync need to know of the mailbox, which is open. Returns
   -1 with the storage error set. */
int msgraph_mailbox_sync_env(struct msgraph_mailbox *mbox,
			     struct msgraph_sync_env *env_r);
/* The same as syncs of clients do, but that Graph cannot be asked, or will not
   have the changes just now, is an error, too. */
int msgraph_mailbox_sync_strictly(struct msgraph_mailbox *mbox,
				  enum msgraph_sync_flags flags,
				  struct msgraph_sync_result *result_r);
/* Push what is pending, if anything; what fails stays pending. */
void msgraph_mailbox_push(struct msgraph_mailbox *mbox);
/* The first enumeration is complete. */
bool msgraph_mailbox_was_synced(struct msgraph_mailbox *mbox);
/* Pull and push now. Returns -1 with the storage error set. news_r may be NULL:
   how many messages have come and gone. */
int msgraph_mailbox_sync_now(struct msgraph_mailbox *mbox,
			     enum msgraph_sync_flags flags,
			     unsigned int *news_r);

/* msgraph-notify.c */
void msgraph_notify_changes(struct mailbox *box);
/* Graph was asked then (milliseconds of the wall clock): nobody needs to poll
   for an interval. */
void msgraph_notify_pulled(struct msgraph_mailbox *mbox, int64_t when);
/* Some process has asked Graph within msgraph_select_fresh, and what it was told
   is in the index. */
bool msgraph_notify_is_fresh(struct msgraph_mailbox *mbox);

/* msgraph-mail.c */
struct mail *
msgraph_mail_alloc(struct mailbox_transaction_context *t,
		   enum mail_fetch_field wanted_fields,
		   struct mailbox_header_lookup_ctx *wanted_headers);
/* Graph id of a mail, data stack. Returns -1 with the storage error set. */
int msgraph_mail_get_id(struct mail *mail, const char **id_r);

/* msgraph-search.c */
struct mail_search_context *
msgraph_search_init(struct mailbox_transaction_context *t,
		    struct mail_search_args *args,
		    const enum mail_sort_type *sort_program,
		    enum mail_fetch_field wanted_fields,
		    struct mailbox_header_lookup_ctx *wanted_headers);
int msgraph_search_deinit(struct mail_search_context *ctx);

/* msgraph-mail-quarantine.c */
/* Its body is not to be asked for yet: sets the storage error. */
bool msgraph_mail_is_quarantined(struct mail *mail, const char *id);
/* Sets the storage error, or the mail expunged. */
void msgraph_mail_body_failed(struct mail *mail, const char *id,
			      const struct graph_failure *fail);
void msgraph_mail_body_arrived(struct mail *mail, const char *id);

/* msgraph-save.c */
struct mail_save_context *
msgraph_save_alloc(struct mailbox_transaction_context *t);
int msgraph_save_begin(struct mail_save_context *ctx, struct istream *input);
int msgraph_save_continue(struct mail_save_context *ctx);
int msgraph_save_finish(struct mail_save_context *ctx);
void msgraph_save_cancel(struct mail_save_context *ctx);
int msgraph_transaction_save_commit_pre(struct mail_save_context *ctx);
void msgraph_transaction_save_commit_post(
	struct mail_save_context *ctx,
	struct mail_index_transaction_commit_result *result);
void msgraph_transaction_save_rollback(struct mail_save_context *ctx);

/* msgraph-copy.c */
int msgraph_copy(struct mail_save_context *ctx, struct mail *mail);

#endif
