#ifndef MSGRAPH_BODY_CRLF_H
#define MSGRAPH_BODY_CRLF_H

/* Lines of a message end in CRLF (RFC 5322 2.3), whatever it comes from. */

/* Some in the file do not: returns 1, 0 if all do, -1 with errno set. */
int msgraph_body_has_bare_lf(int fd);
/* Give them their CR, by way of spare_fd, whose contents are lost. Returns 0, or
   -1 with errno set. */
int msgraph_body_crlf(int fd, int spare_fd);

#endif
