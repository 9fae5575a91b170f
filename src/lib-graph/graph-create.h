#ifndef GRAPH_CREATE_H
#define GRAPH_CREATE_H

/* Putting a message into a mailbox.
   https://learn.microsoft.com/graph/api/user-post-messages
   https://learn.microsoft.com/graph/api/mailfolder-post-messages
   https://learn.microsoft.com/graph/outlook-large-attachments */

#include "graph-batch.h"

#include <sys/types.h>

/* Largest request body that the gateway takes, with room to spare. */
#define GRAPH_REQUEST_MAX	3900000U
/* Attachments of this size and more go through an upload session. */
#define GRAPH_UPLOAD_SESSION_MIN (3U * 1024 * 1024)

struct graph_new_attachment {
	const char *name;
	const char *content_type;
	const char *content_id;		/* without <>, or NULL */
	bool is_inline;
	/* the decoded content: a region of a borrowed file */
	int fd;
	off_t offset;
	uint64_t size;
};

/* All pointers are borrowed for the call. NULL = not set. Text is UTF-8. */
struct graph_new_message {
	const char *folder_id;
	const char *subject;
	bool body_is_html;
	const char *body;
	struct graph_addresses from, sender, to, cc, bcc, reply_to;
	const char *internet_message_id;
	const char *in_reply_to;
	const char *references;
	const char *message_class;	/* NULL = IPM.Note */
	const char *transport_headers;	/* 0x007D, whole header block */
	const char *importance;		/* "low", "high", NULL */
	/* X- headers, carried as named properties of the internet-headers set */
	const struct graph_header *x_headers;
	unsigned int x_header_count;
	int64_t received, sent;		/* epoch; GRAPH_TIME_UNKNOWN */
	bool draft;			/* keep the unsent bit */
	/* flags; -1 / UNKNOWN / NULL = default */
	struct graph_patch flags;
	const struct graph_new_attachment *attachments;
	unsigned int attachment_count;
	/* Unique text stored as a named property, by which the message is
	   looked up when the answer is lost. Required. */
	const char *mark;
};

/* One JSON create in the target folder; what does not fit into that request is
   added after it (POST below 3 MB, upload session above), and if that fails the
   message is removed again. Property sets that the tenant refuses with 400
   (0x007D, from, replyTo) are left out at a second try. *id_r: heap. Blocks. */
int graph_message_create(struct graph_client *client,
			 const struct graph_new_message *msg, char **id_r,
			 struct graph_failure *fail_r);

/* Upload MIME: a draft in Drafts. The region must have CRLF line ends and be at
   most GRAPH_REQUEST_MAX / 4 * 3 bytes. internet_message_id (with <>, or NULL) is
   for the look-up after a lost answer; without it such a create fails as LOST.
   is_known tells messages that cannot be the new one: older versions of a draft
   have the same Message-ID. Blocks. */
int graph_message_create_mime(struct graph_client *client, int fd,
			      off_t offset, uint64_t size,
			      const char *internet_message_id,
			      bool (*is_known)(void *context, const char *id),
			      void *context, char **id_r,
			      struct graph_failure *fail_r);

#endif
