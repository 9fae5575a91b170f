#ifndef MSGRAPH_IMAP_H
#define MSGRAPH_IMAP_H

/* What only the imap process has: its commands. In other processes these do
   nothing. */

void msgraph_imap_init(void);
void msgraph_imap_deinit(void);

#endif
