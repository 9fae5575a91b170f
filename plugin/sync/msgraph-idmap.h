#ifndef MSGRAPH_IDMAP_H
#define MSGRAPH_IDMAP_H

/* UID <-> Graph id, and the state of the folder, kept in dovecot.index itself:
   a fixed-size record extension per message and a header extension. Both are
   written in the same transaction as the rows they belong to.

   An id is stored base64url-decoded where that can be undone exactly (51 bytes
   for the 68 characters of today's immutable ids), else as its characters, and
   if neither fits as its SHA-256 with the characters in the side file
   "msgraph.ids", written before the index commit. Ids are case-sensitive. */

#include "guid.h"

struct mail_index;
struct mail_index_view;
struct mail_index_transaction;
struct msgraph_idmap;

#define MSGRAPH_ID_DATA_SIZE 80

enum msgraph_rec_flags {
	/* We moved this message away ourselves: its expunge must not be sent
	   to Graph, where the same id now lives in another folder. */
	MSGRAPH_REC_MOVED = 0x01,
	/* Appended by us: our own bytes are kept as the body. */
	MSGRAPH_REC_PINNED = 0x02,
	/* Its size_estimate is nevertheless of what Graph tells. */
	MSGRAPH_REC_SIZED = 0x04
};

/* The record extension; zeroed = no id. */
struct msgraph_rec {
	uint32_t size_estimate;	/* bytes of RFC822.SIZE, 0 = not known */
	uint8_t form;		/* 0 none, else how data holds the id */
	uint8_t length;		/* bytes used of data */
	uint8_t flags;		/* enum msgraph_rec_flags */
	uint8_t reserved;
	unsigned char data[MSGRAPH_ID_DATA_SIZE];
	/* of a draft, msgraph_cache_content(); 0 = none or not known */
	uint32_t content;
};

/* State of the folder, from the header extension. */
struct msgraph_folder_state {
	/* NULL until the first enumeration is complete */
	const char *link;
	/* rises with every pull that was applied, by whatever process */
	uint32_t generation;
	/* rises with every push of local changes */
	uint32_t pushes;
	/* rises when messages that were known get another id */
	uint32_t id_changes;
};

/* Register the extensions. dir holds the side file. */
struct msgraph_idmap *msgraph_idmap_init(struct mail_index *index,
					 const char *dir);
void msgraph_idmap_deinit(struct msgraph_idmap **idmap);

/* Id of the message at seq as a data-stack string. Returns 1, 0 when the
   record has none, -1 when the side file cannot be read (*error_r). rec_r may
   be NULL; it gets a copy. */
int msgraph_idmap_get(struct msgraph_idmap *idmap, struct mail_index_view *view,
		      uint32_t seq, const char **id_r,
		      struct msgraph_rec *rec_r, const char **error_r);
/* PURE: has the draft been edited since its record was written? content and
   size are what msgraph_cache_content() and _size_estimate() say now. */
bool msgraph_rec_is_edited(const struct msgraph_rec *rec, uint32_t content,
			   uint32_t size);
/* Sequence of the message with this id, the newest if there are several, 0 if
   none. Builds and keeps a table over the view's records, some 20 bytes each;
   new records are added as they appear. */
uint32_t msgraph_idmap_find(struct msgraph_idmap *idmap,
			    struct mail_index_view *view, const char *id);
/* Ids that do not fit into a record go to the side file, and are on the disk
   before the next function returns; between these two only before the second
   does, which is to be called before the transaction is committed, or when it is
   rolled back. Returns -1 if they may not be on the disk. */
void msgraph_idmap_gather(struct msgraph_idmap *idmap);
int msgraph_idmap_gathered(struct msgraph_idmap *idmap, const char **error_r);
/* Write the record of an appended message. Returns -1 if the side file could
   not be written. */
int msgraph_idmap_set(struct msgraph_idmap *idmap,
		      struct mail_index_transaction *trans, uint32_t seq,
		      const char *id, uint32_t size_estimate, uint8_t flags,
		      uint32_t content, const char **error_r);
/* Give an existing record another id; the caller raises id_changes in the same
   transaction. */
int msgraph_idmap_set_id(struct msgraph_idmap *idmap,
			 struct mail_index_view *view,
			 struct mail_index_transaction *trans, uint32_t seq,
			 const char *id, const char **error_r);
/* Change one field of an existing record. */
void msgraph_idmap_set_flags(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct mail_index_transaction *trans,
			     uint32_t seq, uint8_t flags);
void msgraph_idmap_set_content(struct msgraph_idmap *idmap,
			       struct mail_index_view *view,
			       struct mail_index_transaction *trans,
			       uint32_t seq, uint32_t content);

/* 128-bit GUID: first half of SHA-256 of the id. */
void msgraph_id_guid128(const char *id, guid_128_t guid_r);

/* Strings are on the data stack. */
void msgraph_idmap_get_state(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct msgraph_folder_state *state_r);
/* Raise pushes. Nothing if there is no state yet. */
void msgraph_idmap_count_push(struct msgraph_idmap *idmap,
			      struct mail_index_view *view,
			      struct mail_index_transaction *trans);
/* state->link NULL forgets the link: the next pull lists everything. */
void msgraph_idmap_set_state(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct mail_index_transaction *trans,
			     const struct msgraph_folder_state *state);

#endif
