#ifndef GRAPH_UPLOAD_H
#define GRAPH_UPLOAD_H

/* Attachments that do not fit into a create request.
   https://learn.microsoft.com/graph/outlook-large-attachments */

#include "graph-create.h"

/* Add one attachment to a message: a POST below GRAPH_UPLOAD_SESSION_MIN, an
   upload session above. before: how many it has already; after a lost answer
   they are counted, and if there are no more it is sent again. Blocks. */
int graph_upload_attachment(struct graph_client *client,
			    const char *message_id,
			    const struct graph_new_attachment *att,
			    unsigned int before, struct graph_failure *fail_r);

/* Write one attachment as a JSON object to a file. Returns 0, or -1 with errno
   set. Inside lib-graph, for create too. */
int graph_upload_write_json(int fd, const struct graph_new_attachment *att);
int graph_upload_write(int fd, const char *text, size_t size);
/* An unlinked temporary file, or -1. */
int graph_upload_temp(void);

#endif
