/* The body: text parts to UTF-8, put together to one plain or HTML text of a
   bounded size. */

#include "lib.h"
#include "str.h"
#include "read-full.h"
#include "unichar.h"
#include "charset-utf8.h"
#include "msgraph-compose-private.h"

/* Raw bytes of one text part that are looked at */
#define COMPOSE_MAX_TEXT MSGRAPH_COMPOSE_MAX_BODY

struct compose_body {
	string_t *str;
	size_t json_size;
	bool html;
	bool full;
};

/* Names that mail uses and iconv does not know, or whose name promises less
   than what is sent under it */
static const struct {
	const char *name, *iconv_name;
} compose_charset_aliases[] = {
	{ "ks_c_5601-1987", "CP949" },
	{ "ks_c_5601", "CP949" },
	{ "gb2312", "GB18030" },
	{ "gbk", "GB18030" },
	{ "x-gbk", "GB18030" },
	{ "x-sjis", "CP932" },
	{ "shift_jis", "CP932" },
	{ "windows-31j", "CP932" },
	{ "x-euc-jp", "EUC-JP" },
	{ "iso-8859-8-i", "ISO-8859-8" },
	{ "iso-8859-1", "CP1252" },
	{ "latin1", "CP1252" },
	{ "x-mac-roman", "MACINTOSH" },
	{ "unicode-1-1-utf-7", "UTF-7" },
};

static const char *compose_charset_alias(const char *charset)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(compose_charset_aliases); i++) {
		if (strcasecmp(compose_charset_aliases[i].name, charset) == 0)
			return compose_charset_aliases[i].iconv_name;
	}
	return charset;
}

static bool compose_charset_is_none(const char *charset)
{
	return charset == NULL || *charset == '\0' ||
		strcasecmp(charset, "us-ascii") == 0 ||
		strcasecmp(charset, "ascii") == 0 ||
		strcasecmp(charset, "unknown-8bit") == 0 ||
		strcasecmp(charset, "x-unknown") == 0 ||
		strcasecmp(charset, "default") == 0;
}

static void
compose_translate(struct charset_translation *trans, const unsigned char *data,
		  size_t size, bool more, string_t *dest)
{
	size_t pos = 0, part;

	while (pos < size) {
		part = size - pos;
		(void)charset_to_utf8(trans, data + pos, &part, dest);
		if (part == 0)
			break;
		pos += part;
	}
	if (pos < size && !more)
		str_append(dest, UNICODE_REPLACEMENT_CHAR_UTF8);
}

/* Some charsets (windows-1255, windows-1258) keep the last character back, as a
   mark may follow; what follows here is taken away again. */
static void compose_flush(struct charset_translation *trans, string_t *dest)
{
	size_t size = 1, len = str_len(dest);

	(void)charset_to_utf8(trans, (const unsigned char *)"\n", &size, dest);
	if (str_len(dest) > len && str_c(dest)[str_len(dest) - 1] == '\n')
		str_truncate(dest, str_len(dest) - 1);
}

/* more: the text goes on after data, so a cut character at the end is none of
   its faults. */
void msgraph_compose_to_utf8(const char *charset, const unsigned char *data,
			     size_t size, bool more, string_t *dest)
{
	struct charset_translation *trans;
	size_t whole = size;

	if (more)
		whole = uni_utf8_data_truncate(data, size, size - 1);
	if (!compose_charset_is_none(charset) &&
	    charset_to_utf8_begin(compose_charset_alias(charset), NULL,
				  &trans) == 0) {
		;
	} else if (uni_utf8_data_is_valid(data, whole) ||
		   charset_to_utf8_begin("windows-1252", NULL, &trans) < 0) {
		/* unlabelled and unknown: UTF-8 if it can be, else what most
		   such mail is */
		trans = charset_utf8_to_utf8_begin(NULL);
	}
	compose_translate(trans, data, size, more, dest);
	if (!more)
		compose_flush(trans, dest);
	charset_to_utf8_end(&trans);
}

static size_t compose_json_size(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
	case '\b':
	case '\f':
	case '\n':
	case '\r':
	case '\t':
		return 2;
	default:
		return c < 0x20 || c == 0x7f ? 6 : 1;
	}
}

static void compose_append(struct compose_body *body, const char *text)
{
	for (; *text != '\0'; text++) {
		str_append_c(body->str, *text);
		body->json_size += compose_json_size(*text);
	}
}

/* Returns FALSE if not all of it fitted. */
static bool
compose_append_text(struct compose_body *body, const unsigned char *data,
		    size_t size, bool escape)
{
	const char *text;
	unsigned int len;
	size_t i, j, need;

	for (i = 0; i < size; i += len) {
		len = uni_utf8_char_bytes(data[i]);
		if (len > size - i)
			break;
		text = NULL;
		if (data[i] == '\0')
			text = UNICODE_REPLACEMENT_CHAR_UTF8;
		else if (escape && data[i] == '&')
			text = "&amp;";
		else if (escape && data[i] == '<')
			text = "&lt;";
		else if (escape && data[i] == '>')
			text = "&gt;";
		need = text != NULL ? strlen(text) : len;
		if (need == 1)
			need = compose_json_size(data[i]);
		if (body->json_size + need > MSGRAPH_COMPOSE_MAX_BODY)
			return FALSE;
		body->json_size += need;
		if (text != NULL)
			str_append(body->str, text);
		else for (j = 0; j < len; j++)
			str_append_c(body->str, data[i + j]);
	}
	return TRUE;
}

/* Not in the middle of a tag */
static void compose_trim_html(struct compose_body *body)
{
	const char *text = str_c(body->str);
	const char *lt = strrchr(text, '<'), *gt = strrchr(text, '>');

	if (lt != NULL && (gt == NULL || gt < lt))
		str_truncate(body->str, lt - text);
}

static void
compose_attach_text(struct msgraph_compose *c, const struct compose_text *text)
{
	struct graph_new_attachment *att;

	att = array_append_space(&c->attachments);
	att->name = text->html ? "body.html" : "body.txt";
	att->content_type = text->html ? "text/html" : "text/plain";
	att->fd = c->fd;
	att->offset = text->offset;
	att->size = text->size;
}

static void
compose_add_note(struct compose_body *body, const struct compose_text *text)
{
	const char *name = text->html ? "body.html" : "body.txt";

	if (body->html) {
		compose_append(body, t_strdup_printf(
			"<hr><p>[The text was too long. All of it is in the "
			"attached file %s.]</p>", name));
	} else {
		compose_append(body, t_strdup_printf(
			"\r\n\r\n[The text was too long. All of it is in the "
			"attached file %s.]\r\n", name));
	}
}

static int
compose_add_text(struct msgraph_compose *c, struct compose_body *body,
		 const struct compose_text *text)
{
	size_t size = I_MIN(text->size, COMPOSE_MAX_TEXT);
	bool escape = body->html && !text->html, fitted;
	unsigned char *data;
	string_t *utf8;

	if (text->size == 0)
		return 0;
	data = i_malloc(size);
	if (pread_full(c->fd, data, size, text->offset) <= 0) {
		c->error = t_strdup_printf("read() failed: %m");
		i_free(data);
		return -1;
	}
	if (str_len(body->str) > 0)
		compose_append(body, body->html ? "<br>\r\n" : "\r\n");
	utf8 = str_new(default_pool, size + 128);
	msgraph_compose_to_utf8(text->charset, data, size, size < text->size,
				utf8);
	if (escape)
		compose_append(body, "<pre style=\"white-space:pre-wrap\">");
	fitted = compose_append_text(body, str_data(utf8), str_len(utf8),
				     escape) && size == text->size;
	if (!fitted && text->html)
		compose_trim_html(body);
	if (escape)
		compose_append(body, "</pre>\r\n");
	if (!fitted) {
		body->full = TRUE;
		compose_add_note(body, text);
		compose_attach_text(c, text);
	}
	str_free(&utf8);
	i_free(data);
	return 0;
}

int msgraph_compose_body(struct msgraph_compose *c)
{
	const struct compose_text *text;
	struct compose_body body;
	int ret = 0;

	i_zero(&body);
	body.str = str_new(default_pool, 8192);
	array_foreach(&c->texts, text) {
		if (text->html)
			body.html = TRUE;
	}
	array_foreach(&c->texts, text) {
		if (body.full)
			compose_attach_text(c, text);
		else if ((ret = compose_add_text(c, &body, text)) < 0)
			break;
	}
	if (ret == 0 && array_count(&c->texts) > 0) {
		c->msg->body_is_html = body.html;
		c->msg->body = p_strdup(c->pool, str_c(body.str));
	}
	str_free(&body.str);
	return ret;
}
