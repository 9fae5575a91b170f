/* mailbox.save: the message goes to a file first, with CRLF line ends, from
   there to Graph, and the file becomes our copy of the body. */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "istream-crlf.h"
#include "ostream.h"
#include "array.h"
#include "mail-index.h"
#include "index-mail.h"
#include "graph-create.h"
#include "msgraph-bodies.h"
#include "msgraph-error.h"
#include "msgraph-flags.h"
#include "msgraph-list-notify.h"
#include "msgraph-save.h"
#include "msgraph-settings.h"

#include <unistd.h>

/* Slowest line that a big message may still get through on */
#define MSGRAPH_SAVE_BYTES_PER_MSEC 32
#define MSGRAPH_SAVE_MAX_DEADLINE_MSECS (30U * 60 * 1000)
#define MSGRAPH_SAVE_MSECS_PER_MESSAGE 300
/* Exchange holds messages of up to 150 MB, whose attachments base64 and its
   line ends make larger here. What cannot fit is refused before it is sent. */
#define MSGRAPH_SAVE_MAX_SIZE ((uoff_t)150 * 1024 * 1024 / 3 * 4 / 76 * 78)

struct mail_save_context *
msgraph_save_alloc(struct mailbox_transaction_context *t)
{
	struct msgraph_save_context *ctx;

	i_assert((t->flags & MAILBOX_TRANSACTION_FLAG_EXTERNAL) != 0);
	if (t->save_ctx != NULL)
		return t->save_ctx;

	ctx = i_new(struct msgraph_save_context, 1);
	ctx->ctx.transaction = t;
	ctx->mbox = MSGRAPH_MAILBOX(t->box);
	ctx->trans = t->itrans;
	ctx->pool = pool_alloconly_create("msgraph save", 1024);
	i_array_init(&ctx->ops, 16);
	ctx->fd = -1;
	t->save_ctx = &ctx->ctx;
	return t->save_ctx;
}

static void msgraph_save_free(struct msgraph_save_context *ctx)
{
	array_free(&ctx->ops);
	pool_unref(&ctx->pool);
	i_free(ctx);
}

void msgraph_save_set_deadline(struct msgraph_save_context *ctx, uoff_t size,
			       unsigned int count)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	uoff_t msecs = (uoff_t)account->set->request_timeout * 4 * 1000;

	msecs += size / MSGRAPH_SAVE_BYTES_PER_MSEC +
		(uoff_t)count * MSGRAPH_SAVE_MSECS_PER_MESSAGE;
	graph_client_set_deadline(account->client,
		I_MIN(msecs, MSGRAPH_SAVE_MAX_DEADLINE_MSECS));
}

int msgraph_save_ensure_synced(struct msgraph_save_context *ctx)
{
	struct msgraph_folder_state state;

	msgraph_idmap_get_state(ctx->mbox->idmap, ctx->mbox->box.view, &state);
	if (state.generation > 0)
		return 0;
	/* another process may have done it */
	if (mail_index_refresh(ctx->mbox->box.index) == 0) {
		struct mail_index_view *view =
			mail_index_view_open(ctx->mbox->box.index);

		msgraph_idmap_get_state(ctx->mbox->idmap, view, &state);
		mail_index_view_close(&view);
	}
	if (state.generation > 0)
		return 0;
	return msgraph_mailbox_sync_now(ctx->mbox, 0, NULL);
}

bool msgraph_save_id_known(struct msgraph_save_context *ctx, const char *id,
			   bool *pinned_r, uint32_t *uid_r)
{
	const struct msgraph_save_op *op;
	struct mail_index_view *view;
	struct msgraph_rec rec;
	const char *row_id, *error;
	uint32_t seq;

	*uid_r = 0;
	*pinned_r = TRUE;
	array_foreach(&ctx->ops, op) {
		if (null_strcmp(op->src_id, id) == 0 ||
		    null_strcmp(op->id, id) == 0)
			return TRUE;
	}
	(void)mail_index_refresh(ctx->mbox->box.index);
	view = mail_index_view_open(ctx->mbox->box.index);
	seq = msgraph_idmap_find(ctx->mbox->idmap, view, id);
	if (seq != 0)
		mail_index_lookup_uid(view, seq, uid_r);
	*pinned_r = seq != 0 &&
		msgraph_idmap_get(ctx->mbox->idmap, view, seq, &row_id, &rec,
				  &error) > 0 &&
		(rec.flags & MSGRAPH_REC_PINNED) != 0;
	mail_index_view_close(&view);
	return seq != 0;
}

void msgraph_save_note_next_uid(struct msgraph_save_context *ctx)
{
	struct mail_index_view *view;

	(void)mail_index_refresh(ctx->mbox->box.index);
	view = mail_index_view_open(ctx->mbox->box.index);
	ctx->next_uid = mail_index_get_header(view)->next_uid;
	mail_index_view_close(&view);
}

bool msgraph_save_is_taken(void *context, const char *id)
{
	struct msgraph_save_context *ctx = context;
	uint32_t uid;
	bool pinned;

	return msgraph_save_id_known(ctx, id, &pinned, &uid) &&
		(pinned || uid < ctx->next_uid);
}

/*
 * Flags
 */

static const char *const *
msgraph_save_keyword_names(struct msgraph_save_context *ctx,
			   struct mail_keywords *keywords)
{
	const ARRAY_TYPE(keywords) *all;
	const char **names;
	unsigned int i;

	if (keywords == NULL || keywords->count == 0)
		return NULL;
	all = mail_index_get_keywords(keywords->index);
	names = p_new(ctx->pool, const char *, keywords->count + 1);
	for (i = 0; i < keywords->count; i++) {
		const char *const *namep = array_idx(all, keywords->idx[i]);

		names[i] = p_strdup(ctx->pool, *namep);
	}
	return names;
}

void msgraph_save_add_placeholder(struct msgraph_save_context *ctx,
				  struct msgraph_save_op *op, uint32_t *seq_r)
{
	struct mail_save_data *mdata = &ctx->ctx.data;

	op->flags = mdata->flags & ENUM_NEGATE(MAIL_RECENT);
	op->keywords = msgraph_save_keyword_names(ctx, mdata->keywords);
	op->min_modseq = mdata->min_modseq;
	/* the UID comes at commit */
	mail_index_append(ctx->trans, 0, seq_r);
	mail_index_update_flags(ctx->trans, *seq_r, MODIFY_REPLACE, op->flags);
	if (mdata->keywords != NULL)
		mail_index_update_keywords(ctx->trans, *seq_r, MODIFY_REPLACE,
					   mdata->keywords);
	if (mdata->min_modseq != 0)
		mail_index_update_modseq(ctx->trans, *seq_r,
					 mdata->min_modseq);
}

bool msgraph_save_patch(const struct msgraph_save_op *op, bool only_set,
			struct graph_patch *patch_r)
{
	static const char *const no_keywords[] = { NULL };
	const struct graph_patch empty = GRAPH_PATCH_INIT;

	*patch_r = empty;
	if (!msgraph_flags_to_patch(MSGRAPH_FLAGS_WRITABLE, op->flags, TRUE,
				    op->keywords != NULL ? op->keywords :
				    no_keywords, patch_r))
		return FALSE;
	if (only_set) {
		/* a new message has none of these */
		if (patch_r->flag == GRAPH_FLAG_NOT_FLAGGED)
			patch_r->flag = GRAPH_FLAG_UNKNOWN;
		if (patch_r->verb == GRAPH_VERB_NONE)
			patch_r->verb = GRAPH_VERB_UNKNOWN;
		if (patch_r->imap_deleted == 0)
			patch_r->imap_deleted = -1;
		if (patch_r->categories != NULL &&
		    patch_r->categories[0] == NULL)
			patch_r->categories = NULL;
	}
	return TRUE;
}

void msgraph_save_delete_remote(struct msgraph_save_context *ctx,
				const char *const *ids, unsigned int count)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	struct graph_batch *batch, *second;
	struct graph_failure fail;
	unsigned int i;

	if (count == 0)
		return;
	msgraph_save_set_deadline(ctx, 0, count);
	batch = graph_batch_init(account->client);
	second = graph_batch_init(account->client);
	for (i = 0; i < count; i++)
		(void)graph_batch_permanent_delete(batch, ids[i]);
	(void)graph_batch_run(batch, &fail);
	for (i = 0; i < count; i++) {
		const struct graph_batch_result *result =
			graph_batch_result(batch, i);

		/* not every cloud has permanentDelete */
		if (result->failure.error == GRAPH_ERROR_REFUSED ||
		    result->failure.error == GRAPH_ERROR_PERM)
			(void)graph_batch_delete(second, ids[i]);
		else if (result->failure.error != GRAPH_OK &&
			 result->failure.error != GRAPH_ERROR_NOT_FOUND)
			msgraph_error_log(account, &result->failure,
					  "take back a message");
		msgraph_bodies_remove(account->bodies, ids[i]);
	}
	if (graph_batch_count(second) > 0 &&
	    graph_batch_run(second, &fail) < 0)
		msgraph_error_log(account, &fail, "take back a message");
	graph_batch_deinit(&batch);
	graph_batch_deinit(&second);
}

/*
 * One message
 */

static void msgraph_save_close(struct msgraph_save_context *ctx)
{
	if (ctx->ctx.data.output != NULL) {
		o_stream_abort(ctx->ctx.data.output);
		o_stream_unref(&ctx->ctx.data.output);
	}
	i_stream_unref(&ctx->input);
	i_close_fd(&ctx->fd);
	msgraph_bodies_drop_temp(&ctx->temp_path);
	ctx->writing = FALSE;
}

static int
msgraph_save_check_size(struct msgraph_save_context *ctx, uoff_t size)
{
	if (size <= MSGRAPH_SAVE_MAX_SIZE)
		return 0;
	mail_storage_set_error(ctx->mbox->box.storage, MAIL_ERROR_LIMIT,
		"The message is larger than Microsoft 365 can hold");
	ctx->failed = TRUE;
	return -1;
}

int msgraph_save_check_identity(struct msgraph_save_context *ctx)
{
	if (ctx->ctx.data.uid == 0)
		return 0;
	mail_storage_set_error(ctx->mbox->box.storage, MAIL_ERROR_NOTPOSSIBLE,
		"Messages of Microsoft 365 cannot take the UID and GUID of "
		"another store (use doveadm import, not sync, to add mail)");
	ctx->failed = TRUE;
	return -1;
}

int msgraph_save_begin(struct mail_save_context *_ctx, struct istream *input)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);
	struct mail_save_data *mdata = &_ctx->data;
	struct msgraph_save_op *op;
	struct istream *crlf;
	const char *error;
	uoff_t size;

	i_assert(!ctx->writing);
	ctx->failed = FALSE;
	if (msgraph_save_check_identity(ctx) < 0)
		return -1;
	/* the size of an IMAP literal is known before it is sent */
	if (i_stream_get_size(input, FALSE, &size) > 0 &&
	    msgraph_save_check_size(ctx, size) < 0)
		return -1;
	if (msgraph_bodies_temp(ctx->mbox->storage->account->bodies, &ctx->fd,
				&ctx->temp_path, &error) < 0) {
		mailbox_set_critical(&ctx->mbox->box, "msgraph: %s", error);
		ctx->failed = TRUE;
		return -1;
	}
	if (mdata->received_date == (time_t)-1)
		mdata->received_date = ioloop_time;
	op = array_append_space(&ctx->ops);
	msgraph_save_add_placeholder(ctx, op, &ctx->seq);
	mail_set_seq_saving(_ctx->dest_mail, ctx->seq);
	ctx->writing = TRUE;

	crlf = i_stream_create_crlf(input);
	ctx->input = index_mail_cache_parse_init(_ctx->dest_mail, crlf);
	i_stream_unref(&crlf);
	mdata->output = o_stream_create_fd_file(ctx->fd, 0, FALSE);
	o_stream_set_name(mdata->output, "message being saved");
	o_stream_cork(mdata->output);
	return 0;
}

int msgraph_save_continue(struct mail_save_context *_ctx)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);

	if (ctx->failed)
		return -1;
	if (index_storage_save_continue(_ctx, ctx->input,
					_ctx->dest_mail) < 0) {
		ctx->failed = TRUE;
		return -1;
	}
	return msgraph_save_check_size(ctx, ctx->input->v_offset);
}

static int msgraph_save_flush(struct msgraph_save_context *ctx, uoff_t *size_r)
{
	struct mail_storage *storage = ctx->mbox->box.storage;
	struct ostream *output = ctx->ctx.data.output;
	off_t size;

	if (o_stream_finish(output) < 0) {
		errno = output->stream_errno;
		if (!mail_storage_set_error_from_errno(storage)) {
			mail_set_critical(ctx->ctx.dest_mail,
				"write(%s) failed: %s", ctx->temp_path,
				o_stream_get_error(output));
		}
		return -1;
	}
	/* plugins may have changed what was written */
	size = lseek(ctx->fd, 0, SEEK_END);
	if (size < 0) {
		mail_set_critical(ctx->ctx.dest_mail, "lseek(%s) failed: %m",
				  ctx->temp_path);
		return -1;
	}
	*size_r = size;
	return 0;
}

/* Our bytes are the body of the message from now on. */
static int
msgraph_save_pin(struct msgraph_save_context *ctx, struct msgraph_save_op *op)
{
	struct mail_storage *storage = ctx->mbox->box.storage;
	enum msgraph_body_flags flags = MSGRAPH_BODY_PINNED;
	const char *error;

	/* nobody else has these bytes */
	if (storage->set->parsed_fsync_mode != FSYNC_MODE_NEVER)
		flags |= MSGRAPH_BODY_SYNC;
	if (msgraph_bodies_put(ctx->mbox->storage->account->bodies, op->id,
			       ctx->fd, ctx->temp_path, flags, &op->replaced,
			       &error) < 0) {
		mail_set_critical(ctx->ctx.dest_mail, "msgraph: %s", error);
		return -1;
	}
	i_free_and_null(ctx->temp_path);
	op->pinned = TRUE;
	if ((op->flags & MAIL_DRAFT) != 0)
		msgraph_bodies_set_draft(ctx->mbox->storage->account->bodies,
					 op->id, op->content);
	return 0;
}

/* Until commit the mail can be read by plugins (mail_log, notify). */
static void
msgraph_save_open_dest(struct msgraph_save_context *ctx, bool pinned,
		       uoff_t size)
{
	struct mail *mail = ctx->ctx.dest_mail;
	struct index_mail *imail = INDEX_MAIL(mail);
	struct istream *input;

	if (imail->data.stream != NULL)
		return;
	if (!pinned) {
		(void)lseek(ctx->fd, 0, SEEK_SET);
		input = i_stream_create_fd_autoclose(&ctx->fd,
			MAIL_READ_FULL_BLOCK_SIZE);
	} else if (msgraph_bodies_open_put(&ctx->fd, &input, &size) <= 0) {
		return;
	}
	imail->data.stream = input;
	i_stream_set_name(imail->data.stream, "message being saved");
	imail->data.physical_size = size;
	imail->data.virtual_size = size;
	/* not read, but the stream is there; closing the mail wants it to be
	   initialized */
	mail->mail_stream_accessed = TRUE;
	(void)index_mail_init_stream(imail, NULL, NULL, &input);
}

void msgraph_save_cache_date(struct msgraph_save_context *ctx, uint32_t seq,
			     enum index_cache_field field, uint32_t date)
{
	struct mailbox_transaction_context *t = ctx->ctx.transaction;
	const struct index_mailbox_context *ibox =
		INDEX_STORAGE_CONTEXT(t->box);
	unsigned int idx = ibox->cache_fields[field].idx;

	if (mail_cache_field_exists(t->cache_view, seq, idx) <= 0)
		mail_cache_add(t->cache_trans, seq, idx, &date, sizeof(date));
}

static int msgraph_save_send(struct msgraph_save_context *ctx)
{
	struct msgraph_save_op *op = array_back_modifiable(&ctx->ops);
	time_t date = ctx->ctx.data.received_date;
	uoff_t size;

	if (msgraph_save_flush(ctx, &size) < 0)
		return -1;
	op->received_date = date < 0 ? 0 :
		((uoff_t)date > UINT32_MAX ? UINT32_MAX : (uint32_t)date);
	op->size_estimate = size > UINT32_MAX ? 0 : size;
	if (msgraph_save_ensure_synced(ctx) < 0)
		return -1;
	msgraph_save_set_deadline(ctx, size, 1);
	msgraph_save_note_next_uid(ctx);
	if (msgraph_save_upload(ctx, op, size) < 0)
		return -1;
	if (!op->existing && msgraph_save_pin(ctx, op) < 0) {
		if (op->created)
			msgraph_save_delete_remote(ctx, &op->id, 1);
		return -1;
	}
	/* what Graph says of \Draft is what is shown */
	mail_index_update_flags(ctx->trans, ctx->seq, MODIFY_REPLACE,
				op->flags);
	index_mail_cache_parse_deinit(ctx->ctx.dest_mail, date, TRUE);
	msgraph_save_cache_date(ctx, ctx->seq, MAIL_CACHE_RECEIVED_DATE,
				op->received_date);
	msgraph_save_cache_date(ctx, ctx->seq, MAIL_CACHE_SAVE_DATE,
				ioloop_time);
	msgraph_save_open_dest(ctx, op->pinned, size);
	return 0;
}

/* The placeholder is always the transaction's last append. */
static void msgraph_save_abort(struct msgraph_save_context *ctx)
{
	index_mail_cache_parse_deinit(ctx->ctx.dest_mail,
				      ctx->ctx.data.received_date, FALSE);
	index_storage_save_abort_last(&ctx->ctx, ctx->seq);
	array_pop_back(&ctx->ops);
}

int msgraph_save_finish(struct mail_save_context *_ctx)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);

	if (ctx->writing) {
		if (!ctx->failed && msgraph_save_send(ctx) < 0)
			ctx->failed = TRUE;
		if (ctx->failed)
			msgraph_save_abort(ctx);
	}
	msgraph_save_close(ctx);
	index_save_context_free(_ctx);
	return ctx->failed ? -1 : 0;
}

void msgraph_save_cancel(struct mail_save_context *_ctx)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);

	ctx->failed = TRUE;
	(void)msgraph_save_finish(_ctx);
}

/*
 * The transaction
 */

/* Take back what was uploaded and copied. */
static void msgraph_save_undo(struct msgraph_save_context *ctx)
{
	struct msgraph_account *account = ctx->mbox->storage->account;
	const struct msgraph_save_op *op;
	const char **ids;
	unsigned int count = 0;

	/* the reason for the failure is what the client is to hear */
	mail_storage_last_error_push(ctx->mbox->box.storage);
	ids = t_new(const char *, array_count(&ctx->ops) + 1);
	array_foreach(&ctx->ops, op) {
		if (op->src_id != NULL || op->id == NULL)
			continue;
		if (op->created)
			ids[count++] = op->id;
		else if (!op->existing)
			msgraph_bodies_remove(account->bodies, op->id);
	}
	msgraph_save_delete_remote(ctx, ids, count);
	msgraph_copy_undo(ctx);
	mail_storage_last_error_pop(ctx->mbox->box.storage);
}

int msgraph_transaction_save_commit_pre(struct mail_save_context *_ctx)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);
	int ret = 0;

	i_assert(!ctx->writing);
	if (array_count(&ctx->ops) == 0)
		return 0;
	T_BEGIN {
		if (msgraph_save_ensure_synced(ctx) < 0 ||
		    msgraph_copy_run(ctx) < 0 ||
		    msgraph_save_assign_uids(ctx) < 0)
			ret = -1;
	} T_END;
	if (ret < 0)
		msgraph_transaction_save_rollback(_ctx);
	return ret;
}

void msgraph_transaction_save_commit_post(
	struct mail_save_context *_ctx,
	struct mail_index_transaction_commit_result *result)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);
	const struct msgraph_save_op *op;

	_ctx->transaction = NULL; /* already freed */
	/* a pull of the folder where it was may have released it */
	array_foreach(&ctx->ops, op) {
		if (op->move && op->pinned)
			msgraph_bodies_pin(ctx->mbox->storage->account->bodies,
					   op->id);
	}
	if (ctx->sync_ctx != NULL) {
		mail_index_sync_set_commit_result(ctx->sync_ctx, result);
		/* Only unlocks. A commit would make the local changes count as
		   sent that nobody has looked at. */
		mail_index_sync_rollback(&ctx->sync_ctx);
	}
	msgraph_list_notify_signal(ctx->mbox->storage->account);
	msgraph_save_free(ctx);
}

void msgraph_transaction_save_rollback(struct mail_save_context *_ctx)
{
	struct msgraph_save_context *ctx = MSGRAPH_SAVECTX(_ctx);

	/* no network under the lock */
	if (ctx->sync_ctx != NULL)
		mail_index_sync_rollback(&ctx->sync_ctx);
	if (ctx->writing)
		msgraph_save_close(ctx);
	T_BEGIN {
		msgraph_save_undo(ctx);
	} T_END;
	msgraph_save_free(ctx);
}
