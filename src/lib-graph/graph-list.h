#ifndef GRAPH_LIST_H
#define GRAPH_LIST_H

/* A list that may come in several pages, of which any may be empty.
   https://learn.microsoft.com/graph/paging */

#include "graph-error.h"

#include <stdbool.h>

struct graph_client;
struct json_object;

/* Calls row() for each row until it returns false. path: of the first page,
   taken over (heap). item_is_folder: as in graph_failure_from_response(). Returns
   -1 and the failure. Blocks. */
int graph_list_rows(struct graph_client *client, const char *what,
		    bool item_is_folder, char *path,
		    bool (*row)(void *context, struct json_object *row),
		    void *context, struct graph_failure *fail_r);

#endif
