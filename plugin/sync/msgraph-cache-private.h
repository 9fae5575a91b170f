#ifndef MSGRAPH_CACHE_PRIVATE_H
#define MSGRAPH_CACHE_PRIVATE_H

/* What msgraph-cache-make.c makes of a row and msgraph-cache.c puts into the
   cache: for each field its number, the size and the value. */

enum msgraph_cache_field {
	MSGRAPH_CACHE_RECEIVED, MSGRAPH_CACHE_SENT, MSGRAPH_CACHE_SAVED,
	MSGRAPH_CACHE_GUID, MSGRAPH_CACHE_SNIPPET, MSGRAPH_CACHE_FLAGS,
	/* and from here on the header fields */
	MSGRAPH_CACHE_HEADERS
};

/* The first MSGRAPH_CACHE_ENVELOPE make the ENVELOPE and are known from every
   full row, the others only from internetMessageHeaders. */
#define MSGRAPH_CACHE_HEADER_COUNT 30
#define MSGRAPH_CACHE_ENVELOPE 11
#define MSGRAPH_CACHE_MESSAGE_ID 9
extern const char *const msgraph_cache_headers[MSGRAPH_CACHE_HEADER_COUNT];

struct msgraph_cache_entry {
	uint32_t field, size;
};

struct msgraph_cache_sent {
	uint32_t time;
	int32_t timezone;
};

/* What tells a message: a Message-ID, as it stands in a header, and the second
   of its arrival. NULL if the Message-ID is empty. Data stack. */
const char *msgraph_cache_identity_of(const char *message_id,
				      int64_t received);

#endif
