/* First pages of several folders' deltas by one $batch. */

#include "graph-delta-private.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* rows of one page: twenty of them must fit into one answer */
#define AHEAD_PAGE_SIZE 100

struct graph_ahead {
	struct graph_ahead *next;
	char *folder_id, *link;		/* link NULL = a listing's start */
	uint32_t state;
	char *page;			/* NULL = not answered */
};

static void ahead_free(struct graph_ahead *ahead)
{
	free(ahead->folder_id);
	free(ahead->link);
	free(ahead->page);
	free(ahead);
}

void graph_delta_ahead_forget(struct graph_client *client)
{
	struct graph_ahead **list = graph_client_ahead(client), *ahead;

	while ((ahead = *list) != NULL) {
		*list = ahead->next;
		ahead_free(ahead);
	}
}

bool graph_delta_have_ahead(struct graph_client *client, const char *folder_id)
{
	const struct graph_ahead *ahead;

	for (ahead = *graph_client_ahead(client); ahead != NULL;
	     ahead = ahead->next) {
		if (strcmp(ahead->folder_id, folder_id) == 0)
			return true;
	}
	return false;
}

struct msnet_response *
graph_delta_ahead_take(struct graph_client *client, const char *folder_id,
		       const char *link, uint32_t state)
{
	struct graph_ahead **p, *ahead;
	struct msnet_response *resp;

	for (p = graph_client_ahead(client); *p != NULL; p = &(*p)->next) {
		if (strcmp((*p)->folder_id, folder_id) == 0)
			break;
	}
	ahead = *p;
	if (ahead == NULL)
		return NULL;
	*p = ahead->next;
	/* another session may have gone on from there meanwhile */
	if (state != ahead->state || (link == NULL) != (ahead->link == NULL) ||
	    (link != NULL && strcmp(link, ahead->link) != 0)) {
		ahead_free(ahead);
		return NULL;
	}
	resp = msnet_response_create();
	resp->result = MSNET_OK;
	resp->status = 200;
	resp->body = ahead->page;
	resp->body_size = strlen(ahead->page);
	ahead->page = NULL;
	ahead_free(ahead);
	return resp;
}

/* What a batch calls it: below the version. NULL if it lies elsewhere. */
static char *
ahead_path(struct graph_client *client, const struct graph_delta_ahead_ask *ask)
{
	const char *base = graph_client_base_url(client);
	size_t len = strlen(base);

	if (ask->link == NULL)
		return graph_delta_start_path(client, ask->folder_id);
	if (strncmp(ask->link, base, len) != 0 ||
	    strncmp(ask->link + len, "/v1.0/", 6) != 0)
		return NULL;
	return msnet_strdup(ask->link + len + 5);
}

static void
ahead_add_request(struct graph_client *client, unsigned int number,
		  const struct graph_delta_ahead_ask *ask,
		  struct msnet_buf *body)
{
	char *path = ahead_path(client, ask);

	if (path == NULL)
		return;
	msnet_buf_printf(body, "%s{\"id\":\"%u\",\"method\":\"GET\",\"url\":",
		body->data[body->used - 1] == '[' ? "" : ",", number);
	graph_json_add_string(body, path);
	msnet_buf_printf(body, ",\"headers\":{\"Prefer\":\"IdType="
		"\\\"ImmutableId\\\", odata.maxpagesize=%u\"}}",
		AHEAD_PAGE_SIZE);
	free(path);
}

static void ahead_take_response(struct graph_client *client,
				const struct graph_delta_ahead_ask *asks,
				unsigned int count, struct json_object *response)
{
	struct graph_ahead **list = graph_client_ahead(client), *ahead;
	struct json_object *body = graph_json_object(response, "body");
	int64_t number, status;

	if (body == NULL || !graph_json_int(response, "id", &number) ||
	    !graph_json_int(response, "status", &status) || status != 200 ||
	    number < 0 || number >= count ||
	    graph_delta_have_ahead(client, asks[number].folder_id))
		return;
	ahead = msnet_malloc(sizeof(*ahead));
	ahead->folder_id = msnet_strdup(asks[number].folder_id);
	ahead->link = msnet_strdup(asks[number].link);
	ahead->state = asks[number].state;
	ahead->page = msnet_strdup(json_object_to_json_string_ext(body,
			JSON_C_TO_STRING_PLAIN));
	ahead->next = *list;
	*list = ahead;
}

void graph_delta_ahead(struct graph_client *client,
		       const struct graph_delta_ahead_ask *asks,
		       unsigned int count)
{
	struct graph_call_spec spec = {
		.what = "read changes of folders", .method = "POST",
		.path = "/$batch", .content_type = "application/json",
		.weight = count < GRAPH_SLOTS ? count : GRAPH_SLOTS,
		.requests = count, .idempotent = true, .ok = { 200, 424 },
	};
	struct json_object *obj = NULL, *array;
	struct msnet_response *resp = NULL;
	struct graph_failure ignored;
	struct msnet_buf body = { 0 };
	unsigned int i, n = 0;

	if (*graph_client_no_batch(client) || count > GRAPH_DELTA_AHEAD_MAX)
		return;
	msnet_buf_add(&body, "{\"requests\":[");
	for (i = 0; i < count; i++)
		ahead_add_request(client, i, &asks[i], &body);
	if (body.data[body.used - 1] != '[') {
		msnet_buf_add(&body, "]}");
		spec.body = body.data;
		spec.body_size = body.used;
		if (graph_call_run(client, &spec, &resp, &ignored) == 0)
			obj = graph_json_parse(resp->body,
					       (size_t)resp->body_size);
	}
	msnet_buf_free(&body);
	array = obj == NULL ? NULL : graph_json_array(obj, "responses", &n);
	for (i = 0; array != NULL && i < n; i++)
		ahead_take_response(client, asks, count,
				    json_object_array_get_idx(array, i));
	json_object_put(obj);
	if (resp != NULL)
		msnet_response_free(&resp);
}
