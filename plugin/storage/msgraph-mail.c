/* The mail: identity, sizes, and its body from the body store or from Graph.
   One download per message, shared by all later reads; the next ones are
   already on their way when a client asks for many (prefetch). */

#include "lib.h"
#include "istream.h"
#include "hex-binary.h"
#include "mail-index.h"
#include "index-mail.h"
#include "graph-batch.h"
#include "graph-mime.h"
#include "msnet-transport.h"
#include "dovecot-compat.h"
#include "msgraph-bodies.h"
#include "msgraph-error.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

#include <unistd.h>

/* looking whether another process has got a message that we want, too; when
   nothing came for so long, we ask for ourselves */
#define MSGRAPH_OTHER_POLL_MSECS 20
#define MSGRAPH_OTHER_IDLE_MSECS 3000

struct msgraph_mail {
	struct index_mail imail;

	/* download; id is set while there is one, finished or not */
	char *fetch_id;
	/* others may edit it: it says this at Graph, 0 = not known */
	bool fetch_draft;
	uint32_t fetch_content;
	char *fetch_path;
	int fetch_fd;
	struct graph_mime *fetch;
	struct graph_failure fetch_fail;
	bool fetch_done;
};

#define MSGRAPH_MAIL(s) \
	(container_of((s), struct msgraph_mail, imail.mail.mail))

static struct msgraph_account *msgraph_mail_account(struct mail *mail)
{
	return MSGRAPH_MAILBOX(mail->box)->storage->account;
}

struct mail *
msgraph_mail_alloc(struct mailbox_transaction_context *t,
		   enum mail_fetch_field wanted_fields,
		   struct mailbox_header_lookup_ctx *wanted_headers)
{
	struct msgraph_mail *mail;
	pool_t pool;

	pool = pool_alloconly_create("mail", 2048);
	mail = p_new(pool, struct msgraph_mail, 1);
	mail->fetch_fd = -1;
	index_mail_init(&mail->imail, t, wanted_fields, wanted_headers, pool,
			NULL);
	/* Updates of distributions change the structure and not the ABI's
	   name. This field comes after the part that grows. */
	if (mail->imail.ibox != INDEX_STORAGE_CONTEXT(t->box)) {
		i_fatal("msgraph: the plugin was built for another build of "
			"Dovecot; build it again for the one installed");
	}
	return &mail->imail.mail.mail;
}

/* Returns -1 with the storage error set. */
static int
msgraph_mail_get_rec(struct mail *mail, const char **id_r,
		     struct msgraph_rec *rec_r)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(mail->box);
	const char *error;
	int ret;

	ret = msgraph_idmap_get(mbox->idmap, mail->transaction->view,
				mail->seq, id_r, rec_r, &error);
	if (ret < 0) {
		mail_set_critical(mail, "msgraph: %s", error);
		return -1;
	}
	if (ret == 0) {
		/* the record is gone, or the index is not ours */
		mail_set_expunged(mail);
		return -1;
	}
	return 0;
}

int msgraph_mail_get_id(struct mail *mail, const char **id_r)
{
	struct msgraph_rec rec;

	return msgraph_mail_get_rec(mail, id_r, &rec);
}

/*
 * Download
 */

static void msgraph_mail_fetch_free(struct msgraph_mail *mail)
{
	if (mail->fetch != NULL) {
		graph_mime_abort(&mail->fetch);
		msgraph_mail_account(&mail->imail.mail.mail)->fetching--;
	}
	msgraph_bodies_drop_temp(&mail->fetch_path);
	i_close_fd(&mail->fetch_fd);
	i_free_and_null(mail->fetch_id);
	mail->fetch_done = FALSE;
}

static void
msgraph_mail_fetched(void *context, const struct graph_failure *failure,
		     uint64_t size ATTR_UNUSED)
{
	struct msgraph_mail *mail = context;

	/* may run in any ioloop: only notes the result */
	mail->fetch = NULL;
	msgraph_mail_account(&mail->imail.mail.mail)->fetching--;
	mail->fetch_fail = *failure;
	mail->fetch_done = TRUE;
}

/* content: of the record. shared: unless another process is at it already.
   Returns 1 when the download
   has been queued, 0 = another process is at it, -1 with the error set. */
static int msgraph_mail_fetch_start(struct msgraph_mail *mail, const char *id,
				    uint32_t content, bool shared,
				    uoff_t *got_r)
{
	struct mail *_mail = &mail->imail.mail.mail;
	struct msgraph_account *account = msgraph_mail_account(_mail);
	const char *error;
	int ret;

	i_assert(mail->fetch_id == NULL);
	ret = shared ?
		msgraph_bodies_claim(account->bodies, id, &mail->fetch_fd,
				     &mail->fetch_path, got_r, &error) :
		msgraph_bodies_temp(account->bodies, &mail->fetch_fd,
				    &mail->fetch_path, &error);
	if (ret < 0) {
		mail_set_critical(_mail, "msgraph: %s", error);
		return -1;
	}
	if (shared && ret == 0)
		return 0;
	mail->fetch_id = i_strdup(id);
	mail->fetch_draft = (mail_get_flags(_mail) & MAIL_DRAFT) != 0;
	mail->fetch_content = content;
	mail->fetch = graph_mime_start(account->client, id, mail->fetch_fd,
				       account->fetching++ > 0,
				       msgraph_mail_fetched, mail);
	return 1;
}

/* The bytes changed since an evicted copy was measured: forget what Dovecot
   has cached of the old ones. */
static void msgraph_mail_forget_cache(struct msgraph_mail *mail)
{
	struct mail *_mail = &mail->imail.mail.mail;
	struct mail_index_transaction *trans;
	uint32_t ext_id, no_offset = 0;

	if (!mail_index_ext_lookup(_mail->box->index, "cache", &ext_id))
		return;
	trans = mail_index_transaction_begin(_mail->transaction->view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_update_ext(trans, _mail->seq, ext_id, &no_offset, NULL);
	if (mail_index_transaction_commit(&trans) < 0)
		mailbox_set_index_error(_mail->box);
	mail->imail.data.forced_no_caching = TRUE;
	mail->imail.data.no_caching = TRUE;
	mail->imail.data.parts = NULL;
}

static int msgraph_mail_put(struct msgraph_mail *mail, const char **error_r)
{
	struct mail *_mail = &mail->imail.mail.mail;
	struct msgraph_bodies *bodies = msgraph_mail_account(_mail)->bodies;
	bool differs;

	if (msgraph_bodies_put(bodies, mail->fetch_id, mail->fetch_fd,
			       mail->fetch_path, 0, &differs, error_r) < 0)
		return -1;
	i_free_and_null(mail->fetch_path);
	if (mail->fetch_draft)
		msgraph_bodies_set_draft(bodies, mail->fetch_id,
					 mail->fetch_content);
	if (differs && !_mail->expunged)
		msgraph_mail_forget_cache(mail);
	return 0;
}

/* Wait for the download and put it into the store. Returns the stream to read
   from, or NULL with the error set. */
static struct istream *
msgraph_mail_fetch_finish(struct msgraph_mail *mail, uoff_t *size_r)
{
	struct mail *_mail = &mail->imail.mail.mail;
	struct msgraph_account *account = msgraph_mail_account(_mail);
	struct istream *input = NULL;
	const char *error;
	int ret;

	if (!mail->fetch_done)
		account->transport->v->run(account->transport,
					   &mail->fetch_done);
	if (mail->fetch_fail.error != GRAPH_OK) {
		msgraph_mail_body_failed(_mail, mail->fetch_id,
					 &mail->fetch_fail);
		msgraph_mail_fetch_free(mail);
		return NULL;
	}
	msgraph_mail_body_arrived(_mail, mail->fetch_id);
	ret = msgraph_mail_put(mail, &error);
	if (ret == 0) {
		/* another process's copy may have been there first */
		ret = msgraph_bodies_open(account->bodies, mail->fetch_id,
					  &input, size_r, &error);
	}
	/* evicted at once: larger than the whole cache */
	if (ret == 0 && msgraph_bodies_open_put(&mail->fetch_fd, &input,
						size_r) <= 0) {
		error = "a new copy of a message cannot be read";
		ret = -1;
	}
	if (ret < 0)
		mail_set_critical(_mail, "msgraph: %s", error);
	msgraph_mail_fetch_free(mail);
	return input;
}

/* Others have edited the draft, and another session knows already: what is had
   under its id is not what this UID has shown. */
static bool msgraph_mail_is_replaced(struct mail *mail)
{
	struct mail_index_view *view;
	uint32_t seq;
	bool ret;

	(void)mail_index_refresh(mail->box->index);
	view = mail_index_view_open(mail->box->index);
	ret = !mail_index_lookup_seq(view, mail->uid, &seq);
	mail_index_view_close(&view);
	return ret;
}

static struct istream *
msgraph_mail_open_body(struct msgraph_mail *mail, uoff_t *size_r)
{
	struct mail *_mail = &mail->imail.mail.mail;
	struct msgraph_account *account = msgraph_mail_account(_mail);
	unsigned int idle = 0;
	uoff_t got = 0, old_got = 0;
	struct istream *input;
	struct msgraph_rec rec;
	const char *id, *error;
	int ret;

	if (mail->fetch_id != NULL)
		return msgraph_mail_fetch_finish(mail, size_r);
	if (msgraph_mail_get_rec(_mail, &id, &rec) < 0)
		return NULL;
	if (rec.content != 0 && msgraph_mail_is_replaced(_mail)) {
		mail_set_expunged(_mail);
		return NULL;
	}
	graph_client_set_deadline(account->client, 0);
	do {
		ret = msgraph_bodies_open(account->bodies, id, &input, size_r,
					  &error);
		if (ret > 0)
			return input;
		if (ret < 0) {
			mail_set_critical(_mail, "msgraph: %s", error);
			return NULL;
		}
		if (msgraph_mail_is_quarantined(_mail, id))
			return NULL;
		ret = msgraph_mail_fetch_start(mail, id, rec.content, TRUE,
					       &got);
		/* another process's download is waited for as long as it gets
		   on */
		idle = got == old_got ? idle + MSGRAPH_OTHER_POLL_MSECS : 0;
		old_got = got;
	} while (ret == 0 && idle < MSGRAPH_OTHER_IDLE_MSECS &&
		 graph_client_pause(account->client,
				    MSGRAPH_OTHER_POLL_MSECS));
	if (ret == 0)
		ret = msgraph_mail_fetch_start(mail, id, rec.content, FALSE,
					       &got);
	if (ret < 0)
		return NULL;
	return msgraph_mail_fetch_finish(mail, size_r);
}

static int
msgraph_mail_get_stream(struct mail *_mail, bool get_body ATTR_UNUSED,
			struct message_size *hdr_size,
			struct message_size *body_size,
			struct istream **stream_r)
{
	struct msgraph_mail *mail = MSGRAPH_MAIL(_mail);
	struct index_mail_data *data = &mail->imail.data;
	uoff_t size;

	if (data->stream == NULL) {
		if (!mail_stream_access_start(_mail))
			return -1;
		data->stream = msgraph_mail_open_body(mail, &size);
		if (data->stream == NULL)
			return -1;
		i_stream_set_name(data->stream,
				  t_strdup_printf("msgraph uid=%u",
						  _mail->uid));
		index_mail_set_read_buffer_size(_mail, data->stream);
		if (mail->imail.mail.v.istream_opened != NULL &&
		    mail->imail.mail.v.istream_opened(_mail,
						      &data->stream) < 0) {
			index_mail_close_streams(&mail->imail);
			return -1;
		}
		/* CRLF throughout, so both are the same */
		data->physical_size = size;
		data->virtual_size = size;
	}
	return index_mail_init_stream(&mail->imail, hdr_size, body_size,
				      stream_r);
}

static bool msgraph_mail_have_headers(struct index_mail *mail,
				      struct mailbox_header_lookup_ctx *headers)
{
	struct mail *_mail = &mail->mail.mail;
	unsigned int i;

	for (i = 0; i < headers->count; i++) {
		if (mail_cache_field_exists(_mail->transaction->cache_view,
					    _mail->seq, headers->idx[i]) <= 0)
			return FALSE;
	}
	return TRUE;
}

/* Returns FALSE if more mails may be prefetched, TRUE if this one needs
   nothing. */
static bool msgraph_mail_prefetch(struct mail *_mail)
{
	struct msgraph_mail *mail = MSGRAPH_MAIL(_mail);
	struct index_mail_data *data = &mail->imail.data;
	struct msgraph_account *account = msgraph_mail_account(_mail);
	struct msgraph_rec rec;
	const char *id;
	uoff_t size;

	if (data->stream != NULL || mail->fetch_id != NULL ||
	    _mail->expunged || _mail->saving ||
	    _mail->lookup_abort != MAIL_LOOKUP_ABORT_NEVER)
		return index_mail_prefetch(_mail);
	if (data->access_part == 0 &&
	    (data->wanted_headers == NULL ||
	     msgraph_mail_have_headers(&mail->imail, data->wanted_headers)))
		return index_mail_prefetch(_mail);
	if (msgraph_mail_get_rec(_mail, &id, &rec) < 0 ||
	    msgraph_bodies_size(account->bodies, id, &size) ||
	    msgraph_mail_is_quarantined(_mail, id))
		return TRUE;
	graph_client_set_deadline(account->client, 0);
	if (msgraph_mail_fetch_start(mail, id, rec.content, TRUE, &size) <= 0)
		return TRUE;
	data->prefetch_sent = TRUE;
	return FALSE;
}

static void msgraph_mail_close(struct mail *_mail)
{
	struct msgraph_mail *mail = MSGRAPH_MAIL(_mail);
	struct msgraph_account *account = msgraph_mail_account(_mail);
	struct istream *input = mail->imail.data.stream;
	const char *id, *error;

	if (input != NULL && input->stream_errno == EIO &&
	    msgraph_mail_get_id(_mail, &id) == 0)
		msgraph_bodies_damaged(account->bodies, id);
	/* prefetched but never read: keep what has arrived */
	if (mail->fetch_done && mail->fetch_fail.error == GRAPH_OK &&
	    mail->fetch_path != NULL)
		(void)msgraph_mail_put(mail, &error);
	msgraph_mail_fetch_free(mail);
	index_mail_close(_mail);
}

/*
 * Sizes and dates
 */

/* RFC822.SIZE: exact where a copy is or was at hand, else an estimate that is
   never too small and always the same, else a download. The estimate never
   gets into Dovecot's cache, which takes sizes for exact. */
static int msgraph_mail_get_size(struct mail *_mail, uoff_t *size_r)
{
	struct msgraph_mail *mail = MSGRAPH_MAIL(_mail);
	struct index_mail_data *data = &mail->imail.data;
	struct msgraph_account *account = msgraph_mail_account(_mail);
	struct message_size hdr_size, body_size;
	struct msgraph_rec rec;
	struct istream *input;
	const char *id;

	if (data->stream != NULL && data->physical_size != UOFF_T_MAX) {
		*size_r = data->physical_size;
		return 0;
	}
	if (_mail->saving)
		return index_mail_get_physical_size(_mail, size_r);
	if (msgraph_mail_get_rec(_mail, &id, &rec) < 0)
		return -1;
	if (msgraph_bodies_size(account->bodies, id, size_r) ||
	    index_mail_get_cached_uoff_t(&mail->imail,
					 MAIL_CACHE_PHYSICAL_FULL_SIZE,
					 size_r))
		return 0;
	if (!account->set->rfc822_size_exact && rec.size_estimate > 0) {
		*size_r = rec.size_estimate;
		return 0;
	}
	if (mail_get_stream(_mail, &hdr_size, &body_size, &input) < 0)
		return -1;
	*size_r = data->physical_size;
	return 0;
}

static void
msgraph_mail_set_fetch_error(struct mail *mail,
			     const struct graph_failure *fail)
{
	if (fail->error == GRAPH_ERROR_NOT_FOUND)
		mail_set_expunged(mail);
	else
		msgraph_error_set_storage(mail->box->storage, fail);
}

/* Only when the cache has lost it: one request for this message. */
static int msgraph_mail_fetch_received_date(struct mail *_mail, time_t *date_r)
{
	struct index_mail *imail = INDEX_MAIL(_mail);
	struct msgraph_account *account = msgraph_mail_account(_mail);
	const struct graph_batch_result *result;
	struct graph_batch *batch;
	struct graph_failure fail;
	const char *id;
	int ret = -1;

	if (!mail_metadata_access_start(_mail) ||
	    msgraph_mail_get_id(_mail, &id) < 0)
		return -1;
	graph_client_set_deadline(account->client, 0);
	batch = graph_batch_init(account->client);
	(void)graph_batch_get(batch, id);
	(void)graph_batch_run(batch, &fail);
	result = graph_batch_result(batch, 0);
	if (result->failure.error != GRAPH_OK) {
		msgraph_mail_set_fetch_error(_mail, &result->failure);
	} else if (result->message == NULL ||
		   result->message->received == GRAPH_TIME_UNKNOWN) {
		/* a message without a date: shown as from the epoch */
		*date_r = 0;
		ret = 0;
	} else {
		uint32_t t = result->message->received;

		*date_r = t;
		imail->data.received_date = t;
		index_mail_cache_add(imail, MAIL_CACHE_RECEIVED_DATE,
				     &t, sizeof(t));
		ret = 0;
	}
	graph_batch_deinit(&batch);
	return ret;
}

static int msgraph_mail_get_received_date(struct mail *_mail, time_t *date_r)
{
	if (index_mail_get_received_date(_mail, date_r) == 0)
		return 0;
	return msgraph_mail_fetch_received_date(_mail, date_r);
}

static int msgraph_mail_get_save_date(struct mail *_mail, time_t *date_r)
{
	int ret = index_mail_get_save_date(_mail, date_r);

	if (ret > 0)
		return ret;
	/* Graph does not tell when a message came into its folder */
	return msgraph_mail_get_received_date(_mail, date_r) < 0 ? -1 : 0;
}

/* \Draft is Graph's to decide. */
static void
msgraph_mail_update_flags(struct mail *_mail, enum modify_type modify_type,
			  enum mail_flags flags)
{
	flags &= ENUM_NEGATE(MAIL_DRAFT);
	if (modify_type == MODIFY_REPLACE)
		flags |= mail_get_flags(_mail) & MAIL_DRAFT;
	index_mail_update_flags(_mail, modify_type, flags);
}

static int
msgraph_mail_get_special(struct mail *_mail, enum mail_fetch_field field,
			 const char **value_r)
{
	struct index_mail *imail = INDEX_MAIL(_mail);
	guid_128_t guid;
	const char *id;

	if (field == MAIL_FETCH_GUID || field == MAIL_FETCH_UIDL_BACKEND) {
		if (imail->data.guid == NULL) {
			if (msgraph_mail_get_id(_mail, &id) < 0)
				return -1;
			msgraph_id_guid128(id, guid);
			imail->data.guid = p_strdup(imail->mail.data_pool,
						    guid_128_to_string(guid));
		}
		*value_r = imail->data.guid;
		return 0;
	}
	return index_mail_get_special(_mail, field, value_r);
}

const struct mail_vfuncs msgraph_mail_vfuncs = {
	.close = msgraph_mail_close,
	.free = index_mail_free,
	.set_seq = index_mail_set_seq,
	.set_uid = index_mail_set_uid,
	.set_uid_cache_updates = index_mail_set_uid_cache_updates,
	.prefetch = msgraph_mail_prefetch,
	.precache = index_mail_precache,
	.add_temp_wanted_fields = index_mail_add_temp_wanted_fields,

	.get_flags = index_mail_get_flags,
	.get_keywords = index_mail_get_keywords,
	.get_keyword_indexes = index_mail_get_keyword_indexes,
	.get_modseq = index_mail_get_modseq,
	.get_pvt_modseq = index_mail_get_pvt_modseq,
	.get_parts = index_mail_get_parts,
	.get_date = index_mail_get_date,
	.get_received_date = msgraph_mail_get_received_date,
	.get_save_date = msgraph_mail_get_save_date,
	.get_virtual_size = msgraph_mail_get_size,
	.get_physical_size = msgraph_mail_get_size,
	.get_first_header = index_mail_get_first_header,
	.get_headers = index_mail_get_headers,
	.get_header_stream = index_mail_get_header_stream,
	.get_stream = msgraph_mail_get_stream,
	.get_binary_stream = index_mail_get_binary_stream,
	.get_special = msgraph_mail_get_special,
	.get_backend_mail = index_mail_get_backend_mail,
	.update_flags = msgraph_mail_update_flags,
	.update_keywords = index_mail_update_keywords,
	.update_modseq = index_mail_update_modseq,
	.update_pvt_modseq = index_mail_update_pvt_modseq,
	.expunge = index_mail_expunge,
	.set_cache_corrupted = index_mail_set_cache_corrupted,
	.istream_opened = index_mail_opened,
};
