#ifndef GRAPH_SEARCH_H
#define GRAPH_SEARCH_H

/* Words in the messages of one folder, by the service's index. That knows whole
   words and their beginnings, not parts of words, and lags behind.
   https://learn.microsoft.com/graph/search-query-parameter */

#include "graph-error.h"

#include <stdbool.h>

struct graph_client;

enum graph_search_where {
	GRAPH_SEARCH_BODY = 0,
	/* sender, subject, body, ... */
	GRAPH_SEARCH_ANYWHERE
};

/* PURE: the value of $search for a text that words shall begin with; heap. NULL
   if the service could not find it: it has no words, or is too long. */
char *graph_search_query(enum graph_search_where where, const char *text);
/* PURE: so many results may be not all. */
bool graph_search_is_capped(unsigned int count);

/* Ids of the messages that are found: a NULL-terminated heap array, free with
   graph_ids_free(). REFUSED when the service has more than it tells. Blocks. */
int graph_search(struct graph_client *client, const char *folder_id,
		 const char *query, char ***ids_r,
		 struct graph_failure *fail_r);

#endif
