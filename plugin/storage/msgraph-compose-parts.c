/* Which part is the body, which an attachment, and what is it called. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "unichar.h"
#include "msgraph-compose-private.h"

#include <ctype.h>

#define COMPOSE_MAX_NAME 200U
#define COMPOSE_MAX_CONTENT_ID 500U
/* What is longer is taken for a text, whatever is in it */
#define COMPOSE_MAX_BLANK 32U

/* File name of a part that brings none */
static const struct {
	const char *type, *name;
} compose_default_names[] = {
	{ "text/plain", "attachment.txt" },
	{ "text/html", "attachment.html" },
	{ "text/calendar", "invite.ics" },
	{ "text/vcard", "contact.vcf" },
	{ "text/x-vcard", "contact.vcf" },
	{ "text/csv", "attachment.csv" },
	{ "text/x-patch", "attachment.patch" },
	{ "text/x-diff", "attachment.diff" },
	{ "text/rfc822-headers", "headers.txt" },
	{ "message/delivery-status", "delivery-status.txt" },
	{ "message/disposition-notification", "disposition.txt" },
	{ "message/feedback-report", "feedback.txt" },
	{ "image/jpeg", "image.jpg" },
	{ "image/png", "image.png" },
	{ "image/gif", "image.gif" },
	{ "image/svg+xml", "image.svg" },
	{ "application/pdf", "attachment.pdf" },
	{ "application/pgp-signature", "signature.asc" },
	{ "application/pgp-encrypted", "version.asc" },
	{ "application/pkcs7-signature", "smime.p7s" },
	{ "application/x-pkcs7-signature", "smime.p7s" },
	{ "application/zip", "attachment.zip" },
};

static const char *compose_type(const struct message_part *part)
{
	const struct message_part_data *data = part->data;

	if (data->content_type == NULL || data->content_subtype == NULL) {
		return part->parent != NULL &&
			(part->parent->flags &
			 MESSAGE_PART_FLAG_MULTIPART_DIGEST) != 0 ?
			"message/rfc822" : "text/plain";
	}
	return t_str_lcase(t_strconcat(data->content_type, "/",
				       data->content_subtype, NULL));
}

/* Graph refuses what is no media type */
static const char *
compose_safe_type(struct msgraph_compose *c, const char *type)
{
	const char *p, *slash = strchr(type, '/');

	if (slash == NULL || slash == type || slash[1] == '\0' ||
	    strlen(type) > 127)
		return "application/octet-stream";
	for (p = type; *p != '\0'; p++) {
		if (p != slash && !i_isalnum(*p) &&
		    strchr("!#$&-^_.+", *p) == NULL)
			return "application/octet-stream";
	}
	return p_strdup(c->pool, type);
}

/*
 * Names
 */

static const char *compose_part_name(const struct message_part *part)
{
	const struct message_part_data *data = part->data;
	const char *name;

	name = msgraph_compose_param(data->content_disposition_params,
			     data->content_disposition_params_count,
			     "filename");
	if (name == NULL || *name == '\0')
		name = msgraph_compose_param(data->content_type_params,
				     data->content_type_params_count, "name");
	return name != NULL && *name != '\0' ? name : NULL;
}

/* No path, no control characters, not longer than a file name may be; the
   extension stays. */
static const char *
compose_clean_name(struct msgraph_compose *c, const char *name)
{
	string_t *str;
	const char *p, *ext;
	size_t len, ext_len;

	name = msgraph_compose_decode(pool_datastack_create(),
				      (const unsigned char *)name,
				      strlen(name));
	str = t_str_new(128);
	for (p = name; *p != '\0'; p++)
		str_append_c(str, strchr("/\\:*?\"<>|", *p) != NULL ? '_' : *p);
	len = str_len(str);
	if (len > COMPOSE_MAX_NAME) {
		ext = strrchr(str_c(str), '.');
		ext_len = ext == NULL ? 0 : strlen(ext);
		if (ext_len > 16)
			ext_len = 0;
		name = t_strdup(str_c(str) + len - ext_len);
		str_truncate(str, uni_utf8_data_truncate(str_data(str), len,
			COMPOSE_MAX_NAME - ext_len));
		str_append(str, name);
	}
	if (str_len(str) == 0)
		str_append(str, "attachment");
	return p_strdup(c->pool, str_c(str));
}

static const char *
compose_rfc822_name(struct msgraph_compose *c, const struct message_part *part)
{
	const struct compose_inner *inner;

	array_foreach(&c->inners, inner) {
		if (inner->part == part && *inner->subject != '\0')
			return t_strconcat(inner->subject, ".eml", NULL);
	}
	return "message.eml";
}

static const char *
compose_default_name(struct msgraph_compose *c, const struct message_part *part,
		     const char *type)
{
	unsigned int i;

	if (strcmp(type, "message/rfc822") == 0)
		return compose_rfc822_name(c, part);
	for (i = 0; i < N_ELEMENTS(compose_default_names); i++) {
		if (strcmp(compose_default_names[i].type, type) == 0)
			return compose_default_names[i].name;
	}
	return "attachment.bin";
}

/*
 * Parts
 */

static bool compose_disposition_is(const struct message_part *part,
				   const char *disposition)
{
	return part->data->content_disposition != NULL &&
		strcasecmp(part->data->content_disposition, disposition) == 0;
}

static const char *
compose_content_id(struct msgraph_compose *c, const struct message_part *part)
{
	const char *id = part->data->content_id;
	size_t len;

	if (id == NULL)
		return NULL;
	id = msgraph_compose_decode(pool_datastack_create(),
				    (const unsigned char *)id, strlen(id));
	if (*id == '<')
		id++;
	len = strlen(id);
	if (len > 0 && id[len - 1] == '>')
		len--;
	if (len == 0 || len > COMPOSE_MAX_CONTENT_ID)
		return NULL;
	return p_strndup(c->pool, id, len);
}

static int
compose_decode_part(struct msgraph_compose *c, const struct message_part *part,
		    uoff_t *offset_r, uoff_t *size_r)
{
	return msgraph_compose_decode_region(c,
		part->physical_pos + part->header_size.physical_size,
		part->body_size.physical_size,
		part->data->content_transfer_encoding, offset_r, size_r);
}

static int
compose_attach(struct msgraph_compose *c, const struct message_part *part)
{
	struct graph_new_attachment att;
	const char *type, *name;
	uoff_t offset, size;

	if (c->texts_only || c->too_many)
		return 0;
	if (array_count(&c->attachments) >= MSGRAPH_COMPOSE_MAX_ATTACHMENTS) {
		c->too_many = TRUE;
		return 0;
	}
	i_zero(&att);
	type = compose_type(part);
	if ((part->flags & MESSAGE_PART_FLAG_OVERFLOW) != 0 ||
	    strncmp(type, "multipart/", 10) == 0)
		type = "application/octet-stream";
	name = compose_part_name(part);
	att.name = compose_clean_name(c, name != NULL ? name :
		compose_default_name(c, part, type));
	att.content_type = compose_safe_type(c, type);
	att.content_id = compose_content_id(c, part);
	att.is_inline = att.content_id != NULL &&
		!compose_disposition_is(part, "attachment") &&
		(c->related_depth > 0 ||
		 (compose_disposition_is(part, "inline") &&
		  strncmp(type, "image/", 6) == 0));
	if (compose_decode_part(c, part, &offset, &size) < 0)
		return -1;
	att.fd = c->fd;
	att.offset = offset;
	att.size = size;
	array_push_back(&c->attachments, &att);
	return 0;
}

static bool compose_is_body_text(const struct message_part *part, bool *html_r)
{
	const char *type;

	if (part->children != NULL ||
	    compose_disposition_is(part, "attachment") ||
	    (part->flags & MESSAGE_PART_FLAG_OVERFLOW) != 0)
		return FALSE;
	type = compose_type(part);
	*html_r = strcmp(type, "text/html") == 0;
	/* a multipart in which no part was found is read as text */
	if (!*html_r && strcmp(type, "text/plain") != 0 &&
	    strncmp(type, "multipart/", 10) != 0)
		return FALSE;
	return compose_part_name(part) == NULL;
}

static int
compose_add_text(struct msgraph_compose *c, const struct message_part *part,
		 bool html)
{
	struct compose_text text;

	i_zero(&text);
	text.html = html;
	text.charset = p_strdup(c->pool, msgraph_compose_param(
		part->data->content_type_params,
		part->data->content_type_params_count, "charset"));
	if (compose_decode_part(c, part, &text.offset, &text.size) < 0)
		return -1;
	array_push_back(&c->texts, &text);
	return 0;
}

/* Nothing, or some white space as before a boundary. */
static bool compose_is_blank(const struct msgraph_compose *c,
			     const struct message_part *part)
{
	uoff_t left = part->body_size.physical_size;
	const unsigned char *data;
	size_t i, size;

	if (left > COMPOSE_MAX_BLANK)
		return FALSE;
	i_stream_seek(c->input, part->physical_pos +
		      part->header_size.physical_size);
	if (left > 0 &&
	    i_stream_read_bytes(c->input, &data, &size, left) <= 0)
		return FALSE;
	for (i = 0; i < left; i++) {
		if (!i_isspace(data[i]))
			return FALSE;
	}
	return TRUE;
}

/* The part has a text of this kind that can be a body. */
static bool compose_has_text(const struct msgraph_compose *c,
			     const struct message_part *part, bool want_html)
{
	const struct message_part *child;
	bool html;

	if (compose_is_body_text(part, &html))
		return html == want_html && !compose_is_blank(c, part);
	if ((part->flags & MESSAGE_PART_FLAG_MULTIPART) == 0)
		return FALSE;
	for (child = part->children; child != NULL; child = child->next) {
		if (compose_has_text(c, child, want_html))
			return TRUE;
	}
	return FALSE;
}

/* The richest text that we can send: the last HTML, else the last plain. */
static const struct message_part *
compose_choose(const struct msgraph_compose *c,
	       const struct message_part *alternative)
{
	const struct message_part *child, *html = NULL, *plain = NULL;

	for (child = alternative->children; child != NULL;
	     child = child->next) {
		if (compose_has_text(c, child, TRUE))
			html = child;
		else if (compose_has_text(c, child, FALSE))
			plain = child;
	}
	return html != NULL ? html : plain;
}

/* drop_text: the part is the twin of a chosen alternative. */
static int
compose_walk(struct msgraph_compose *c, const struct message_part *part,
	     bool drop_text)
{
	const struct message_part *child, *chosen = NULL;
	const char *type = compose_type(part);
	bool alternative, related, html, drop;
	int ret = 0;

	if ((part->flags & MESSAGE_PART_FLAG_MULTIPART) == 0 ||
	    part->children == NULL) {
		if (!compose_is_body_text(part, &html))
			return compose_attach(c, part);
		return drop_text ? 0 : compose_add_text(c, part, html);
	}
	if ((part->flags & MESSAGE_PART_FLAG_OVERFLOW) != 0 && !c->texts_only)
		c->too_many = TRUE;
	alternative = strcmp(type, "multipart/alternative") == 0;
	related = strcmp(type, "multipart/related") == 0;
	if (alternative)
		chosen = compose_choose(c, part);
	if (related)
		c->related_depth++;
	for (child = part->children; child != NULL && ret == 0;
	     child = child->next) {
		drop = drop_text || (chosen != NULL && child != chosen);
		T_BEGIN {
			ret = compose_walk(c, child, drop);
		} T_END;
	}
	if (related)
		c->related_depth--;
	return ret;
}

/*
 * S/MIME: the signed or encrypted entity must arrive as it is
 */

static struct graph_new_attachment *
compose_attach_smime(struct msgraph_compose *c, const char *type, uoff_t offset)
{
	struct graph_new_attachment *att = array_append_space(&c->attachments);

	att->name = "smime.p7m";
	att->content_type = type;
	att->fd = c->fd;
	att->offset = offset;
	att->size = c->fd_size - offset;
	return att;
}

/* [MS-OXOSMIME] 2.1.2: the entity with its Content fields */
static int compose_signed(struct msgraph_compose *c)
{
	const struct message_part *root = c->root;
	string_t *fields = t_str_new(256);
	uoff_t start = c->fd_size, offset, size;

	if (msgraph_compose_content_fields(c, fields) < 0)
		return -1;
	str_append(fields, "\r\n");
	if (msgraph_compose_write(c, str_data(fields), str_len(fields)) < 0 ||
	    msgraph_compose_decode_region(c, root->header_size.physical_size,
					  root->body_size.physical_size, NULL,
					  &offset, &size) < 0)
		return -1;
	(void)compose_attach_smime(c, "multipart/signed", start);
	c->msg->message_class = "IPM.Note.SMIME.MultipartSigned";
	/* the readable text too, for previews and search */
	c->texts_only = TRUE;
	return compose_walk(c, root, FALSE);
}

static int compose_encrypted(struct msgraph_compose *c)
{
	uoff_t offset, size;

	if (compose_decode_part(c, c->root, &offset, &size) < 0)
		return -1;
	(void)compose_attach_smime(c, "application/pkcs7-mime", offset);
	c->msg->message_class = "IPM.Note.SMIME";
	return 0;
}

int msgraph_compose_parts(struct msgraph_compose *c)
{
	int ret;

	T_BEGIN {
		const char *type = compose_type(c->root);

		if (strcmp(type, "multipart/signed") == 0 &&
		    c->root->children != NULL)
			ret = compose_signed(c);
		else if (strcmp(type, "application/pkcs7-mime") == 0 ||
			 strcmp(type, "application/x-pkcs7-mime") == 0)
			ret = compose_encrypted(c);
		else
			ret = compose_walk(c, c->root, FALSE);
	} T_END_PASS_STR_IF(ret < 0, &c->error);
	return ret;
}
