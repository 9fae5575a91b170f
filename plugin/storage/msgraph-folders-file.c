/* The tree's file: a line "version", then lines of tab-separated fields. What
   cannot be read is asked for again. */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "mkdir-parents.h"
#include "safe-mkstemp.h"
#include "str.h"
#include "strescape.h"
#include "graph-client.h"
#include "msgraph-account.h"
#include "msgraph-folders-private.h"
#include "msgraph-list-notify.h"

#include <stdio.h>
#include <unistd.h>

#define FILE_VERSION "msgraph-folders 4"

static bool file_line(struct msgraph_folders *folders, const char *line)
{
	const char *const *f = t_strsplit_tabescaped(line);
	unsigned int count = str_array_length(f), role;
	struct msgraph_folder_entry *entry;

	if (count == 2 && strcmp(f[0], "link") == 0) {
		i_free(folders->link);
		folders->link = i_strdup(f[1]);
	} else if (count == 3 && strcmp(f[0], "role") == 0) {
		for (role = 0; role < GRAPH_FOLDER_ROLE_COUNT; role++) {
			if (strcmp(graph_folder_role_names[role], f[1]) != 0)
				continue;
			i_free(folders->roles[role]);
			folders->roles[role] = i_strdup(f[2]);
		}
	} else if (count == 1 && strcmp(f[0], "counts") == 0) {
		folders->counts_told = TRUE;
	} else if (count == 10 && strcmp(f[0], "folder") == 0) {
		entry = array_append_space(&folders->entries);
		entry->id = i_strdup(f[1]);
		entry->parent_id = i_strdup(f[2]);
		entry->hidden = *f[3] == '1';
		entry->display_name = i_strdup(f[4]);
		if (str_to_int(f[5], &entry->total) < 0 ||
		    str_to_int(f[6], &entry->unread) < 0 ||
		    str_to_int64(f[7], &entry->changed) < 0 ||
		    str_to_int64(f[8], &entry->listed) < 0 ||
		    str_to_int(f[9], &entry->children) < 0)
			entry->total = entry->unread = entry->children = -1;
	} else if (count == 1 && strcmp(f[0], "end") == 0) {
		folders->roles_known = TRUE;
		return TRUE;
	}
	return FALSE;
}

bool msgraph_folders_file_changed(struct msgraph_folders *folders)
{
	const struct stat *old = &folders->file_st;
	struct stat st;

	/* each version is a file of its own; the times tell those apart that
	   got the inode of an earlier one */
	return stat(folders->path, &st) == 0 &&
		(st.st_ino != old->st_ino || st.st_dev != old->st_dev ||
		 st.st_size != old->st_size ||
		 st.st_mtim.tv_sec != old->st_mtim.tv_sec ||
		 st.st_mtim.tv_nsec != old->st_mtim.tv_nsec);
}

int msgraph_folders_file_read(struct msgraph_folders *folders)
{
	struct istream *input = i_stream_create_file(folders->path, 65536);
	const char *line = i_stream_read_next_line(input);
	bool complete = FALSE;
	const struct stat *st;

	if (i_stream_stat(input, FALSE, &st) == 0)
		folders->file_st = *st;

	if (line != NULL && strcmp(line, FILE_VERSION) == 0) {
		while ((line = i_stream_read_next_line(input)) != NULL) T_BEGIN {
			complete = file_line(folders, line);
		} T_END;
	}
	i_stream_unref(&input);
	return complete ? 1 : 0;
}

static void file_add(string_t *str, const char *const *fields)
{
	unsigned int i;

	for (i = 0; fields[i] != NULL; i++) {
		if (i > 0)
			str_append_c(str, '\t');
		str_append_tabescaped(str, fields[i]);
	}
	str_append_c(str, '\n');
}

static void file_format(struct msgraph_folders *folders, string_t *str)
{
	const struct msgraph_folder_entry *entry;
	unsigned int role;

	str_append(str, FILE_VERSION"\n");
	if (folders->link != NULL)
		file_add(str, (const char *const []) {
			"link", folders->link, NULL });
	for (role = 0; role < GRAPH_FOLDER_ROLE_COUNT; role++) {
		if (folders->roles[role] == NULL)
			continue;
		file_add(str, (const char *const []) {
			"role", graph_folder_role_names[role],
			folders->roles[role], NULL });
	}
	if (folders->counts_told && !folders->counts_silent)
		file_add(str, (const char *const []) { "counts", NULL });
	array_foreach(&folders->entries, entry) {
		file_add(str, (const char *const []) {
			"folder", entry->id,
			entry->parent_id == NULL ? "" : entry->parent_id,
			entry->hidden ? "1" : "0",
			entry->display_name == NULL ? "" :
			entry->display_name,
			t_strdup_printf("%d", entry->total),
			t_strdup_printf("%d", entry->unread),
			t_strdup_printf("%"PRId64, entry->changed),
			t_strdup_printf("%"PRId64, entry->listed),
			t_strdup_printf("%d", entry->children), NULL });
	}
	str_append(str, "end\n");
}

/* If it cannot be written, the next session asks Graph again. */
void msgraph_folders_file_write(struct msgraph_folders *folders)
{
	string_t *str = str_new(default_pool, 4096);
	string_t *path = t_str_new(256);
	int fd;

	T_BEGIN {
		file_format(folders, str);
	} T_END;
	(void)mkdir_parents(folders->account->root_dir, 0700);
	str_printfa(path, "%s.tmp.", folders->path);
	fd = safe_mkstemp(path, 0600, (uid_t)-1, (gid_t)-1);
	if (fd != -1) {
		if (write(fd, str_data(str), str_len(str)) !=
		    (ssize_t)str_len(str) ||
		    fstat(fd, &folders->file_st) < 0 ||
		    rename(str_c(path), folders->path) < 0)
			i_unlink(str_c(path));
		i_close_fd(&fd);
		msgraph_list_notify_signal(folders->account);
	}
	str_free(&str);
}
