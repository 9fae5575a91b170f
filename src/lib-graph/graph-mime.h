#ifndef GRAPH_MIME_H
#define GRAPH_MIME_H

/* GET /messages/{id}/$value: the whole message as MIME, made anew by the
   service at each call.
   https://learn.microsoft.com/graph/outlook-get-mime-message */

#include "graph-error.h"

#include <stdbool.h>
#include <stdint.h>

struct graph_client;
struct graph_mime;

/* failure->error == GRAPH_OK: exactly one whole 200 body of size bytes is in
   the file. The handle is gone afterwards. Called from inside the loop. */
typedef void graph_mime_callback_t(void *context,
				   const struct graph_failure *failure,
				   uint64_t size);

/* Download into sink_fd (borrowed; truncated to 0 before each try). Does not
   block; waits its turn in the client's queue. background: it is one of many. */
struct graph_mime *
graph_mime_start(struct graph_client *client, const char *id, int sink_fd,
		 bool background, graph_mime_callback_t *callback,
		 void *context);
/* End without callback. */
void graph_mime_abort(struct graph_mime **mime);

#endif
