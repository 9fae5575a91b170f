#ifndef GRAPH_OP_H
#define GRAPH_OP_H

/* One operation of a graph_batch: what it asks for, and what an answer makes of
   it. */

#include "graph-batch.h"

struct json_object;
struct msnet_buf;

enum graph_op_type {
	GRAPH_OP_GET, GRAPH_OP_GET_CONTENT, GRAPH_OP_GET_PARENT,
	GRAPH_OP_PATCH, GRAPH_OP_MOVE, GRAPH_OP_COPY,
	GRAPH_OP_DELETE, GRAPH_OP_PERMANENT_DELETE
};

struct graph_op_info {
	const char *what, *method, *suffix;
	bool idempotent;
	int ok[3];	/* statuses; 0 = end */
};

struct graph_op {
	enum graph_op_type type;
	char *id, *folder_id;
	char *body;			/* JSON, NULL = none */
	bool done;
	/* sent at least once without a known outcome */
	bool uncertain;
	/* not carried out, because the one before it in the chain failed */
	bool skipped;
	/* not in a batch any more */
	bool alone;
	unsigned int tries;
	struct graph_message *message;
	struct graph_batch_result result;
};

const struct graph_op_info *graph_op_info(const struct graph_op *op);
/* Below /v1.0, with the query. */
void graph_op_path(const struct graph_op *op, struct graph_client *client,
		   struct msnet_buf *path);
/* As an object of "requests"; after: the number of the one that it waits for, or
   NULL. */
void graph_op_add_to_batch(const struct graph_op *op,
			   struct graph_client *client, unsigned int number,
			   const unsigned int *after, struct msnet_buf *body);

/* What has come of it. body may be NULL. */
void graph_op_answered(struct graph_op *op, int status,
		       struct json_object *body, const char *retry_after);
void graph_op_succeed(struct graph_op *op, struct json_object *body);
/* result.failure is set: done for good, or to be tried again. */
void graph_op_refuse(struct graph_op *op);

#endif
