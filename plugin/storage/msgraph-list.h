#ifndef MSGRAPH_LIST_H
#define MSGRAPH_LIST_H

/* The mailbox_list driver "msgraph": names from the folder tree, everything on
   disk under <root>/mailboxes/<GUID of the folder id>/. */

#define MSGRAPH_LIST_NAME "msgraph"

struct mailbox_list;
struct msgraph_account;

extern struct mailbox_list msgraph_mailbox_list;

/* The account of the list's namespace; NULL before the storage exists. */
struct msgraph_account *msgraph_list_get_account(struct mailbox_list *list);

/* A file whose time tells when the messages of this folder were asked for, by
   whatever session, the last time that it worked. Data stack. */
const char *msgraph_list_read_file(struct mailbox_list *list,
				   const char *folder_id);
/* Is that where everything of this folder lies? */
bool msgraph_list_is_dir_of(struct mailbox_list *list, const char *dir,
			    const char *folder_id);
/* The log of this folder's index, whether there is one or not. Data stack. */
const char *msgraph_list_log_file(struct mailbox_list *list,
				  const char *folder_id);

#endif
