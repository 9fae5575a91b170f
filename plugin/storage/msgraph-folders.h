#ifndef MSGRAPH_FOLDERS_H
#define MSGRAPH_FOLDERS_H

/* The folder tree of an account: ids, display names, parents, roles. Kept in
   <root>/folders (text, written whole and renamed) so that a new session needs
   no request for what is known; brought up to date by the folder delta. */

#include "graph-folder.h"

struct msgraph_account;
struct msgraph_folders;

struct msgraph_folder {
	const char *id;
	const char *parent_id;
	const char *display_name;
	/* storage name: path of escaped display names, separated by '/'; the
	   inbox is "INBOX" whatever it is called. NULL if it is not to be
	   shown (hidden, search folder, parent not shown). */
	const char *storage_name;
	/* ROLE_COUNT = an ordinary folder */
	enum graph_folder_role role;
	bool has_children;
};

struct msgraph_folders *msgraph_folders_init(struct msgraph_account *account,
					     const char *path);
void msgraph_folders_deinit(struct msgraph_folders **folders);

/* Make the tree known: from the file, else by asking Graph. No request when
   it is known already. What other sessions have written to the file since is
   taken over, so their changes are seen at once. Returns -1 and the failure when nothing is known. */
int msgraph_folders_load(struct msgraph_folders *folders,
			 struct graph_failure *fail_r);
/* Ask Graph what changed (1 request), unless that was done less than
   max_age_msecs ago. On failure the old tree stays usable. *changed_r: the
   visible tree is another now. */
int msgraph_folders_refresh(struct msgraph_folders *folders,
			    unsigned int max_age_msecs, bool *changed_r,
			    struct graph_failure *fail_r);

/* No network in these. Results are valid until the next load, refresh or
   change. NULL if there is none. */
const struct msgraph_folder *
msgraph_folders_find(struct msgraph_folders *folders,
		     const char *storage_name);
const struct msgraph_folder *
msgraph_folders_find_id(struct msgraph_folders *folders, const char *id);
/* Id of a well-known folder, or NULL if the mailbox has none. */
const char *msgraph_folders_role_id(struct msgraph_folders *folders,
				    enum graph_folder_role role);
unsigned int msgraph_folders_count(struct msgraph_folders *folders);
const struct msgraph_folder *
msgraph_folders_get(struct msgraph_folders *folders, unsigned int i);

/* Changes, made at Graph and then in the tree and its file. Names are storage
   names. */
int msgraph_folders_create(struct msgraph_folders *folders, const char *name,
			   struct graph_failure *fail_r);
int msgraph_folders_rename(struct msgraph_folders *folders, const char *from,
			   const char *to, struct graph_failure *fail_r);
int msgraph_folders_delete(struct msgraph_folders *folders, const char *name,
			   struct graph_failure *fail_r);

/* PURE: one path component <-> display name: '/', '%' and what else a
   component cannot be are %hh. Data stack. */
const char *msgraph_folder_name_escape(const char *display_name);
const char *msgraph_folder_name_unescape(const char *component);

#endif
