#ifndef MSGRAPH_COMPOSE_H
#define MSGRAPH_COMPOSE_H

/* A MIME message as the JSON that Graph wants: subject, recipients, one body,
   a flat list of attachments. No network; the only I/O is reading the message
   and writing decoded parts to a file.

   What is lost is told in the manual: the text/plain twin of an HTML body, the
   order and nesting of parts. The header block goes along (0x007D), and the
   original bytes are kept by the caller. */

#include "graph-create.h"

struct istream;

/* JSON bytes of the body text; what is longer becomes an attachment. */
#define MSGRAPH_COMPOSE_MAX_BODY (2500U * 1024)
/* More parts than this: the whole message becomes one attachment. */
#define MSGRAPH_COMPOSE_MAX_ATTACHMENTS 250
#define MSGRAPH_COMPOSE_MAX_NESTING 50
#define MSGRAPH_COMPOSE_MAX_PARTS 2000
/* One header field (unfolded); longer ones are left to the header block. */
#define MSGRAPH_COMPOSE_MAX_HEADER (256U * 1024)
#define MSGRAPH_COMPOSE_MAX_HEADER_BLOCK 32000U
#define MSGRAPH_COMPOSE_MAX_X_HEADERS 15
#define MSGRAPH_COMPOSE_MAX_X_VALUE 995
#define MSGRAPH_COMPOSE_MAX_RECIPIENTS 2000

/* Read the message from the start of input (blocking, seekable, CRLF) and fill
   *msg_r. Decoded parts are appended to parts_fd, which must stay open and
   unchanged while *msg_r is used; its attachments borrow it. All else is from
   pool. Not set: folder_id, received, draft, flags, mark. Broken MIME is no
   error; -1 and *error_r (data stack) only when reading or writing fails. */
int msgraph_compose(struct istream *input, int parts_fd, pool_t pool,
		    struct graph_new_message *msg_r, const char **error_r);

/* First "<...>" of a Message-ID value, or NULL. From pool. */
const char *msgraph_compose_message_id(pool_t pool, const char *value);

#endif
