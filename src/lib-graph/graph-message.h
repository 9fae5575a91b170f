#ifndef GRAPH_MESSAGE_H
#define GRAPH_MESSAGE_H

/* A message as a JSON row tells it.
   https://learn.microsoft.com/graph/api/resources/message */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum graph_flag_status {
	GRAPH_FLAG_UNKNOWN = -1,
	GRAPH_FLAG_NOT_FLAGGED = 0,
	GRAPH_FLAG_FLAGGED,
	GRAPH_FLAG_COMPLETE
};

/* PidTagLastVerbExecuted, 0x1081 */
enum graph_verb {
	GRAPH_VERB_UNKNOWN = -1,
	GRAPH_VERB_NONE = 0,
	GRAPH_VERB_REPLIED = 102,
	GRAPH_VERB_REPLIED_ALL = 103,
	GRAPH_VERB_FORWARDED = 104
};

#define GRAPH_TIME_UNKNOWN INT64_MIN

/* Both strings may be "". */
struct graph_address {
	const char *name;
	const char *address;
};

struct graph_addresses {
	const struct graph_address *items;
	unsigned int count;
};

struct graph_header {
	const char *name;
	const char *value;
};

/* Everything hangs on the struct and goes with graph_message_free(). A key
   that the row did not have is NULL, -1, GRAPH_*_UNKNOWN or has its has_ bit
   off: it means "unchanged", not "empty". */
struct graph_message {
	const char *id;
	bool removed;			/* @removed: no longer in this folder */

	const char *change_key;
	const char *parent_id;
	int is_read, is_draft;		/* 1, 0, -1 */
	enum graph_flag_status flag;
	/* seconds since the epoch, or GRAPH_TIME_UNKNOWN */
	int64_t received, sent, created, last_modified;

	bool has_categories;
	const char *const *categories;	/* NULL-terminated */

	/* The row had singleValueExtendedProperties. Then a property that is
	   not in it does not exist on the message. */
	bool has_properties;
	int64_t size;			/* 0x0E08 bytes in the store, or -1 */
	enum graph_verb verb;		/* 0x1081, or from icon 0x1080 */
	int imap_deleted;		/* PidLidImapDeleted: 1, 0, -1 */

	/* Envelope fields. has_envelope: the row had the subject or any
	   address key, so that NULL and empty lists mean "none". */
	bool has_envelope;
	const char *subject;
	struct graph_addresses from, sender, to, cc, bcc, reply_to;
	const char *internet_message_id;
	const char *in_reply_to;	/* 0x1042 */
	const char *references;		/* 0x1039 */
	const char *preview;		/* bodyPreview */
	/* the row had the body; CRC-32 of its text and of hasAttachments */
	bool has_body;
	uint32_t content_sum;

	/* internetMessageHeaders, in the order given */
	bool has_headers;
	const struct graph_header *headers;
	unsigned int header_count;
};

/* Decode one JSON object. Returns NULL and sets *error_r (static text) when it
   is no message or breaks a limit. */
struct graph_message *graph_message_parse(const char *json, size_t size,
					  const char **error_r);
void graph_message_free(struct graph_message **msg);

/* The row has all that a new message needs (mode "full projection"). */
bool graph_message_is_full(const struct graph_message *msg);

#endif
