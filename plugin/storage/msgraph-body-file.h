#ifndef MSGRAPH_BODY_FILE_H
#define MSGRAPH_BODY_FILE_H

/* One compressed message as a file: zstd's "seekable format", frames of 128 kB
   each and a table of them at the end, so that any part can be read without what
   is before it. `zstd -d` reads it, too. Before the table there is the SHA-256
   of the message. */

/* Compress the file, in its place. Memory does not depend on the size. *digest_r
   (data stack) is the message's SHA-256 in hex. After -1 the file has neither
   form. */
int msgraph_body_file_pack(int fd, const char **digest_r, const char **error_r);
/* The size of the message, from the table. These return 1, 0 if the file is
   damaged, or -1 with errno set. */
int msgraph_body_file_size(int fd, uoff_t *size_r);
int msgraph_body_file_digest(int fd, const char **digest_r);
/* Takes the descriptor, if it returns 1. One frame at a time is in memory. A
   frame found damaged is an error of the stream. */
int msgraph_body_file_open(int *fd, struct istream **input_r, uoff_t *size_r);

#endif
