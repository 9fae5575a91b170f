#ifndef GRAPH_DELTA_PRIVATE_H
#define GRAPH_DELTA_PRIVATE_H

/* Between graph-delta.c and graph-delta-ahead.c. */

#include "graph-delta.h"

struct msnet_response;

/* Path of a listing's first page. Heap. */
char *graph_delta_start_path(struct graph_client *client,
			     const char *folder_id);
/* The page that was asked for by this very link and in this state, as the answer
   to it, or NULL. It is no longer kept then. */
struct msnet_response *
graph_delta_ahead_take(struct graph_client *client, const char *folder_id,
		       const char *link, uint32_t state);

#endif
