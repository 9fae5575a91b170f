#ifndef MSGRAPH_SAVE_H
#define MSGRAPH_SAVE_H

/* Private to msgraph-save*.c and msgraph-copy.c: one saving transaction. */

#include "msgraph-storage.h"
#include "graph-batch.h"

/* A message on its way into the mailbox: a placeholder in the transaction's
   index until commit. All strings from the context's pool. */
struct msgraph_save_op {
	/* Graph id; NULL until a queued copy has been made */
	const char *id;
	/* The message at Graph came to be by us: a rollback takes it back. */
	bool created;
	/* Our own bytes are the body under this id. */
	bool pinned;
	/* Another session has read other bytes under this id, before ours
	   were there: what it showed keeps its UID, the message gets a new
	   one. */
	bool replaced;
	/* It has a row in the index already, and what that shows stays. */
	bool existing;
	/* as in the record; sized: Graph tells it */
	uint32_t size_estimate, content;
	bool sized;
	enum mail_flags flags;
	const char *const *keywords;	/* NULL-terminated or NULL */
	uint32_t received_date;
	uint64_t min_modseq;

	/* copy and move */
	const char *src_id, *src_folder_id;
	const char *message_id;		/* for the look-up, or NULL */
	bool move;
	/* in the batch that runs, under this number; fail: it was not made, so
	   far */
	bool in_batch;
	unsigned int batch_number;
	const struct graph_failure *fail;
	/* it has been looked for after a lost answer and has surely not come to
	   be */
	bool absent;
	/* flags have to be sent after the copy: Graph's are not these */
	bool send_flags;
	/* a rollback must leave it: its source is expunged in any case */
	bool keep;
};

struct msgraph_save_context {
	struct mail_save_context ctx;
	struct msgraph_mailbox *mbox;
	struct mail_index_transaction *trans;
	pool_t pool;
	ARRAY(struct msgraph_save_op) ops;

	/* the message being saved */
	int fd;
	char *temp_path;
	struct istream *input;
	uint32_t seq;
	/* of the index before Graph was asked to make it */
	uint32_t next_uid;
	bool failed;
	bool writing;

	/* held from commit_pre to commit_post */
	struct mail_index_sync_ctx *sync_ctx;
};

#define MSGRAPH_SAVECTX(s) \
	(container_of((s), struct msgraph_save_context, ctx))

/* Append a placeholder to the index transaction with the flags, keywords and
   modseq of ctx->data, and fill op's. */
void msgraph_save_add_placeholder(struct msgraph_save_context *ctx,
				  struct msgraph_save_op *op, uint32_t *seq_r);
/* dsync asks for UIDs, and finds its messages by them and by GUIDs: what got
   others would be saved again with each run. Returns -1 with the error set. */
int msgraph_save_check_identity(struct msgraph_save_context *ctx);
/* UIDs of a mailbox start with its oldest message: make sure the first listing
   is in before anything gets one. Returns -1 with the error set. */
int msgraph_save_ensure_synced(struct msgraph_save_context *ctx);
/* Time for a command that sends size bytes. */
void msgraph_save_set_deadline(struct msgraph_save_context *ctx, uoff_t size,
			       unsigned int count);
/* The id is in the index already, with uid_r, or belongs to another op (0).
   pinned_r: and it came to be by saving it here. */
bool msgraph_save_id_known(struct msgraph_save_context *ctx, const char *id,
			   bool *pinned_r, uint32_t *uid_r);
/* Before Graph is asked to make a message. */
void msgraph_save_note_next_uid(struct msgraph_save_context *ctx);
/* It cannot be what Graph was asked to make: it has been here before, belongs to
   another op, or another session has saved it. A row that a pull of another
   session has brought since may be ours. */
bool msgraph_save_is_taken(void *context, const char *id);
/* Patch for a message that has all of op's flags unset but is read or not as
   Graph pleases. FALSE if nothing is to be sent. Data stack. */
bool msgraph_save_patch(const struct msgraph_save_op *op, bool only_set,
			struct graph_patch *patch_r);
/* Put a date into the cache, if it is not there. */
void msgraph_save_cache_date(struct msgraph_save_context *ctx, uint32_t seq,
			     enum index_cache_field field, uint32_t date);
/* Delete at Graph, best effort. */
void msgraph_save_delete_remote(struct msgraph_save_context *ctx,
				const char *const *ids, unsigned int count);

/* msgraph-save-upload.c */
/* The message in ctx->fd to Graph: sets op->id, created and flags. Returns -1
   with the storage error set and nothing left behind. */
int msgraph_save_upload(struct msgraph_save_context *ctx,
			struct msgraph_save_op *op, uoff_t size);

/* msgraph-save-commit.c */
/* Take the index lock and give the placeholders their UIDs. */
int msgraph_save_assign_uids(struct msgraph_save_context *ctx);

/* msgraph-copy.c */
/* Make all queued copies. Returns -1 with the error set and all undone. */
int msgraph_copy_run(struct msgraph_save_context *ctx);
/* Take back what copies and moves have done. */
void msgraph_copy_undo(struct msgraph_save_context *ctx);

#endif
