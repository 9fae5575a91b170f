#include "graph-batch.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-patch.h"
#include "graph-property.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCH_MAX 20
/* rounds for inner requests that are refused for the moment */
#define BATCH_ROUNDS_MAX 8
#define BATCH_WAIT_MSECS 500
/* 0x1080 that belongs to 0x1081 */
#define ICON_REPLIED 261
#define ICON_FORWARDED 262
#define ICON_NONE 256

enum batch_op_type {
	BATCH_GET, BATCH_GET_PARENT, BATCH_PATCH, BATCH_MOVE, BATCH_COPY,
	BATCH_DELETE, BATCH_PERMANENT_DELETE
};

struct batch_op {
	enum batch_op_type type;
	char *id, *folder_id;
	char *body;			/* JSON, NULL = none */
	bool done;
	/* sent at least once without a known outcome */
	bool uncertain;
	unsigned int tries;
	struct graph_message *message;
	struct graph_batch_result result;
};

struct graph_batch {
	struct graph_client *client;
	struct batch_op *ops;
	unsigned int count, size;
};

static const struct {
	const char *what, *method, *suffix;
	bool idempotent;
	int ok[3];
} op_types[] = {
	[BATCH_GET] = { "read a message", "GET", "", true, { 200 } },
	[BATCH_GET_PARENT] = { "find a message", "GET",
		"?$select=id,parentFolderId,categories", true, { 200 } },
	[BATCH_PATCH] = { "change a message", "PATCH", "", true,
		{ 200, 204 } },
	[BATCH_MOVE] = { "move a message", "POST", "/move", false,
		{ 201, 200 } },
	[BATCH_COPY] = { "copy a message", "POST", "/copy", false,
		{ 201, 200 } },
	[BATCH_DELETE] = { "delete a message", "DELETE", "", true,
		{ 204, 200 } },
	[BATCH_PERMANENT_DELETE] = { "delete a message for good", "POST",
		"/permanentDelete", true, { 204, 200 } },
};

struct graph_batch *graph_batch_init(struct graph_client *client)
{
	struct graph_batch *batch = msnet_malloc(sizeof(*batch));

	batch->client = client;
	return batch;
}

void graph_batch_deinit(struct graph_batch **_batch)
{
	struct graph_batch *batch = *_batch;
	unsigned int i;

	if (batch == NULL)
		return;
	*_batch = NULL;
	for (i = 0; i < batch->count; i++) {
		free(batch->ops[i].id);
		free(batch->ops[i].folder_id);
		free(batch->ops[i].body);
		graph_message_free(&batch->ops[i].message);
	}
	free(batch->ops);
	free(batch);
}

unsigned int graph_batch_count(const struct graph_batch *batch)
{
	return batch->count;
}

const struct graph_batch_result *
graph_batch_result(const struct graph_batch *batch, unsigned int i)
{
	return &batch->ops[i].result;
}

static struct batch_op *
batch_add(struct graph_batch *batch, enum batch_op_type type, const char *id)
{
	struct batch_op *op;

	if (batch->count == batch->size) {
		batch->size = batch->size == 0 ? BATCH_MAX : batch->size * 2;
		batch->ops = msnet_realloc(batch->ops, batch->size *
					   sizeof(*batch->ops));
	}
	op = &batch->ops[batch->count++];
	memset(op, 0, sizeof(*op));
	op->type = type;
	op->id = msnet_strdup(id);
	return op;
}

unsigned int graph_batch_get(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, BATCH_GET, id);
	return batch->count - 1;
}

unsigned int graph_batch_get_parent(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, BATCH_GET_PARENT, id);
	return batch->count - 1;
}

unsigned int graph_batch_delete(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, BATCH_DELETE, id);
	return batch->count - 1;
}

unsigned int graph_batch_permanent_delete(struct graph_batch *batch,
					  const char *id)
{
	(void)batch_add(batch, BATCH_PERMANENT_DELETE, id);
	return batch->count - 1;
}

static unsigned int
batch_add_transfer(struct graph_batch *batch, enum batch_op_type type,
		   const char *id, const char *folder_id)
{
	struct batch_op *op = batch_add(batch, type, id);
	struct msnet_buf body = { 0 };

	op->folder_id = msnet_strdup(folder_id);
	msnet_buf_add(&body, "{\"destinationId\":");
	graph_json_add_string(&body, folder_id);
	msnet_buf_add(&body, "}");
	op->body = msnet_buf_steal(&body);
	return batch->count - 1;
}

unsigned int graph_batch_move(struct graph_batch *batch, const char *id,
			      const char *folder_id)
{
	return batch_add_transfer(batch, BATCH_MOVE, id, folder_id);
}

unsigned int graph_batch_copy(struct graph_batch *batch, const char *id,
			      const char *folder_id)
{
	return batch_add_transfer(batch, BATCH_COPY, id, folder_id);
}

unsigned int graph_batch_patch(struct graph_batch *batch, const char *id,
			       const struct graph_patch *patch)
{
	struct batch_op *op = batch_add(batch, BATCH_PATCH, id);
	struct msnet_buf body = { 0 };

	msnet_buf_add(&body, "{");
	graph_patch_add_json(patch, &body);
	msnet_buf_add(&body, "}");
	op->body = msnet_buf_steal(&body);
	return batch->count - 1;
}

/*
 * Patch as JSON
 */

static void add_key(struct msnet_buf *buf, const char *key)
{
	if (buf->data[buf->used - 1] != '{')
		msnet_buf_add(buf, ",");
	msnet_buf_printf(buf, "\"%s\":", key);
}

void graph_patch_add_property(struct msnet_buf *buf, const char *id,
			      const char *value)
{
	if (buf->data[buf->used - 1] != '[')
		msnet_buf_add(buf, ",");
	msnet_buf_add(buf, "{\"id\":");
	graph_json_add_string(buf, id);
	msnet_buf_add(buf, ",\"value\":");
	graph_json_add_string(buf, value);
	msnet_buf_add(buf, "}");
}

void graph_patch_add_properties(const struct graph_patch *patch,
				struct msnet_buf *buf)
{
	char number[16];

	if (patch->verb != GRAPH_VERB_UNKNOWN) {
		snprintf(number, sizeof(number), "%d", (int)patch->verb);
		graph_patch_add_property(buf, GRAPH_PROP_VERB, number);
		snprintf(number, sizeof(number), "%d",
			 patch->verb == GRAPH_VERB_NONE ? ICON_NONE :
			 patch->verb == GRAPH_VERB_FORWARDED ?
			 ICON_FORWARDED : ICON_REPLIED);
		graph_patch_add_property(buf, GRAPH_PROP_ICON, number);
	}
	if (patch->imap_deleted >= 0) {
		graph_patch_add_property(buf, GRAPH_PROP_IMAP_DELETED,
					 patch->imap_deleted > 0 ? "1" : "0");
	}
}

void graph_patch_add_fields(const struct graph_patch *patch,
			    struct msnet_buf *buf)
{
	static const char *const statuses[] = {
		"notFlagged", "flagged", "complete"
	};
	const char *const *p;

	if (patch->is_read >= 0) {
		add_key(buf, "isRead");
		msnet_buf_add(buf, patch->is_read > 0 ? "true" : "false");
	}
	if (patch->flag != GRAPH_FLAG_UNKNOWN) {
		add_key(buf, "flag");
		msnet_buf_printf(buf, "{\"flagStatus\":\"%s\"}",
				 statuses[patch->flag]);
	}
	if (patch->categories != NULL) {
		add_key(buf, "categories");
		msnet_buf_add(buf, "[");
		for (p = patch->categories; *p != NULL; p++) {
			if (p != patch->categories)
				msnet_buf_add(buf, ",");
			graph_json_add_string(buf, *p);
		}
		msnet_buf_add(buf, "]");
	}
}

void graph_patch_add_json(const struct graph_patch *patch,
			  struct msnet_buf *buf)
{
	graph_patch_add_fields(patch, buf);
	if (patch->verb != GRAPH_VERB_UNKNOWN || patch->imap_deleted >= 0) {
		add_key(buf, "singleValueExtendedProperties");
		msnet_buf_add(buf, "[");
		graph_patch_add_properties(patch, buf);
		msnet_buf_add(buf, "]");
	}
}

/*
 * Sending
 */

static void op_path(struct graph_batch *batch, const struct batch_op *op,
		    struct msnet_buf *path)
{
	msnet_buf_printf(path, "%s/messages",
			 graph_client_mailbox_path(batch->client));
	graph_url_add_segment(path, op->id);
	msnet_buf_add(path, op_types[op->type].suffix);
	if (op->type == BATCH_GET) {
		graph_url_add_query(path, "$select", GRAPH_MESSAGE_SELECT);
		graph_url_add_query(path, "$expand", GRAPH_MESSAGE_EXPAND);
	}
}

static void batch_add_request(struct graph_batch *batch, unsigned int number,
			      struct msnet_buf *body)
{
	const struct batch_op *op = &batch->ops[number];
	struct msnet_buf path = { 0 };

	op_path(batch, op, &path);
	msnet_buf_printf(body, "%s{\"id\":\"%u\",\"method\":\"%s\",\"url\":",
		body->data[body->used - 1] == '[' ? "" : ",",
		number, op_types[op->type].method);
	graph_json_add_string(body, path.data);
	msnet_buf_free(&path);
	msnet_buf_printf(body, ",\"headers\":{\"Prefer\":"
		"\"IdType=\\\"ImmutableId\\\"%s\"%s}",
		op->type == BATCH_PATCH ? ", return=minimal" : "",
		op->body == NULL ? "" :
		",\"Content-Type\":\"application/json\"");
	if (op->body != NULL)
		msnet_buf_printf(body, ",\"body\":%s", op->body);
	msnet_buf_add(body, "}");
}

static bool op_is_ok(const struct batch_op *op, int status)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (op_types[op->type].ok[i] == status)
			return true;
	}
	return false;
}

static void op_succeed(struct batch_op *op, struct json_object *body)
{
	const char *error = NULL;
	bool wants_message = op->type <= BATCH_GET_PARENT ||
		op->type == BATCH_MOVE || op->type == BATCH_COPY;

	op->done = true;
	memset(&op->result.failure, 0, sizeof(op->result.failure));
	if (!wants_message)
		return;
	op->message = body == NULL ? NULL :
		graph_message_from_json(body, &error);
	op->result.message = op->message;
	if (op->message == NULL && op->type != BATCH_MOVE)
		graph_failure_set(&op->result.failure, GRAPH_ERROR_PROTOCOL,
				  "%s: the answer is no message",
				  op_types[op->type].what);
}

/* A refused operation: done for good, or to be tried again. */
static void op_refuse(struct batch_op *op)
{
	const struct graph_failure *fail = &op->result.failure;

	op->tries++;
	if (fail->error == GRAPH_ERROR_CONFLICT)
		op->done = op->tries >= 3;
	else if (fail->error == GRAPH_ERROR_THROTTLED)
		op->done = false;	/* it has had no effect */
	else if (graph_error_is_transient(fail->error)) {
		op->uncertain = true;
		op->done = op->type == BATCH_COPY;
		if (op->done)
			op->result.failure.error = GRAPH_ERROR_LOST;
	} else {
		op->done = true;
	}
	if (op->tries >= BATCH_ROUNDS_MAX)
		op->done = true;
}

static void
op_answered(struct batch_op *op, int status, struct json_object *body,
	    const char *retry_after)
{
	const char *text = body == NULL ? NULL :
		json_object_to_json_string(body);

	op->result.answered = true;
	if (op_is_ok(op, status)) {
		op_succeed(op, body);
		return;
	}
	graph_failure_from_parts(&op->result.failure, op_types[op->type].what,
				 status, text, retry_after, false);
	op_refuse(op);
}

static const char *header_of(struct json_object *response, const char *name)
{
	struct json_object *headers = graph_json_object(response, "headers");

	if (headers == NULL)
		return NULL;
	json_object_object_foreach(headers, key, value) {
		if (strcasecmp(key, name) == 0)
			return graph_json_text(value);
	}
	return NULL;
}

static void batch_take_response(struct graph_batch *batch,
				struct json_object *response,
				const unsigned int *numbers,
				unsigned int count, bool *answered)
{
	struct json_object *body, *decoded = NULL;
	int64_t number, status;
	unsigned int i;
	const char *text;

	if (!graph_json_int(response, "id", &number) ||
	    !graph_json_int(response, "status", &status))
		return;
	for (i = 0; i < count && numbers[i] != number; i++) ;
	if (i == count || answered[i])
		return;
	answered[i] = true;
	body = graph_json_object(response, "body");
	text = body == NULL ? graph_json_string(response, "body") : NULL;
	if (text != NULL) {
		size_t size;
		char *plain = graph_json_decode_base64(text, &size);

		if (plain != NULL)
			decoded = graph_json_parse(plain, size);
		free(plain);
		body = decoded;
	}
	op_answered(&batch->ops[number], (int)status, body,
		    header_of(response, "Retry-After"));
	json_object_put(decoded);
}

/* The batch as a whole came back. */
static void
batch_take_answer(struct graph_batch *batch, struct msnet_response *resp,
		  const unsigned int *numbers, unsigned int count)
{
	struct json_object *obj, *array;
	bool answered[BATCH_MAX] = { false };
	unsigned int i, n = 0;

	obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	array = obj == NULL ? NULL : graph_json_array(obj, "responses", &n);
	for (i = 0; array != NULL && i < n; i++) {
		batch_take_response(batch, json_object_array_get_idx(array, i),
				    numbers, count, answered);
	}
	json_object_put(obj);
	for (i = 0; i < count; i++) {
		if (answered[i])
			continue;
		graph_failure_set(&batch->ops[numbers[i]].result.failure,
				  GRAPH_ERROR_LOST, "%s: no answer in the batch",
				  op_types[batch->ops[numbers[i]].type].what);
		op_refuse(&batch->ops[numbers[i]]);
	}
}

/* The batch as a whole failed. Returns true if that concerns all that follow
   too. */
static bool
batch_take_failure(struct graph_batch *batch, const struct graph_failure *fail,
		   const unsigned int *numbers, unsigned int count)
{
	bool lost = fail->error == GRAPH_ERROR_LOST ||
		fail->error == GRAPH_ERROR_TIMEOUT ||
		(fail->error == GRAPH_ERROR_UNAVAILABLE && fail->status != 0);
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct batch_op *op = &batch->ops[numbers[i]];

		op->result.failure = *fail;
		op->result.answered = false;
		if (!lost)
			continue;
		op->result.failure.error = op->type == BATCH_COPY ?
			GRAPH_ERROR_LOST : fail->error;
		op_refuse(op);
	}
	return !lost;
}

static bool batch_is_missing(const struct graph_failure *fail)
{
	return fail->status == 404 || fail->status == 405 ||
		fail->status == 501;
}

static int batch_send(struct graph_batch *batch, const unsigned int *numbers,
		      unsigned int count, struct graph_failure *fail_r)
{
	struct msnet_buf body = { 0 };
	struct graph_call_spec spec = {
		.what = "change messages", .method = "POST", .path = "/$batch",
		.content_type = "application/json",
		.weight = count < GRAPH_SLOTS ? count : GRAPH_SLOTS,
		.ok = { 200 },
	};
	struct msnet_response *resp;
	unsigned int i;
	int ret;

	spec.idempotent = true;
	msnet_buf_add(&body, "{\"requests\":[");
	for (i = 0; i < count; i++) {
		if (!op_types[batch->ops[numbers[i]].type].idempotent)
			spec.idempotent = false;
		batch_add_request(batch, numbers[i], &body);
	}
	msnet_buf_add(&body, "]}");
	spec.body = body.data;
	spec.body_size = body.used;
	ret = graph_call_run(batch->client, &spec, &resp, fail_r);
	msnet_buf_free(&body);
	if (ret == 0) {
		batch_take_answer(batch, resp, numbers, count);
		msnet_response_free(&resp);
		return 0;
	}
	if (batch_is_missing(fail_r)) {
		*graph_client_no_batch(batch->client) = true;
		return 0;
	}
	return batch_take_failure(batch, fail_r, numbers, count) ? -1 : 0;
}

/*
 * Without $batch: single requests, four at a time
 */

struct batch_single {
	struct batch_op *op;
	unsigned int *left;
	bool *done;
};

static void single_done(void *context, const struct graph_failure *failure,
			struct msnet_response *resp)
{
	struct batch_single *single = context;
	struct json_object *obj = NULL;

	if (resp != NULL && resp->body_size > 0)
		obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	if (failure->error == GRAPH_OK)
		op_succeed(single->op, obj);
	else {
		single->op->result.failure = *failure;
		single->op->result.answered = failure->status != 0;
		op_refuse(single->op);
	}
	json_object_put(obj);
	if (resp != NULL)
		msnet_response_free(&resp);
	if (--*single->left == 0)
		*single->done = true;
}

static void batch_send_singly(struct graph_batch *batch,
			      const unsigned int *numbers, unsigned int count)
{
	struct batch_single singles[BATCH_MAX];
	unsigned int i, left = count;
	bool done = false;

	for (i = 0; i < count; i++) {
		struct batch_op *op = &batch->ops[numbers[i]];
		struct msnet_buf path = { 0 };
		struct graph_call_spec spec = {
			.what = op_types[op->type].what,
			.method = op_types[op->type].method,
			.idempotent = op_types[op->type].idempotent,
			.content_type = op->body == NULL &&
				op->type != BATCH_PERMANENT_DELETE ? NULL :
				"application/json",
			.body = op->body,
			.body_size = op->body == NULL ? 0 : strlen(op->body),
		};

		memcpy(spec.ok, op_types[op->type].ok,
		       sizeof(op_types[op->type].ok));
		op_path(batch, op, &path);
		spec.path = path.data;
		singles[i].op = op;
		singles[i].left = &left;
		singles[i].done = &done;
		(void)graph_call_start(batch->client, &spec, single_done,
				       &singles[i]);
		msnet_buf_free(&path);
	}
	graph_client_run(batch->client, &done);
}

/*
 * A move whose answer was lost
 */

/* Ask where the message is now; if it has arrived, the move is done. */
static void batch_settle_moves(struct graph_batch *batch)
{
	struct graph_batch *look = NULL;
	struct graph_failure ignored;
	unsigned int i, n = 0, *numbers;

	numbers = msnet_malloc((batch->count + 1) * sizeof(*numbers));
	for (i = 0; i < batch->count; i++) {
		struct batch_op *op = &batch->ops[i];

		if (op->type != BATCH_MOVE || op->done || !op->uncertain)
			continue;
		if (look == NULL)
			look = graph_batch_init(batch->client);
		numbers[n++] = i;
		(void)graph_batch_get_parent(look, op->id);
	}
	if (look != NULL) {
		(void)graph_batch_run(look, &ignored);
		for (i = 0; i < n; i++) {
			struct batch_op *op = &batch->ops[numbers[i]];
			const struct graph_message *msg = look->ops[i].message;

			if (msg == NULL || msg->parent_id == NULL ||
			    strcmp(msg->parent_id, op->folder_id) != 0)
				continue;
			op->done = true;
			memset(&op->result.failure, 0,
			       sizeof(op->result.failure));
			op->message = look->ops[i].message;
			look->ops[i].message = NULL;
			op->result.message = op->message;
		}
	}
	graph_batch_deinit(&look);
	free(numbers);
}

/*
 * Rounds
 */

/* Send everything that is not done, once. -1: no use in going on. */
static int batch_round(struct graph_batch *batch, struct graph_failure *fail_r)
{
	unsigned int numbers[BATCH_MAX], count = 0, i;

	for (i = 0; i <= batch->count; i++) {
		if (i < batch->count && !batch->ops[i].done)
			numbers[count++] = i;
		if (count == 0 || (count < BATCH_MAX && i < batch->count))
			continue;
		if (!*graph_client_no_batch(batch->client) &&
		    batch_send(batch, numbers, count, fail_r) < 0)
			return -1;
		if (*graph_client_no_batch(batch->client))
			batch_send_singly(batch, numbers, count);
		count = 0;
	}
	return 0;
}

/* Longest wait that an unfinished operation asks for; 0 = all are done. */
static unsigned int batch_wait(const struct graph_batch *batch)
{
	unsigned int i, wait = 0;

	for (i = 0; i < batch->count; i++) {
		const struct batch_op *op = &batch->ops[i];

		if (op->done)
			continue;
		if (wait < BATCH_WAIT_MSECS)
			wait = op->result.failure.error ==
				GRAPH_ERROR_CONFLICT ? 100 : BATCH_WAIT_MSECS;
		if (op->result.failure.retry_after_msecs > wait)
			wait = op->result.failure.retry_after_msecs;
	}
	return wait;
}

int graph_batch_run(struct graph_batch *batch, struct graph_failure *fail_r)
{
	unsigned int i, wait;

	memset(fail_r, 0, sizeof(*fail_r));
	while (batch_round(batch, fail_r) == 0) {
		wait = batch_wait(batch);
		if (wait == 0)
			return 0;
		if (!graph_client_pause(batch->client, wait))
			break;
		batch_settle_moves(batch);
	}
	if (fail_r->error == GRAPH_OK) {
		for (i = 0; i < batch->count; i++) {
			if (!batch->ops[i].done)
				*fail_r = batch->ops[i].result.failure;
		}
	}
	for (i = 0; i < batch->count; i++) {
		if (!batch->ops[i].done &&
		    batch->ops[i].result.failure.error == GRAPH_OK)
			batch->ops[i].result.failure = *fail_r;
	}
	return fail_r->error == GRAPH_OK ? 0 : -1;
}
