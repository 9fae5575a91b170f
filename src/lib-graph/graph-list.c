#include "graph-list.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdlib.h>

/* pages that lead on and on are no list */
#define LIST_PAGES_MAX 1000

/* Returns 1 and the next page's URL, 0 if there is none or no more is wanted,
   -1. */
static int
list_take_page(struct graph_client *client, const char *what,
	       const struct msnet_response *resp,
	       bool (*row)(void *context, struct json_object *row),
	       void *context, char **next_r, struct graph_failure *fail_r)
{
	struct json_object *obj, *array;
	unsigned int i, count = 0;
	bool more = true;
	const char *next;
	int ret = 0;

	obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	array = obj == NULL ? NULL : graph_json_array(obj, "value", &count);
	for (i = 0; i < count && more; i++)
		more = row(context, json_object_array_get_idx(array, i));
	next = obj == NULL ? NULL : graph_json_string(obj, "@odata.nextLink");
	if (array == NULL ||
	    (next != NULL &&
	     !graph_url_same_origin(graph_client_base_url(client), next))) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
			"%s: the answer is no page, or goes elsewhere", what);
		ret = -1;
	} else if (next != NULL && more) {
		*next_r = msnet_strdup(next);
		ret = 1;
	}
	json_object_put(obj);
	return ret;
}

int graph_list_rows(struct graph_client *client, const char *what,
		    bool item_is_folder, char *path,
		    bool (*row)(void *context, struct json_object *row),
		    void *context, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = what, .method = "GET", .idempotent = true,
		.item_is_folder = item_is_folder, .ok = { 200 },
	};
	struct msnet_response *resp;
	unsigned int pages = 0;
	int ret = 1;

	while (ret > 0) {
		spec.path = path;
		ret = graph_call_run(client, &spec, &resp, fail_r);
		free(path);
		if (ret < 0)
			return -1;
		ret = list_take_page(client, what, resp, row, context, &path,
				     fail_r);
		msnet_response_free(&resp);
		if (ret > 0 && ++pages == LIST_PAGES_MAX) {
			graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
					  "%s: the pages have no end", what);
			free(path);
			ret = -1;
		}
	}
	return ret;
}
