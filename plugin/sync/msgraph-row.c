#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "graph-message.h"
#include "msgraph-cache.h"
#include "msgraph-row.h"

enum row_bit {
	ROW_REMOVED = 0x01, ROW_ELSEWHERE = 0x02, ROW_WHOLE = 0x04,
	ROW_CONTENT = 0x08, ROW_PROPERTIES = 0x10, ROW_CATEGORIES = 0x20,
	ROW_FORWARDED_KNOWN = 0x40, ROW_FORWARDED = 0x80, ROW_IDENTITY = 0x100,
	ROW_DRAFT = 0x200
};

/* Strings with their NULs follow: the id, the identity, the keywords; then what
   is for the cache. */
struct row_packed {
	int64_t received;
	uint32_t size_estimate;
	uint32_t strings_size, cached_size;
	uint16_t bits;
	uint8_t flags, known;
	uint32_t keyword_count;
};

void msgraph_row_init(struct msgraph_row *row_r,
		      const struct graph_message *msg, const char *folder_id)
{
	buffer_t *cached;

	i_zero(row_r);
	row_r->id = msg->id;
	row_r->received = msg->received;
	row_r->removed = msg->removed;
	row_r->elsewhere = msg->parent_id != NULL && *msg->parent_id != '\0' &&
		strcmp(msg->parent_id, folder_id) != 0;
	row_r->whole = msg->has_envelope &&
		msg->received != GRAPH_TIME_UNKNOWN && msg->is_read >= 0;
	row_r->content = msg->has_envelope || msg->preview != NULL;
	row_r->has_properties = msg->has_properties;
	row_r->draft = msg->is_draft > 0;
	if (msg->removed)
		return;
	msgraph_flags_from_row(msg, &row_r->state);
	row_r->size_estimate = msgraph_cache_size_estimate(msg->size);
	row_r->content_sum = msgraph_cache_content(msg);
	row_r->identity = msgraph_cache_row_identity(msg);
	if (!row_r->content && msg->header_count == 0)
		return;
	cached = t_buffer_create(1024);
	msgraph_cache_make(msg, cached);
	row_r->cached = cached->data;
	row_r->cached_size = cached->used;
}

static unsigned int row_bits(const struct msgraph_row *row)
{
	return (row->removed ? ROW_REMOVED : 0) |
		(row->elsewhere ? ROW_ELSEWHERE : 0) |
		(row->whole ? ROW_WHOLE : 0) |
		(row->content ? ROW_CONTENT : 0) |
		(row->draft ? ROW_DRAFT : 0) |
		(row->has_properties ? ROW_PROPERTIES : 0) |
		(row->state.categories_known ? ROW_CATEGORIES : 0) |
		(row->state.forwarded_known ? ROW_FORWARDED_KNOWN : 0) |
		(row->state.forwarded ? ROW_FORWARDED : 0) |
		(row->identity != NULL ? ROW_IDENTITY : 0);
}

static void row_take_bits(struct msgraph_row *row, unsigned int bits)
{
	row->removed = (bits & ROW_REMOVED) != 0;
	row->elsewhere = (bits & ROW_ELSEWHERE) != 0;
	row->whole = (bits & ROW_WHOLE) != 0;
	row->content = (bits & ROW_CONTENT) != 0;
	row->draft = (bits & ROW_DRAFT) != 0;
	row->has_properties = (bits & ROW_PROPERTIES) != 0;
	row->state.categories_known = (bits & ROW_CATEGORIES) != 0;
	row->state.forwarded_known = (bits & ROW_FORWARDED_KNOWN) != 0;
	row->state.forwarded = (bits & ROW_FORWARDED) != 0;
}

static size_t add_string(buffer_t *dest, const char *text)
{
	size_t size = strlen(text) + 1;

	buffer_append(dest, text, size);
	return size;
}

void msgraph_row_pack(const struct msgraph_row *row, buffer_t *dest)
{
	struct row_packed packed = {
		.received = row->received,
		.size_estimate = row->size_estimate,
		.cached_size = row->cached_size, .bits = row_bits(row),
		.flags = row->state.flags, .known = row->state.known,
	};
	size_t start = dest->used;
	const char *const *p;

	buffer_append(dest, &packed, sizeof(packed));
	packed.strings_size = add_string(dest, row->id);
	if (row->identity != NULL)
		packed.strings_size += add_string(dest, row->identity);
	for (p = row->state.keywords; p != NULL && *p != NULL; p++) {
		packed.strings_size += add_string(dest, *p);
		packed.keyword_count++;
	}
	if (row->cached_size > 0)
		buffer_append(dest, row->cached, row->cached_size);
	buffer_write(dest, start, &packed, sizeof(packed));
}

const char *msgraph_row_packed_id(const void *data, size_t size)
{
	const char *id = CONST_PTR_OFFSET(data, sizeof(struct row_packed));

	return size > sizeof(struct row_packed) && *id != '\0' &&
		memchr(id, '\0', size - sizeof(struct row_packed)) != NULL ?
		id : NULL;
}

/* The next string of a text that ends with a NUL; NULL = there is none. */
static const char *next_string(const char **pos, const char *end)
{
	const char *text = *pos;

	if (text == end)
		return NULL;
	*pos += strlen(text) + 1;
	return text;
}

static bool row_take_strings(struct msgraph_row *row, const char *pos,
			     const char *end, const struct row_packed *packed)
{
	const char **keywords;
	unsigned int i;

	row->id = next_string(&pos, end);
	if (row->id == NULL || *row->id == '\0')
		return FALSE;
	if ((packed->bits & ROW_IDENTITY) != 0) {
		row->identity = next_string(&pos, end);
		if (row->identity == NULL)
			return FALSE;
	}
	if (!row->state.categories_known)
		return pos == end;
	if (packed->keyword_count > (size_t)(end - pos))
		return FALSE;
	keywords = t_new(const char *, packed->keyword_count + 1);
	for (i = 0; i < packed->keyword_count; i++) {
		keywords[i] = next_string(&pos, end);
		if (keywords[i] == NULL)
			return FALSE;
	}
	row->state.keywords = keywords;
	return pos == end;
}

bool msgraph_row_unpack(const void *data, size_t size,
			struct msgraph_row *row_r)
{
	const char *strings = CONST_PTR_OFFSET(data, sizeof(struct row_packed));
	struct row_packed packed;

	i_zero(row_r);
	if (size < sizeof(packed))
		return FALSE;
	memcpy(&packed, data, sizeof(packed));
	size -= sizeof(packed);
	if (packed.strings_size == 0 || packed.strings_size > size ||
	    packed.cached_size != size - packed.strings_size ||
	    strings[packed.strings_size - 1] != '\0')
		return FALSE;
	row_r->received = packed.received;
	row_r->size_estimate = packed.size_estimate;
	row_r->state.flags = packed.flags;
	row_r->state.known = packed.known;
	row_take_bits(row_r, packed.bits);
	row_r->cached = strings + packed.strings_size;
	row_r->cached_size = packed.cached_size;
	return row_take_strings(row_r, strings, strings + packed.strings_size,
				&packed);
}
