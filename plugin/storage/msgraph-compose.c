/* Message to struct graph_new_message: one pass over the message for its
   structure and header, then the parts one by one. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "msgraph-compose.h"
#include "msgraph-compose-private.h"

#include <unistd.h>

/* All header fields of all parts that are looked at together */
#define COMPOSE_MAX_TOTAL_HEADERS (8U * 1024 * 1024)

static void
compose_inner_subject(struct msgraph_compose *c,
		      const struct message_part *part,
		      const struct message_header_line *hdr)
{
	struct compose_inner *inner;

	if (part->parent == NULL ||
	    (part->parent->flags & MESSAGE_PART_FLAG_MESSAGE_RFC822) == 0)
		return;
	inner = array_append_space(&c->inners);
	inner->part = part->parent;
	inner->subject = msgraph_compose_decode(c->pool, hdr->full_value,
						hdr->full_value_len);
}

/* A line without a colon: where nobody has put the empty line that ends a
   header, it is text. */
static bool compose_stray_line(struct msgraph_compose *c,
			       const struct message_header_line *hdr)
{
	if (hdr->continued || hdr->middle_len > 0)
		return FALSE;
	if (str_len(c->stray) + hdr->value_len < MSGRAPH_COMPOSE_MAX_HEADER) {
		str_append_data(c->stray, hdr->value, hdr->value_len);
		str_append(c->stray, "\r\n");
	}
	return TRUE;
}

static void
compose_header_line(struct msgraph_compose *c, struct message_part *part,
		    struct message_header_line *hdr)
{
	bool content, root = part->parent == NULL;

	if (hdr->eoh || compose_stray_line(c, hdr))
		return;
	if (!hdr->continued)
		c->field_size = 0;
	c->field_size += hdr->value_len;
	content = strncasecmp(hdr->name, "Content-", 8) == 0;
	if (!content && !(root && msgraph_compose_header_wanted(hdr->name)) &&
	    strcasecmp(hdr->name, "Subject") != 0)
		return;
	/* not asking for the full value also frees what was gathered */
	if (c->field_size > MSGRAPH_COMPOSE_MAX_HEADER ||
	    c->total_header_size > COMPOSE_MAX_TOTAL_HEADERS)
		return;
	if (hdr->continues) {
		hdr->use_full_value = TRUE;
		return;
	}
	if (hdr->full_value == NULL)
		return;
	c->total_header_size += hdr->full_value_len;
	T_BEGIN {
		if (content)
			msgraph_compose_content_header(c, part, hdr);
		else if (root)
			msgraph_compose_header(c, hdr->name, hdr->full_value,
					       hdr->full_value_len);
		else
			compose_inner_subject(c, part, hdr);
	} T_END;
}

/* Every part has data, also those without Content fields. */
static void compose_complete_data(pool_t pool, struct message_part *part)
{
	for (; part != NULL; part = part->next) {
		if (part->data == NULL)
			part->data = p_new(pool, struct message_part_data, 1);
		compose_complete_data(pool, part->children);
	}
}

static int compose_parse(struct msgraph_compose *c)
{
	const struct message_parser_settings set = {
		.hdr_flags = MESSAGE_HEADER_PARSER_FLAG_SKIP_INITIAL_LWSP |
			MESSAGE_HEADER_PARSER_FLAG_DROP_CR,
		.flags = MESSAGE_PARSER_FLAG_SKIP_BODY_BLOCK,
		.max_nested_mime_parts = MSGRAPH_COMPOSE_MAX_NESTING,
		.max_total_mime_parts = MSGRAPH_COMPOSE_MAX_PARTS,
	};
	struct message_parser_ctx *parser;
	struct message_block block;
	int ret;

	i_stream_seek(c->input, 0);
	parser = message_parser_init(c->pool, c->input, &set);
	while ((ret = message_parser_parse_next_block(parser, &block)) > 0) {
		if (block.hdr != NULL)
			compose_header_line(c, block.part, block.hdr);
	}
	i_assert(ret != 0);
	message_parser_deinit(&parser, &c->root);
	if (c->input->stream_errno != 0) {
		c->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(c->input),
			i_stream_get_error(c->input));
		return -1;
	}
	compose_complete_data(c->pool, c->root);
	return 0;
}

/* Too many parts for a list of attachments: the message itself as one. */
static int compose_attach_whole(struct msgraph_compose *c)
{
	struct graph_new_attachment *att;
	uoff_t offset, size, end;

	end = c->root->header_size.physical_size +
		c->root->body_size.physical_size;
	if (msgraph_compose_decode_region(c, 0, end, NULL, &offset, &size) < 0)
		return -1;
	array_clear(&c->attachments);
	att = array_append_space(&c->attachments);
	att->name = "message.eml";
	att->content_type = "message/rfc822";
	att->fd = c->fd;
	att->offset = offset;
	att->size = size;
	return 0;
}

/* What stood in headers is the text, if there is nothing else. */
static int compose_take_stray(struct msgraph_compose *c)
{
	const struct compose_text *text;
	struct compose_text *stray;

	array_foreach(&c->texts, text) {
		if (text->size > 0)
			return 0;
	}
	if (array_count(&c->attachments) > 0 || str_len(c->stray) == 0)
		return 0;
	stray = array_append_space(&c->texts);
	stray->offset = c->fd_size;
	stray->size = str_len(c->stray);
	return msgraph_compose_write(c, str_data(c->stray), stray->size);
}

static int compose_run(struct msgraph_compose *c)
{
	if (compose_parse(c) < 0)
		return -1;
	msgraph_compose_headers_finish(c);
	if (msgraph_compose_header_block(c, &c->msg->transport_headers) < 0 ||
	    msgraph_compose_parts(c) < 0)
		return -1;
	if (c->too_many && compose_attach_whole(c) < 0)
		return -1;
	if (compose_take_stray(c) < 0)
		return -1;
	return msgraph_compose_body(c);
}

int msgraph_compose(struct istream *input, int parts_fd, pool_t pool,
		    struct graph_new_message *msg_r, const char **error_r)
{
	struct msgraph_compose c;
	off_t end;

	i_zero(msg_r);
	msg_r->received = msg_r->sent = GRAPH_TIME_UNKNOWN;
	msg_r->flags.is_read = msg_r->flags.imap_deleted = -1;
	msg_r->flags.flag = GRAPH_FLAG_UNKNOWN;
	msg_r->flags.verb = GRAPH_VERB_UNKNOWN;

	i_zero(&c);
	c.pool = pool;
	c.input = input;
	c.msg = msg_r;
	c.fd = parts_fd;
	end = lseek(parts_fd, 0, SEEK_END);
	if (end < 0) {
		*error_r = t_strdup_printf("lseek() failed: %m");
		return -1;
	}
	c.fd_size = end;
	p_array_init(&c.attachments, pool, 8);
	p_array_init(&c.texts, pool, 4);
	p_array_init(&c.inners, pool, 4);
	c.stray = str_new(pool, 128);
	msgraph_compose_headers_init(&c);

	if (compose_run(&c) < 0) {
		*error_r = c.error;
		return -1;
	}
	msg_r->attachments = array_get(&c.attachments,
				       &msg_r->attachment_count);
	return 0;
}
