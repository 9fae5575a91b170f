#include "graph-batch.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-op.h"
#include "graph-patch.h"
#include "graph-property.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCH_MAX 20
#define BATCH_WAIT_MSECS 500
/* From so many operations on the parts of a batch are chained: less than that
   is done sooner by batches whose parts run in parallel. */
#define BATCH_CHAIN_MIN (2 * BATCH_MAX + 1)

struct graph_batch {
	struct graph_client *client;
	struct graph_op *ops;
	unsigned int count, size;
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

static struct graph_op *
batch_add(struct graph_batch *batch, enum graph_op_type type, const char *id)
{
	struct graph_op *op;

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
	(void)batch_add(batch, GRAPH_OP_GET, id);
	return batch->count - 1;
}

unsigned int graph_batch_get_content(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, GRAPH_OP_GET_CONTENT, id);
	return batch->count - 1;
}

unsigned int graph_batch_get_parent(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, GRAPH_OP_GET_PARENT, id);
	return batch->count - 1;
}

unsigned int graph_batch_delete(struct graph_batch *batch, const char *id)
{
	(void)batch_add(batch, GRAPH_OP_DELETE, id);
	return batch->count - 1;
}

unsigned int graph_batch_permanent_delete(struct graph_batch *batch,
					  const char *id)
{
	(void)batch_add(batch, GRAPH_OP_PERMANENT_DELETE, id);
	return batch->count - 1;
}

static unsigned int
batch_add_transfer(struct graph_batch *batch, enum graph_op_type type,
		   const char *id, const char *folder_id)
{
	struct graph_op *op = batch_add(batch, type, id);
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
	return batch_add_transfer(batch, GRAPH_OP_MOVE, id, folder_id);
}

unsigned int graph_batch_copy(struct graph_batch *batch, const char *id,
			      const char *folder_id)
{
	return batch_add_transfer(batch, GRAPH_OP_COPY, id, folder_id);
}

unsigned int graph_batch_patch(struct graph_batch *batch, const char *id,
			       const struct graph_patch *patch)
{
	struct graph_op *op = batch_add(batch, GRAPH_OP_PATCH, id);
	struct msnet_buf body = { 0 };

	msnet_buf_add(&body, "{");
	graph_patch_add_json(patch, &body);
	msnet_buf_add(&body, "}");
	op->body = msnet_buf_steal(&body);
	return batch->count - 1;
}

/*
 * Sending
 */

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
	graph_op_answered(&batch->ops[number], (int)status, body,
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
				  graph_op_info(&batch->ops[numbers[i]])->what);
		graph_op_refuse(&batch->ops[numbers[i]]);
	}
}

/* The batch as a whole failed. Returns true if that concerns all that follow
   too. */
static bool
batch_take_failure(struct graph_batch *batch, const struct graph_failure *fail,
		   const unsigned int *numbers, unsigned int count)
{
	bool lost = graph_failure_is_uncertain(fail);
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct graph_op *op = &batch->ops[numbers[i]];

		op->result.failure = *fail;
		op->result.answered = false;
		if (!lost)
			continue;
		op->result.failure.error = op->type == GRAPH_OP_COPY ?
			GRAPH_ERROR_LOST : fail->error;
		graph_op_refuse(op);
	}
	return !lost;
}

static bool batch_is_missing(const struct graph_failure *fail)
{
	return fail->status == 404 || fail->status == 405 ||
		fail->status == 501;
}

/*
 * Many batches at a time
 */

/* Batches that are on their way or wait for a slot; more would only take
   memory. */
#define BATCH_QUEUE_MAX (2 * GRAPH_SLOTS)

struct batch_round {
	struct graph_batch *batch;
	/* the next operation to look at */
	unsigned int pos;
	unsigned int running;
	/* each batch one after the other within itself, so that it takes one
	   slot and several can run; else its parts run in parallel */
	bool chained;
	/* no use in going on */
	bool failed, done;
	struct graph_failure fail;
};

struct batch_part {
	struct batch_round *round;
	unsigned int numbers[BATCH_MAX], count;
};

static void round_fill(struct batch_round *round);

static void part_done(void *context, const struct graph_failure *failure,
		      struct msnet_response *resp)
{
	struct batch_part *part = context;
	struct batch_round *round = part->round;
	struct graph_batch *batch = round->batch;

	if (failure->error == GRAPH_OK) {
		batch_take_answer(batch, resp, part->numbers, part->count);
	} else if (batch_is_missing(failure)) {
		*graph_client_no_batch(batch->client) = true;
	} else if (batch_take_failure(batch, failure, part->numbers,
				      part->count) && !round->failed) {
		round->failed = true;
		round->fail = *failure;
	}
	if (resp != NULL)
		msnet_response_free(&resp);
	free(part);
	round->running--;
	round_fill(round);
	round->done = round->running == 0;
}

static void part_start(struct batch_part *part)
{
	struct graph_batch *batch = part->round->batch;
	bool chained = part->round->chained;
	struct msnet_buf body = { 0 };
	struct graph_call_spec spec = {
		.what = "change messages", .method = "POST", .path = "/$batch",
		.content_type = "application/json",
		.weight = chained ? 1 : part->count < GRAPH_SLOTS ?
			part->count : GRAPH_SLOTS,
		.background = batch->count > BATCH_MAX,
		.idempotent = true, .chained = chained,
		.requests = part->count,
		/* 424: some of its requests were throttled */
		.ok = { 200, 424 },
	};
	const struct graph_op *op;
	unsigned int i;

	msnet_buf_add(&body, "{\"requests\":[");
	for (i = 0; i < part->count; i++) {
		op = &batch->ops[part->numbers[i]];
		if (!graph_op_info(op)->idempotent)
			spec.idempotent = false;
		if (i > 0)
			msnet_buf_add(&body, ",");
		graph_op_add_to_batch(op, batch->client, part->numbers[i],
				      chained && i > 0 ?
				      &part->numbers[i - 1] : NULL, &body);
	}
	msnet_buf_add(&body, "]}");
	spec.body = body.data;
	spec.body_size = body.used;
	(void)graph_call_start(batch->client, &spec, part_done, part);
	msnet_buf_free(&body);
}

/* Keep some on their way while there is something left to send. */
static void round_fill(struct batch_round *round)
{
	struct graph_batch *batch = round->batch;
	struct batch_part *part;

	while (round->running < BATCH_QUEUE_MAX && !round->failed &&
	       !*graph_client_no_batch(batch->client)) {
		part = msnet_malloc(sizeof(*part));
		part->round = round;
		for (; round->pos < batch->count && part->count < BATCH_MAX;
		     round->pos++) {
			if (!batch->ops[round->pos].done &&
			    !batch->ops[round->pos].alone)
				part->numbers[part->count++] = round->pos;
		}
		if (part->count == 0) {
			free(part);
			return;
		}
		round->running++;
		part_start(part);
	}
}

/*
 * Single requests, four at a time: all where $batch is not to be had, and those
 * whose token was refused inside a batch, since a request of its own is told
 * what the next token must have, and gets it
 */

struct batch_single {
	struct graph_op *op;
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
		graph_op_succeed(single->op, obj);
	else {
		single->op->result.failure = *failure;
		single->op->result.answered = failure->status != 0 &&
			failure->error != GRAPH_ERROR_LOST;
		graph_op_refuse(single->op);
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
		struct graph_op *op = &batch->ops[numbers[i]];
		const struct graph_op_info *info = graph_op_info(op);
		struct msnet_buf path = { 0 };
		struct graph_call_spec spec = {
			.what = info->what, .method = info->method,
			.idempotent = info->idempotent,
			.content_type = op->body == NULL &&
				op->type != GRAPH_OP_PERMANENT_DELETE ? NULL :
				"application/json",
			.body = op->body,
			.body_size = op->body == NULL ? 0 : strlen(op->body),
		};

		memcpy(spec.ok, info->ok, sizeof(info->ok));
		graph_op_path(op, batch->client, &path);
		spec.path = path.data;
		op->alone = true;
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
		struct graph_op *op = &batch->ops[i];

		if (op->type != GRAPH_OP_MOVE || op->done || !op->uncertain)
			continue;
		if (look == NULL)
			look = graph_batch_init(batch->client);
		numbers[n++] = i;
		(void)graph_batch_get_parent(look, op->id);
	}
	if (look != NULL) {
		(void)graph_batch_run(look, &ignored);
		for (i = 0; i < n; i++) {
			struct graph_op *op = &batch->ops[numbers[i]];
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

static bool batch_is_single(const struct graph_batch *batch, unsigned int i)
{
	const struct graph_op *op = &batch->ops[i];

	return !op->done && (op->alone || *graph_client_no_batch(batch->client));
}

static void batch_send_singles(struct graph_batch *batch)
{
	unsigned int numbers[BATCH_MAX], count = 0, i;

	for (i = 0; i <= batch->count; i++) {
		if (i < batch->count && batch_is_single(batch, i))
			numbers[count++] = i;
		if (count == 0 || (count < BATCH_MAX && i < batch->count))
			continue;
		batch_send_singly(batch, numbers, count);
		count = 0;
	}
}

/* Send everything that is not done, once. What a chain has left out is sent in
   parallel the next time, so that one that fails does not hold up the others
   again. -1: no use in going on. */
static int batch_round(struct graph_batch *batch, bool first,
		       struct graph_failure *fail_r)
{
	struct batch_round round = {
		.batch = batch,
		.chained = first && batch->count >= BATCH_CHAIN_MIN &&
			!*graph_client_no_chains(batch->client),
	};
	unsigned int i;

	for (i = 0; i < batch->count; i++)
		batch->ops[i].skipped = false;
	round_fill(&round);
	if (round.running > 0)
		graph_client_run(batch->client, &round.done);
	if (!round.failed)
		batch_send_singles(batch);
	*fail_r = round.fail;
	return round.failed ? -1 : 0;
}

/* Longest wait that an unfinished operation asks for; 0 = all are done. */
static unsigned int batch_wait(const struct graph_batch *batch)
{
	unsigned int i, wait = 0;

	for (i = 0; i < batch->count; i++) {
		const struct graph_op *op = &batch->ops[i];

		if (op->done)
			continue;
		if (op->skipped) {
			if (wait == 0)
				wait = 1;
			continue;
		}
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
	bool first = true;

	while (batch_round(batch, first, fail_r) == 0) {
		first = false;
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
