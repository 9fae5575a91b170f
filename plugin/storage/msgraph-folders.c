/* The folder tree: kept, brought up to date, changed. Its names are made in
   msgraph-folders-names.c, its file is read and written in
   msgraph-folders-file.c. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "time-util.h"
#include "unichar.h"
#include "graph-client.h"
#include "msnet-buf.h"
#include "msgraph-account.h"
#include "msgraph-error.h"
#include "msgraph-folders-private.h"

#include <stdlib.h>

/* Exchange's own limit for a folder's name */
#define DISPLAY_NAME_MAX_CHARS 255

struct msgraph_folders *msgraph_folders_init(struct msgraph_account *account,
					     const char *path)
{
	struct msgraph_folders *folders = i_new(struct msgraph_folders, 1);

	folders->account = account;
	folders->path = i_strdup(path);
	i_array_init(&folders->entries, 32);
	i_array_init(&folders->visible, 32);
	folders->names_pool = pool_alloconly_create("msgraph folders", 4096);
	return folders;
}

static void entry_free(struct msgraph_folder_entry *entry)
{
	i_free(entry->id);
	i_free(entry->parent_id);
	i_free(entry->display_name);
}

static void folders_clear(struct msgraph_folders *folders)
{
	struct msgraph_folder_entry *entry;

	array_foreach_modifiable(&folders->entries, entry)
		entry_free(entry);
	array_clear(&folders->entries);
}

void msgraph_folders_deinit(struct msgraph_folders **_folders)
{
	struct msgraph_folders *folders = *_folders;
	unsigned int i;

	if (folders == NULL)
		return;
	*_folders = NULL;
	folders_clear(folders);
	array_free(&folders->entries);
	array_free(&folders->visible);
	pool_unref(&folders->names_pool);
	for (i = 0; i < GRAPH_FOLDER_ROLE_COUNT; i++)
		i_free(folders->roles[i]);
	i_free(folders->link);
	i_free(folders->path);
	i_free(folders);
}

struct msgraph_folder_entry *
msgraph_folders_entry(struct msgraph_folders *folders, const char *id)
{
	struct msgraph_folder_entry *entry;

	array_foreach_modifiable(&folders->entries, entry) {
		if (strcmp(entry->id, id) == 0)
			return entry;
	}
	return NULL;
}

static void folders_remove(struct msgraph_folders *folders, const char *id)
{
	struct msgraph_folder_entry *entry = msgraph_folders_entry(folders, id);

	if (entry != NULL) {
		entry_free(entry);
		array_delete(&folders->entries,
			     array_ptr_to_idx(&folders->entries, entry), 1);
	}
}

static bool text_differs(const char *value, const char *old)
{
	return value != NULL && null_strcmp(value, old) != 0;
}

static void set_text(char **field, const char *value)
{
	if (text_differs(value, *field)) {
		i_free(*field);
		*field = i_strdup(value);
	}
}

/* Dovecot ends at a name that is no UTF-8. */
static const char *valid_utf8(const char *text)
{
	string_t *str = t_str_new(128);

	return text == NULL ||
		uni_utf8_get_valid_data((const unsigned char *)text,
					strlen(text), str) ?
		text : str_c(str);
}

/* One row of the delta. Keys that it lacks are as they were. */
static void folders_take_row(struct msgraph_folders *folders,
			     const struct graph_folder *row)
{
	const char *display_name = valid_utf8(row->display_name);
	struct msgraph_folder_entry *entry;
	struct timeval now;

	if (row->removed) {
		folders->new_shape = TRUE;
		folders_remove(folders, row->id);
		return;
	}
	entry = msgraph_folders_entry(folders, row->id);
	if (entry == NULL) {
		entry = array_append_space(&folders->entries);
		entry->id = i_strdup(row->id);
		entry->total = entry->unread = entry->children = -1;
		folders->new_shape = TRUE;
	} else if (text_differs(row->parent_id, entry->parent_id) ||
		   text_differs(display_name, entry->display_name) ||
		   (row->child_count >= 0 &&
		    row->child_count != entry->children)) {
		folders->new_shape = TRUE;
	} else if (row->total_count >= 0 && entry->total >= 0 &&
		   row->total_count != entry->total) {
		folders->new_counts = TRUE;
	}
	if (row->total_count >= 0)
		entry->total = row->total_count;
	if (row->unread_count >= 0)
		entry->unread = row->unread_count;
	if (row->child_count >= 0)
		entry->children = row->child_count;
	i_gettimeofday(&now);
	entry->changed = now.tv_sec * 1000LL + now.tv_usec / 1000;
	if (folders->listing && entry->listed == 0)
		entry->listed = entry->changed;
	set_text(&entry->parent_id, row->parent_id);
	set_text(&entry->display_name, display_name);
	if (row->is_hidden >= 0)
		entry->hidden = row->is_hidden > 0;
	if (row->is_search_folder)
		entry->hidden = TRUE;
	entry->seen = TRUE;
}

static void folders_sweep(struct msgraph_folders *folders)
{
	unsigned int i = 0;

	while (i < array_count(&folders->entries)) {
		struct msgraph_folder_entry *entry =
			array_idx_modifiable(&folders->entries, i);

		if (entry->seen) {
			i++;
			continue;
		}
		entry_free(entry);
		array_delete(&folders->entries, i, 1);
	}
}

static int folders_get_roles(struct msgraph_folders *folders,
			     struct graph_failure *fail_r)
{
	char *ids[GRAPH_FOLDER_ROLE_COUNT];
	unsigned int i;

	if (graph_folder_roles(folders->account->client, ids, fail_r) < 0)
		return -1;
	for (i = 0; i < GRAPH_FOLDER_ROLE_COUNT; i++) {
		i_free(folders->roles[i]);
		folders->roles[i] = i_strdup(ids[i]);
		free(ids[i]);
	}
	folders->roles_known = TRUE;
	return 0;
}

/* Does the folder delta tell of messages that come and go? It does if it had
   nothing else to tell. It does not if messages have come without its naming
   the folder; these may have come after it, but then the next one has it. */
static void folders_judge_delta(struct msgraph_folders *folders)
{
	struct msgraph_folder_entry *entry;

	if (folders->new_counts && !folders->new_shape)
		folders->counts_told = TRUE;

	array_foreach_modifiable(&folders->entries, entry) {
		if (entry->suspect && !entry->seen)
			folders->counts_silent = TRUE;
		entry->suspect = FALSE;
		entry->answered = FALSE;
	}
}

static int
folders_delta(struct msgraph_folders *folders, const char *link, bool *any_r,
	      struct graph_failure *fail_r)
{
	struct graph_folder_delta *delta;
	struct msgraph_folder_entry *entry;
	const struct graph_folder *row;
	int ret;

	array_foreach_modifiable(&folders->entries, entry)
		entry->seen = FALSE;
	folders->new_counts = FALSE;
	folders->new_shape = folders->listing = link == NULL;
	delta = graph_folder_delta_init(folders->account->client, link);
	while ((ret = graph_folder_delta_next(delta, &row, fail_r)) > 0) {
		*any_r = TRUE;
		folders_take_row(folders, row);
	}
	if (ret == 0) {
		folders_judge_delta(folders);
		if (link == NULL)
			folders_sweep(folders);
		i_free(folders->link);
		folders->link = i_strdup(graph_folder_delta_link(delta));
	}
	graph_folder_delta_deinit(&delta);
	return ret;
}

int msgraph_folders_refresh(struct msgraph_folders *folders,
			    unsigned int max_age_msecs, bool *changed_r,
			    struct graph_failure *fail_r)
{
	struct timeval now;
	bool any = FALSE, had_roles = folders->roles_known;
	unsigned int old_count;
	int ret;

	*changed_r = FALSE;
	i_gettimeofday(&now);
	if (folders->refreshed.tv_sec != 0 &&
	    timeval_diff_msecs(&now, &folders->refreshed) >= 0 &&
	    timeval_diff_msecs(&now, &folders->refreshed) <
	    (int)max_age_msecs)
		return 0;
	graph_client_set_deadline(folders->account->client, 0);
	old_count = array_count(&folders->entries);
	ret = folders_delta(folders, folders->link, &any, fail_r);
	if (ret < 0 && fail_r->error == GRAPH_ERROR_TOKEN_GONE &&
	    folders->link != NULL)
		ret = folders_delta(folders, NULL, &any, fail_r);
	/* default folders such as Archive appear only when first used */
	if (ret == 0 && (!had_roles ||
			 (array_count(&folders->entries) > old_count &&
			  folders->roles[GRAPH_FOLDER_ARCHIVE] == NULL)))
		ret = folders_get_roles(folders, fail_r);
	if (ret < 0)
		return -1;
	i_gettimeofday(&folders->refreshed);
	folders->loaded = TRUE;
	folders->account->outage_logged = FALSE;
	if (any || !had_roles) {
		msgraph_folders_make_names(folders);
		*changed_r = TRUE;
		msgraph_folders_file_write(folders);
	}
	return 0;
}

int msgraph_folders_load(struct msgraph_folders *folders,
			 struct graph_failure *fail_r)
{
	bool changed;

	if (folders->loaded && !msgraph_folders_file_changed(folders))
		return 0;
	/* Another session may have written it without knowing what this one
	   has done meanwhile: the next who looks for news asks Graph. */
	i_zero(&folders->refreshed);
	folders_clear(folders);
	if (msgraph_folders_file_read(folders) > 0) {
		folders->loaded = TRUE;
		msgraph_folders_make_names(folders);
		return 0;
	}
	folders->loaded = FALSE;
	i_free(folders->link);
	return msgraph_folders_refresh(folders, 0, &changed, fail_r);
}

/*
 * Looking
 */

const struct msgraph_folder *
msgraph_folders_find(struct msgraph_folders *folders, const char *storage_name)
{
	const struct msgraph_folder *folder;

	array_foreach(&folders->visible, folder) {
		if (strcmp(folder->storage_name, storage_name) == 0)
			return folder;
	}
	return NULL;
}

const struct msgraph_folder *
msgraph_folders_find_id(struct msgraph_folders *folders, const char *id)
{
	const struct msgraph_folder *folder;

	array_foreach(&folders->visible, folder) {
		if (strcmp(folder->id, id) == 0)
			return folder;
	}
	return NULL;
}

const char *msgraph_folders_role_id(struct msgraph_folders *folders,
				    enum graph_folder_role role)
{
	return folders->roles[role];
}

unsigned int msgraph_folders_count(struct msgraph_folders *folders)
{
	return array_count(&folders->visible);
}

const struct msgraph_folder *
msgraph_folders_get(struct msgraph_folders *folders, unsigned int i)
{
	return array_idx(&folders->visible, i);
}

/*
 * Changing
 */

/* Split "a/b/c" into parent "a/b" (NULL = top) and display name "c". */
static const char *name_split(const char *name, const char **parent_r)
{
	const char *p = strrchr(name, '/');

	*parent_r = p == NULL ? NULL : t_strdup_until(name, p);
	return msgraph_folder_name_unescape(p == NULL ? name : p + 1);
}

/* name: the mailbox that it is to be. */
static int name_check(const char *name, const char *display_name,
		      struct graph_failure *fail_r)
{
	const char *slash = strrchr(name, '/'), *shown;
	unsigned int chars = 0;
	const char *p;

	for (p = display_name; *p != '\0'; p++) {
		if (((unsigned char)*p & 0xc0) != 0x80)
			chars++;
	}
	if (chars == 0 || chars > DISPLAY_NAME_MAX_CHARS) {
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED, chars == 0 ?
			"a folder needs a name" :
			"a folder's name may have 255 characters");
		return -1;
	}
	if (*display_name == ' ' || p[-1] == ' ') {
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED, "a folder's "
			"name cannot begin or end with a blank");
		return -1;
	}
	/* what a client is told exists must exist under that name */
	shown = msgraph_folder_name_escape(display_name);
	if (strcmp(shown, slash == NULL ? name : slash + 1) != 0) {
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED,
				  "such a folder would be called %s", shown);
		return -1;
	}
	return 0;
}

static void folders_changed(struct msgraph_folders *folders)
{
	msgraph_folders_make_names(folders);
	msgraph_folders_file_write(folders);
}

/* Id of the folder to put something in; NULL = the top. Parents that are
   missing are made. */
static int folders_parent_id(struct msgraph_folders *folders,
			     const char *parent, const char **id_r,
			     struct graph_failure *fail_r)
{
	const struct msgraph_folder *folder;

	*id_r = NULL;
	if (parent == NULL)
		return 0;
	folder = msgraph_folders_find(folders, parent);
	if (folder == NULL &&
	    msgraph_folders_create(folders, parent, fail_r) < 0)
		return -1;
	folder = msgraph_folders_find(folders, parent);
	if (folder == NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_FOLDER_GONE,
				  "the parent folder cannot be found");
		return -1;
	}
	*id_r = t_strdup(folder->id);
	return 0;
}

int msgraph_folders_create(struct msgraph_folders *folders, const char *name,
			   struct graph_failure *fail_r)
{
	const char *parent, *parent_id, *display_name;
	struct msgraph_folder_entry *entry;
	char *id;
	size_t len = strlen(name);
	bool changed;

	if (len > 0 && name[len-1] == '/')
		name = t_strndup(name, len - 1);
	display_name = name_split(name, &parent);
	if (name_check(name, display_name, fail_r) < 0)
		return -1;
	/* others may have taken away since what the tree has */
	if (msgraph_folders_find(folders, name) != NULL &&
	    msgraph_folders_refresh(folders, 0, &changed, fail_r) < 0)
		return -1;
	if (msgraph_folders_find(folders, name) != NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_EXISTS, "it exists");
		return -1;
	}
	if (folders_parent_id(folders, parent, &parent_id, fail_r) < 0)
		return -1;
	graph_client_set_deadline(folders->account->client, 0);
	if (graph_folder_create(folders->account->client, parent_id,
				display_name, &id, fail_r) < 0) {
		/* the next look at the tree shall find what is in the way */
		if (fail_r->error == GRAPH_ERROR_EXISTS)
			i_zero(&folders->refreshed);
		return -1;
	}
	if (msgraph_folders_entry(folders, id) == NULL) {
		entry = array_append_space(&folders->entries);
		entry->id = i_strdup(id);
		entry->parent_id = i_strdup(parent_id != NULL ? parent_id :
			folders->roles[GRAPH_FOLDER_ROOT] != NULL ?
			folders->roles[GRAPH_FOLDER_ROOT] : "");
		entry->display_name = i_strdup(display_name);
		/* so that the delta that names it tells nothing of counts */
		entry->total = entry->unread = entry->children = -1;
	}
	free(id);
	folders_changed(folders);
	return 0;
}

static int
folders_rename_entry(struct graph_client *client,
		     struct msgraph_folder_entry *entry, const char *name,
		     struct graph_failure *fail_r)
{
	if (strcmp(entry->display_name, name) == 0)
		return 0;
	if (graph_folder_rename(client, entry->id, name, fail_r) < 0)
		return -1;
	set_text(&entry->display_name, name);
	return 0;
}

static int
folders_move_entry(struct graph_client *client,
		   struct msgraph_folder_entry *entry, const char *parent_id,
		   struct graph_failure *fail_r)
{
	if (null_strcmp(entry->parent_id, parent_id) == 0)
		return 0;
	if (graph_folder_move(client, entry->id, parent_id, fail_r) < 0)
		return -1;
	set_text(&entry->parent_id, parent_id);
	return 0;
}

/* Graph renames and moves by two requests, and either may meet a namesake where
   the folder only passes by: then the other goes first. What half succeeded is
   taken back. */
static int
folders_relocate(struct graph_client *client,
		 struct msgraph_folder_entry *entry, const char *parent_id,
		 const char *name, struct graph_failure *fail_r)
{
	const char *old_name = t_strdup(entry->display_name);
	const char *old_parent_id = t_strdup(entry->parent_id);
	struct graph_failure ignored;
	bool renamed;

	renamed = folders_rename_entry(client, entry, name, fail_r) == 0;
	if (!renamed && fail_r->error != GRAPH_ERROR_EXISTS)
		return -1;
	if (!renamed && null_strcmp(old_parent_id, parent_id) == 0)
		return -1;
	if (folders_move_entry(client, entry, parent_id, fail_r) < 0) {
		(void)folders_rename_entry(client, entry, old_name, &ignored);
		return -1;
	}
	if (renamed ||
	    folders_rename_entry(client, entry, name, fail_r) == 0)
		return 0;
	(void)folders_move_entry(client, entry, old_parent_id, &ignored);
	return -1;
}

int msgraph_folders_rename(struct msgraph_folders *folders, const char *from,
			   const char *to, struct graph_failure *fail_r)
{
	struct graph_client *client = folders->account->client;
	const char *parent, *parent_id, *display_name, *id;
	const struct msgraph_folder *folder;
	struct msgraph_folder_entry *entry;
	bool changed;
	int ret;

	/* the names as they are now */
	if (msgraph_folders_refresh(folders, 0, &changed, fail_r) < 0)
		return -1;
	folder = msgraph_folders_find(folders, from);
	if (folder == NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_FOLDER_GONE, "gone");
		return -1;
	}
	if (folder->role != GRAPH_FOLDER_ROLE_COUNT) {
		graph_failure_set(fail_r, GRAPH_ERROR_PERM,
			"a default folder cannot be renamed or moved");
		return -1;
	}
	if (msgraph_folders_find(folders, to) != NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_EXISTS, "it exists");
		return -1;
	}
	id = t_strdup(folder->id);
	display_name = name_split(to, &parent);
	if (name_check(to, display_name, fail_r) < 0 ||
	    folders_parent_id(folders, parent, &parent_id, fail_r) < 0)
		return -1;
	if (parent_id == NULL)
		parent_id = folders->roles[GRAPH_FOLDER_ROOT];
	if (parent_id == NULL)
		parent_id = "msgfolderroot";
	graph_client_set_deadline(client, 0);
	/* the entry may have moved in memory when parents were made */
	entry = msgraph_folders_entry(folders, id);
	ret = folders_relocate(client, entry, parent_id, display_name, fail_r);
	/* the next look at the tree shall find what is in the way */
	if (ret < 0 && fail_r->error == GRAPH_ERROR_EXISTS)
		i_zero(&folders->refreshed);
	folders_changed(folders);
	return ret;
}

int msgraph_folders_delete(struct msgraph_folders *folders, const char *name,
			   struct graph_failure *fail_r)
{
	const struct msgraph_folder *folder =
		msgraph_folders_find(folders, name);
	const char *id;

	if (folder == NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_FOLDER_GONE, "gone");
		return -1;
	}
	if (folder->role != GRAPH_FOLDER_ROLE_COUNT) {
		graph_failure_set(fail_r, GRAPH_ERROR_PERM,
				  "a default folder cannot be deleted");
		return -1;
	}
	if (folder->has_children) {
		/* Graph would take them along */
		graph_failure_set(fail_r, GRAPH_ERROR_REFUSED,
			"the folder has subfolders: delete those first");
		return -1;
	}
	id = t_strdup(folder->id);
	graph_client_set_deadline(folders->account->client, 0);
	if (graph_folder_delete(folders->account->client, id, fail_r) < 0)
		return -1;
	folders_remove(folders, id);
	folders_changed(folders);
	return 0;
}
