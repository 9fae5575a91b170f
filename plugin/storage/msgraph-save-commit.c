/* UIDs for what was saved, under the index lock and without network.

   Another process may have pulled our messages already: then they have their
   UIDs, and our placeholders go. */

#include "lib.h"
#include "array.h"
#include "seq-range-array.h"
#include "mail-index.h"
#include "index-storage.h"
#include "msgraph-save.h"

static int
msgraph_save_set_rec(struct msgraph_save_context *ctx,
		     struct mail_index_transaction *trans, uint32_t seq,
		     const struct msgraph_save_op *op)
{
	uint8_t flags = (op->pinned ? MSGRAPH_REC_PINNED : 0) |
		(op->sized ? MSGRAPH_REC_SIZED : 0);
	const char *error;

	if (msgraph_idmap_set(ctx->mbox->idmap, trans, seq, op->id,
			      op->size_estimate, flags, op->content,
			      &error) < 0) {
		mailbox_set_critical(&ctx->mbox->box, "msgraph: %s", error);
		return -1;
	}
	return 0;
}

/* The row that shows this message, or 0. One that we have moved away ourselves
   is about to go and does not count, although the message is back. */
static uint32_t
msgraph_save_find_row(struct msgraph_save_context *ctx,
		      struct mail_index_view *view, const char *id)
{
	struct msgraph_rec rec;
	const char *row_id, *error;
	uint32_t seq;

	seq = msgraph_idmap_find(ctx->mbox->idmap, view, id);
	if (seq != 0 &&
	    msgraph_idmap_get(ctx->mbox->idmap, view, seq, &row_id, &rec,
			      &error) > 0 &&
	    (rec.flags & MSGRAPH_REC_MOVED) != 0)
		return 0;
	return seq;
}

/* The placeholders are the last messages of the transaction's view, in the
   order of the ops. */
static uint32_t msgraph_save_first_seq(struct msgraph_save_context *ctx)
{
	return mail_index_view_get_messages_count(ctx->ctx.transaction->view) -
		array_count(&ctx->ops) + 1;
}

static int
msgraph_save_assign_new(struct msgraph_save_context *ctx,
			const struct mail_index_header *hdr)
{
	struct mail_transaction_commit_changes *changes =
		ctx->ctx.transaction->changes;
	const struct msgraph_save_op *op;
	uint32_t seq = msgraph_save_first_seq(ctx);

	mail_index_append_finish_uids(ctx->trans, hdr->next_uid,
				      &changes->saved_uids);
	array_foreach(&ctx->ops, op) {
		if (msgraph_save_set_rec(ctx, ctx->trans, seq++, op) < 0)
			return -1;
	}
	return 0;
}

static void msgraph_save_drop_placeholders(struct msgraph_save_context *ctx)
{
	uint32_t seq = msgraph_save_first_seq(ctx);
	unsigned int i;

	/* only the last append can be taken back */
	for (i = array_count(&ctx->ops); i > 0; i--)
		mail_index_expunge(ctx->trans, seq + i - 1);
	mail_cache_transaction_reset(ctx->ctx.transaction->cache_trans);
}

static int
msgraph_save_append_again(struct msgraph_save_context *ctx,
			  struct mail_index_transaction *trans,
			  const struct msgraph_save_op *op, uint32_t uid)
{
	struct mail_keywords *keywords;
	uint32_t seq;

	mail_index_append(trans, uid, &seq);
	mail_index_update_flags(trans, seq, MODIFY_REPLACE, op->flags);
	if (op->keywords != NULL) {
		keywords = mail_index_keywords_create(ctx->mbox->box.index,
						      op->keywords);
		mail_index_update_keywords(trans, seq, MODIFY_REPLACE,
					   keywords);
		mail_index_keywords_unref(&keywords);
	}
	if (op->min_modseq != 0)
		mail_index_update_modseq(trans, seq, op->min_modseq);
	return msgraph_save_set_rec(ctx, trans, seq, op);
}

/* Another process was faster and has cached what the list told of the message.
   Our bytes are the body: header, dates and structure come from them. */
static void
msgraph_save_pin_row(struct msgraph_save_context *ctx,
		     struct mail_index_view *view,
		     struct mail_index_transaction *trans, uint32_t seq)
{
	const uint32_t no_offset = 0;
	uint32_t ext_id;

	/* the list has told its size as well */
	msgraph_idmap_set_flags(ctx->mbox->idmap, view, trans, seq,
				MSGRAPH_REC_PINNED | MSGRAPH_REC_SIZED);
	if (mail_index_ext_lookup(ctx->mbox->box.index, "cache", &ext_id))
		mail_index_update_ext(trans, seq, ext_id, &no_offset, NULL);
}

/* Some are known: all go through a transaction of our own, which is committed
   here; the caller's has no messages then. */
static int
msgraph_save_assign_mixed(struct msgraph_save_context *ctx,
			  struct mail_index_view *view)
{
	const struct mail_index_header *hdr = mail_index_get_header(view);
	struct mail_transaction_commit_changes *changes =
		ctx->ctx.transaction->changes;
	struct mail_index_transaction *trans;
	const struct msgraph_save_op *op;
	uint32_t seq, uid, prev_uid = 0, next_uid = hdr->next_uid;
	bool sorted = TRUE;
	int ret = 0;

	msgraph_save_drop_placeholders(ctx);
	array_clear(&changes->saved_uids);
	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	array_foreach(&ctx->ops, op) {
		seq = msgraph_save_find_row(ctx, view, op->id);
		if (seq != 0 && op->replaced) {
			mail_index_expunge(trans, seq);
			seq = 0;
		}
		if (seq != 0) {
			mail_index_lookup_uid(view, seq, &uid);
			if (op->pinned)
				msgraph_save_pin_row(ctx, view, trans, seq);
		} else {
			uid = next_uid++;
			if (msgraph_save_append_again(ctx, trans, op,
						      uid) < 0) {
				ret = -1;
				break;
			}
		}
		if (uid <= prev_uid)
			sorted = FALSE;
		prev_uid = uid;
		seq_range_array_add(&changes->saved_uids, uid);
	}
	if (ret < 0) {
		mail_index_transaction_rollback(&trans);
		return -1;
	}
	if (mail_index_transaction_commit(&trans) < 0) {
		mailbox_set_index_error(&ctx->mbox->box);
		return -1;
	}
	/* a sorted set cannot say which UID is whose: rather say nothing */
	if (!sorted)
		array_clear(&changes->saved_uids);
	return 0;
}

int msgraph_save_assign_uids(struct msgraph_save_context *ctx)
{
	struct mailbox *box = &ctx->mbox->box;
	struct mail_index_view *view;
	struct mail_index_transaction *trans;
	const struct mail_index_header *hdr;
	const struct msgraph_save_op *op;
	bool known = FALSE;

	if (mail_index_sync_begin(box->index, &ctx->sync_ctx, &view, &trans,
				  0) <= 0) {
		mailbox_set_index_error(box);
		return -1;
	}
	hdr = mail_index_get_header(view);
	array_foreach(&ctx->ops, op) {
		if (msgraph_save_find_row(ctx, view, op->id) != 0)
			known = TRUE;
	}
	ctx->ctx.transaction->changes->uid_validity = hdr->uid_validity;
	if (known)
		return msgraph_save_assign_mixed(ctx, view);
	return msgraph_save_assign_new(ctx, hdr);
}
