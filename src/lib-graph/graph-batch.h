#ifndef GRAPH_BATCH_H
#define GRAPH_BATCH_H

/* Many small operations on messages by $batch, 20 a request.
   https://learn.microsoft.com/graph/json-batching */

#include "graph-error.h"
#include "graph-message.h"

struct graph_client;
struct graph_batch;

/* Fields to set; the initialiser GRAPH_PATCH_INIT sets none. Absolute values:
   sending a patch twice is harmless. */
struct graph_patch {
	int is_read;			/* 1, 0, -1 = leave */
	enum graph_flag_status flag;
	enum graph_verb verb;		/* writes 0x1081 and 0x1080 */
	int imap_deleted;
	const char *const *categories;	/* NULL = leave; NULL-terminated */
};
#define GRAPH_PATCH_INIT { \
	.is_read = -1, .flag = GRAPH_FLAG_UNKNOWN, \
	.verb = GRAPH_VERB_UNKNOWN, .imap_deleted = -1, .categories = NULL }

struct graph_batch_result {
	/* error GRAPH_OK when done. NOT_FOUND for a message that is gone. LOST
	   only for copies whose answer was lost. */
	struct graph_failure failure;
	/* the failure is the service's word on this very operation, not on the
	   batch as a whole */
	bool answered;
	/* GET: the message. move, copy: the message in its new place (id,
	   parent_id). Else NULL. Belongs to the batch. */
	const struct graph_message *message;
};

struct graph_batch *graph_batch_init(struct graph_client *client);
/* Each returns the number of the operation, from 0. Strings are copied. Folders
   are ids or well-known names. */
/* GET with the whole projection of a delta row, extended properties and
   parentFolderId included. */
unsigned int graph_batch_get(struct graph_batch *batch, const char *id);
/* The same with what tells a draft from an edited one: the text's checksum. */
unsigned int graph_batch_get_content(struct graph_batch *batch, const char *id);
/* GET of id, parentFolderId and categories only. */
unsigned int graph_batch_get_parent(struct graph_batch *batch, const char *id);
unsigned int graph_batch_patch(struct graph_batch *batch, const char *id,
			       const struct graph_patch *patch);
/* After a lost answer it is looked up whether the message has arrived. */
unsigned int graph_batch_move(struct graph_batch *batch, const char *id,
			      const char *folder_id);
/* A lost answer is reported, never repeated. */
unsigned int graph_batch_copy(struct graph_batch *batch, const char *id,
			      const char *folder_id);
unsigned int graph_batch_delete(struct graph_batch *batch, const char *id);
unsigned int graph_batch_permanent_delete(struct graph_batch *batch,
					  const char *id);
unsigned int graph_batch_count(const struct graph_batch *batch);

/* Send it all; operations on the same message keep their order only across
   runs, so do not put two on one message into a batch. Refused inner requests
   (429, 503, 5xx, 412) are repeated within the deadline, the others are not
   touched again. Returns 0 when every operation has a verdict of its own; -1
   when some have only the failure of the whole (also in *fail_r; their results
   carry it too). Blocks. */
int graph_batch_run(struct graph_batch *batch, struct graph_failure *fail_r);
const struct graph_batch_result *
graph_batch_result(const struct graph_batch *batch, unsigned int i);
void graph_batch_deinit(struct graph_batch **batch);

#endif
