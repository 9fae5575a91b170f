#ifndef MSGRAPH_ROW_H
#define MSGRAPH_ROW_H

/* PURE: what the index needs of a message, made once of a row of Graph, and how
   it lies in the spool until then. Nothing of JSON is left, and the cache's
   fields are as Dovecot keeps them. */

#include "msgraph-flags.h"

/* Strings are on the data stack, or in the text that it was unpacked from. */
struct msgraph_row {
	const char *id;
	int64_t received;		/* or GRAPH_TIME_UNKNOWN */
	/* no longer in the folder; in another folder */
	bool removed, elsewhere;
	/* the projection that was asked for, not just what changed */
	bool whole;
	/* it says something else than flags */
	bool content;
	/* what it says of a draft does not tell whether it was edited */
	bool draft;
	bool has_properties;
	struct msgraph_flag_state state;
	/* msgraph_cache_size_estimate() and, of a draft that was read singly,
	   msgraph_cache_content() */
	uint32_t size_estimate, content_sum;
	/* what tells the message without its id, or NULL */
	const char *identity;
	/* for msgraph_cache_add() */
	const void *cached;
	size_t cached_size;
};

void msgraph_row_init(struct msgraph_row *row_r,
		      const struct graph_message *msg, const char *folder_id);
/* Append it. What is packed can be read by the same version only. */
void msgraph_row_pack(const struct msgraph_row *row, buffer_t *dest);
/* The id of what begins so, or NULL if it is longer. */
const char *msgraph_row_packed_id(const void *data, size_t size);
/* Returns FALSE if it makes no sense. */
bool msgraph_row_unpack(const void *data, size_t size,
			struct msgraph_row *row_r);

#endif
