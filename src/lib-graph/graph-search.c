#include "graph-search.h"
#include "graph-client-private.h"
#include "graph-find.h"
#include "graph-json.h"
#include "graph-list.h"
#include "graph-url.h"
#include "msnet-buf.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH_PAGE "250"
#define SEARCH_TEXT_MAX 200
/* The service ends there and does not say so; it was one number and is said to
   be the other one now. */
#define SEARCH_CAP_OLD 250
#define SEARCH_CAP 1000

struct search {
	char **ids;
	unsigned int count, allocated;
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

static bool search_take_row(void *context, struct json_object *row)
{
	struct search *search = context;
	const char *id = graph_json_string(row, "id");

	if (id == NULL)
		return true;
	/* and the NULL at the end */
	if (search->count + 1 >= search->allocated) {
		search->allocated = search->allocated * 2 + 64;
		search->ids = msnet_realloc(search->ids, search->allocated *
					    sizeof(*search->ids));
	}
	search->ids[search->count++] = msnet_strdup(id);
	search->ids[search->count] = NULL;
	return search->count < SEARCH_CAP;
}

int graph_search(struct graph_client *client, const char *folder_id,
		 const char *query, char ***ids_r,
		 struct graph_failure *fail_r)
{
	struct search search = { .count = 0 };
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
	ret = graph_list_rows(client, "search", true, path.data,
			      search_take_row, &search, fail_r);
	if (ret == 0 && graph_search_is_capped(search.count)) {
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED,
				  "search: %u results may be not all",
				  search.count);
		ret = -1;
	}
	if (ret < 0)
		graph_ids_free(&search.ids);
	*ids_r = search.ids;
	return ret;
}
