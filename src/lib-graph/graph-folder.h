#ifndef GRAPH_FOLDER_H
#define GRAPH_FOLDER_H

/* https://learn.microsoft.com/graph/api/resources/mailfolder */

#include "graph-error.h"

#include <stdbool.h>

struct graph_client;

/* Order = order of the names in graph_folder_role_names[]. */
enum graph_folder_role {
	GRAPH_FOLDER_ROOT = 0,		/* msgfolderroot */
	GRAPH_FOLDER_INBOX,
	GRAPH_FOLDER_DRAFTS,
	GRAPH_FOLDER_SENT,		/* sentitems */
	GRAPH_FOLDER_DELETED,		/* deleteditems */
	GRAPH_FOLDER_JUNK,		/* junkemail */
	GRAPH_FOLDER_ARCHIVE,
	GRAPH_FOLDER_OUTBOX,
	GRAPH_FOLDER_ROLE_COUNT
};
extern const char *const graph_folder_role_names[GRAPH_FOLDER_ROLE_COUNT];

/* Valid until the next call on the delta it came from. Absent = NULL / -1:
   unchanged since the last row of this id. */
struct graph_folder {
	const char *id;
	const char *display_name;
	const char *parent_id;
	int total_count, unread_count, child_count;
	int is_hidden;			/* 1, 0, -1 */
	bool is_search_folder;
	bool removed;
};

struct graph_folder_delta;

/* All folders of the mailbox, or what changed since link. Does no I/O. */
struct graph_folder_delta *
graph_folder_delta_init(struct graph_client *client, const char *link);
/* Returns 1 and a row, 0 at the end, -1 on failure (TOKEN_GONE: start again
   without link). May block. */
int graph_folder_delta_next(struct graph_folder_delta *delta,
			    const struct graph_folder **folder_r,
			    struct graph_failure *fail_r);
/* The deltaLink; NULL before next() has returned 0. */
const char *graph_folder_delta_link(const struct graph_folder_delta *delta);
void graph_folder_delta_deinit(struct graph_folder_delta **delta);

/* Ids of the well-known folders by one $batch. ids_r gets heap strings, NULL
   where the mailbox has no such folder. Blocks. If a 200 answer has no id, the
   well-known name itself stands in for it. */
int graph_folder_roles(struct graph_client *client,
		       char *ids_r[GRAPH_FOLDER_ROLE_COUNT],
		       struct graph_failure *fail_r);

/* parent_id NULL = top level. id_r: heap. All block. After a lost answer the
   folder is looked up by name under its parent before it is made again. */
int graph_folder_create(struct graph_client *client, const char *parent_id,
			const char *display_name, char **id_r,
			struct graph_failure *fail_r);
int graph_folder_rename(struct graph_client *client, const char *id,
			const char *display_name, struct graph_failure *fail_r);
int graph_folder_move(struct graph_client *client, const char *id,
		      const char *new_parent_id, struct graph_failure *fail_r);
/* NOT_FOUND counts as done. */
int graph_folder_delete(struct graph_client *client, const char *id,
			struct graph_failure *fail_r);

#endif
