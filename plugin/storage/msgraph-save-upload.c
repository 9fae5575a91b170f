/* Which way a message goes to Graph.

   Drafts go as MIME, exactly as they are. But MIME makes a draft, and a draft
   stays one for ever; so everything else is created from JSON in the target
   folder in one call, with its dates and flags, and the original bytes are
   kept as our own copy.
   https://learn.microsoft.com/graph/api/user-post-messages */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "guid.h"
#include "message-header-parser.h"
#include "graph-create.h"
#include "graph-find.h"
#include "msgraph-bodies.h"
#include "msgraph-cache.h"
#include "msgraph-compose.h"
#include "msgraph-error.h"
#include "msgraph-save.h"

/* Exchange files a sent message within this time. */
#define MSGRAPH_SENT_WINDOW_SECS (10 * 60)
/* Dates outside of 1970..2099 are not shown to Graph. */
#define MSGRAPH_SAVE_MAX_TIME INT64_C(4102444800)

static int
msgraph_save_failed(struct msgraph_save_context *ctx,
		    const struct graph_failure *fail)
{
	msgraph_error_set_storage(ctx->mbox->box.storage, fail);
	return -1;
}

/* The Message-ID of the file, or NULL. Data stack. */
static const char *msgraph_save_read_message_id(int fd)
{
	struct message_header_parser_ctx *parser;
	struct message_header_line *hdr;
	struct istream *input;
	const char *id = NULL;

	input = i_stream_create_fd(fd, IO_BLOCK_SIZE);
	i_stream_seek(input, 0);
	parser = message_parse_header_init(input, NULL,
		MESSAGE_HEADER_PARSER_FLAG_SKIP_INITIAL_LWSP |
		MESSAGE_HEADER_PARSER_FLAG_CLEAN_ONELINE);
	while (message_parse_header_next(parser, &hdr) > 0) {
		if (hdr->eoh)
			break;
		if (strcasecmp(hdr->name, "Message-ID") != 0)
			continue;
		if (hdr->continues) {
			hdr->use_full_value = TRUE;
			continue;
		}
		id = msgraph_compose_message_id(pool_datastack_create(),
			t_strndup(hdr->full_value, hdr->full_value_len));
		break;
	}
	message_parse_header_deinit(&parser);
	i_stream_unref(&input);
	return id;
}

/* Flags of a message that exists already, absolute. */
static int
msgraph_save_send_flags(struct msgraph_save_context *ctx,
			const struct msgraph_save_op *op)
{
	struct graph_batch *batch;
	struct graph_patch patch;
	struct graph_failure fail;
	int ret = 0;

	if (!msgraph_save_patch(op, FALSE, &patch))
		return 0;
	batch = graph_batch_init(ctx->mbox->storage->account->client);
	(void)graph_batch_patch(batch, op->id, &patch);
	(void)graph_batch_run(batch, &fail);
	fail = graph_batch_result(batch, 0)->failure;
	if (fail.error != GRAPH_OK)
		ret = msgraph_save_failed(ctx, &fail);
	graph_batch_deinit(&batch);
	return ret;
}

/* The flags of a draft, and what it is like at Graph: others may edit it before
   it is listed for the first time, which that listing is to show. Without an
   answer to this, that listing is taken for ours. */
static int
msgraph_save_finish_draft(struct msgraph_save_context *ctx,
			  struct msgraph_save_op *op,
			  const struct graph_patch *patch)
{
	const struct graph_message *msg;
	struct graph_batch *batch;
	struct graph_failure fail = { .error = GRAPH_OK }, ignored;
	unsigned int look, send = 0;
	uint32_t size;

	batch = graph_batch_init(ctx->mbox->storage->account->client);
	look = graph_batch_get_content(batch, op->id);
	if (patch != NULL)
		send = graph_batch_patch(batch, op->id, patch);
	(void)graph_batch_run(batch, &ignored);
	if (patch != NULL)
		fail = graph_batch_result(batch, send)->failure;
	msg = graph_batch_result(batch, look)->message;
	if (msg != NULL && msg->has_body) {
		op->content = msgraph_cache_content(msg);
		size = msgraph_cache_size_estimate(msg->size);
		op->sized = size > 0;
		if (op->sized)
			op->size_estimate = size;
	}
	graph_batch_deinit(&batch);
	return fail.error == GRAPH_OK ? 0 : msgraph_save_failed(ctx, &fail);
}

static int
msgraph_save_move(struct msgraph_save_context *ctx, struct msgraph_save_op *op)
{
	const struct graph_batch_result *result;
	struct graph_batch *batch;
	struct graph_failure fail;
	int ret = 0;

	batch = graph_batch_init(ctx->mbox->storage->account->client);
	(void)graph_batch_move(batch, op->id, ctx->mbox->folder_id);
	(void)graph_batch_run(batch, &fail);
	result = graph_batch_result(batch, 0);
	if (result->failure.error != GRAPH_OK)
		ret = msgraph_save_failed(ctx, &result->failure);
	else if (result->message != NULL && result->message->id != NULL)
		op->id = p_strdup(ctx->pool, result->message->id);
	graph_batch_deinit(&batch);
	return ret;
}

static int
msgraph_save_mime(struct msgraph_save_context *ctx, struct msgraph_save_op *op,
		  uoff_t size)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	struct graph_failure fail;
	struct graph_patch patch;
	bool flags;
	char *id;

	if (graph_message_create_mime(account->client, ctx->fd, 0, size,
				      msgraph_save_read_message_id(ctx->fd),
				      msgraph_save_is_taken, ctx,
				      &id, &fail) < 0)
		return msgraph_save_failed(ctx, &fail);
	op->id = p_strdup(ctx->pool, id);
	free(id);
	op->created = TRUE;
	op->flags |= MAIL_DRAFT;
	flags = msgraph_save_patch(op, TRUE, &patch);
	if ((ctx->mbox->role != GRAPH_FOLDER_DRAFTS &&
	     msgraph_save_move(ctx, op) < 0) ||
	    msgraph_save_finish_draft(ctx, op, flags ? &patch : NULL) < 0) {
		mail_storage_last_error_push(ctx->mbox->box.storage);
		msgraph_save_delete_remote(ctx, &op->id, 1);
		mail_storage_last_error_pop(ctx->mbox->box.storage);
		return -1;
	}
	return 0;
}

static int
msgraph_save_json_create(struct msgraph_save_context *ctx,
			 struct msgraph_save_op *op, bool draft, int parts_fd,
			 pool_t pool)
{
	struct mailbox *box = &ctx->mbox->box;
	struct graph_new_message msg;
	struct graph_failure fail;
	struct istream *input;
	guid_128_t mark;
	const char *error;
	char *id;
	int ret;

	input = i_stream_create_fd(ctx->fd, IO_BLOCK_SIZE);
	i_stream_set_name(input, "message being saved");
	ret = msgraph_compose(input, parts_fd, pool, &msg, &error);
	i_stream_unref(&input);
	if (ret < 0) {
		mailbox_set_critical(box, "msgraph: %s", error);
		return -1;
	}
	guid_128_generate(mark);
	msg.folder_id = ctx->mbox->folder_id;
	msg.mark = guid_128_to_string(mark);
	msg.draft = draft;
	msg.received = op->received_date;
	if (msg.received >= MSGRAPH_SAVE_MAX_TIME)
		msg.received = ioloop_time;
	/* without a Date, else Graph says that it was sent just now */
	if (msg.sent == GRAPH_TIME_UNKNOWN)
		msg.sent = msg.received;
	if (!msgraph_save_patch(op, TRUE, &msg.flags) ||
	    msg.flags.is_read < 0)
		msg.flags.is_read = (op->flags & MAIL_SEEN) != 0 ? 1 : 0;
	if (graph_message_create(ctx->mbox->storage->account->client, &msg,
				 &id, &fail) < 0)
		return msgraph_save_failed(ctx, &fail);
	op->id = p_strdup(ctx->pool, id);
	free(id);
	op->created = TRUE;
	return 0;
}

static int
msgraph_save_json(struct msgraph_save_context *ctx, struct msgraph_save_op *op,
		  bool draft)
{
	char *parts_path = NULL;
	const char *error;
	int parts_fd, ret;
	pool_t pool;

	if (msgraph_bodies_temp(ctx->mbox->storage->account->bodies, &parts_fd,
				&parts_path, &error) < 0) {
		mailbox_set_critical(&ctx->mbox->box, "msgraph: %s", error);
		return -1;
	}
	/* nothing is left behind whatever happens to this process */
	msgraph_bodies_drop_temp(&parts_path);
	pool = pool_alloconly_create("msgraph compose", 8192);
	T_BEGIN {
		ret = msgraph_save_json_create(ctx, op, draft, parts_fd, pool);
	} T_END;
	pool_unref(&pool);
	i_close_fd(&parts_fd);
	if (ret == 0 && draft) {
		op->flags |= MAIL_DRAFT;
		ret = msgraph_save_finish_draft(ctx, op, NULL);
	}
	return ret;
}

/* Sent Items: Exchange has filed its own copy of what was just submitted; a
   second one would be a duplicate. Another session may have shown that copy
   already; but what was saved here before is a message of its own. Returns 1
   if that copy was taken, 0 if there is none, -1 on failure. */
static int
msgraph_save_adopt_sent(struct msgraph_save_context *ctx,
			struct msgraph_save_op *op)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	const struct graph_message_traits traits = {
		.internet_message_id = msgraph_save_read_message_id(ctx->fd),
		.created_since = graph_client_service_time(account->client) -
			MSGRAPH_SENT_WINDOW_SECS,
	};
	struct graph_failure fail;
	char **ids;
	unsigned int i;
	uint32_t uid;
	bool known, pinned;

	if (traits.internet_message_id == NULL)
		return 0;
	if (graph_message_find(account->client, ctx->mbox->folder_id,
			       &traits, &ids, &fail) < 0) {
		/* a service that cannot look has to take what it gets */
		return fail.error == GRAPH_ERROR_REFUSED ? 0 :
			msgraph_save_failed(ctx, &fail);
	}
	for (i = 0; ids[i] != NULL && op->id == NULL; i++) {
		known = msgraph_save_id_known(ctx, ids[i], &pinned, &uid);
		if (known && pinned)
			continue;
		op->id = p_strdup(ctx->pool, ids[i]);
		op->existing = known;
	}
	graph_ids_free(&ids);
	if (op->id == NULL)
		return 0;
	return msgraph_save_send_flags(ctx, op) < 0 ? -1 : 1;
}

int msgraph_save_upload(struct msgraph_save_context *ctx,
			struct msgraph_save_op *op, uoff_t size)
{
	bool draft;
	int ret;

	draft = ctx->mbox->role == GRAPH_FOLDER_DRAFTS ||
		(op->flags & MAIL_DRAFT) != 0;
	if (draft && size <= GRAPH_REQUEST_MAX / 4 * 3 - 4096)
		return msgraph_save_mime(ctx, op, size);
	if (!draft && ctx->mbox->role == GRAPH_FOLDER_SENT) {
		ret = msgraph_save_adopt_sent(ctx, op);
		if (ret != 0)
			return ret < 0 ? -1 : 0;
	}
	return msgraph_save_json(ctx, op, draft);
}
