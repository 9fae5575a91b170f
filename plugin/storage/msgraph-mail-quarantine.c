/* A body that Graph cannot give: the first try takes its time, later ones are
   answered at once until the pause is over. */

#include "lib.h"
#include "mail-storage-private.h"
#include "graph-batch.h"
#include "msgraph-error.h"
#include "msgraph-quarantine.h"
#include "msgraph-storage.h"

/* The fts plugins end at a message that cannot be read, and go on after one
   that is gone. What has not been had for so long no longer holds up the index
   of the others; once it can be had, doveadm fts rescan brings it in. */
static bool is_left_out_of_index(struct mail *mail,
				 const struct msgraph_quarantined *entry)
{
	const char *reason = ((struct mail_private *)mail)->get_stream_reason;

	return reason != NULL && strcmp(reason, "fts indexing") == 0 &&
		msgraph_quarantine_is_lasting(entry->tries);
}

static void set_quarantined(struct mail *mail,
			    const struct msgraph_quarantined *entry)
{
	long left = ((long)(entry->next - time(NULL)) + 59) / 60;

	if (is_left_out_of_index(mail, entry)) {
		mail_set_expunged(mail);
		return;
	}
	/* A search is to go on, as if there was nothing to be found. For the
	   other kind imap says NO [PARSE] however often a client asks, while
	   all others in the end lead to a BYE. */
	mail_storage_set_error(mail->box->storage,
		mail->access_type == MAIL_ACCESS_TYPE_SEARCH ?
		MAIL_ERROR_EXPUNGED : MAIL_ERROR_INVALIDDATA,
		t_strdup_printf("Microsoft 365 cannot give this message (%s). "
			"It is tried again in %ld minute%s; others are not "
			"affected", entry->reason, I_MAX(left, 1),
			left <= 1 ? "" : "s"));
}

static const struct msgraph_quarantined *
find_quarantined(struct mail *mail, const char *id)
{
	return msgraph_quarantine_find(MSGRAPH_MAILBOX(mail->box)->quarantine,
				       id, MSGRAPH_QUARANTINE_BODY);
}

bool msgraph_mail_is_quarantined(struct mail *mail, const char *id)
{
	const struct msgraph_quarantined *entry = find_quarantined(mail, id);

	if (entry == NULL || entry->next <= time(NULL))
		return FALSE;
	set_quarantined(mail, entry);
	return TRUE;
}

/* Its bytes are not found; is the message? */
static bool mail_is_gone(struct mail *mail, const char *id)
{
	struct msgraph_account *account =
		MSGRAPH_MAILBOX(mail->box)->storage->account;
	struct graph_batch *batch = graph_batch_init(account->client);
	struct graph_failure ignored;
	bool gone;

	(void)graph_batch_get_parent(batch, id);
	(void)graph_batch_run(batch, &ignored);
	gone = graph_batch_result(batch, 0)->failure.error ==
		GRAPH_ERROR_NOT_FOUND;
	graph_batch_deinit(&batch);
	return gone;
}

void msgraph_mail_body_failed(struct mail *mail, const char *id,
			      const struct graph_failure *fail)
{
	const struct msgraph_quarantined *entry;
	bool first;

	if (!msgraph_quarantine_is_for(fail)) {
		msgraph_error_set_storage(mail->box->storage, fail);
		return;
	}
	first = find_quarantined(mail, id) == NULL;
	msgraph_quarantine_failed(MSGRAPH_MAILBOX(mail->box)->quarantine, id,
				  MSGRAPH_QUARANTINE_BODY, fail);
	if (fail->error == GRAPH_ERROR_NOT_FOUND && first &&
	    mail_is_gone(mail, id)) {
		/* the next sync tells, too, which takes it out of the
		   quarantine; else it is told otherwise the next time */
		mail_set_expunged(mail);
		return;
	}
	e_warning(mail->box->event, "uid=%u: body cannot be had: %s "
		  "(request-id %s)", mail->uid, fail->message,
		  fail->request_id);
	entry = find_quarantined(mail, id);
	if (entry != NULL)
		set_quarantined(mail, entry);
	else
		msgraph_error_set_storage(mail->box->storage, fail);
}

void msgraph_mail_body_arrived(struct mail *mail, const char *id)
{
	msgraph_quarantine_remove(MSGRAPH_MAILBOX(mail->box)->quarantine, id,
				  MSGRAPH_QUARANTINE_BODY);
}
