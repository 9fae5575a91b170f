/* One operation on a message, as a part of a batch or a request of its own. */

#include "graph-op.h"
#include "graph-client.h"
#include "graph-json.h"
#include "graph-property.h"
#include "graph-url.h"
#include "msnet-buf.h"

#include <json-c/json.h>
#include <stddef.h>
#include <string.h>

/* of one that is refused for the moment */
#define OP_TRIES_MAX 8
#define STATUS_FAILED_DEPENDENCY 424

static const struct graph_op_info op_types[] = {
	[GRAPH_OP_GET] = { "read a message", "GET", "", true, { 200 } },
	[GRAPH_OP_GET_CONTENT] = { "read a draft", "GET", "", true, { 200 } },
	[GRAPH_OP_GET_PARENT] = { "find a message", "GET",
		"?$select=id,parentFolderId,categories", true, { 200 } },
	[GRAPH_OP_PATCH] = { "change a message", "PATCH", "", true,
		{ 200, 204 } },
	[GRAPH_OP_MOVE] = { "move a message", "POST", "/move", false,
		{ 201, 200 } },
	[GRAPH_OP_COPY] = { "copy a message", "POST", "/copy", false,
		{ 201, 200 } },
	[GRAPH_OP_DELETE] = { "delete a message", "DELETE", "", true,
		{ 204, 200 } },
	[GRAPH_OP_PERMANENT_DELETE] = { "delete a message for good", "POST",
		"/permanentDelete", true, { 204, 200 } },
};

const struct graph_op_info *graph_op_info(const struct graph_op *op)
{
	return &op_types[op->type];
}

void graph_op_path(const struct graph_op *op, struct graph_client *client,
		   struct msnet_buf *path)
{
	msnet_buf_printf(path, "%s/messages",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(path, op->id);
	msnet_buf_add(path, op_types[op->type].suffix);
	if (op->type == GRAPH_OP_GET || op->type == GRAPH_OP_GET_CONTENT) {
		graph_url_add_query(path, "$select", op->type == GRAPH_OP_GET ?
			GRAPH_MESSAGE_SELECT : GRAPH_MESSAGE_SELECT ","
			GRAPH_MESSAGE_SELECT_CONTENT);
		graph_url_add_query(path, "$expand", GRAPH_MESSAGE_EXPAND);
	}
}

void graph_op_add_to_batch(const struct graph_op *op,
			   struct graph_client *client, unsigned int number,
			   const unsigned int *after, struct msnet_buf *body)
{
	const struct graph_op_info *info = graph_op_info(op);
	struct msnet_buf path = { 0 };

	graph_op_path(op, client, &path);
	msnet_buf_printf(body, "{\"id\":\"%u\",\"method\":\"%s\",\"url\":",
			 number, info->method);
	graph_json_add_string(body, path.data);
	msnet_buf_free(&path);
	msnet_buf_printf(body, ",\"headers\":{\"Prefer\":"
		"\"IdType=\\\"ImmutableId\\\"%s\"%s}",
		op->type == GRAPH_OP_PATCH ? ", return=minimal" : "",
		op->body == NULL ? "" :
		",\"Content-Type\":\"application/json\"");
	if (op->body != NULL)
		msnet_buf_printf(body, ",\"body\":%s", op->body);
	if (after != NULL)
		msnet_buf_printf(body, ",\"dependsOn\":[\"%u\"]", *after);
	msnet_buf_add(body, "}");
}

static bool op_is_ok(const struct graph_op *op, int status)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (op_types[op->type].ok[i] == status)
			return true;
	}
	return false;
}

void graph_op_succeed(struct graph_op *op, struct json_object *body)
{
	const char *error = NULL;
	bool wants_message = op->type <= GRAPH_OP_GET_PARENT ||
		op->type == GRAPH_OP_MOVE || op->type == GRAPH_OP_COPY;

	op->done = true;
	memset(&op->result.failure, 0, sizeof(op->result.failure));
	if (!wants_message)
		return;
	op->message = body == NULL ? NULL :
		graph_message_from_json(body, &error);
	op->result.message = op->message;
	/* a copy has come to be, whatever it is called */
	if (op->message == NULL && op->type != GRAPH_OP_MOVE)
		graph_failure_set(&op->result.failure,
				  op->type == GRAPH_OP_COPY ? GRAPH_ERROR_LOST :
				  GRAPH_ERROR_PROTOCOL,
				  "%s: the answer is no message",
				  op_types[op->type].what);
}

void graph_op_refuse(struct graph_op *op)
{
	const struct graph_failure *fail = &op->result.failure;

	op->tries++;
	if (op->skipped)
		op->done = false;	/* nor has that, see batch_round() */
	else if (fail->error == GRAPH_ERROR_AUTH && fail->status == 401) {
		op->done = op->alone;
		op->alone = true;
	} else if (fail->error == GRAPH_ERROR_CONFLICT)
		op->done = op->tries >= 3;
	else if (fail->error == GRAPH_ERROR_THROTTLED)
		op->done = false;	/* it has had no effect */
	else if (graph_error_is_transient(fail->error)) {
		op->uncertain = true;
		op->done = op->type == GRAPH_OP_COPY;
		if (op->done)
			op->result.failure.error = GRAPH_ERROR_LOST;
	} else {
		op->done = true;
	}
	if (op->tries >= OP_TRIES_MAX)
		op->done = true;
}

void graph_op_answered(struct graph_op *op, int status,
		       struct json_object *body, const char *retry_after)
{
	const char *text;

	op->result.answered = true;
	if (op_is_ok(op, status)) {
		graph_op_succeed(op, body);
		return;
	}
	text = body == NULL ? NULL : json_object_to_json_string(body);
	op->skipped = status == STATUS_FAILED_DEPENDENCY;
	graph_failure_from_parts(&op->result.failure, op_types[op->type].what,
				 status, text, retry_after, false);
	graph_op_refuse(op);
}
