/* PURE: from a row of Graph to the values of Dovecot's cache. */

#include "lib.h"
#include "buffer.h"
#include "crc32.h"
#include "guid.h"
#include "istream.h"
#include "str.h"
#include "strescape.h"
#include "message-address.h"
#include "message-date.h"
#include "message-header-encode.h"
#include "message-snippet.h"
#include "graph-message.h"
#include "msgraph-cache.h"
#include "msgraph-cache-private.h"
#include "msgraph-idmap.h"

#include <ctype.h>

/* RFC822.SIZE estimate: text may be base64 (4/3 and line ends), and Exchange
   adds header fields of its own, up to some kB */
#define SIZE_HEADER_ROOM 24576
/* more than that is not text that somebody wrote */
#define SIZE_TEXT_MAX 65536

const char *const msgraph_cache_headers[MSGRAPH_CACHE_HEADER_COUNT] = {
	"date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc",
	"in-reply-to", "message-id", "references",
	"content-type", "x-priority", "priority", "importance", "list-id",
	"list-post", "newsgroups", "delivered-to", "received",
	"x-spam-status", "x-spam-flag", "x-mailer", "user-agent",
	"disposition-notification-to", "return-path", "mime-version",
	"content-transfer-encoding", "auto-submitted", "precedence"
};

/* of PREVIEW, as Dovecot's own: the way it was made, then the text */
#define SNIPPET_MARK "1"
#define SNIPPET_MAX_CHARS 200

static void add_entry(buffer_t *dest, unsigned int field, const void *data,
		      size_t size)
{
	struct msgraph_cache_entry entry = { .field = field, .size = size };

	buffer_append(dest, &entry, sizeof(entry));
	buffer_append(dest, data, size);
}

/* One line of harmless text: no controls. UTF-8 stays as it is, as in the
   message itself (RFC 6532): of an address no encoded word may be made. */
static const char *clean_line(const char *value)
{
	string_t *str = t_str_new(strlen(value) + 16);
	const char *p;

	for (p = value; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			if (str_len(str) > 0 &&
			    str_data(str)[str_len(str)-1] != ' ')
				str_append_c(str, ' ');
			continue;
		}
		str_append_c(str, *p);
	}
	return str_c(str);
}

/* The same for words: RFC 2047 where it is not ASCII. */
static const char *clean_value(const char *value)
{
	const char *line = clean_line(value), *p;
	string_t *encoded;

	for (p = line; (unsigned char)*p < 0x80; p++) {
		if (*p == '\0')
			return line;
	}
	encoded = t_str_new(strlen(line) * 2);
	message_header_encode(line, encoded);
	/* folded by the encoder */
	return t_str_replace(str_c(encoded), '\n', ' ');
}

/* Base64, as words in Q must not have commas and the like in them here
   (RFC 2047 5). */
static void add_phrase(string_t *str, const char *name)
{
	bool quote = FALSE, encode = strstr(name, "=?") != NULL;
	const char *p;

	for (p = name; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			encode = TRUE;
		else if (!i_isalnum(*p) && *p != ' ')
			quote = TRUE;
	}
	if (encode) {
		string_t *words = t_str_new(strlen(name) * 2 + 32);

		message_header_encode_b((const unsigned char *)name,
					strlen(name), words, 0);
		str_append(str, t_str_replace(str_c(words), '\n', ' '));
	} else if (quote) {
		str_printfa(str, "\"%s\"", str_escape(name));
	} else {
		str_append(str, name);
	}
}

static void add_address(string_t *str, const struct graph_address *address)
{
	const char *name = address->name, *at;

	if (str_len(str) > 0)
		str_append(str, ", ");
	at = strchr(address->address, '@');
	if (name == NULL || *name == '\0' ||
	    (strcmp(name, address->address) == 0 && at != NULL)) {
		str_append(str, clean_line(address->address));
		return;
	}
	add_phrase(str, clean_line(name));
	str_printfa(str, " <%s>", clean_line(address->address));
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
static void add_header(buffer_t *dest, unsigned int header,
		       const buffer_t *numbers, const string_t *text)
{
	struct msgraph_cache_entry entry = {
		.field = MSGRAPH_CACHE_HEADERS + header
	};
	uint32_t end = 0;

	if (numbers->used > 0)
		entry.size = numbers->used + sizeof(end) + str_len(text);
	buffer_append(dest, &entry, sizeof(entry));
	if (entry.size == 0)
		return;
	buffer_append_buf(dest, numbers, 0, SIZE_MAX);
	buffer_append(dest, &end, sizeof(end));
	buffer_append(dest, str_data(text), str_len(text));
}

static void add_line(buffer_t *numbers, string_t *text, uint32_t number,
		     const char *name, const char *value)
{
	buffer_append(numbers, &number, sizeof(number));
	str_append(text, name);
	str_append(text, ": ");
	str_append(text, value);
	str_append_c(text, '\n');
}

static void add_from_headers(const struct graph_message *msg, buffer_t *dest)
{
	buffer_t *numbers = t_buffer_create(128);
	string_t *text = t_str_new(1024);
	unsigned int i, h;

	for (h = 0; h < MSGRAPH_CACHE_HEADER_COUNT; h++) {
		buffer_set_used_size(numbers, 0);
		str_truncate(text, 0);
		for (i = 0; i < msg->header_count; i++) {
			if (strcasecmp(msg->headers[i].name,
				       msgraph_cache_headers[h]) == 0)
				add_line(numbers, text, i + 1,
					 msg->headers[i].name,
					 clean_line(msg->headers[i].value));
		}
		add_header(dest, h, numbers, text);
	}
}

static const char *header_name(unsigned int header)
{
	char *name = t_strdup_noconst(msgraph_cache_headers[header]), *p;
	bool start = TRUE;

	if (header == MSGRAPH_CACHE_MESSAGE_ID)
		return "Message-ID";
	for (p = name; *p != '\0'; p++) {
		if (start)
			*p = i_toupper(*p);
		start = *p == '-';
	}
	return name;
}

static void add_from_fields(const struct graph_message *msg, buffer_t *dest)
{
	buffer_t *numbers = t_buffer_create(sizeof(uint32_t));
	string_t *text = t_str_new(256);
	const char *value;
	unsigned int h;

	for (h = 0; h < MSGRAPH_CACHE_ENVELOPE; h++) {
		buffer_set_used_size(numbers, 0);
		str_truncate(text, 0);
		value = envelope_value(msg, h);
		if (value != NULL)
			add_line(numbers, text, h + 1, header_name(h), value);
		add_header(dest, h, numbers, text);
	}
}

/* A program that makes a message can give it fields of its own (x-...) and
   nothing else; then these are not what it was sent with. */
static bool headers_are_whole(const struct graph_message *msg)
{
	unsigned int i;

	for (i = 0; i < msg->header_count; i++) {
		if (strncasecmp(msg->headers[i].name, "x-", 2) != 0)
			return TRUE;
	}
	return FALSE;
}

static void add_sent_date(const struct graph_message *msg, buffer_t *dest)
{
	struct msgraph_cache_sent sent = { .time = 0 };
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
	} else if (!headers_are_whole(msg) &&
		   msg->sent != GRAPH_TIME_UNKNOWN) {
		sent.time = msg->sent;
	}
	add_entry(dest, MSGRAPH_CACHE_SENT, &sent, sizeof(sent));
}

/* The text goes the way of a text part: blanks, bad UTF-8 and quotations are
   treated as they are in what Dovecot has read itself. */
static void add_snippet(const char *preview, buffer_t *dest)
{
	const char *part = t_strconcat("Content-Type: text/plain; "
		"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		preview, NULL);
	struct istream *input = i_stream_create_from_data(part, strlen(part));
	string_t *text = t_str_new(256);

	str_append(text, SNIPPET_MARK);
	if (message_snippet_generate(input, SNIPPET_MAX_CHARS, text) == 0)
		add_entry(dest, MSGRAPH_CACHE_SNIPPET, str_data(text),
			  str_len(text));
	i_stream_unref(&input);
}

void msgraph_cache_make(const struct graph_message *msg, buffer_t *dest)
{
	uint32_t received;
	guid_128_t guid;
	const char *guid_text;

	if (msg->received != GRAPH_TIME_UNKNOWN) {
		received = msg->received < 0 ? 0 : msg->received;
		add_entry(dest, MSGRAPH_CACHE_RECEIVED, &received,
			  sizeof(received));
	}
	msgraph_id_guid128(msg->id, guid);
	guid_text = guid_128_to_string(guid);
	add_entry(dest, MSGRAPH_CACHE_GUID, guid_text, strlen(guid_text));
	if (msg->preview != NULL)
		add_snippet(msg->preview, dest);
	if (!msg->has_envelope && msg->header_count == 0)
		return;
	add_sent_date(msg, dest);
	/* those of a draft are of when it was made: editing leaves them */
	if (!msg->has_envelope ||
	    (msg->is_draft <= 0 && headers_are_whole(msg)))
		add_from_headers(msg, dest);
	else
		add_from_fields(msg, dest);
}

const char *msgraph_cache_identity_of(const char *message_id,
				      int64_t received)
{
	message_id = t_str_trim(message_id, " \t\r\n");
	return *message_id == '\0' ? NULL :
		t_strdup_printf("%"PRId64" %s", received < 0 ? 0 : received,
				message_id);
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
		msgraph_cache_identity_of(clean_value(value), msg->received);
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

uint32_t msgraph_cache_content(const struct graph_message *msg)
{
	uint32_t crc;

	if (msg->is_draft <= 0 || !msg->has_envelope || !msg->has_body)
		return 0;
	crc = content_text(msg->content_sum, msg->subject);
	crc = content_people(crc, &msg->to);
	crc = content_people(crc, &msg->cc);
	crc = content_people(crc, &msg->bcc);
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
