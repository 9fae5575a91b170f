#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "ioloop.h"
#include "mail-index.h"
#include "mail-cache.h"
#include "msgraph-cache.h"
#include "msgraph-cache-private.h"
#include "msgraph-row.h"
#include "dovecot-compat.h"

struct msgraph_cache {
	struct mail_cache *cache;
	struct mail_cache_field fields[MSGRAPH_CACHE_HEADERS];
	struct mail_cache_field headers[MSGRAPH_CACHE_HEADER_COUNT];

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
	cache_field(&cache->fields[MSGRAPH_CACHE_RECEIVED], "date.received",
		    MAIL_CACHE_FIELD_FIXED_SIZE, sizeof(uint32_t));
	cache_field(&cache->fields[MSGRAPH_CACHE_SENT], "date.sent",
		    MAIL_CACHE_FIELD_FIXED_SIZE,
		    sizeof(struct msgraph_cache_sent));
	cache_field(&cache->fields[MSGRAPH_CACHE_SAVED], "date.save",
		    MAIL_CACHE_FIELD_FIXED_SIZE, sizeof(uint32_t));
	cache_field(&cache->fields[MSGRAPH_CACHE_GUID], "guid",
		    MAIL_CACHE_FIELD_STRING, 0);
	cache_field(&cache->fields[MSGRAPH_CACHE_SNIPPET], "body.snippet",
		    MAIL_CACHE_FIELD_VARIABLE_SIZE, 0);
	cache_field(&cache->fields[MSGRAPH_CACHE_FLAGS], "flags",
		    MAIL_CACHE_FIELD_BITMASK, sizeof(uint32_t));
	cache->fields[MSGRAPH_CACHE_FLAGS].decision = MAIL_CACHE_DECISION_TEMP;
	msgraph_compat_cache_register(cache->cache, cache->fields,
				      MSGRAPH_CACHE_HEADERS);
	for (i = 0; i < MSGRAPH_CACHE_HEADER_COUNT; i++) T_BEGIN {
		cache_field(&cache->headers[i],
			    t_strconcat("hdr.", msgraph_cache_headers[i], NULL),
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

void msgraph_cache_set_saved(struct msgraph_cache *cache, uint32_t seq,
			     uint32_t date)
{
	mail_cache_add(cache->trans, seq,
		       cache->fields[MSGRAPH_CACHE_SAVED].idx,
		       &date, sizeof(date));
}

/* Dovecot's own field, in use by its default settings: nothing is known by it,
   but as above it is not to be dropped. */
static void add_flags(struct msgraph_cache *cache, uint32_t seq)
{
	const uint32_t no_flags = 0;

	if (!cache->used_flags) {
		mail_cache_add(cache->trans, seq,
			       cache->fields[MSGRAPH_CACHE_FLAGS].idx,
			       &no_flags, sizeof(no_flags));
	}
	cache->used_flags = TRUE;
}

static const struct mail_cache_field *
cache_field_of(const struct msgraph_cache *cache, uint32_t field)
{
	if (field < MSGRAPH_CACHE_HEADERS)
		return &cache->fields[field];
	field -= MSGRAPH_CACHE_HEADERS;
	return field < MSGRAPH_CACHE_HEADER_COUNT ? &cache->headers[field] :
		NULL;
}

static bool cache_is_of_content(uint32_t field)
{
	return field >= MSGRAPH_CACHE_HEADERS || field == MSGRAPH_CACHE_SENT ||
		field == MSGRAPH_CACHE_SNIPPET;
}

void msgraph_cache_add(struct msgraph_cache *cache, uint32_t seq,
		       const struct msgraph_row *row, bool own)
{
	const unsigned char *pos = row->cached, *end = pos + row->cached_size;
	const struct mail_cache_field *field;
	struct msgraph_cache_entry entry;

	add_flags(cache, seq);
	while ((size_t)(end - pos) >= sizeof(entry)) {
		memcpy(&entry, pos, sizeof(entry));
		pos += sizeof(entry);
		field = cache_field_of(cache, entry.field);
		if (field == NULL || entry.size > (size_t)(end - pos))
			break;
		if (!own || !cache_is_of_content(entry.field))
			mail_cache_add(cache->trans, seq, field->idx, pos,
				       entry.size);
		pos += entry.size;
	}
}

void msgraph_cache_restore(struct msgraph_cache *cache, uint32_t seq,
			   const struct msgraph_row *row, bool own)
{
	/* the envelope's fields come and go together */
	if (mail_cache_field_exists(cache->view, seq,
				    cache->headers[0].idx) == 0)
		msgraph_cache_add(cache, seq, row, own);
}

const char *msgraph_cache_identity(struct msgraph_cache *cache, uint32_t seq)
{
	buffer_t *date = t_buffer_create(sizeof(uint32_t));
	buffer_t *header = t_buffer_create(128);
	unsigned int received_idx =
		cache->fields[MSGRAPH_CACHE_RECEIVED].idx;
	unsigned int header_idx = cache->headers[MSGRAPH_CACHE_MESSAGE_ID].idx;
	const char *p, *end;
	uint32_t received;

	if (mail_cache_lookup_field(cache->view, date, seq,
				    received_idx) <= 0 ||
	    mail_cache_lookup_field(cache->view, header, seq,
				    header_idx) <= 0 ||
	    date->used != sizeof(received))
		return NULL;
	memcpy(&received, date->data, sizeof(received));
	/* behind the line numbers; the text has no NULs */
	p = memchr(header->data, ':', header->used);
	end = CONST_PTR_OFFSET(header->data, header->used);
	return p == NULL ? NULL :
		msgraph_cache_identity_of(t_strdup_until(p + 1, end),
					  received);
}
