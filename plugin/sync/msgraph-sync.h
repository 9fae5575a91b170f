#ifndef MSGRAPH_SYNC_H
#define MSGRAPH_SYNC_H

/* Bring one folder's index and Graph together. Knows lib-index and lib-graph,
   not struct mailbox, so it is tested with a bare index.

   Order: pull (no lock) - collect pending local changes - plan - push (no
   lock) - lock, apply, commit. No network under the index sync lock. Pull and
   push fail apart: a refused push leaves its records pending and never makes a
   read fail. */

#include "mail-index.h"
#include "graph-error.h"
#include "msgraph-idmap.h"

struct graph_client;
struct msgraph_quarantine;

enum msgraph_expunge_mode {
	MSGRAPH_EXPUNGE_RECOVERABLE = 0,
	MSGRAPH_EXPUNGE_TRASH,
	MSGRAPH_EXPUNGE_PERMANENT
};

enum msgraph_sync_flags {
	/* ask Graph for changes; without it only local changes are pushed */
	MSGRAPH_SYNC_PULL = 0x01,
	/* forget the delta link first (doveadm force-resync) */
	MSGRAPH_SYNC_FULL = 0x02,
	/* what graph_delta_ahead() has brought is new enough */
	MSGRAPH_SYNC_AHEAD = 0x04,
	/* list everything and tell how the index differs from it, but change
	   nothing (doveadm msgraph verify) */
	MSGRAPH_SYNC_VERIFY = 0x08
};

enum msgraph_difference {
	MSGRAPH_DIFFERS_MISSING = 0,	/* at Graph, not here */
	MSGRAPH_DIFFERS_GONE,		/* here, not at Graph */
	MSGRAPH_DIFFERS_FLAGS,		/* also keywords */
	/* here under an id that Graph does not have, or that cannot be read */
	MSGRAPH_DIFFERS_ID,
	MSGRAPH_DIFFERS_CONTENT		/* a draft that others have edited */
};

struct msgraph_sync_env {
	struct mail_index *index;
	struct msgraph_idmap *idmap;
	struct graph_client *client;
	struct msgraph_quarantine *quarantine;
	struct event *event;
	const char *folder_id;
	/* existing folder of this mailbox's own for spool and lock files */
	const char *dir;
	enum msgraph_expunge_mode expunge_mode;
	/* the folder is Deleted Items itself: trash means recoverable there */
	bool is_trash;
	/* id of Deleted Items */
	const char *trash_id;
	enum mail_index_sync_flags index_sync_flags;

	/* All may be NULL. Called under the index lock: no network in them. */
	/* the bytes of this message are ours alone, so that it matters whether
	   it is gone or in another folder */
	bool (*is_own)(void *context, const char *id);
	/* a UIDVALIDITY that no folder of this name has had; NULL = the time */
	uint32_t (*next_uid_validity)(void *context);
	/* new messages seq1..seq2 of the sync view are \Recent */
	void (*recent)(void *context, struct mail_index_view *view,
		       uint32_t seq1, uint32_t seq2);
	/* the message with this UID goes from here; id: and with it what is
	   kept of it, NULL = it lives on elsewhere */
	void (*expunged)(void *context, uint32_t uid, const char *id);
	/* others have edited the draft with this id: copies are out of date */
	void (*edited)(void *context, const char *id);
	/* A message is new here, and may have been elsewhere before; content:
	   msgraph_cache_content() of a draft. */
	void (*arrived)(void *context, const char *id, bool draft,
			uint32_t content);
	/* the message with the id old_id (NULL = not known) has another one */
	void (*renamed)(void *context, const char *old_id, const char *id);
	/* A pull has found this; uid 0 = it has none yet. The id may be
	   NULL. */
	void (*differs)(void *context, enum msgraph_difference what,
			uint32_t uid, const char *id);
	/* Called without lock, at most once a second while a long listing
	   runs. */
	void (*progress)(void *context, unsigned int messages);
	void *context;
};

struct msgraph_sync_result {
	/* GRAPH_OK, or why Graph could not be asked. The index is then as it
	   was; if synced is TRUE the mailbox can still be shown. */
	struct graph_failure pull;
	/* GRAPH_OK, or why local changes are still pending */
	struct graph_failure push;
	/* GRAPH_OK, or why Graph will not have some of them at all: these are
	   undone */
	struct graph_failure refused;
	/* the first enumeration is complete */
	bool synced;
	/* what was pulled has been compared with the index: another process was
	   not faster */
	bool compared;
	/* local changes were sent meanwhile, so it has to be pulled again */
	bool outdated;
	/* the listing had rows that could not be used, so what it did not name
	   may be there all the same */
	bool unnamed;
	unsigned int appended, expunged, updated, pushed;
};

/* Returns 0 when the index is in order (look at the result for what Graph
   said), -1 on an error of the index itself, which index_error_r tells. */
int msgraph_sync_run(const struct msgraph_sync_env *env,
		     enum msgraph_sync_flags flags,
		     struct msgraph_sync_result *result_r,
		     const char **index_error_r);

/* Local changes wait to be pushed. Cheap: no lock, no network. */
bool msgraph_sync_have_pending(struct mail_index *index);
/* Messages with such changes. Takes the index lock for a moment. Returns -1 on
   an error of the index. */
int msgraph_sync_count_pending(const struct msgraph_sync_env *env,
			       unsigned int *count_r,
			       const char **index_error_r);
/* A complete listing was begun in the folder dir and has not come to its
   end. */
bool msgraph_sync_is_listing(const char *dir);

#endif
