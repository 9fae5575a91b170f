#include "graph-upload.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-list.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* bytes of one slice: below 4 MB and a multiple of 320 KiB */
#define UPLOAD_SLICE (10U * 320 * 1024)
#define UPLOAD_TOO_SMALL "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
/* bytes encoded at a time: a multiple of 3 */
#define ENCODE_BLOCK (48U * 1024)
/* of one attachment whose answer was lost, or a 5xx */
#define UPLOAD_TRIES 3
#define UPLOAD_WAIT_MSECS 400

int graph_upload_temp(void)
{
	char path[] = P_tmpdir "/msgraph.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd != -1)
		(void)unlink(path);
	return fd;
}

int graph_upload_write(int fd, const char *text, size_t size)
{
	ssize_t ret;

	while (size > 0) {
		ret = write(fd, text, size);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return -1;
		text += ret;
		size -= (size_t)ret;
	}
	return 0;
}

static int write_base64(int fd, const struct graph_new_attachment *att)
{
	unsigned char *in = msnet_malloc(ENCODE_BLOCK);
	unsigned char *out = msnet_malloc(ENCODE_BLOCK / 3 * 4 + 4);
	uint64_t done = 0;
	int ret = 0, len;

	while (done < att->size && ret == 0) {
		size_t want = att->size - done < ENCODE_BLOCK ?
			(size_t)(att->size - done) : ENCODE_BLOCK;
		ssize_t got = pread(att->fd, in, want,
				    att->offset + (off_t)done);

		if (got != (ssize_t)want) {
			if (got >= 0)
				errno = EIO;
			ret = -1;
			break;
		}
		len = EVP_EncodeBlock(out, in, (int)want);
		ret = graph_upload_write(fd, (char *)out, (size_t)len);
		done += want;
	}
	free(in);
	free(out);
	return ret;
}

int graph_upload_write_json(int fd, const struct graph_new_attachment *att)
{
	struct msnet_buf buf = { 0 };
	int ret;

	msnet_buf_add(&buf, "{\"@odata.type\":"
		      "\"#microsoft.graph.fileAttachment\",\"name\":");
	graph_json_add_string(&buf, att->name == NULL ? "" : att->name);
	msnet_buf_add(&buf, ",\"contentType\":");
	graph_json_add_string(&buf, att->content_type == NULL ?
			      "application/octet-stream" : att->content_type);
	msnet_buf_printf(&buf, ",\"isInline\":%s",
			 att->is_inline ? "true" : "false");
	if (att->content_id != NULL) {
		msnet_buf_add(&buf, ",\"contentId\":");
		graph_json_add_string(&buf, att->content_id);
	}
	msnet_buf_add(&buf, ",\"contentBytes\":\"");
	ret = graph_upload_write(fd, buf.data, buf.used);
	msnet_buf_free(&buf);
	if (ret == 0)
		ret = write_base64(fd, att);
	if (ret == 0)
		ret = graph_upload_write(fd, "\"}", 2);
	return ret;
}

static void attachments_path(struct graph_client *client, const char *id,
			     const char *suffix, struct msnet_buf *path)
{
	msnet_buf_printf(path, "%s/messages",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(path, id);
	msnet_buf_printf(path, "/attachments%s", suffix);
}

static int upload_small(struct graph_client *client, const char *message_id,
			const struct graph_new_attachment *att,
			struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "add an attachment", .method = "POST",
		.content_type = "application/json", .ok = { 201 },
	};
	struct msnet_response *resp = NULL;
	struct msnet_buf path = { 0 };
	int fd = graph_upload_temp(), ret = -1;

	if (fd == -1 || graph_upload_write_json(fd, att) < 0)
		graph_failure_set(fail_r, GRAPH_ERROR_LOCAL,
				  "add an attachment: temporary file: %s",
				  strerror(errno));
	else {
		attachments_path(client, message_id, "", &path);
		spec.path = path.data;
		spec.body_fd = fd;
		spec.body_fd_size = (uint64_t)lseek(fd, 0, SEEK_END);
		ret = graph_call_run(client, &spec, &resp, fail_r);
		msnet_buf_free(&path);
		if (resp != NULL)
			msnet_response_free(&resp);
	}
	if (fd != -1)
		(void)close(fd);
	return ret;
}

/* Heap URL, or NULL. */
static char *upload_open(struct graph_client *client, const char *message_id,
			 const struct graph_new_attachment *att,
			 struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "open an upload", .method = "POST",
		.content_type = "application/json",
		/* a second session is harmless: only a finished one counts */
		.idempotent = true, .ok = { 201, 200 },
	};
	struct msnet_buf path = { 0 }, body = { 0 };
	struct msnet_response *resp;
	struct json_object *obj;
	const char *url;
	char *result = NULL;

	attachments_path(client, message_id, "/createUploadSession", &path);
	msnet_buf_add(&body, "{\"AttachmentItem\":{\"attachmentType\":\"file\","
		      "\"name\":");
	graph_json_add_string(&body, att->name == NULL || *att->name == '\0' ?
			      "attachment" : att->name);
	msnet_buf_printf(&body, ",\"size\":%llu,\"isInline\":%s",
			 (unsigned long long)att->size,
			 att->is_inline ? "true" : "false");
	if (att->content_id != NULL) {
		msnet_buf_add(&body, ",\"contentId\":");
		graph_json_add_string(&body, att->content_id);
	}
	if (att->content_type != NULL) {
		msnet_buf_add(&body, ",\"contentType\":");
		graph_json_add_string(&body, att->content_type);
	}
	msnet_buf_add(&body, "}}");
	spec.path = path.data;
	spec.body = body.data;
	spec.body_size = body.used;
	if (graph_call_run(client, &spec, &resp, fail_r) == 0) {
		obj = graph_json_parse(resp->body, (size_t)resp->body_size);
		url = obj == NULL ? NULL :
			graph_json_string(obj, "uploadUrl");
		if (url != NULL && graph_url_is_secure(url))
			result = msnet_strdup(url);
		else
			graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				"open an upload: no usable upload URL");
		json_object_put(obj);
		msnet_response_free(&resp);
	}
	msnet_buf_free(&path);
	msnet_buf_free(&body);
	return result;
}

/* The URL is on another host and authorizes itself: our token stays here. */
static int upload_slices(struct graph_client *client, const char *url,
			 const struct graph_new_attachment *att,
			 struct graph_failure *fail_r)
{
	struct msnet_response *resp;
	char range[80];
	uint64_t done = 0;

	while (done < att->size) {
		uint64_t size = att->size - done < UPLOAD_SLICE ?
			att->size - done : UPLOAD_SLICE;
		struct graph_call_spec spec = {
			.what = "upload an attachment", .method = "PUT",
			.path = url, .no_token = true,
			.content_type = "application/octet-stream",
			.content_range = range, .body_fd = att->fd,
			.body_offset = att->offset + (off_t)done,
			.body_fd_size = size, .ok = { 200, 201, 202 },
		};

		snprintf(range, sizeof(range), "bytes %llu-%llu/%llu",
			 (unsigned long long)done,
			 (unsigned long long)(done + size - 1),
			 (unsigned long long)att->size);
		if (graph_call_run(client, &spec, &resp, fail_r) < 0)
			return -1;
		done += size;
		if (done == att->size && resp->status != 201) {
			graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				"upload an attachment: it did not end");
			msnet_response_free(&resp);
			return -1;
		}
		msnet_response_free(&resp);
	}
	return 0;
}

static int upload_once(struct graph_client *client, const char *message_id,
		       const struct graph_new_attachment *att,
		       struct graph_failure *fail_r)
{
	char *url;
	int ret;

	if (att->size < GRAPH_UPLOAD_SESSION_MIN &&
	    att->size / 3 * 4 + 4096 < GRAPH_REQUEST_MAX)
		return upload_small(client, message_id, att, fail_r);
	url = upload_open(client, message_id, att, fail_r);
	if (url == NULL) {
		/* Where exactly the sizes for a session begin is the service's
		   business. */
		if (strcasecmp(fail_r->code, UPLOAD_TOO_SMALL) == 0)
			return upload_small(client, message_id, att, fail_r);
		return -1;
	}
	ret = upload_slices(client, url, att, fail_r);
	free(url);
	return ret;
}

static bool count_row(void *context, struct json_object *row)
{
	unsigned int *count = context;

	(void)row;
	(*count)++;
	return true;
}

static int
upload_count(struct graph_client *client, const char *message_id,
	     unsigned int *count_r, struct graph_failure *fail_r)
{
	struct msnet_buf path = { 0 };

	*count_r = 0;
	attachments_path(client, message_id, "", &path);
	graph_url_add_query(&path, "$select", "id");
	return graph_list_rows(client, "count attachments", false,
			       msnet_buf_steal(&path), count_row, count_r,
			       fail_r);
}

int graph_upload_attachment(struct graph_client *client,
			    const char *message_id,
			    const struct graph_new_attachment *att,
			    unsigned int before, struct graph_failure *fail_r)
{
	struct graph_failure ignored;
	unsigned int tries, count;
	int ret;

	for (tries = 1;; tries++) {
		ret = upload_once(client, message_id, att, fail_r);
		if (ret == 0 || !graph_failure_is_uncertain(fail_r))
			return ret;
		if (!graph_client_pause(client, UPLOAD_WAIT_MSECS) ||
		    upload_count(client, message_id, &count, &ignored) < 0)
			return -1;
		if (count > before)
			return 0;
		if (tries == UPLOAD_TRIES)
			return -1;
	}
}
