#ifndef MSGRAPH_COMPOSE_PRIVATE_H
#define MSGRAPH_COMPOSE_PRIVATE_H

#include "array.h"
#include "message-parser.h"
#include "message-part-data.h"
#include "msgraph-compose.h"

ARRAY_DEFINE_TYPE(compose_address, struct graph_address);

/* A text part that belongs to the body; its decoded bytes are in the file. */
struct compose_text {
	uoff_t offset, size;
	const char *charset;		/* NULL = not given */
	bool html;
};

/* Subject of a message/rfc822 part's inner message, for its file name. */
struct compose_inner {
	const struct message_part *part;
	const char *subject;
};

struct msgraph_compose {
	pool_t pool;
	struct istream *input;
	struct graph_new_message *msg;
	const char *error;

	/* decoded parts */
	int fd;
	uoff_t fd_size;

	struct message_part *root;
	ARRAY(struct graph_new_attachment) attachments;
	ARRAY(struct compose_text) texts;
	ARRAY(struct compose_inner) inners;

	/* header being read */
	ARRAY_TYPE(compose_address) from, sender, to, cc, bcc, reply_to;
	ARRAY(struct graph_header) x_headers;
	unsigned int recipients;
	size_t field_size;
	size_t total_header_size;
	/* lines of headers that are no fields */
	string_t *stray;

	/* 0 = not inside multipart/related */
	unsigned int related_depth;
	/* collect the body's text only (a signed message goes as a whole) */
	bool texts_only;
	bool too_many;
};

/* msgraph-compose-headers.c */
void msgraph_compose_headers_init(struct msgraph_compose *c);
/* One field of the message's own header. value has newlines but no CRs. */
void msgraph_compose_header(struct msgraph_compose *c, const char *name,
			    const unsigned char *value, size_t size);
void msgraph_compose_headers_finish(struct msgraph_compose *c);
bool msgraph_compose_header_wanted(const char *name);
/* The raw header block, bounded: 0x007D. Returns -1 on read error. */
int msgraph_compose_header_block(struct msgraph_compose *c,
				 const char **block_r);
/* The fields of the message's header that describe its content. */
int msgraph_compose_content_fields(struct msgraph_compose *c, string_t *dest);
/* RFC 2047 words decoded, unfolded, valid UTF-8 without control characters. */
const char *msgraph_compose_decode(pool_t pool, const unsigned char *value,
				   size_t size);

/* msgraph-compose-content.c */
/* A Content-* field of any part: sets part->data. */
void msgraph_compose_content_header(struct msgraph_compose *c,
				    struct message_part *part,
				    const struct message_header_line *hdr);
/* Value of a parameter, decoded (RFC 2231, RFC 2047), data stack; or NULL. */
const char *msgraph_compose_param(const struct message_part_param *params,
				  unsigned int count, const char *name);

/* msgraph-compose-parts.c */
/* Sort the parts into texts and attachments. */
int msgraph_compose_parts(struct msgraph_compose *c);

/* msgraph-compose-decode.c */
/* Append a region of the message to the file. cte: its transfer encoding, NULL
   = none. */
int msgraph_compose_decode_region(struct msgraph_compose *c, uoff_t start,
				  uoff_t size, const char *cte,
				  uoff_t *offset_r, uoff_t *size_r);
int msgraph_compose_write(struct msgraph_compose *c, const void *data,
			  size_t size);

/* msgraph-compose-text.c */
/* charset: NULL = none said. more: the text goes on after data. */
void msgraph_compose_to_utf8(const char *charset, const unsigned char *data,
			     size_t size, bool more, string_t *dest);
/* Make the body of the texts; add as attachment what does not fit. */
int msgraph_compose_body(struct msgraph_compose *c);

#endif
