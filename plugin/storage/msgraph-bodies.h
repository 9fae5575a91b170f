#ifndef MSGRAPH_BODIES_H
#define MSGRAPH_BODIES_H

/* Whole messages on disk, one file each under <root>/bodies/, shared by all
   processes of the account. Written to a temporary file, then compressed, and
   named when whole.
   Pinned ones (appended by us: the bytes are ours alone) are never evicted;
   others go least recently used first. */

struct msgraph_bodies;

enum msgraph_body_flags {
	MSGRAPH_BODY_PINNED = 0x01,
	/* on the disk before it has its name */
	MSGRAPH_BODY_SYNC = 0x02
};

struct msgraph_bodies *msgraph_bodies_init(const char *dir, uoff_t max_size,
					   struct event *event);
void msgraph_bodies_deinit(struct msgraph_bodies **bodies);

/* Returns 1 and a seekable stream of the message and its size, 0 if there is
   none, -1 and *error_r. Marks it as used now. */
int msgraph_bodies_open(struct msgraph_bodies *bodies, const char *id,
			struct istream **input_r, uoff_t *size_r,
			const char **error_r);
/* The message's size; FALSE if there is none. Cheap (a few system calls). */
bool msgraph_bodies_size(struct msgraph_bodies *bodies, const char *id,
			 uoff_t *size_r);
/* A new empty file open for reading and writing, mode 0600. path_r is on the
   heap: free it with i_free after put/drop. */
int msgraph_bodies_temp(struct msgraph_bodies *bodies, int *fd_r,
			char **path_r, const char **error_r);
/* The same for a download, which one process at a time does: returns 0 when
   another one is at it; *got_r then tells how many bytes it has. A process that
   dies leaves it to the next. The claim ends when the descriptor is closed,
   which is to be after put or drop. */
int msgraph_bodies_claim(struct msgraph_bodies *bodies, const char *id,
			 int *fd_r, char **path_r, uoff_t *got_r,
			 const char **error_r);
/* Compress the temporary file and give it its name. If another process was
   first, its copy stays and ours goes (except pinned, which wins). fd stays open
   with the caller, who reads on from it, by msgraph_bodies_open_put(), only after
   asking msgraph_bodies_open(). *differs_r: an earlier copy was evicted, or is
   replaced by a pinned one, and had other bytes, so that what was cached of its
   size and structure is wrong now. */
int msgraph_bodies_put(struct msgraph_bodies *bodies, const char *id, int fd,
		       const char *temp_path, enum msgraph_body_flags flags,
		       bool *differs_r, const char **error_r);
/* The message in a temporary file that was put. Takes the descriptor if it
   returns 1; else it is damaged or cannot be read. */
int msgraph_bodies_open_put(int *fd, struct istream **input_r, uoff_t *size_r);
/* Unlink and i_free; NULL is fine. */
void msgraph_bodies_drop_temp(char **temp_path);
/* Give a copied message the pinned bytes of its source, if there are any.
   *differs_r as above. */
int msgraph_bodies_copy(struct msgraph_bodies *bodies, const char *id,
			const char *new_id, bool *differs_r,
			const char **error_r);
/* The message has another id now. What cannot be carried over is fetched
   again. */
void msgraph_bodies_rename(struct msgraph_bodies *bodies, const char *id,
			   const char *new_id);
/* The body, which has been put, is that of a draft, which others may edit and
   send under its id. content: a checksum of the caller's of what it says at
   Graph, 0 = not known. */
void msgraph_bodies_set_draft(struct msgraph_bodies *bodies, const char *id,
			      uint32_t content);
bool msgraph_bodies_is_draft(struct msgraph_bodies *bodies, const char *id,
			     uint32_t *content_r);
/* They are our own bytes. Cheap (a few system calls). */
bool msgraph_bodies_is_pinned(struct msgraph_bodies *bodies, const char *id);
/* It is in another folder: what was released there is pinned again. */
void msgraph_bodies_pin(struct msgraph_bodies *bodies, const char *id);
/* The message is gone, or may be: a pinned body becomes an ordinary one. */
void msgraph_bodies_release(struct msgraph_bodies *bodies, const char *id);
/* What msgraph_bodies_open() gave could not be read to its end: it is not used
   any more. */
void msgraph_bodies_damaged(struct msgraph_bodies *bodies, const char *id);
/* The message is gone for good. Missing files are fine. */
void msgraph_bodies_remove(struct msgraph_bodies *bodies, const char *id);

#endif
