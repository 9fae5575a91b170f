#include "graph-mime.h"
#include "graph-client-private.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

struct graph_mime {
	struct graph_call *call;
	int fd;
	graph_mime_callback_t *callback;
	void *context;
};

/* An error or a page of some gateway under status 200 is not mail. */
static bool mime_type_is_wrong(const struct msnet_response *resp)
{
	const char *type = msnet_response_header(resp, "Content-Type");

	return type != NULL && (strncasecmp(type, "application/json", 16) == 0 ||
				strncasecmp(type, "text/html", 9) == 0);
}

static void mime_done(void *context, const struct graph_failure *failure,
		      struct msnet_response *resp)
{
	struct graph_mime *mime = context;
	graph_mime_callback_t *callback = mime->callback;
	struct graph_failure result = *failure;
	void *callback_context = mime->context;
	struct stat st = { .st_size = 0 };

	if (result.error == GRAPH_OK &&
	    (fstat(mime->fd, &st) < 0 || st.st_size == 0))
		graph_failure_set(&result, GRAPH_ERROR_PROTOCOL,
				  "read a message: the answer is empty");
	else if (result.error == GRAPH_OK && mime_type_is_wrong(resp))
		graph_failure_set(&result, GRAPH_ERROR_PROTOCOL,
				  "read a message: the answer is no message");
	msnet_response_free(&resp);
	free(mime);
	callback(callback_context, &result, (uint64_t)st.st_size);
}

struct graph_mime *
graph_mime_start(struct graph_client *client, const char *id, int sink_fd,
		 bool background, graph_mime_callback_t *callback,
		 void *context)
{
	struct graph_mime *mime = msnet_malloc(sizeof(*mime));
	struct msnet_buf path = { 0 };
	struct graph_call_spec spec = {
		.what = "read a message", .method = "GET",
		.sink_fd = sink_fd, .background = background,
		.idempotent = true, .ok = { 200 },
	};

	msnet_buf_printf(&path, "%s/messages",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(&path, id);
	msnet_buf_add(&path, "/$value");
	spec.path = path.data;
	mime->fd = sink_fd;
	mime->callback = callback;
	mime->context = context;
	mime->call = graph_call_start(client, &spec, mime_done, mime);
	msnet_buf_free(&path);
	return mime;
}

void graph_mime_abort(struct graph_mime **_mime)
{
	struct graph_mime *mime = *_mime;

	if (mime == NULL)
		return;
	*_mime = NULL;
	graph_call_abort(&mime->call);
	free(mime);
}
