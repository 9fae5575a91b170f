#ifndef TEST_MSGRAPH_SYNC_RIG_H
#define TEST_MSGRAPH_SYNC_RIG_H

/* A bare index that is synchronised with the Graph of test-msgraph-graph.h:
   what the tests of msgraph_sync_run() share. */

#include "test-common.h"
#include "mail-index.h"
#include "mail-types.h"
#include "graph-client.h"
#include "msgraph-quarantine.h"
#include "msgraph-sync.h"
#include "test-msgraph-graph.h"

struct test_rig {
	struct ioloop *ioloop;
	const char *dir;
	struct mail_index *index;
	struct msgraph_idmap *idmap;
	struct test_graph *graph;
	struct graph_client *client;

	/* for the next sync; 0 = none */
	unsigned int deadline_msecs;

	/* of the last one */
	struct msgraph_sync_result result;
	unsigned int quarantined;
	string_t *differences;	/* "flags:2=b ..." */
	string_t *edited;	/* ids of edited drafts: "a b" */
	string_t *expunged;	/* "1=a", or "1" of what lives elsewhere */

	/* this process has appended them: "a b", or NULL */
	const char *own;
};

extern struct test_rig rig;

/* Around a test, in place of test_begin() and test_end(). */
void rig_begin(const char *name);
void rig_end(void);
/* What a process forgets when it ends. */
void rig_open_index(void);
void rig_close_index(void);

void rig_sync_mode(enum msgraph_sync_flags flags,
		   enum msgraph_expunge_mode mode);
/* Pull and push; push alone. */
void rig_sync(void);
void rig_push(void);

/* What a client does: a change that is pending until it has been sent. */
void rig_store(uint32_t uid, enum modify_type modify, enum mail_flags flags);
void rig_store_keyword(uint32_t uid, enum modify_type modify,
		       const char *name);
void rig_expunge(uint32_t uid, bool moved);
/* What another process does when it has saved a message. */
void rig_append(const char *id);
/* Three messages, a, b and c, as UID 1 to 3. */
void rig_fill(void);

/* The index as "uid=id", with the flags' initials and the keywords. */
const char *rig_index_text(void);

#define check(text) test_assert_strcmp(rig_index_text(), text)
#define check_log(text) test_assert_strcmp(test_graph_log(rig.graph), text)

#endif
