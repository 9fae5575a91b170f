#include "graph-search.h"
#include "graph-client-private.h"
#include "graph-find.h"
#include "graph-json.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_PAGE "250"
#define SEARCH_TEXT_MAX 200
/* The service ends there and does not say so; it was one number and is said to
   be the other one now. */
#define SEARCH_CAP_OLD 250
#define SEARCH_CAP 1000

struct search {
	struct graph_client *client;
	char **ids;
	unsigned int count, allocated;
	/* what to ask next, NULL = no more */
	char *next;
};

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || ((unsigned char)c & 0x80) != 0;
}

char *graph_search_query(enum graph_search_where where, const char *text)
{
	struct msnet_buf buf = { 0 };
	bool word = false, blank = false;
	char c = ' ';

	if (strlen(text) > SEARCH_TEXT_MAX)
		return NULL;
	msnet_buf_add(&buf, where == GRAPH_SEARCH_BODY ? "\"body:\\\"" :
		      "\"\\\"");
	for (; *text != '\0'; text++) {
		/* what has a meaning in the query is not part of a word */
		if ((unsigned char)*text <= ' ' || *text == 0x7f ||
		    strchr("\"\\*", *text) != NULL) {
			blank = word;
			continue;
		}
		if (blank)
			msnet_buf_add(&buf, " ");
		blank = false;
		c = *text;
		word = word || is_word_char(c);
		msnet_buf_append(&buf, &c, 1);
	}
	msnet_buf_add(&buf, is_word_char(c) ? "*\\\"\"" : "\\\"\"");
	if (!word)
		msnet_buf_free(&buf);
	return word ? buf.data : NULL;
}

bool graph_search_is_capped(unsigned int count)
{
	return count == SEARCH_CAP_OLD || count >= SEARCH_CAP;
}

static void search_add(struct search *search, const char *id)
{
	/* and the NULL at the end */
	if (search->count + 1 >= search->allocated) {
		search->allocated = search->allocated * 2 + 64;
		search->ids = msnet_realloc(search->ids, search->allocated *
					    sizeof(*search->ids));
	}
	search->ids[search->count++] = msnet_strdup(id);
	search->ids[search->count] = NULL;
}

static int search_take_page(struct search *search,
			    const struct msnet_response *resp,
			    struct graph_failure *fail_r)
{
	struct json_object *obj = graph_json_parse(resp->body,
						   (size_t)resp->body_size);
	struct json_object *array;
	const char *id, *next;
	unsigned int i, count;
	int ret = 0;

	free(search->next);
	search->next = NULL;
	array = obj == NULL ? NULL : graph_json_array(obj, "value", &count);
	for (i = 0; array != NULL && i < count; i++) {
		id = graph_json_string(json_object_array_get_idx(array, i),
				       "id");
		if (id != NULL)
			search_add(search, id);
	}
	next = obj == NULL ? NULL : graph_json_string(obj, "@odata.nextLink");
	if (array == NULL ||
	    (next != NULL &&
	     !graph_url_same_origin(graph_client_base_url(search->client),
				    next))) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
			"search: the answer is no page, or goes elsewhere");
		ret = -1;
	} else if (search->count < SEARCH_CAP) {
		search->next = msnet_strdup(next);
	}
	json_object_put(obj);
	return ret;
}

static int search_run(struct search *search, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "search", .method = "GET",
		.idempotent = true, .item_is_folder = true, .ok = { 200 },
	};
	struct msnet_response *resp;
	int ret = 0;

	while (search->next != NULL && ret == 0) {
		spec.path = search->next;
		if (graph_call_run(search->client, &spec, &resp, fail_r) < 0)
			return -1;
		ret = search_take_page(search, resp, fail_r);
		msnet_response_free(&resp);
	}
	if (ret == 0 && graph_search_is_capped(search->count)) {
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED,
				  "search: %u results may be not all",
				  search->count);
		ret = -1;
	}
	return ret;
}

int graph_search(struct graph_client *client, const char *folder_id,
		 const char *query, char ***ids_r,
		 struct graph_failure *fail_r)
{
	struct search search = { .client = client };
	struct msnet_buf path = { 0 };
	int ret;

	search.ids = msnet_malloc(sizeof(*search.ids));
	msnet_buf_printf(&path, "%s/mailFolders",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(&path, folder_id);
	msnet_buf_add(&path, "/messages");
	graph_url_add_query(&path, "$search", query);
	graph_url_add_query(&path, "$select", "id");
	graph_url_add_query(&path, "$top", SEARCH_PAGE);
	search.next = path.data;
	ret = search_run(&search, fail_r);
	free(search.next);
	if (ret < 0)
		graph_ids_free(&search.ids);
	*ids_r = search.ids;
	return ret;
}
