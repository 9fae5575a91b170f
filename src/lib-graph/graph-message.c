#include "graph-message.h"
#include "graph-json.h"
#include "graph-property.h"
#include "msnet-buf.h"

#include <json-c/json.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define GRAPH_MESSAGE_MAX_SIZE (16U * 1024 * 1024)
#define GRAPH_MESSAGE_MAX_ITEMS 20000U
/* Exchange's ids are about 150 characters */
#define GRAPH_MESSAGE_MAX_ID 1024U
#define GRAPH_ARENA_BLOCK 2048U

/* PidTagIconIndex, 0x1080 */
#define GRAPH_ICON_REPLIED 0x105
#define GRAPH_ICON_FORWARDED 0x106

struct graph_arena_block {
	struct graph_arena_block *next;
	size_t used, size;
	char data[];
};

struct graph_message_full {
	struct graph_message msg;	/* first */
	struct graph_arena_block *blocks;
};

static void *graph_arena_alloc(struct graph_message_full *full, size_t size)
{
	struct graph_arena_block *block = full->blocks;
	size_t want = (size + 7) & ~(size_t)7;

	if (block == NULL || block->size - block->used < want) {
		size_t block_size = want > GRAPH_ARENA_BLOCK ? want :
			GRAPH_ARENA_BLOCK;

		block = msnet_malloc(sizeof(*block) + block_size);
		block->size = block_size;
		block->next = full->blocks;
		full->blocks = block;
	}
	block->used += want;
	return block->data + block->used - want;
}

/* NULL stays NULL, and so is a text beyond the limit. A NUL inside the string becomes a blank: it must neither cut
   the text nor travel on. */
static const char *
graph_arena_string(struct graph_message_full *full, struct json_object *value)
{
	const char *text = graph_json_text(value);
	size_t len, i;
	char *copy;

	if (text == NULL)
		return NULL;
	len = json_object_is_type(value, json_type_string) ?
		(size_t)json_object_get_string_len(value) : strlen(text);
	copy = graph_arena_alloc(full, len + 1);
	for (i = 0; i < len; i++)
		copy[i] = text[i] == '\0' ? ' ' : text[i];
	copy[len] = '\0';
	return copy;
}

static const char *
graph_message_string(struct graph_message_full *full, struct json_object *row,
		     const char *key)
{
	return graph_arena_string(full, graph_json_get(row, key));
}

static const char *
graph_message_text(struct graph_message_full *full, struct json_object *row,
		   const char *key)
{
	const char *text = graph_message_string(full, row, key);

	return text == NULL ? "" : text;
}

/* One beyond the limit is as none: a message without its hundred thousand
   recipients is better than none. */
static struct json_object *
graph_message_array(struct json_object *row, const char *key,
		    unsigned int *count_r)
{
	struct json_object *array = graph_json_array(row, key, count_r);

	if (*count_r <= GRAPH_MESSAGE_MAX_ITEMS)
		return array;
	*count_r = 0;
	return NULL;
}

static void
graph_message_read_address(struct graph_message_full *full,
			   struct json_object *recipient,
			   struct graph_address *address_r)
{
	struct json_object *address =
		graph_json_object(recipient, "emailAddress");

	address_r->name = graph_message_text(full, address, "name");
	address_r->address = graph_message_text(full, address, "address");
}

static void
graph_message_read_addresses(struct graph_message_full *full,
			     struct json_object *row, const char *key,
			     struct graph_addresses *dest)
{
	struct graph_address *items;
	struct json_object *array;
	unsigned int i, count;

	if (graph_json_has(row, key))
		full->msg.has_envelope = true;
	array = graph_message_array(row, key, &count);
	if (count == 0)
		return;
	items = graph_arena_alloc(full, sizeof(*items) * count);
	for (i = 0; i < count; i++) {
		graph_message_read_address(full,
			json_object_array_get_idx(array, i), &items[i]);
	}
	dest->items = items;
	dest->count = count;
}

static void
graph_message_read_single(struct graph_message_full *full,
			  struct json_object *row, const char *key,
			  struct graph_addresses *dest)
{
	struct json_object *recipient = graph_json_object(row, key);
	struct graph_address *item;

	if (graph_json_has(row, key))
		full->msg.has_envelope = true;
	if (graph_json_object(recipient, "emailAddress") == NULL)
		return;
	item = graph_arena_alloc(full, sizeof(*item));
	graph_message_read_address(full, recipient, item);
	if (item->name[0] == '\0' && item->address[0] == '\0')
		return;
	dest->items = item;
	dest->count = 1;
}

static void graph_message_read_categories(struct graph_message_full *full,
					  struct json_object *row)
{
	const char **categories, *text;
	struct json_object *array;
	unsigned int i, count, used = 0;

	if (!graph_json_has(row, "categories"))
		return;
	array = graph_message_array(row, "categories", &count);
	if (array == NULL && graph_json_get(row, "categories") != NULL)
		return;
	full->msg.has_categories = true;
	categories = graph_arena_alloc(full,
		sizeof(*categories) * (count + 1));
	for (i = 0; i < count; i++) {
		text = graph_arena_string(full,
			json_object_array_get_idx(array, i));
		if (text != NULL && *text != '\0')
			categories[used++] = text;
	}
	categories[used] = NULL;
	full->msg.categories = categories;
}

static void graph_message_read_headers(struct graph_message_full *full,
				       struct json_object *row)
{
	struct json_object *array, *item;
	struct graph_header *headers;
	unsigned int i, count, used = 0;

	array = graph_message_array(row, "internetMessageHeaders", &count);
	if (array == NULL)
		return;
	full->msg.has_headers = true;
	headers = graph_arena_alloc(full, sizeof(*headers) * (count + 1));
	for (i = 0; i < count; i++) {
		item = json_object_array_get_idx(array, i);
		headers[used].name = graph_message_string(full, item, "name");
		headers[used].value = graph_message_text(full, item, "value");
		if (headers[used].name != NULL && *headers[used].name != '\0')
			used++;
	}
	full->msg.headers = headers;
	full->msg.header_count = used;
}

static enum graph_flag_status graph_message_read_flag(struct json_object *row)
{
	const char *status = graph_json_string(graph_json_object(row, "flag"),
					       "flagStatus");

	if (status == NULL)
		return GRAPH_FLAG_UNKNOWN;
	if (strcasecmp(status, "flagged") == 0)
		return GRAPH_FLAG_FLAGGED;
	if (strcasecmp(status, "complete") == 0)
		return GRAPH_FLAG_COMPLETE;
	if (strcasecmp(status, "notFlagged") == 0)
		return GRAPH_FLAG_NOT_FLAGGED;
	return GRAPH_FLAG_UNKNOWN;
}

static enum graph_verb graph_message_verb(int64_t verb, int64_t icon)
{
	switch (verb) {
	case GRAPH_VERB_REPLIED:
	case GRAPH_VERB_REPLIED_ALL:
	case GRAPH_VERB_FORWARDED:
		return (enum graph_verb)verb;
	}
	if (icon == GRAPH_ICON_REPLIED)
		return GRAPH_VERB_REPLIED;
	if (icon == GRAPH_ICON_FORWARDED)
		return GRAPH_VERB_FORWARDED;
	return GRAPH_VERB_NONE;
}

static void graph_message_read_properties(struct graph_message_full *full,
					  struct json_object *row)
{
	struct graph_message *msg = &full->msg;
	int64_t verb = 0, icon = 0, value;
	struct json_object *array, *item;
	const char *id, *text;
	unsigned int i, count;

	array = graph_message_array(row, "singleValueExtendedProperties",
				    &count);
	if (array == NULL)
		return;
	msg->has_properties = true;
	msg->imap_deleted = 0;
	for (i = 0; i < count; i++) {
		item = json_object_array_get_idx(array, i);
		id = graph_json_string(item, "id");
		text = graph_json_string(item, "value");
		if (id == NULL || text == NULL)
			continue;
		if (graph_property_id_equals(id, GRAPH_PROP_IN_REPLY_TO)) {
			msg->in_reply_to = graph_message_string(full, item,
								"value");
			continue;
		}
		if (graph_property_id_equals(id, GRAPH_PROP_REFERENCES)) {
			msg->references = graph_message_string(full, item,
							       "value");
			continue;
		}
		if (!graph_json_parse_int(text, &value))
			continue;
		if (graph_property_id_equals(id, GRAPH_PROP_SIZE) ||
		    graph_property_id_equals(id, GRAPH_PROP_SIZE_LONG))
			msg->size = value < 0 ? -1 : value;
		else if (graph_property_id_equals(id, GRAPH_PROP_VERB))
			verb = value;
		else if (graph_property_id_equals(id, GRAPH_PROP_ICON))
			icon = value;
		else if (graph_property_id_equals(id, GRAPH_PROP_IMAP_DELETED))
			msg->imap_deleted = value != 0;
	}
	msg->verb = graph_message_verb(verb, icon);
}

static void graph_message_read_envelope(struct graph_message_full *full,
					struct json_object *row)
{
	struct graph_message *msg = &full->msg;

	if (graph_json_has(row, "subject"))
		msg->has_envelope = true;
	msg->subject = graph_message_string(full, row, "subject");
	graph_message_read_single(full, row, "from", &msg->from);
	graph_message_read_single(full, row, "sender", &msg->sender);
	graph_message_read_addresses(full, row, "toRecipients", &msg->to);
	graph_message_read_addresses(full, row, "ccRecipients", &msg->cc);
	graph_message_read_addresses(full, row, "bccRecipients", &msg->bcc);
	graph_message_read_addresses(full, row, "replyTo", &msg->reply_to);
	msg->internet_message_id =
		graph_message_string(full, row, "internetMessageId");
	msg->preview = graph_message_string(full, row, "bodyPreview");
}

/* A checksum, since the texts of a folder of drafts are much. */
static void graph_message_read_content(struct graph_message *msg,
				       struct json_object *row)
{
	struct json_object *body = graph_json_object(row, "body");
	const char *text = graph_json_string(body, "content");
	unsigned char attached = graph_json_bool(row, "hasAttachments") > 0;

	if (body == NULL)
		return;
	msg->has_body = true;
	msg->content_sum = (uint32_t)crc32(0, &attached, sizeof(attached));
	if (text != NULL)
		msg->content_sum = (uint32_t)crc32(msg->content_sum,
			(const unsigned char *)text, (unsigned int)strlen(text));
}

static const char *graph_message_read_change_key(
	struct graph_message_full *full, struct json_object *row)
{
	const char *key = graph_message_string(full, row, "changeKey");
	const char *etag;
	size_t len;
	char *copy;

	if (key != NULL)
		return key;
	/* W/"<changeKey>" comes with every row */
	etag = graph_json_string(row, "@odata.etag");
	if (etag == NULL || strncmp(etag, "W/\"", 3) != 0)
		return NULL;
	len = strlen(etag + 3);
	if (len == 0 || etag[3 + len - 1] != '"')
		return NULL;
	copy = graph_arena_alloc(full, len);
	memcpy(copy, etag + 3, len - 1);
	copy[len - 1] = '\0';
	return copy;
}

/* It becomes a part of paths, and a line of files. */
static bool graph_message_id_is_usable(const char *id)
{
	const char *p;

	if (id == NULL || *id == '\0' || strlen(id) > GRAPH_MESSAGE_MAX_ID)
		return false;
	for (p = id; *p > ' ' && *p < 0x7f; p++)
		;
	return *p == '\0';
}

struct graph_message *
graph_message_from_json(struct json_object *row, const char **error_r)
{
	struct graph_message_full *full = msnet_malloc(sizeof(*full));
	struct graph_message *msg = &full->msg;

	msg->is_read = msg->is_draft = msg->imap_deleted = -1;
	msg->flag = GRAPH_FLAG_UNKNOWN;
	msg->verb = GRAPH_VERB_UNKNOWN;
	msg->size = -1;

	msg->id = graph_message_string(full, row, "id");
	msg->removed = graph_json_get(row, "@removed") != NULL;
	msg->change_key = graph_message_read_change_key(full, row);
	msg->parent_id = graph_message_string(full, row, "parentFolderId");
	msg->is_read = graph_json_bool(row, "isRead");
	msg->is_draft = graph_json_bool(row, "isDraft");
	msg->flag = graph_message_read_flag(row);
	msg->received = graph_json_parse_time(
		graph_json_string(row, "receivedDateTime"));
	msg->sent = graph_json_parse_time(
		graph_json_string(row, "sentDateTime"));
	msg->created = graph_json_parse_time(
		graph_json_string(row, "createdDateTime"));
	if (msg->received == GRAPH_TIME_UNKNOWN)
		msg->received = msg->created;
	msg->last_modified = graph_json_parse_time(
		graph_json_string(row, "lastModifiedDateTime"));
	graph_message_read_categories(full, row);
	graph_message_read_envelope(full, row);
	graph_message_read_content(msg, row);
	graph_message_read_headers(full, row);
	graph_message_read_properties(full, row);

	if (graph_message_id_is_usable(msg->id))
		return msg;
	*error_r = "message row has no id that could be used";
	graph_message_free(&msg);
	return NULL;
}

struct graph_message *graph_message_parse(const char *json, size_t size,
					  const char **error_r)
{
	struct graph_message *msg;
	struct json_object *row;

	if (size > GRAPH_MESSAGE_MAX_SIZE) {
		*error_r = "message row is too big";
		return NULL;
	}
	row = graph_json_parse(json, size);
	if (row == NULL) {
		*error_r = "message row is not a JSON object";
		return NULL;
	}
	msg = graph_message_from_json(row, error_r);
	json_object_put(row);
	return msg;
}

void graph_message_free(struct graph_message **_msg)
{
	struct graph_message_full *full = (struct graph_message_full *)*_msg;
	struct graph_arena_block *block;

	if (full == NULL)
		return;
	*_msg = NULL;
	while ((block = full->blocks) != NULL) {
		full->blocks = block->next;
		free(block);
	}
	free(full);
}

bool graph_message_is_full(const struct graph_message *msg)
{
	return !msg->removed && msg->has_envelope && msg->is_read != -1 &&
		msg->is_draft != -1 && msg->has_properties &&
		(msg->received != GRAPH_TIME_UNKNOWN ||
		 msg->created != GRAPH_TIME_UNKNOWN);
}
