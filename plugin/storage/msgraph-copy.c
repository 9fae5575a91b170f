/* mailbox.copy within one account: queued, then made by Graph itself in one
   batch at commit. All or nothing (RFC 3501 6.4.7): what was done is undone
   when one of them fails.

   A moved message keeps its id, so the pending expunge of its old row must
   not reach Graph: the row is marked in the same transaction that expunges
   it. */

#include "lib.h"
#include "ioloop.h"
#include "array.h"
#include "mail-copy.h"
#include "mail-index.h"
#include "index-mail.h"
#include "graph-batch.h"
#include "graph-find.h"
#include "msgraph-bodies.h"
#include "msgraph-compose.h"
#include "msgraph-error.h"
#include "msgraph-flags.h"
#include "msgraph-save.h"

/* of one whose answer was lost, and which has not come to be */
#define COPY_TRIES 2

static int msgraph_copy_at_graph(struct msgraph_save_context *ctx,
				 struct msgraph_save_op *ops,
				 unsigned int count);

/*
 * Queueing
 */

static bool
msgraph_copy_is_same_account(struct msgraph_save_context *ctx,
			     struct mail *mail)
{
	struct mail_storage *storage = mail->box->storage;

	return strcmp(storage->name, MSGRAPH_STORAGE_NAME) == 0 &&
		storage->unique_root_dir != NULL &&
		strcmp(storage->unique_root_dir,
		       ctx->mbox->box.storage->unique_root_dir) == 0;
}

/* Only from the cache: a copy must not download. */
static const char *
msgraph_copy_get_message_id(struct msgraph_save_context *ctx, struct mail *mail)
{
	enum mail_lookup_abort orig = mail->lookup_abort;
	const char *value, *id = NULL;

	mail->lookup_abort = MAIL_LOOKUP_ABORT_NOT_IN_CACHE;
	mail_storage_last_error_push(mail->box->storage);
	if (mail_get_first_header(mail, "Message-ID", &value) > 0)
		id = msgraph_compose_message_id(ctx->pool, value);
	mail_storage_last_error_pop(mail->box->storage);
	mail->lookup_abort = orig;
	return id;
}

/* Graph's copy has the flags that Graph knows of; these differ when the client
   has changed some that are not sent yet, or asks for others. */
static bool
msgraph_copy_needs_flags(struct msgraph_save_context *ctx, struct mail *mail,
			 const struct msgraph_save_op *op)
{
	static const char *const none[] = { NULL };
	const char *const *src = mail_get_keywords(mail);
	const char *const *want = op->keywords != NULL ? op->keywords : none;
	unsigned int i;

	if (msgraph_sync_have_pending(mail->box->index) ||
	    ((op->flags ^ mail_get_flags(mail)) & MSGRAPH_FLAGS_WRITABLE) != 0)
		return TRUE;
	if (str_array_length(src) != str_array_length(want))
		return TRUE;
	for (i = 0; src[i] != NULL; i++) {
		if (!str_array_icase_find(want, src[i]))
			return TRUE;
	}
	return FALSE;
}

/* What holds for the copy as well: the header, the dates and the preview. Not sizes and
   structure, since Graph makes the MIME of the copy anew. */
static bool msgraph_copy_wants_field(const char *name)
{
	return strncmp(name, "hdr.", 4) == 0 ||
		strcmp(name, "imap.envelope") == 0 ||
		strcmp(name, "body.snippet") == 0 ||
		strcmp(name, "date.sent") == 0 ||
		strcmp(name, "date.received") == 0;
}

static void
msgraph_copy_cache(struct msgraph_save_context *ctx, struct mail *mail,
		   uint32_t dest_seq)
{
	struct mailbox_transaction_context *t = ctx->ctx.transaction;
	struct mailbox_metadata metadata;
	const struct mailbox_cache_field *field;
	unsigned int src, dest;
	buffer_t *buf;

	if (mailbox_get_metadata(mail->box, MAILBOX_METADATA_CACHE_FIELDS,
				 &metadata) < 0)
		return;
	buf = t_buffer_create(1024);
	array_foreach(metadata.cache_fields, field) {
		if (!msgraph_copy_wants_field(field->name))
			continue;
		src = mail_cache_register_lookup(mail->box->cache, field->name);
		dest = mail_cache_register_lookup(t->box->cache, field->name);
		if (src == UINT_MAX || dest == UINT_MAX ||
		    !mail_cache_field_want_add(t->cache_trans, dest_seq, dest))
			continue;
		buffer_set_used_size(buf, 0);
		/* an absent header is worth knowing too */
		if (mail_cache_lookup_field(mail->transaction->cache_view, buf,
					    mail->seq, src) > 0)
			mail_cache_add(t->cache_trans, dest_seq, dest,
				       buf->data, buf->used);
	}
}

/* Returns -1 with the error set, also when the mail is gone. */
static int
msgraph_copy_get_source(struct msgraph_save_context *ctx, struct mail *mail,
			struct msgraph_save_op *op, struct msgraph_rec *rec)
{
	struct msgraph_mailbox *src = MSGRAPH_MAILBOX(mail->box);
	const char *id, *error;
	int ret;

	if (mail->expunged) {
		mail_set_expunged(mail);
		return -1;
	}
	ret = msgraph_idmap_get(src->idmap, mail->transaction->view, mail->seq,
				&id, rec, &error);
	if (ret < 0) {
		mail_set_critical(mail, "msgraph: %s", error);
		return -1;
	}
	if (ret == 0) {
		mail_set_expunged(mail);
		return -1;
	}
	op->src_id = p_strdup(ctx->pool, id);
	op->src_folder_id = p_strdup(ctx->pool, src->folder_id);
	op->pinned = (rec->flags & MSGRAPH_REC_PINNED) != 0;
	op->size_estimate = rec->size_estimate;
	op->content = rec->content;
	op->sized = (rec->flags & MSGRAPH_REC_SIZED) != 0;
	op->message_id = msgraph_copy_get_message_id(ctx, mail);
	return 0;
}

/* Into the folder where it is: the message gets a new UID only. Core commits
   the expunges of such a move even if the move fails, so the copy must be there
   before the expunge is asked for, and must stay. */
static int
msgraph_copy_to_itself(struct msgraph_save_context *ctx,
		       struct msgraph_save_op *op)
{
	op->move = FALSE;
	op->keep = TRUE;
	if (msgraph_save_ensure_synced(ctx) < 0)
		return -1;
	return msgraph_copy_at_graph(ctx, op, 1);
}

static int
msgraph_copy_queue(struct msgraph_save_context *ctx, struct mail *mail)
{
	struct msgraph_mailbox *src = MSGRAPH_MAILBOX(mail->box);
	struct msgraph_save_op op;
	struct msgraph_rec rec;
	uint32_t seq;

	i_zero(&op);
	if (msgraph_copy_get_source(ctx, mail, &op, &rec) < 0)
		return -1;
	op.move = ctx->ctx.moving;
	/* Graph's \Draft stays what it is */
	ctx->ctx.data.flags &= ENUM_NEGATE(MAIL_DRAFT);
	ctx->ctx.data.flags |= mail_get_flags(mail) & MAIL_DRAFT;
	if (op.move && strcmp(src->folder_id, ctx->mbox->folder_id) == 0 &&
	    msgraph_copy_to_itself(ctx, &op) < 0)
		return -1;

	msgraph_save_add_placeholder(ctx, &op, &seq);
	op.send_flags = msgraph_copy_needs_flags(ctx, mail, &op);
	array_push_back(&ctx->ops, &op);
	T_BEGIN {
		msgraph_copy_cache(ctx, mail, seq);
	} T_END;
	msgraph_save_cache_date(ctx, seq, MAIL_CACHE_SAVE_DATE, ioloop_time);
	mail_set_seq_saving(ctx->ctx.dest_mail, seq);
	if (op.move)
		msgraph_idmap_set_flags(src->idmap, mail->transaction->view,
					mail->transaction->itrans, mail->seq,
					rec.flags | MSGRAPH_REC_MOVED);
	return 0;
}

int msgraph_copy(struct mail_save_context *_ctx, struct mail *mail)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);
	struct mail_storage *dest = ctx->mbox->box.storage;
	enum mail_error error;
	const char *text;
	int ret;

	/* a date of its own can only be had by a new message */
	if (!msgraph_copy_is_same_account(ctx, mail) ||
	    _ctx->data.received_date != (time_t)-1)
		return mail_storage_copy(_ctx, mail);

	ret = msgraph_save_check_identity(ctx);
	if (ret == 0)
		ret = msgraph_copy_queue(ctx, mail);
	if (ret < 0 && dest != mail->box->storage) {
		text = mail_storage_get_last_error(mail->box->storage, &error);
		if (error != MAIL_ERROR_NONE)
			mail_storage_set_error(dest, error, text);
	}
	index_save_context_free(_ctx);
	return ret;
}

/*
 * Making the copies
 */

/* A copy has these of its source. Exchange gives a Message-ID to each message
   that comes without; the header that the client sees does not have it. If the
   source is gone meanwhile, what our cache tells has to do. */
static void
msgraph_copy_get_traits(struct msgraph_save_context *ctx,
			const struct msgraph_save_op *op,
			struct graph_message_traits *traits)
{
	const struct graph_batch_result *result;
	struct graph_batch *batch;
	struct graph_failure fail;

	traits->internet_message_id = op->message_id;
	batch = graph_batch_init(ctx->mbox->storage->account->client);
	(void)graph_batch_get(batch, op->src_id);
	(void)graph_batch_run(batch, &fail);
	result = graph_batch_result(batch, 0);
	if (result->message != NULL) {
		traits->received = result->message->received;
		traits->has_received = traits->received != GRAPH_TIME_UNKNOWN;
		if (result->message->internet_message_id != NULL)
			traits->internet_message_id = p_strdup(ctx->pool,
				result->message->internet_message_id);
	}
	graph_batch_deinit(&batch);
}

static bool msgraph_copy_is_lost(const struct msgraph_save_op *op)
{
	return op->in_batch && op->id == NULL && !op->move &&
		op->fail->error == GRAPH_ERROR_LOST;
}

/* The answers were lost: did these copies come to be? Nothing can mark a copy in
   the request that makes it, so it is known by what it has of its source, and by
   being new: created since the request, and in no row of the folder. That does
   not prove that one is ours to delete, so a rollback leaves it. */
static void
msgraph_copy_find_lost(struct msgraph_save_context *ctx,
		       struct msgraph_save_op *ops, unsigned int count,
		       int64_t since)
{
	struct graph_client *client = ctx->mbox->storage->account->client;
	struct graph_message_traits *traits =
		p_new(ctx->pool, struct graph_message_traits, count);
	unsigned int i, missing, tries = 0;
	struct graph_failure fail;
	char *id;

	for (i = 0; i < count; i++) {
		traits[i].created_since = since;
		if (msgraph_copy_is_lost(&ops[i]))
			msgraph_copy_get_traits(ctx, &ops[i], &traits[i]);
	}
	do {
		for (i = missing = 0; i < count; i++) {
			if (!msgraph_copy_is_lost(&ops[i]) ||
			    traits[i].internet_message_id == NULL)
				continue;
			id = NULL;
			ops[i].absent = graph_message_find_new(client,
				ctx->mbox->folder_id, &traits[i],
				msgraph_save_is_taken, ctx, &id, &fail) == 0;
			ops[i].id = p_strdup(ctx->pool, id);
			missing += id == NULL ? 1 : 0;
			free(id);
		}
	} while (missing > 0 && graph_message_find_again(client, tries++));
}

static void
msgraph_copy_set_result(struct msgraph_save_op *op,
			const struct graph_batch_result *result, pool_t pool)
{
	static const struct graph_failure no_failure = { .error = GRAPH_OK };

	op->absent = FALSE;
	op->fail = result->failure.error == GRAPH_OK ? &no_failure :
		p_memdup(pool, &result->failure, sizeof(result->failure));
	if (result->failure.error != GRAPH_OK)
		return;
	if (result->message != NULL && result->message->id != NULL)
		op->id = p_strdup(pool, result->message->id);
	else if (op->move)
		op->id = op->src_id;
	op->created = op->id != NULL;
}

static void
msgraph_copy_set_error(struct msgraph_save_context *ctx,
		       const struct graph_failure *fail)
{
	struct mail_storage *storage = ctx->mbox->box.storage;
	struct graph_failure protocol;

	if (fail->error == GRAPH_ERROR_NOT_FOUND) {
		mail_storage_set_error(storage, MAIL_ERROR_EXPUNGED,
			"Some of the requested messages no longer exist");
	} else if (fail->error == GRAPH_OK) {
		graph_failure_set(&protocol, GRAPH_ERROR_PROTOCOL,
				  "the answer to a copy names no message");
		msgraph_error_set_storage(storage, &protocol);
	} else {
		msgraph_error_set_storage(storage, fail);
	}
}

/* The copy's own copy of pinned bytes, before the index knows of it. */
static int
msgraph_copy_body(struct msgraph_save_context *ctx, struct msgraph_save_op *op)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	const char *error;

	if (!op->pinned || strcmp(op->src_id, op->id) == 0)
		return 0;
	if (msgraph_bodies_copy(account->bodies, op->src_id, op->id,
				&op->replaced, &error) < 0) {
		mailbox_set_critical(&ctx->mbox->box, "msgraph: %s", error);
		return -1;
	}
	return 0;
}

/* Those that have no id yet; again: those that surely have not come to be. */
static void
msgraph_copy_send(struct msgraph_save_context *ctx,
		  struct msgraph_save_op *ops, unsigned int count, bool again)
{
	const char *folder_id = ctx->mbox->folder_id;
	struct graph_batch *batch;
	struct msgraph_save_op *op;
	struct graph_failure ignored;

	batch = graph_batch_init(ctx->mbox->storage->account->client);
	for (op = ops; op < ops + count; op++) {
		if (again ? op->absent : op->in_batch)
			op->batch_number = op->move ?
				graph_batch_move(batch, op->src_id, folder_id) :
				graph_batch_copy(batch, op->src_id, folder_id);
	}
	if (graph_batch_count(batch) > 0)
		(void)graph_batch_run(batch, &ignored);
	for (op = ops; op < ops + count; op++) {
		if (again ? op->absent : op->in_batch)
			msgraph_copy_set_result(op, graph_batch_result(
				batch, op->batch_number), ctx->pool);
	}
	graph_batch_deinit(&batch);
}

static int
msgraph_copy_finish(struct msgraph_save_context *ctx,
		    struct msgraph_save_op *op, int ret_so_far)
{
	if (op->id != NULL)
		return msgraph_copy_body(ctx, op) < 0 ? -1 : ret_so_far;
	/* that a message is gone counts less than any other reason, which may
	   pass */
	if (ret_so_far == 0 || op->fail->error != GRAPH_ERROR_NOT_FOUND)
		msgraph_copy_set_error(ctx, op->fail);
	return -1;
}

/* Copies or moves those of the ops that have no id yet. Returns -1 with the
   error set if one of them failed; the others are done then. */
static int
msgraph_copy_at_graph(struct msgraph_save_context *ctx,
		      struct msgraph_save_op *ops, unsigned int count)
{
	struct graph_client *client = ctx->mbox->storage->account->client;
	int64_t since = graph_client_service_time(client);
	unsigned int i, tries;
	bool again = FALSE;
	int ret = 0;

	msgraph_save_set_deadline(ctx, 0, count);
	msgraph_save_note_next_uid(ctx);
	for (i = 0; i < count; i++)
		ops[i].in_batch = ops[i].id == NULL;
	for (tries = 0; tries < COPY_TRIES && (tries == 0 || again); tries++) {
		msgraph_copy_send(ctx, ops, count, tries > 0);
		msgraph_copy_find_lost(ctx, ops, count, since);
		for (i = 0, again = FALSE; i < count; i++)
			again = again || ops[i].absent;
	}
	for (i = 0; i < count; i++) {
		if (ops[i].in_batch)
			ret = msgraph_copy_finish(ctx, &ops[i], ret);
	}
	return ret;
}

static int msgraph_copy_send_flags(struct msgraph_save_context *ctx)
{
	const struct graph_batch_result *result;
	const struct msgraph_save_op *op;
	struct graph_batch *batch;
	struct graph_patch patch;
	struct graph_failure fail;
	unsigned int i;
	int ret = 0;

	batch = graph_batch_init(ctx->mbox->storage->account->client);
	array_foreach(&ctx->ops, op) {
		if (op->send_flags && msgraph_save_patch(op, FALSE, &patch))
			(void)graph_batch_patch(batch, op->id, &patch);
	}
	if (graph_batch_count(batch) > 0)
		(void)graph_batch_run(batch, &fail);
	for (i = 0; i < graph_batch_count(batch) && ret == 0; i++) {
		result = graph_batch_result(batch, i);
		if (result->failure.error != GRAPH_OK) {
			msgraph_copy_set_error(ctx, &result->failure);
			ret = -1;
		}
	}
	graph_batch_deinit(&batch);
	return ret;
}

/* On failure the caller rolls back, which undoes. */
int msgraph_copy_run(struct msgraph_save_context *ctx)
{
	struct msgraph_save_op *ops;
	unsigned int count;

	ops = array_get_modifiable(&ctx->ops, &count);
	if (msgraph_copy_at_graph(ctx, ops, count) < 0)
		return -1;
	return msgraph_copy_send_flags(ctx);
}

static void msgraph_copy_move_back(struct msgraph_save_context *ctx)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	const struct graph_batch_result *result;
	const struct msgraph_save_op *op;
	struct graph_batch *batch;
	struct graph_failure fail;
	unsigned int i;

	batch = graph_batch_init(account->client);
	array_foreach(&ctx->ops, op) {
		if (op->move && op->created)
			(void)graph_batch_move(batch, op->id,
					       op->src_folder_id);
	}
	if (graph_batch_count(batch) > 0)
		(void)graph_batch_run(batch, &fail);
	for (i = 0; i < graph_batch_count(batch); i++) {
		result = graph_batch_result(batch, i);
		if (result->failure.error != GRAPH_OK &&
		    result->failure.error != GRAPH_ERROR_NOT_FOUND)
			msgraph_error_log(account, &result->failure,
					  "move a message back");
	}
	graph_batch_deinit(&batch);
}

void msgraph_copy_undo(struct msgraph_save_context *ctx)
{
	const struct msgraph_save_op *op;
	unsigned int count = 0;
	const char **ids;

	ids = t_new(const char *, array_count(&ctx->ops) + 1);
	array_foreach(&ctx->ops, op) {
		if (op->src_id != NULL && op->created && !op->move && !op->keep)
			ids[count++] = op->id;
	}
	msgraph_save_delete_remote(ctx, ids, count);
	msgraph_copy_move_back(ctx);
}
