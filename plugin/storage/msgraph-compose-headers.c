/* The message's own header: addresses, dates, threading, importance, X-
   fields, and the block as a whole. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strescape.h"
#include "unichar.h"
#include "message-address.h"
#include "message-date.h"
#include "message-header-decode.h"
#include "msgraph-compose-private.h"

#include <ctype.h>

/* Dates outside of 1970..2099 are taken for nonsense. */
#define COMPOSE_MAX_TIME INT64_C(4102444800)
#define COMPOSE_MAX_SUBJECT 8192U
#define COMPOSE_MAX_REFERENCES 32000U
/* What is read of a header block to make the bounded one of it */
#define COMPOSE_MAX_RAW_BLOCK (1024U * 1024)

static const char *const compose_wanted_headers[] = {
	"Subject", "Date", "From", "Sender", "To", "Cc", "Bcc", "Reply-To",
	"Message-ID", "In-Reply-To", "References", "Importance", "X-Priority",
	"X-MSMail-Priority", "Priority", NULL
};

/* Made by the way the mail took or by Exchange itself: first to go when the
   block is too long, and not to be set anew. */
static const char *const compose_trace_prefixes[] = {
	"Received", "ARC-", "DKIM-", "X-MS-", "X-Microsoft-", "X-Forefront-",
	"X-EOP", "X-Exchange-", "Authentication-Results", "X-Google-",
	"X-Received", "X-Spam-Report", NULL
};

static bool compose_is_trace(const char *name)
{
	unsigned int i;

	for (i = 0; compose_trace_prefixes[i] != NULL; i++) {
		const char *prefix = compose_trace_prefixes[i];

		if (strncasecmp(name, prefix, strlen(prefix)) == 0)
			return TRUE;
	}
	return FALSE;
}

bool msgraph_compose_header_wanted(const char *name)
{
	return str_array_icase_find(compose_wanted_headers, name) ||
		(strncasecmp(name, "X-", 2) == 0 && !compose_is_trace(name));
}

void msgraph_compose_headers_init(struct msgraph_compose *c)
{
	p_array_init(&c->from, c->pool, 1);
	p_array_init(&c->sender, c->pool, 1);
	p_array_init(&c->to, c->pool, 8);
	p_array_init(&c->cc, c->pool, 8);
	p_array_init(&c->bcc, c->pool, 1);
	p_array_init(&c->reply_to, c->pool, 1);
	p_array_init(&c->x_headers, c->pool, 8);
}

/* Valid UTF-8 on one line: no NUL, no newline, no other control character. */
static const char *
compose_clean_line(pool_t pool, const unsigned char *data, size_t size)
{
	buffer_t *valid = t_buffer_create(size + 16);
	string_t *str = t_str_new(size + 16);
	const unsigned char *p;
	size_t i;

	p = data;
	if (!uni_utf8_get_valid_data(data, size, valid)) {
		p = valid->data;
		size = valid->used;
	}
	for (i = 0; i < size; i++) {
		if (p[i] >= 0x20 && p[i] != 0x7f)
			str_append_c(str, p[i]);
		else if (p[i] == '\t')
			str_append_c(str, ' ');
	}
	/* trailing blanks say nothing */
	while (str_len(str) > 0 && str_c(str)[str_len(str) - 1] == ' ')
		str_truncate(str, str_len(str) - 1);
	return p_strdup(pool, str_c(str));
}

/* None on the data stack, of which the decoder may have a frame of its own. */
struct compose_words {
	string_t *dest, *word;
	string_t *charset;	/* of word; empty = none is waiting */
};

static void compose_words_flush(struct compose_words *words)
{
	if (str_len(words->charset) > 0) T_BEGIN {
		msgraph_compose_to_utf8(str_c(words->charset),
					str_data(words->word),
					str_len(words->word), FALSE,
					words->dest);
	} T_END;
	str_truncate(words->charset, 0);
	str_truncate(words->word, 0);
}

/* A character may be cut between two words of one charset. */
static bool
compose_word(const unsigned char *data, size_t size, const char *charset,
	     void *context)
{
	struct compose_words *words = context;

	if (charset == NULL || strcasecmp(charset, str_c(words->charset)) != 0)
		compose_words_flush(words);
	if (charset == NULL) {
		str_append_data(words->dest, data, size);
	} else {
		str_truncate(words->charset, 0);
		str_append(words->charset, charset);
		str_append_data(words->word, data, size);
	}
	return TRUE;
}

const char *msgraph_compose_decode(pool_t pool, const unsigned char *value,
				   size_t size)
{
	string_t *unfolded = t_str_new(size + 1);
	struct compose_words words = {
		.dest = str_new(default_pool, size + 64),
		.word = str_new(default_pool, 64),
		.charset = str_new(default_pool, 16)
	};
	const char *line;
	size_t i;

	/* no frame of its own: pool may be the data stack */
	for (i = 0; i < size; i++) {
		if (value[i] != '\n' && value[i] != '\r')
			str_append_c(unfolded, value[i]);
	}
	message_header_decode(str_data(unfolded), str_len(unfolded),
			      compose_word, &words);
	compose_words_flush(&words);
	line = compose_clean_line(pool, str_data(words.dest),
				  str_len(words.dest));
	str_free(&words.dest);
	str_free(&words.word);
	str_free(&words.charset);
	return line;
}

static const char *
compose_bounded(pool_t pool, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return text;
	len = uni_utf8_data_truncate((const unsigned char *)text, len, max);
	return p_strndup(pool, text, len);
}

/*
 * Addresses
 */

static bool compose_local_part_is_dot_atom(const char *local)
{
	const char *p;

	for (p = local; *p != '\0'; p++) {
		if ((unsigned char)*p <= 0x20 ||
		    strchr("()<>[]:;@\\,\"", *p) != NULL)
			return FALSE;
	}
	return TRUE;
}

static const char *
compose_address_text(pool_t pool, const struct message_address *addr)
{
	const char *local = addr->mailbox;

	if (!compose_local_part_is_dot_atom(local))
		local = t_strdup_printf("\"%s\"", str_escape(local));
	local = t_strconcat(local, "@", addr->domain, NULL);
	return compose_clean_line(pool, (const unsigned char *)local,
				  strlen(local));
}

/* Groups become their members. What is no address Graph does not take either:
   it stays in the header block. */
static void
compose_addresses(struct msgraph_compose *c, ARRAY_TYPE(compose_address) *dest,
		  const unsigned char *value, size_t size)
{
	struct message_address *addr;
	struct graph_address *item;

	addr = message_address_parse(pool_datastack_create(), value, size,
				     MSGRAPH_COMPOSE_MAX_RECIPIENTS, 0);
	for (; addr != NULL; addr = addr->next) {
		if (addr->mailbox == NULL || addr->domain == NULL ||
		    *addr->mailbox == '\0' || *addr->domain == '\0' ||
		    strpbrk(addr->domain, " \t\r\n") != NULL)
			continue;
		if (c->recipients++ >= MSGRAPH_COMPOSE_MAX_RECIPIENTS)
			break;
		item = array_append_space(dest);
		item->address = compose_address_text(c->pool, addr);
		item->name = addr->name == NULL ? "" :
			msgraph_compose_decode(c->pool,
				(const unsigned char *)addr->name,
				strlen(addr->name));
	}
}

/*
 * Other fields
 */

const char *msgraph_compose_message_id(pool_t pool, const char *value)
{
	const char *start = strchr(value, '<'), *end;

	if (start == NULL || (end = strchr(start, '>')) == NULL ||
	    end == start + 1)
		return NULL;
	return p_strdup_until(pool, start, end + 1);
}

static void
compose_date(struct msgraph_compose *c, const unsigned char *value, size_t size)
{
	time_t t;
	int tz;

	if (message_date_parse(value, size, &t, &tz) && t > 0 &&
	    (int64_t)t < COMPOSE_MAX_TIME)
		c->msg->sent = t;
}

static void
compose_importance(struct msgraph_compose *c, const char *name,
		   const char *value)
{
	if (c->msg->importance != NULL)
		return;
	if (strcasecmp(name, "X-Priority") == 0) {
		if (*value == '1' || *value == '2')
			c->msg->importance = "high";
		else if (*value == '4' || *value == '5')
			c->msg->importance = "low";
	} else if (strcasecmp(value, "high") == 0 ||
		   strcasecmp(value, "urgent") == 0) {
		c->msg->importance = "high";
	} else if (strcasecmp(value, "low") == 0 ||
		   strcasecmp(value, "non-urgent") == 0) {
		c->msg->importance = "low";
	}
}

static void
compose_x_header(struct msgraph_compose *c, const char *name,
		 const char *value)
{
	struct graph_header *hdr;
	const char *p;

	if (array_count(&c->x_headers) >= MSGRAPH_COMPOSE_MAX_X_HEADERS ||
	    *value == '\0' || strlen(value) > MSGRAPH_COMPOSE_MAX_X_VALUE ||
	    strlen(name) > 64)
		return;
	for (p = name; *p != '\0'; p++) {
		if (!i_isalnum(*p) && *p != '-' && *p != '_')
			return;
	}
	array_foreach_modifiable(&c->x_headers, hdr) {
		if (strcasecmp(hdr->name, name) == 0)
			return;
	}
	hdr = array_append_space(&c->x_headers);
	hdr->name = p_strdup(c->pool, name);
	hdr->value = value;
}

void msgraph_compose_header(struct msgraph_compose *c, const char *name,
			    const unsigned char *value, size_t size)
{
	struct graph_new_message *msg = c->msg;
	const char *text;

	if (strcasecmp(name, "From") == 0)
		compose_addresses(c, &c->from, value, size);
	else if (strcasecmp(name, "Sender") == 0)
		compose_addresses(c, &c->sender, value, size);
	else if (strcasecmp(name, "To") == 0)
		compose_addresses(c, &c->to, value, size);
	else if (strcasecmp(name, "Cc") == 0)
		compose_addresses(c, &c->cc, value, size);
	else if (strcasecmp(name, "Bcc") == 0)
		compose_addresses(c, &c->bcc, value, size);
	else if (strcasecmp(name, "Reply-To") == 0)
		compose_addresses(c, &c->reply_to, value, size);
	else if (strcasecmp(name, "Date") == 0) {
		if (msg->sent == GRAPH_TIME_UNKNOWN)
			compose_date(c, value, size);
	} else if (strcasecmp(name, "Subject") == 0) {
		if (msg->subject == NULL || *msg->subject == '\0')
			msg->subject = compose_bounded(c->pool,
				msgraph_compose_decode(c->pool, value, size),
				COMPOSE_MAX_SUBJECT);
	} else {
		text = compose_clean_line(c->pool, value, size);
		if (strcasecmp(name, "Message-ID") == 0) {
			if (msg->internet_message_id == NULL)
				msg->internet_message_id =
					msgraph_compose_message_id(c->pool,
								   text);
		} else if (*text == '\0' ||
			   strlen(text) > COMPOSE_MAX_REFERENCES) {
			;
		} else if (strcasecmp(name, "In-Reply-To") == 0) {
			if (msg->in_reply_to == NULL)
				msg->in_reply_to = text;
		} else if (strcasecmp(name, "References") == 0) {
			if (msg->references == NULL)
				msg->references = text;
		} else if (strstr(name, "riority") != NULL ||
			   strcasecmp(name, "Importance") == 0) {
			compose_importance(c, name, text);
		} else if (strncasecmp(name, "X-", 2) == 0) {
			compose_x_header(c, name, text);
		}
	}
}

static void
compose_set_addresses(ARRAY_TYPE(compose_address) *array,
		      struct graph_addresses *dest, unsigned int max)
{
	unsigned int count;

	dest->items = array_get(array, &count);
	dest->count = I_MIN(count, max);
}

void msgraph_compose_headers_finish(struct msgraph_compose *c)
{
	struct graph_new_message *msg = c->msg;

	/* Graph has one author only */
	compose_set_addresses(&c->from, &msg->from, 1);
	compose_set_addresses(&c->sender, &msg->sender, 1);
	compose_set_addresses(&c->to, &msg->to, UINT_MAX);
	compose_set_addresses(&c->cc, &msg->cc, UINT_MAX);
	compose_set_addresses(&c->bcc, &msg->bcc, UINT_MAX);
	compose_set_addresses(&c->reply_to, &msg->reply_to, UINT_MAX);
	msg->x_headers = array_get(&c->x_headers, &msg->x_header_count);
}

/*
 * The block as it stands
 */

static int compose_read_block(struct msgraph_compose *c, string_t *raw)
{
	uoff_t left = I_MIN(c->root->header_size.physical_size,
			    COMPOSE_MAX_RAW_BLOCK);
	const unsigned char *data;
	size_t size;

	i_stream_seek(c->input, 0);
	while (left > 0 && i_stream_read_more(c->input, &data, &size) > 0) {
		size = I_MIN(size, left);
		str_append_data(raw, data, size);
		i_stream_skip(c->input, size);
		left -= size;
	}
	if (c->input->stream_errno != 0) {
		c->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(c->input),
			i_stream_get_error(c->input));
		return -1;
	}
	return 0;
}

/* Length of the field at p with its continuation lines; 0 at the end. */
static size_t compose_field_length(const char *p, size_t size)
{
	const char *end = p + size, *lf;
	const char *pos = p;

	if (size == 0 || *p == '\r' || *p == '\n')
		return 0;
	do {
		lf = memchr(pos, '\n', end - pos);
		if (lf == NULL)
			return size;
		pos = lf + 1;
	} while (pos < end && (*pos == ' ' || *pos == '\t'));
	return pos - p;
}

static void
compose_append_fields(string_t *dest, const char *raw, size_t size,
		      bool skip_trace)
{
	size_t pos, len;

	for (pos = 0; pos < size; pos += len) {
		len = compose_field_length(raw + pos, size - pos);
		if (len == 0)
			break;
		if (skip_trace &&
		    (str_len(dest) + len > MSGRAPH_COMPOSE_MAX_HEADER_BLOCK ||
		     compose_is_trace(t_strndup(raw + pos, I_MIN(len, 64)))))
			continue;
		str_append_data(dest, raw + pos, len);
	}
}

int msgraph_compose_header_block(struct msgraph_compose *c,
				 const char **block_r)
{
	string_t *raw, *clean, *dest;
	const unsigned char *data;
	size_t i, size;
	int ret;

	raw = str_new(default_pool, 8192);
	ret = compose_read_block(c, raw);
	clean = str_new(default_pool, str_len(raw) + 64);
	data = str_data(raw);
	size = str_len(raw);
	if (!uni_utf8_get_valid_data(data, size, clean)) {
		data = str_data(clean);
		size = str_len(clean);
	}
	/* NULs would end the text early */
	str_truncate(raw, size);
	dest = str_new(default_pool, size + 64);
	for (i = 0; i < size; i++) {
		if (data[i] != '\0')
			str_append_c(dest, data[i]);
	}
	str_truncate(clean, 0);
	T_BEGIN {
		bool too_long = str_len(dest) >
			MSGRAPH_COMPOSE_MAX_HEADER_BLOCK;

		compose_append_fields(clean, str_c(dest), str_len(dest),
				      too_long);
	} T_END;
	*block_r = str_len(clean) == 0 ? NULL :
		p_strdup(c->pool, str_c(clean));
	str_free(&raw);
	str_free(&clean);
	str_free(&dest);
	return ret;
}

int msgraph_compose_content_fields(struct msgraph_compose *c, string_t *dest)
{
	string_t *raw = str_new(default_pool, 8192);
	size_t pos, len;
	const char *p;
	int ret;

	ret = compose_read_block(c, raw);
	for (pos = 0; pos < str_len(raw); pos += len) {
		p = str_c(raw) + pos;
		len = compose_field_length(p, str_len(raw) - pos);
		if (len == 0)
			break;
		if (strncasecmp(p, "Content-", 8) == 0)
			str_append_data(dest, p, len);
	}
	str_free(&raw);
	return ret;
}
