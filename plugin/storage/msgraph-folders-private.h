#ifndef MSGRAPH_FOLDERS_PRIVATE_H
#define MSGRAPH_FOLDERS_PRIVATE_H

#include "msgraph-folders.h"

#include <sys/stat.h>
#include <sys/time.h>

/* As Graph tells it; strings on the heap. */
struct msgraph_folder_entry {
	char *id, *parent_id, *display_name;
	/* while names are made: its own, once it has one; of the names' pool */
	const char *name;
	/* -1 = not told */
	int total, unread, children;
	/* wall clock, milliseconds: when a listing of all named it first, 0 =
	   it came later; and when a delta told last that something is new
	   about it or in it */
	int64_t listed, changed;
	bool hidden;
	bool seen;			/* by the listing under way */
	/* messages were found to have changed while the delta was silent */
	bool suspect;
	/* a STATUS has been answered since the last refresh */
	bool answered;
};
ARRAY_DEFINE_TYPE(msgraph_folder_entry, struct msgraph_folder_entry);
ARRAY_DEFINE_TYPE(msgraph_folder, struct msgraph_folder);

struct msgraph_folders {
	struct msgraph_account *account;
	char *path;
	/* of the file as this process has read or written it */
	struct stat file_st;
	bool loaded, roles_known;
	char *link;
	char *roles[GRAPH_FOLDER_ROLE_COUNT];
	struct timeval refreshed;
	/* the folder delta tells of folders in which messages come and go:
	   seen to be so, or seen not to be so */
	bool counts_told, counts_silent;
	/* the delta under way: it lists all; counts alone are new in a row;
	   anything else is */
	bool listing, new_counts, new_shape;
	ARRAY_TYPE(msgraph_folder_entry) entries;

	/* what is shown, made of the entries; names in the pool */
	ARRAY_TYPE(msgraph_folder) visible;
	pool_t names_pool;
};

struct msgraph_folder_entry *
msgraph_folders_entry(struct msgraph_folders *folders, const char *id);

/* msgraph-folders-names.c: entries to visible. */
void msgraph_folders_make_names(struct msgraph_folders *folders);

/* msgraph-folders-file.c: returns 1 = read, 0 = no usable file. */
int msgraph_folders_file_read(struct msgraph_folders *folders);
/* Another process has written it since. */
bool msgraph_folders_file_changed(struct msgraph_folders *folders);
void msgraph_folders_file_write(struct msgraph_folders *folders);

#endif
