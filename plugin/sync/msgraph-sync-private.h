#ifndef MSGRAPH_SYNC_PRIVATE_H
#define MSGRAPH_SYNC_PRIVATE_H

/* What the steps of a sync hand to each other. */

#include "msgraph-row.h"
#include "msgraph-slots.h"
#include "msgraph-sync.h"

struct graph_batch;

/* The time of a command grows by so much for each message that it has to ask
   for or to change, up to a limit. */
#define MSGRAPH_MSECS_PER_MESSAGE 200U
#define MSGRAPH_LONG_MAX_MSECS (30U * 60 * 1000)

/* One message of a pull. Its id and what is said of it are in the spool. */
struct msgraph_pulled {
	int64_t received;
	off_t offset;			/* of its record in the spool */
	uint32_t size;
	bool said:1;			/* the record says more than the id */
	bool partial:1;			/* the row does not say everything */
	bool content:1;			/* a partial row, not only of flags */
	bool mixed:1;			/* several rows, some of them partial */
	bool draft:1;			/* others may have edited it */
	bool present:1, removed:1;	/* both: the service must be asked */
	bool lives:1;			/* removed here, but not gone */
};
ARRAY_DEFINE_TYPE(msgraph_pulled, struct msgraph_pulled);
ARRAY_DEFINE_TYPE(msgraph_pulled_ptr, const struct msgraph_pulled *);

struct msgraph_pull {
	pool_t pool;
	ARRAY_TYPE(msgraph_pulled) rows;
	/* id -> index + 1; when the pull has run, only if it sweeps or
	   something is in quarantine */
	struct msgraph_slots by_id;
	bool have_by_id;
	int spool_fd;
	off_t spool_size;
	buffer_t *spooled;		/* the record that is being made */
	/* the spool is the one that has a name and is locked by us; listed: it
	   has all pages */
	bool listing, listed;
	/* it listed everything: what it did not name is gone */
	bool full;
	/* rows that had no id to know them by */
	bool unnamed;
	/* tell how the index differs, change nothing */
	bool verify;
	/* the service delivered extended properties */
	bool has_properties;
	const char *link;
	/* of the state that it started from */
	uint32_t generation, pushes;
	/* to be applied though local changes were sent meanwhile */
	bool at_any_rate;
	/* the index's next UID then: what came later is not in a listing */
	uint32_t next_uid;
	/* NULL, or messages that were read singly, and for each row its number
	   there + 1, or 0 */
	struct graph_batch *asked;
	unsigned int *asked_rows;
};

/* A local change that Graph has not got yet. */
struct msgraph_pending {
	uint32_t uid;
	/* moved: by us, and so it is for Graph; lives: it is in another folder,
	   by whomever */
	bool expunge, moved, lives, keywords_changed;
	enum mail_flags changed, flags;
	const char *id;
	const char *const *keywords;	/* as they shall be */
	/* those that were set or removed */
	ARRAY_TYPE(const_string) touched;
	/* during the push: as they shall be with those that others have set */
	const char *const *categories;
	/* of the record; its content tells whether a draft was edited */
	struct msgraph_rec own;
	/* the id cannot be read just now */
	bool unreadable;
	/* an expunge of what others have made something else of; marked: it
	   still has the \Deleted of what it was */
	bool edited, marked;
	/* after the push; failed: not this time */
	bool done, failed;
	/* done, but Graph will never take it: the message is to be shown as
	   it is there, which server tells (of an expunge: nothing) */
	bool refused;
	struct msgraph_flag_state server;
};
ARRAY_DEFINE_TYPE(msgraph_pending, struct msgraph_pending);

/* From where a pull starts. */
struct msgraph_pull_start {
	/* NULL = list everything */
	const char *link;
	/* of the index */
	uint32_t generation, next_uid, pushes;
	/* it may have been asked ahead */
	bool ahead;
	/* do not go on with a listing that was interrupted */
	bool anew;
};
/* Ask Graph what changed. Returns NULL and the failure. */
struct msgraph_pull *
msgraph_pull_run(const struct msgraph_sync_env *env,
		 const struct msgraph_pull_start *start,
		 struct graph_failure *fail_r);
/* A row that the spool has already, there. Returns -1 with errno set if those
   before it cannot be read. */
int msgraph_pull_replay(struct msgraph_pull *pull,
			const struct msgraph_row *said, off_t offset,
			uint32_t size);
void msgraph_pull_free(struct msgraph_pull **pull);
/* What it does not name is gone, of the UIDs below next_uid. */
bool msgraph_pull_sweeps(const struct msgraph_pull *pull);
/* After the pull was applied: what was to be tried again and is here now, or
   gone, is not tried any more. */
void msgraph_pull_settle(const struct msgraph_sync_env *env,
			 const struct msgraph_pull *pull);

/* msgraph-sync-spool.c */
/* For a complete listing, before its first row. Returns 1 when one that was
   interrupted has been taken over: then pull->link is what to go on with,
   unless pull->listed. Else 0, or -1 and the failure. */
int msgraph_spool_begin(const struct msgraph_sync_env *env,
			struct msgraph_pull *pull, bool anew,
			struct graph_failure *fail_r);
int msgraph_spool_add(const struct msgraph_sync_env *env,
		      struct msgraph_pull *pull,
		      const struct msgraph_row *said, off_t *offset_r,
		      uint32_t *size_r, struct graph_failure *fail_r);
/* A page is complete. */
int msgraph_spool_page(const struct msgraph_sync_env *env,
		       struct msgraph_pull *pull, const char *link, bool last,
		       struct graph_failure *fail_r);
/* The listing is in the index, or of no use. */
void msgraph_spool_remove(const struct msgraph_sync_env *env,
			  struct msgraph_pull *pull);
/* A process that was killed between the two may have left one. */
void msgraph_spool_forget(const struct msgraph_sync_env *env);

/* msgraph-sync-rows.c */
/* Data stack. NULL with errno set if the spool cannot be read. */
const char *msgraph_pull_id(const struct msgraph_pull *pull,
			    const struct msgraph_pulled *row);
/* Its row, only if have_by_id. Returns 1, 0 if it has none, -1 with errno set if
   the spool cannot be read: then it may have one. */
int msgraph_pull_find(const struct msgraph_pull *pull, const char *id,
		      struct msgraph_pulled **row_r);
/* What is said of it. Returns 1, 0 if nothing is, -1 with errno set if the spool
   cannot be read. Data stack. */
int msgraph_pull_read(const struct msgraph_pull *pull,
		      const struct msgraph_pulled *row,
		      struct msgraph_row *said_r);
/* The same of the message as it was read singly because its row said too
   little. */
bool msgraph_pull_asked(const struct msgraph_sync_env *env,
			const struct msgraph_pull *pull,
			const struct msgraph_pulled *row,
			struct msgraph_row *said_r);

/* msgraph-sync-order.c: sort. Returns -1 with errno set if the spool cannot be
   read. */
int msgraph_order_rows(const struct msgraph_pull *pull,
		       ARRAY_TYPE(msgraph_pulled_ptr) *array);

/* msgraph-sync-adopt.c: messages that have another id now, after a complete
   listing. */
struct msgraph_cache;
struct msgraph_adopt;
struct msgraph_adopt *
msgraph_adopt_init(const struct msgraph_sync_env *env,
		   struct mail_index_view *view, struct msgraph_cache *cache,
		   const struct msgraph_pull *pull);
/* Sequence of the record that is this message under an old id, or 0. Each is
   given away once. */
uint32_t msgraph_adopt_take(struct msgraph_adopt *adopt,
			    const struct msgraph_row *said);
/* It has been given away. */
bool msgraph_adopt_is_taken(struct msgraph_adopt *adopt, uint32_t seq);
void msgraph_adopt_deinit(struct msgraph_adopt **adopt);

/* Put a pull into the index, under the sync lock of (view): new messages in
   order of their dates, flags except where a local change is pending, gone
   ones. marked gets the UIDs of edited drafts with the \Deleted of what they
   were. Returns -1 with *error_r. */
int msgraph_apply(const struct msgraph_sync_env *env,
		  struct mail_index_view *view,
		  const struct msgraph_pull *pull,
		  ARRAY_TYPE(msgraph_pending) *pending,
		  ARRAY_TYPE(seq_range) *marked,
		  struct msgraph_sync_result *result, const char **error_r);

/* Give the message what state says of flags and keywords. Returns TRUE if that
   was a change. */
bool msgraph_apply_state(const struct msgraph_sync_env *env,
			 struct mail_index_view *view,
			 struct mail_index_transaction *trans, uint32_t seq,
			 const struct msgraph_flag_state *state);

/* Read the pending records of a sync, in order of UIDs. Strings from pool. */
void msgraph_pending_collect(const struct msgraph_sync_env *env,
			     struct mail_index_sync_ctx *ctx,
			     struct mail_index_view *view, pool_t pool,
			     ARRAY_TYPE(msgraph_pending) *pending);
bool msgraph_pending_equals(const struct msgraph_pending *a,
			    const struct msgraph_pending *b);
/* Send them; marks what is done: each for itself, so that one that cannot be
   changed does not hold up the others. What they are marked with is from pool.
   Returns -1 when something stays pending. */
int msgraph_push_run(const struct msgraph_sync_env *env, pool_t pool,
		     ARRAY_TYPE(msgraph_pending) *pending,
		     struct msgraph_sync_result *result);

#endif
