#include "graph-create.h"
#include "graph-client-private.h"
#include "graph-find.h"
#include "graph-json.h"
#include "graph-patch.h"
#include "graph-property.h"
#include "graph-upload.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* what to leave out after a refusal, one step a try */
enum create_ladder {
	CREATE_ALL = 0,
	CREATE_NO_TRANSPORT_HEADERS,
	CREATE_NO_FROM,
	CREATE_NO_X_HEADERS,
	CREATE_LADDER_END
};

static void add_key(struct msnet_buf *buf, const char *key)
{
	if (buf->data[buf->used - 1] != '{')
		msnet_buf_add(buf, ",");
	msnet_buf_printf(buf, "\"%s\":", key);
}

static void add_text(struct msnet_buf *buf, const char *key, const char *text)
{
	if (text == NULL)
		return;
	add_key(buf, key);
	graph_json_add_string(buf, text);
}

static bool address_is_usable(const struct graph_address *address)
{
	return address->address != NULL && *address->address != '\0';
}

static void add_address(struct msnet_buf *buf,
			const struct graph_address *address)
{
	msnet_buf_add(buf, "{\"emailAddress\":{\"name\":");
	graph_json_add_string(buf, address->name != NULL &&
			      *address->name != '\0' ? address->name :
			      address->address);
	msnet_buf_add(buf, ",\"address\":");
	graph_json_add_string(buf, address->address);
	msnet_buf_add(buf, "}}");
}

static void add_people(struct msnet_buf *buf, const char *key,
		       const struct graph_addresses *people)
{
	unsigned int i, added = 0;

	/* group syntax and broken fields leave entries without an address,
	   which the service refuses together with the whole message */
	for (i = 0; i < people->count; i++) {
		if (!address_is_usable(&people->items[i]))
			continue;
		if (added++ == 0) {
			add_key(buf, key);
			msnet_buf_add(buf, "[");
		} else {
			msnet_buf_add(buf, ",");
		}
		add_address(buf, &people->items[i]);
	}
	if (added > 0)
		msnet_buf_add(buf, "]");
}

static void add_person(struct msnet_buf *buf, const char *key,
		       const struct graph_addresses *people)
{
	if (people->count == 0 || !address_is_usable(&people->items[0]))
		return;
	add_key(buf, key);
	add_address(buf, &people->items[0]);
}

static void add_text_property(struct msnet_buf *buf, const char *id,
			      const char *value)
{
	if (value != NULL)
		graph_patch_add_property(buf, id, value);
}

static void add_time_property(struct msnet_buf *buf, const char *id,
			      int64_t when)
{
	struct msnet_buf text = { 0 };

	if (when == GRAPH_TIME_UNKNOWN)
		return;
	graph_json_add_time(&text, when);
	graph_patch_add_property(buf, id, text.data);
	msnet_buf_free(&text);
}

static void add_properties(struct msnet_buf *buf,
			   const struct graph_new_message *msg,
			   enum create_ladder step)
{
	struct msnet_buf id = { 0 };
	unsigned int i;

	add_key(buf, "singleValueExtendedProperties");
	msnet_buf_add(buf, "[");
	if (!msg->draft) {
		/* any value without the unsent bit makes it no draft; only
		   here, in the create itself */
		graph_patch_add_property(buf, GRAPH_PROP_FLAGS,
					 msg->flags.is_read > 0 ? "1" : "0");
	}
	add_time_property(buf, GRAPH_PROP_DELIVERED, msg->received);
	add_time_property(buf, GRAPH_PROP_SUBMITTED, msg->sent);
	add_text_property(buf, GRAPH_PROP_CLASS, msg->message_class);
	add_text_property(buf, GRAPH_PROP_IN_REPLY_TO, msg->in_reply_to);
	add_text_property(buf, GRAPH_PROP_REFERENCES, msg->references);
	if (step < CREATE_NO_TRANSPORT_HEADERS)
		add_text_property(buf, GRAPH_PROP_HEADERS,
				  msg->transport_headers);
	for (i = 0; i < msg->x_header_count && step < CREATE_NO_X_HEADERS;
	     i++) {
		msnet_buf_printf(&id, GRAPH_PROP_HEADER_PREFIX "%s",
				 msg->x_headers[i].name);
		graph_patch_add_property(buf, id.data,
					 msg->x_headers[i].value);
		msnet_buf_free(&id);
	}
	graph_patch_add_properties(&msg->flags, buf);
	graph_patch_add_property(buf, GRAPH_PROP_MARK, msg->mark);
	msnet_buf_add(buf, "]");
}

/* The message object without its attachments and its last brace. */
static void build_message(struct msnet_buf *buf,
			  const struct graph_new_message *msg,
			  enum create_ladder step)
{
	msnet_buf_add(buf, "{");
	add_text(buf, "subject", msg->subject == NULL ? "" : msg->subject);
	add_key(buf, "body");
	msnet_buf_printf(buf, "{\"contentType\":\"%s\",\"content\":",
			 msg->body_is_html ? "html" : "text");
	graph_json_add_string(buf, msg->body == NULL ? "" : msg->body);
	msnet_buf_add(buf, "}");
	if (step < CREATE_NO_FROM) {
		add_person(buf, "from", &msg->from);
		add_person(buf, "sender", &msg->sender);
		add_people(buf, "replyTo", &msg->reply_to);
	}
	add_people(buf, "toRecipients", &msg->to);
	add_people(buf, "ccRecipients", &msg->cc);
	add_people(buf, "bccRecipients", &msg->bcc);
	add_text(buf, "internetMessageId", msg->internet_message_id);
	add_text(buf, "importance", msg->importance);
	graph_patch_add_fields(&msg->flags, buf);
	add_properties(buf, msg, step);
}

/* How many attachments fit into the create request. */
static unsigned int fit_attachments(const struct graph_new_message *msg,
				    size_t used)
{
	uint64_t total = used + 4096;
	unsigned int i;

	for (i = 0; i < msg->attachment_count; i++) {
		total += msg->attachments[i].size / 3 * 4 + 4096;
		if (total > GRAPH_REQUEST_MAX)
			break;
	}
	return i;
}

/* Write the request to fd. */
static int write_request(int fd, const struct graph_new_message *msg,
			 enum create_ladder step, unsigned int *fit_r)
{
	struct msnet_buf buf = { 0 };
	unsigned int i;
	int ret;

	build_message(&buf, msg, step);
	*fit_r = fit_attachments(msg, buf.used);
	if (*fit_r > 0)
		msnet_buf_add(&buf, ",\"attachments\":[");
	ret = ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 :
		graph_upload_write(fd, buf.data, buf.used);
	msnet_buf_free(&buf);
	for (i = 0; i < *fit_r && ret == 0; i++) {
		if (i > 0)
			ret = graph_upload_write(fd, ",", 1);
		if (ret == 0)
			ret = graph_upload_write_json(fd,
						      &msg->attachments[i]);
	}
	if (ret == 0)
		ret = graph_upload_write(fd, *fit_r > 0 ? "]}" : "}",
					 *fit_r > 0 ? 2 : 1);
	return ret;
}

/* Only a 201 with an id has created anything. */
static int take_id(const char *what, struct msnet_response *resp, char **id_r,
		   struct graph_failure *fail_r)
{
	struct json_object *obj = graph_json_parse(resp->body,
						   (size_t)resp->body_size);
	const char *id = obj == NULL ? NULL : graph_json_string(obj, "id");

	if (id != NULL && *id != '\0')
		*id_r = msnet_strdup(id);
	else
		graph_failure_set(fail_r, GRAPH_ERROR_LOST,
				  "%s: an answer without id", what);
	json_object_put(obj);
	return *id_r != NULL ? 0 : -1;
}

/*
 * Create
 */

static int
create_try(struct graph_client *client, const struct graph_new_message *msg,
	   int fd, char **id_r, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "store a message", .method = "POST",
		.content_type = "application/json", .body_fd = fd,
		.body_fd_size = (uint64_t)lseek(fd, 0, SEEK_END),
		.ok = { 201 },
	};
	struct msnet_response *resp;
	struct msnet_buf path = { 0 };
	int ret;

	msnet_buf_printf(&path, "%s/mailFolders",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(&path, msg->folder_id);
	msnet_buf_add(&path, "/messages");
	spec.path = path.data;
	ret = graph_call_run(client, &spec, &resp, fail_r);
	msnet_buf_free(&path);
	if (ret < 0)
		return -1;
	ret = take_id("store a message", resp, id_r, fail_r);
	msnet_response_free(&resp);
	return ret;
}

/* Remove what was half made; best effort. */
static void create_undo(struct graph_client *client, char **id)
{
	struct graph_batch *batch = graph_batch_init(client);
	struct graph_failure ignored;

	(void)graph_batch_permanent_delete(batch, *id);
	(void)graph_batch_run(batch, &ignored);
	if (graph_batch_result(batch, 0)->failure.error != GRAPH_OK) {
		graph_batch_deinit(&batch);
		batch = graph_batch_init(client);
		(void)graph_batch_delete(batch, *id);
		(void)graph_batch_run(batch, &ignored);
	}
	graph_batch_deinit(&batch);
	free(*id);
	*id = NULL;
}

/* Two creates have succeeded after all: the mark says that both are ours. */
static void
create_keep_one(struct graph_client *client,
		const struct graph_new_message *msg, const char *id)
{
	const struct graph_message_traits traits = { .mark = msg->mark };
	struct graph_failure ignored;
	char **ids, *other;
	unsigned int i;

	if (graph_message_find(client, msg->folder_id, &traits, &ids,
			       &ignored) < 0)
		return;
	for (i = 0; ids[i] != NULL; i++) {
		if (strcmp(ids[i], id) == 0)
			continue;
		other = msnet_strdup(ids[i]);
		create_undo(client, &other);
	}
	graph_ids_free(&ids);
}

static int
find_marked(struct graph_client *client, const struct graph_new_message *msg,
	    char **id_r, struct graph_failure *fail_r)
{
	const struct graph_message_traits traits = { .mark = msg->mark };

	return graph_message_find_lost(client, msg->folder_id, &traits, NULL,
				       NULL, id_r, fail_r);
}

static int
create_once(struct graph_client *client, const struct graph_new_message *msg,
	    int fd, char **id_r, struct graph_failure *fail_r)
{
	struct graph_failure find_fail;
	int ret;

	ret = create_try(client, msg, fd, id_r, fail_r);
	if (ret == 0 || !graph_failure_is_uncertain(fail_r))
		return ret;
	ret = find_marked(client, msg, id_r, &find_fail);
	if (ret == 0) {
		/* surely not there: once more, and once more a look */
		ret = create_try(client, msg, fd, id_r, fail_r);
		if (ret < 0 && graph_failure_is_uncertain(fail_r) &&
		    find_marked(client, msg, id_r, &find_fail) > 0)
			ret = 0;
		if (ret == 0)
			create_keep_one(client, msg, *id_r);
	} else {
		ret = ret > 0 ? 0 : -1;
	}
	return ret;
}

int graph_message_create(struct graph_client *client,
			 const struct graph_new_message *msg, char **id_r,
			 struct graph_failure *fail_r)
{
	enum create_ladder step;
	unsigned int fit = 0;
	int fd = graph_upload_temp(), ret = -1;

	*id_r = NULL;
	for (step = CREATE_ALL; step < CREATE_LADDER_END; step++) {
		if (fd == -1 || write_request(fd, msg, step, &fit) < 0) {
			graph_failure_set(fail_r, GRAPH_ERROR_LOCAL,
				"store a message: temporary file: %s",
				strerror(errno));
			break;
		}
		ret = create_once(client, msg, fd, id_r, fail_r);
		if (ret == 0 || fail_r->error != GRAPH_ERROR_REFUSED ||
		    fail_r->status != 400)
			break;
	}
	if (fd != -1)
		(void)close(fd);
	for (; ret == 0 && fit < msg->attachment_count; fit++) {
		ret = graph_upload_attachment(client, *id_r,
					      &msg->attachments[fit], fit,
					      fail_r);
		if (ret < 0)
			create_undo(client, id_r);
	}
	return ret;
}

static int
create_mime_try(struct graph_client *client, int fd, off_t offset,
		uint64_t size, char **id_r, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "store a draft", .method = "POST",
		.content_type = "text/plain", .body_fd = fd,
		.body_offset = offset, .body_fd_size = size,
		.body_base64 = true, .ok = { 201 },
	};
	struct msnet_buf path = { 0 };
	struct msnet_response *resp;
	int ret;

	/* The form below a folder is documented but refused. */
	msnet_buf_printf(&path, "%s/messages",
			 graph_client_mailbox_path(client));
	spec.path = path.data;
	ret = graph_call_run(client, &spec, &resp, fail_r);
	msnet_buf_free(&path);
	if (ret < 0)
		return -1;
	ret = take_id("store a draft", resp, id_r, fail_r);
	msnet_response_free(&resp);
	return ret;
}

int graph_message_create_mime(struct graph_client *client, int fd,
			      off_t offset, uint64_t size,
			      const char *internet_message_id,
			      bool (*is_known)(void *context, const char *id),
			      void *context, char **id_r,
			      struct graph_failure *fail_r)
{
	const struct graph_message_traits traits = {
		.internet_message_id = internet_message_id,
		/* only one created just now can be ours */
		.created_since = graph_client_service_time(client),
	};
	struct graph_failure find_fail;
	int ret;

	*id_r = NULL;
	ret = create_mime_try(client, fd, offset, size, id_r, fail_r);
	if (ret == 0 || !graph_failure_is_uncertain(fail_r) ||
	    internet_message_id == NULL)
		return ret;
	ret = graph_message_find_lost(client, "drafts", &traits, is_known,
				      context, id_r, &find_fail);
	if (ret != 0)
		return ret < 0 ? -1 : 0;
	return create_mime_try(client, fd, offset, size, id_r, fail_r);
}
