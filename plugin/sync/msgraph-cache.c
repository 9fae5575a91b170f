#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "crc32.h"
#include "ioloop.h"
#include "istream.h"
#include "str.h"
#include "strescape.h"
#include "hex-binary.h"
#include "guid.h"
#include "message-address.h"
#include "message-date.h"
#include "message-header-encode.h"
#include "message-snippet.h"
#include "mail-index.h"
#include "mail-cache.h"
#include "graph-message.h"
#include "msgraph-cache.h"
#include "msgraph-idmap.h"
#include "dovecot-compat.h"

#include <ctype.h>

/* RFC822.SIZE estimate: text may be base64 (4/3 and line ends), and Exchange
   adds header fields of its own, up to some kB */
#define SIZE_HEADER_ROOM 24576
/* more than that is not text that somebody wrote */
#define SIZE_TEXT_MAX 65536

/* Fields that a row can answer. The first ENVELOPE_COUNT make the ENVELOPE and
   are known from every full row, the others only from internetMessageHeaders. */
static const char *const cached_headers[] = {
	"date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc",
	"in-reply-to", "message-id", "references",
	"content-type", "x-priority", "priority", "importance", "list-id",
	"list-post", "newsgroups", "delivered-to", "received",
	"x-spam-status", "x-spam-flag", "x-mailer", "user-agent",
	"disposition-notification-to", "return-path", "mime-version",
	"content-transfer-encoding", "auto-submitted", "precedence"
};
#define HEADER_COUNT N_ELEMENTS(cached_headers)
#define ENVELOPE_COUNT 11

/* of PREVIEW, as Dovecot's own: the way it was made, then the text */
#define SNIPPET_MARK "1"
#define SNIPPET_MAX_CHARS 200

enum {
	FIELD_RECEIVED, FIELD_SENT, FIELD_SAVED, FIELD_GUID, FIELD_SNIPPET,
	FIELD_FLAGS, FIELD_COUNT
};
#define HEADER_MESSAGE_ID 9

struct sent_date {
	uint32_t time;
	int32_t timezone;
};

struct msgraph_cache {
	struct mail_cache *cache;
	struct mail_cache_field fields[FIELD_COUNT];
	struct mail_cache_field headers[HEADER_COUNT];

	/* the cache view looks into it as long as it is open */
	struct mail_index_view *index_view;
	struct mail_cache_view *view;
	struct mail_cache_transaction_ctx *trans;
	bool used_flags;
};

static void cache_field(struct mail_cache_field *field, const char *name,
			enum mail_cache_field_type type, size_t size)
{
	i_zero(field);
	field->name = name;
	field->type = type;
	field->field_size = size;
	field->decision = MAIL_CACHE_DECISION_YES;
	/* what no message has yet would be dropped as unused, for which
	   Dovecot writes the whole cache file anew */
	field->last_used = ioloop_time;
}

struct msgraph_cache *msgraph_cache_init(struct mail_index *index)
{
	struct msgraph_cache *cache = i_new(struct msgraph_cache, 1);
	unsigned int i;

	cache->cache = mail_index_get_cache(index);
	cache_field(&cache->fields[FIELD_RECEIVED], "date.received",
		    MAIL_CACHE_FIELD_FIXED_SIZE, sizeof(uint32_t));
	cache_field(&cache->fields[FIELD_SENT], "date.sent",
		    MAIL_CACHE_FIELD_FIXED_SIZE, sizeof(struct sent_date));
	cache_field(&cache->fields[FIELD_SAVED], "date.save",
		    MAIL_CACHE_FIELD_FIXED_SIZE, sizeof(uint32_t));
	cache_field(&cache->fields[FIELD_GUID], "guid",
		    MAIL_CACHE_FIELD_STRING, 0);
	cache_field(&cache->fields[FIELD_SNIPPET], "body.snippet",
		    MAIL_CACHE_FIELD_VARIABLE_SIZE, 0);
	cache_field(&cache->fields[FIELD_FLAGS], "flags",
		    MAIL_CACHE_FIELD_BITMASK, sizeof(uint32_t));
	cache->fields[FIELD_FLAGS].decision = MAIL_CACHE_DECISION_TEMP;
	msgraph_compat_cache_register(cache->cache, cache->fields,
				      FIELD_COUNT);
	for (i = 0; i < HEADER_COUNT; i++) T_BEGIN {
		cache_field(&cache->headers[i],
			    t_strconcat("hdr.", cached_headers[i], NULL),
			    MAIL_CACHE_FIELD_HEADER, 0);
		msgraph_compat_cache_register(cache->cache,
					      &cache->headers[i], 1);
	} T_END;
	return cache;
}

void msgraph_cache_begin(struct msgraph_cache *cache,
			 struct mail_index_transaction *trans)
{
	cache->index_view = mail_index_transaction_open_updated_view(trans);
	cache->view = mail_cache_view_open(cache->cache, cache->index_view);
	cache->trans = mail_cache_get_transaction(cache->view, trans);
}

void msgraph_cache_end(struct msgraph_cache *cache)
{
	if (cache->view != NULL)
		mail_cache_view_close(&cache->view);
	if (cache->index_view != NULL)
		mail_index_view_close(&cache->index_view);
	cache->trans = NULL;
}

void msgraph_cache_deinit(struct msgraph_cache **_cache)
{
	struct msgraph_cache *cache = *_cache;

	if (cache == NULL)
		return;
	*_cache = NULL;
	msgraph_cache_end(cache);
	i_free(cache);
}

/*
 * Row to header text
 */

/* One line of harmless text: no controls, RFC 2047 where it is not ASCII. */
static const char *clean_value(const char *value)
{
	string_t *str = t_str_new(strlen(value) + 16);
	const char *p;
	bool eight_bit = FALSE;

	for (p = value; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			if (str_len(str) > 0 &&
			    str_data(str)[str_len(str)-1] != ' ')
				str_append_c(str, ' ');
			continue;
		}
		if ((unsigned char)*p >= 0x80)
			eight_bit = TRUE;
		str_append_c(str, *p);
	}
	if (eight_bit) {
		string_t *encoded = t_str_new(str_len(str) * 2);

		message_header_encode(str_c(str), encoded);
		/* folded by the encoder */
		return t_str_replace(str_c(encoded), '\n', ' ');
	}
	return str_c(str);
}

static void add_address(string_t *str, const struct graph_address *address)
{
	const char *name = address->name, *at, *p;
	bool quote = FALSE;

	if (str_len(str) > 0)
		str_append(str, ", ");
	at = strchr(address->address, '@');
	if (name == NULL || *name == '\0' ||
	    (strcmp(name, address->address) == 0 && at != NULL)) {
		str_append(str, clean_value(address->address));
		return;
	}
	name = clean_value(name);
	if (strncmp(name, "=?", 2) != 0) {
		for (p = name; *p != '\0'; p++) {
			if (!i_isalnum(*p) && *p != ' ')
				quote = TRUE;
		}
	}
	if (quote)
		str_printfa(str, "\"%s\"", str_escape(name));
	else
		str_append(str, name);
	str_printfa(str, " <%s>", clean_value(address->address));
}

static const char *address_list(const struct graph_addresses *people)
{
	string_t *str;
	unsigned int i;

	if (people->count == 0)
		return NULL;
	str = t_str_new(128);
	for (i = 0; i < people->count; i++)
		add_address(str, &people->items[i]);
	return str_c(str);
}

static const char *envelope_value(const struct graph_message *msg,
				  unsigned int header)
{
	switch (header) {
	case 0:
		return msg->sent == GRAPH_TIME_UNKNOWN ? NULL :
			message_date_create(msg->sent);
	case 1:
		return msg->subject == NULL ? NULL : clean_value(msg->subject);
	case 2:
		return address_list(&msg->from);
	case 3:
		return address_list(&msg->sender);
	case 4:
		return address_list(&msg->reply_to);
	case 5:
		return address_list(&msg->to);
	case 6:
		return address_list(&msg->cc);
	case 7:
		return address_list(&msg->bcc);
	case 8:
		return msg->in_reply_to == NULL ? NULL :
			clean_value(msg->in_reply_to);
	case 9:
		return msg->internet_message_id == NULL ? NULL :
			clean_value(msg->internet_message_id);
	case 10:
		return msg->references == NULL ? NULL :
			clean_value(msg->references);
	}
	return NULL;
}

/* Cache format of a header: line numbers, 0, the lines; empty = known to be
   absent. */
static void header_begin(buffer_t *lines, string_t *text)
{
	buffer_set_used_size(lines, 0);
	str_truncate(text, 0);
}

static void header_line(buffer_t *lines, string_t *text, uint32_t number,
			const char *name, const char *value)
{
	buffer_append(lines, &number, sizeof(number));
	str_printfa(text, "%s: %s\n", name, value);
}

static void header_store(struct msgraph_cache *cache, uint32_t seq,
			 unsigned int header, buffer_t *lines, string_t *text)
{
	uint32_t end = 0;

	if (lines->used > 0) {
		buffer_append(lines, &end, sizeof(end));
		buffer_append(lines, str_data(text), str_len(text));
	}
	mail_cache_add(cache->trans, seq, cache->headers[header].idx,
		       lines->used == 0 ? "" : lines->data, lines->used);
}

static void add_from_headers(struct msgraph_cache *cache, uint32_t seq,
			     const struct graph_message *msg)
{
	/* grown inside of data stack frames */
	buffer_t *lines = buffer_create_dynamic(default_pool, 128);
	string_t *text = str_new(default_pool, 256);
	unsigned int i, h;

	for (h = 0; h < HEADER_COUNT; h++) {
		header_begin(lines, text);
		for (i = 0; i < msg->header_count; i++) {
			if (strcasecmp(msg->headers[i].name,
				       cached_headers[h]) != 0)
				continue;
			T_BEGIN {
				header_line(lines, text, i + 1,
					    msg->headers[i].name,
					    clean_value(
						msg->headers[i].value));
			} T_END;
		}
		header_store(cache, seq, h, lines, text);
	}
	buffer_free(&lines);
	str_free(&text);
}

static const char *header_name(unsigned int header)
{
	char *name = t_strdup_noconst(cached_headers[header]), *p;
	bool start = TRUE;

	if (strcmp(name, "message-id") == 0)
		return "Message-ID";
	for (p = name; *p != '\0'; p++) {
		if (start)
			*p = i_toupper(*p);
		start = *p == '-';
	}
	return name;
}

static void add_from_fields(struct msgraph_cache *cache, uint32_t seq,
			    const struct graph_message *msg)
{
	/* grown inside of data stack frames */
	buffer_t *lines = buffer_create_dynamic(default_pool, 128);
	string_t *text = str_new(default_pool, 256);
	unsigned int h;

	for (h = 0; h < ENVELOPE_COUNT; h++) T_BEGIN {
		const char *value = envelope_value(msg, h);

		header_begin(lines, text);
		if (value != NULL)
			header_line(lines, text, h + 1, header_name(h), value);
		header_store(cache, seq, h, lines, text);
	} T_END;
	buffer_free(&lines);
	str_free(&text);
}

static void add_sent_date(struct msgraph_cache *cache, uint32_t seq,
			  const struct graph_message *msg)
{
	struct sent_date sent = { .time = 0 };
	const char *value = NULL;
	unsigned int i;
	time_t t;
	int tz;

	for (i = 0; i < msg->header_count && value == NULL; i++) {
		if (strcasecmp(msg->headers[i].name, "date") == 0)
			value = msg->headers[i].value;
	}
	if (value != NULL) {
		if (message_date_parse((const unsigned char *)value,
				       strlen(value), &t, &tz)) {
			sent.time = t;
			sent.timezone = tz;
		}
	} else if (msg->header_count == 0 && msg->sent != GRAPH_TIME_UNKNOWN) {
		sent.time = msg->sent;
	}
	mail_cache_add(cache->trans, seq, cache->fields[FIELD_SENT].idx,
		       &sent, sizeof(sent));
}

/* The text goes the way of a text part: blanks, bad UTF-8 and quotations are
   treated as they are in what Dovecot has read itself. */
static void add_snippet(struct msgraph_cache *cache, uint32_t seq,
			const char *preview)
{
	const char *part = t_strconcat("Content-Type: text/plain; "
		"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		preview, NULL);
	struct istream *input = i_stream_create_from_data(part, strlen(part));
	string_t *text = t_str_new(256);

	str_append(text, SNIPPET_MARK);
	if (message_snippet_generate(input, SNIPPET_MAX_CHARS, text) == 0)
		mail_cache_add(cache->trans, seq,
			       cache->fields[FIELD_SNIPPET].idx,
			       str_data(text), str_len(text));
	i_stream_unref(&input);
}

void msgraph_cache_set_saved(struct msgraph_cache *cache, uint32_t seq,
			     uint32_t date)
{
	mail_cache_add(cache->trans, seq, cache->fields[FIELD_SAVED].idx,
		       &date, sizeof(date));
}

/* Dovecot's own field, in use by its default settings: nothing is known by it,
   but as above it is not to be dropped. */
static void add_flags(struct msgraph_cache *cache, uint32_t seq)
{
	const uint32_t no_flags = 0;

	if (!cache->used_flags) {
		mail_cache_add(cache->trans, seq,
			       cache->fields[FIELD_FLAGS].idx, &no_flags,
			       sizeof(no_flags));
	}
	cache->used_flags = TRUE;
}

void msgraph_cache_add(struct msgraph_cache *cache, uint32_t seq,
		       const struct graph_message *msg)
{
	uint32_t received;
	guid_128_t guid;
	const char *guid_text;

	if (msg->received != GRAPH_TIME_UNKNOWN) {
		received = msg->received < 0 ? 0 : msg->received;
		mail_cache_add(cache->trans, seq,
			       cache->fields[FIELD_RECEIVED].idx,
			       &received, sizeof(received));
	}
	msgraph_id_guid128(msg->id, guid);
	guid_text = guid_128_to_string(guid);
	mail_cache_add(cache->trans, seq, cache->fields[FIELD_GUID].idx,
		       guid_text, strlen(guid_text));
	add_flags(cache, seq);
	if (msg->preview != NULL)
		add_snippet(cache, seq, msg->preview);
	if (!msg->has_envelope && msg->header_count == 0)
		return;
	add_sent_date(cache, seq, msg);
	if (msg->header_count > 0)
		add_from_headers(cache, seq, msg);
	else
		add_from_fields(cache, seq, msg);
}

void msgraph_cache_restore(struct msgraph_cache *cache, uint32_t seq,
			   const struct graph_message *msg)
{
	/* the envelope's fields come and go together */
	if (mail_cache_field_exists(cache->view, seq,
				    cache->headers[0].idx) == 0)
		msgraph_cache_add(cache, seq, msg);
}

static uint32_t content_text(uint32_t crc, const char *text)
{
	/* with the NUL: "a", "b" is not "ab", "" */
	return text == NULL ? crc32_data_more(crc, "", 1) :
		crc32_data_more(crc, text, strlen(text) + 1);
}

static uint32_t
content_people(uint32_t crc, const struct graph_addresses *people)
{
	unsigned int i;

	for (i = 0; i < people->count; i++)
		crc = content_text(crc, people->items[i].address);
	return content_text(crc, NULL);
}

static const char *identity(const char *message_id, int64_t received)
{
	message_id = t_str_trim(message_id, " \t\r\n");
	return *message_id == '\0' ? NULL :
		t_strdup_printf("%"PRId64" %s", received < 0 ? 0 : received,
				message_id);
}

const char *msgraph_cache_identity(struct msgraph_cache *cache, uint32_t seq)
{
	buffer_t *date = t_buffer_create(sizeof(uint32_t));
	buffer_t *header = t_buffer_create(128);
	unsigned int idx = cache->headers[HEADER_MESSAGE_ID].idx;
	uint32_t received;
	const char *p;

	if (mail_cache_lookup_field(cache->view, date, seq,
				    cache->fields[FIELD_RECEIVED].idx) <= 0 ||
	    mail_cache_lookup_field(cache->view, header, seq, idx) <= 0 ||
	    date->used != sizeof(received))
		return NULL;
	memcpy(&received, date->data, sizeof(received));
	/* behind the line numbers; the text has no NULs */
	p = memchr(header->data, ':', header->used);
	return p == NULL ? NULL :
		identity(t_strndup(p + 1, (const char *)header->data +
				   header->used - p - 1), received);
}

const char *msgraph_cache_row_identity(const struct graph_message *msg)
{
	const char *value = msg->internet_message_id;
	unsigned int i;

	for (i = 0; i < msg->header_count; i++) {
		if (strcasecmp(msg->headers[i].name, "message-id") == 0)
			value = msg->headers[i].value;
	}
	return value == NULL || msg->received == GRAPH_TIME_UNKNOWN ? NULL :
		identity(clean_value(value), msg->received);
}

uint32_t msgraph_cache_content(const struct graph_message *msg)
{
	uint32_t crc;

	if (msg->is_draft <= 0 || !msg->has_envelope || msg->preview == NULL)
		return 0;
	crc = content_text(0, msg->subject);
	crc = content_people(crc, &msg->to);
	crc = content_people(crc, &msg->cc);
	crc = content_people(crc, &msg->bcc);
	crc = content_text(crc, msg->preview);
	return crc == 0 ? 1 : crc;
}

uint32_t msgraph_cache_size_estimate(int64_t store_size)
{
	int64_t size;

	if (store_size <= 0)
		return 0;
	/* The store may be smaller than the text by a third (compression of
	   what repeats, RTF), base64 takes 4/3 and its line ends 1/38.
	   Quoted-printable makes three bytes of one that is not ASCII, and what
	   is stored as HTML alone goes out as plain text, too; but that is
	   about the words of a message, not about its attachments. */
	size = store_size * 2 + store_size / 16 + SIZE_HEADER_ROOM +
		I_MIN(store_size, SIZE_TEXT_MAX) * 4;
	return size > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)size;
}
