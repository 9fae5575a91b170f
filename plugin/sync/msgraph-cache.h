#ifndef MSGRAPH_CACHE_H
#define MSGRAPH_CACHE_H

/* Fills Dovecot's cache from a Graph row: envelope headers, threading headers,
   dates, preview, so that a listing needs no download. Values equal what a MIME parser
   would have found: from internetMessageHeaders where the row has them, else
   encoded (RFC 2047, RFC 5322) from the JSON fields. */

struct mail_index;
struct mail_index_view;
struct mail_index_transaction;
struct graph_message;
struct msgraph_cache;
struct msgraph_row;

/* Register the fields, decision "yes": they are the only copy short of a
   download. */
struct msgraph_cache *msgraph_cache_init(struct mail_index *index);
/* trans is the index transaction that appended the messages. Call commit
   after mail_index_sync_commit(): the cache view must outlive it. */
void msgraph_cache_begin(struct msgraph_cache *cache,
			 struct mail_index_transaction *trans);
/* own: the bytes are ours, and the header is theirs, not what Graph makes of
   it. */
void msgraph_cache_add(struct msgraph_cache *cache, uint32_t seq,
		       const struct msgraph_row *row, bool own);
/* The same where the cache has lost the message; what it has stays. */
void msgraph_cache_restore(struct msgraph_cache *cache, uint32_t seq,
			   const struct msgraph_row *row, bool own);
/* When the message came into the folder, as far as we have seen. */
void msgraph_cache_set_saved(struct msgraph_cache *cache, uint32_t seq,
			     uint32_t date);
/* What tells a message without its id: Message-ID and date of arrival. Returns
   NULL if the cache does not have both. Data stack. */
const char *msgraph_cache_identity(struct msgraph_cache *cache, uint32_t seq);
void msgraph_cache_end(struct msgraph_cache *cache);
void msgraph_cache_deinit(struct msgraph_cache **cache);

/* PURE (msgraph-cache-make.c): the values of all fields, for
   msgraph_cache_add(). */
void msgraph_cache_make(const struct graph_message *msg, buffer_t *dest);
/* PURE: as msgraph_cache_identity(). */
const char *msgraph_cache_row_identity(const struct graph_message *msg);

/* PURE: a number for what a draft says, so that an edit by others is noticed;
   flags do not count. 0 if the row is of no draft or does not tell. */
uint32_t msgraph_cache_content(const struct graph_message *msg);

/* PURE: RFC822.SIZE estimate from the store's size (0x0E08): never smaller
   than what $value may return. 0 when size is unknown (<= 0). */
uint32_t msgraph_cache_size_estimate(int64_t store_size);

#endif
