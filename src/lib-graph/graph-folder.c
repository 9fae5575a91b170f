#include "graph-folder.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-list.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FOLDER_SELECT \
	"displayName,parentFolderId,childFolderCount,totalItemCount," \
	"unreadItemCount,isHidden"
#define FOLDER_PAGE_SIZE 1000

const char *const graph_folder_role_names[GRAPH_FOLDER_ROLE_COUNT] = {
	"msgfolderroot", "inbox", "drafts", "sentitems", "deleteditems",
	"junkemail", "archive", "outbox"
};

/*
 * Delta
 */

struct graph_folder_delta {
	struct graph_client *client;
	char *next;		/* link to ask next, NULL = start */
	char *link;		/* deltaLink when ended */
	struct json_object **rows;
	unsigned int row_count, pos;
	bool ended;
	struct graph_folder folder;
};

struct graph_folder_delta *
graph_folder_delta_init(struct graph_client *client, const char *link)
{
	struct graph_folder_delta *delta = msnet_malloc(sizeof(*delta));

	delta->client = client;
	delta->next = msnet_strdup(link);
	return delta;
}

static void folder_rows_free(struct graph_folder_delta *delta)
{
	unsigned int i;

	for (i = 0; i < delta->row_count; i++)
		json_object_put(delta->rows[i]);
	free(delta->rows);
	delta->rows = NULL;
	delta->row_count = delta->pos = 0;
}

void graph_folder_delta_deinit(struct graph_folder_delta **_delta)
{
	struct graph_folder_delta *delta = *_delta;

	if (delta == NULL)
		return;
	*_delta = NULL;
	folder_rows_free(delta);
	free(delta->next);
	free(delta->link);
	free(delta);
}

static int
folder_take_page(struct graph_folder_delta *delta, struct msnet_response *resp,
		 struct graph_failure *fail_r)
{
	struct graph_json_page page;
	const char *link;
	unsigned int i;
	int ret = -1;

	folder_rows_free(delta);
	if (graph_json_split_page(resp->body, (size_t)resp->body_size,
				  &page) < 0) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				  "list folders: the answer is no page");
		return -1;
	}
	link = page.next_link != NULL ? page.next_link : page.delta_link;
	if (link == NULL ||
	    !graph_url_same_origin(graph_client_base_url(delta->client),
				   link)) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
			"list folders: %s", link == NULL ?
			"a page without a link" :
			"a link to another host was refused");
	} else {
		delta->rows = msnet_malloc((page.row_count + 1) *
					   sizeof(*delta->rows));
		for (i = 0; i < page.row_count; i++) {
			delta->rows[i] = graph_json_parse(
				resp->body + page.rows[i].offset,
				page.rows[i].size);
		}
		delta->row_count = page.row_count;
		free(delta->next);
		delta->next = msnet_strdup(link);
		delta->ended = page.next_link == NULL;
		ret = 0;
	}
	graph_json_page_deinit(&page);
	return ret;
}

static int folder_next_page(struct graph_folder_delta *delta,
			    struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "list folders", .method = "GET",
		.page_size = FOLDER_PAGE_SIZE, .idempotent = true,
		.item_is_folder = true, .ok = { 200 },
	};
	struct msnet_buf path = { 0 };
	struct msnet_response *resp;
	bool first = delta->next == NULL;
	int ret;

	if (first) {
		msnet_buf_printf(&path, "%s/mailFolders/delta",
			graph_client_mailbox_path(delta->client));
		graph_url_add_query(&path, "$select", FOLDER_SELECT);
	}
	spec.path = first ? path.data : delta->next;
	ret = graph_call_run(delta->client, &spec, &resp, fail_r);
	msnet_buf_free(&path);
	if (ret < 0) {
		if (!first && fail_r->status >= 400 && fail_r->status < 500 &&
		    (fail_r->error == GRAPH_ERROR_NOT_FOUND ||
		     fail_r->error == GRAPH_ERROR_FOLDER_GONE ||
		     fail_r->error == GRAPH_ERROR_REFUSED ||
		     fail_r->status == 410))
			fail_r->error = GRAPH_ERROR_TOKEN_GONE;
		return -1;
	}
	ret = folder_take_page(delta, resp, fail_r);
	msnet_response_free(&resp);
	return ret;
}

static int folder_count(struct json_object *obj, const char *key)
{
	int64_t value;

	return graph_json_int(obj, key, &value) ? (int)value : -1;
}

int graph_folder_delta_next(struct graph_folder_delta *delta,
			    const struct graph_folder **folder_r,
			    struct graph_failure *fail_r)
{
	struct graph_folder *folder = &delta->folder;
	struct json_object *row;
	const char *type;

	for (;;) {
		if (delta->pos == delta->row_count) {
			if (delta->ended) {
				free(delta->link);
				delta->link = msnet_strdup(delta->next);
				return 0;
			}
			if (folder_next_page(delta, fail_r) < 0)
				return -1;
			continue;
		}
		row = delta->rows[delta->pos++];
		memset(folder, 0, sizeof(*folder));
		folder->id = row == NULL ? NULL : graph_json_string(row, "id");
		/* a row without an id says nothing that could be used */
		if (folder->id != NULL)
			break;
	}
	type = graph_json_string(row, "@odata.type");
	folder->display_name = graph_json_string(row, "displayName");
	folder->parent_id = graph_json_string(row, "parentFolderId");
	folder->total_count = folder_count(row, "totalItemCount");
	folder->unread_count = folder_count(row, "unreadItemCount");
	folder->child_count = folder_count(row, "childFolderCount");
	folder->is_hidden = graph_json_bool(row, "isHidden");
	folder->is_search_folder = type != NULL &&
		strcasecmp(type, "#microsoft.graph.mailSearchFolder") == 0;
	folder->removed = graph_json_get(row, "@removed") != NULL;
	*folder_r = folder;
	return 1;
}

const char *graph_folder_delta_link(const struct graph_folder_delta *delta)
{
	return delta->link;
}

/*
 * Well-known folders
 */

static void role_path(struct graph_client *client, unsigned int role,
		      const char *query, struct msnet_buf *path)
{
	msnet_buf_printf(path, "%s/mailFolders/%s%s",
			 graph_client_mailbox_path(client),
			 graph_folder_role_names[role], query);
}

static const char *role_id(struct json_object *folder)
{
	const char *id = graph_json_string(folder, "id");

	return id != NULL && *id != '\0' ? id : NULL;
}

/* Asks for the whole folder: $select=id was seen to be answered without id. */
static int role_single(struct graph_client *client, unsigned int role,
		       char **id_r, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "find a default folder", .method = "GET",
		.idempotent = true, .item_is_folder = true, .ok = { 200 },
	};
	struct msnet_buf path = { 0 };
	struct msnet_response *resp;
	struct json_object *obj;
	const char *id;
	int ret;

	role_path(client, role, "", &path);
	spec.path = path.data;
	ret = graph_call_run(client, &spec, &resp, fail_r);
	msnet_buf_free(&path);
	if (ret < 0 && role == GRAPH_FOLDER_INBOX)
		/* every mailbox has one, but it may not be for us */
		return fail_r->error == GRAPH_ERROR_PERM ? 0 : -1;
	if (ret < 0) {
		/* not in this mailbox, or not for us */
		return fail_r->error == GRAPH_ERROR_NOT_FOUND ||
			fail_r->error == GRAPH_ERROR_FOLDER_GONE ||
			fail_r->error == GRAPH_ERROR_PERM ||
			fail_r->error == GRAPH_ERROR_REFUSED ? 0 : -1;
	}
	obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	id = obj == NULL ? NULL : role_id(obj);
	/* the name works in its place, as far as it goes */
	if (obj != NULL)
		*id_r = msnet_strdup(id != NULL ? id :
				     graph_folder_role_names[role]);
	json_object_put(obj);
	msnet_response_free(&resp);
	return 0;
}

/* What the batch said of one role: true = an answer to rely on. */
static bool
role_from_batch(struct json_object *response, char *ids_r[])
{
	int64_t number, status;
	struct json_object *body;

	if (!graph_json_int(response, "id", &number) ||
	    number < 0 || number >= GRAPH_FOLDER_ROLE_COUNT ||
	    !graph_json_int(response, "status", &status))
		return false;
	body = graph_json_object(response, "body");
	if (status == 200 && ids_r[number] == NULL)
		ids_r[number] = msnet_strdup(role_id(body));
	return status != 200 || ids_r[number] != NULL;
}

static char *roles_batch_body(struct graph_client *client)
{
	struct msnet_buf body = { 0 }, path = { 0 };
	unsigned int i;

	msnet_buf_add(&body, "{\"requests\":[");
	for (i = 0; i < GRAPH_FOLDER_ROLE_COUNT; i++) {
		role_path(client, i, "?$select=id", &path);
		msnet_buf_printf(&body, "%s{\"id\":\"%u\",\"method\":\"GET\","
			"\"url\":\"%s\",\"headers\":{\"Prefer\":"
			"\"IdType=\\\"ImmutableId\\\"\"}}",
			i == 0 ? "" : ",", i, path.data);
		msnet_buf_free(&path);
	}
	msnet_buf_add(&body, "]}");
	return msnet_buf_steal(&body);
}

int graph_folder_roles(struct graph_client *client,
		       char *ids_r[GRAPH_FOLDER_ROLE_COUNT],
		       struct graph_failure *fail_r)
{
	char *body = roles_batch_body(client);
	struct graph_call_spec spec = {
		.what = "find the default folders", .method = "POST",
		.path = "/$batch", .content_type = "application/json",
		.body = body, .body_size = strlen(body),
		.weight = GRAPH_SLOTS, .idempotent = true, .ok = { 200 },
	};
	bool known[GRAPH_FOLDER_ROLE_COUNT] = { false };
	struct json_object *obj = NULL, *array, *item;
	struct msnet_response *resp = NULL;
	unsigned int i, count = 0;
	int64_t number, status;
	int ret = 0;

	memset(ids_r, 0, sizeof(char *) * GRAPH_FOLDER_ROLE_COUNT);
	if (graph_call_run(client, &spec, &resp, fail_r) == 0)
		obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	else if (fail_r->error != GRAPH_ERROR_NOT_FOUND &&
		 fail_r->error != GRAPH_ERROR_REFUSED)
		ret = -1;
	array = obj == NULL ? NULL : graph_json_array(obj, "responses", &count);
	for (i = 0; array != NULL && i < count; i++) {
		item = json_object_array_get_idx(array, i);
		/* only these say something of the folder; for the others it
		   is asked singly below */
		if (graph_json_int(item, "id", &number) && number >= 0 &&
		    number < GRAPH_FOLDER_ROLE_COUNT &&
		    graph_json_int(item, "status", &status) &&
		    (status == 200 || status == 404))
			known[number] = role_from_batch(item, ids_r);
	}
	if (ids_r[GRAPH_FOLDER_INBOX] == NULL)
		known[GRAPH_FOLDER_INBOX] = false;
	json_object_put(obj);
	if (resp != NULL)
		msnet_response_free(&resp);
	free(body);
	for (i = 0; i < GRAPH_FOLDER_ROLE_COUNT && ret == 0; i++) {
		if (!known[i])
			ret = role_single(client, i, &ids_r[i], fail_r);
	}
	if (ret < 0 && (fail_r->error == GRAPH_ERROR_NOT_FOUND ||
			fail_r->error == GRAPH_ERROR_FOLDER_GONE))
		graph_failure_set(fail_r, GRAPH_ERROR_UNAVAILABLE,
				  "find the default folders: no inbox");
	for (i = 0; ret < 0 && i < GRAPH_FOLDER_ROLE_COUNT; i++) {
		free(ids_r[i]);
		ids_r[i] = NULL;
	}
	return ret;
}

/*
 * Changes
 */

static char *folder_path(struct graph_client *client, const char *id,
			 const char *suffix)
{
	struct msnet_buf path = { 0 };

	msnet_buf_printf(&path, "%s/mailFolders",
			 graph_client_mailbox_path(client));
	if (id != NULL)
		graph_url_add_segment(&path, id);
	msnet_buf_add(&path, suffix);
	return msnet_buf_steal(&path);
}

static char *folder_body(const char *key, const char *value)
{
	struct msnet_buf body = { 0 };

	msnet_buf_printf(&body, "{\"%s\":", key);
	graph_json_add_string(&body, value);
	msnet_buf_add(&body, "}");
	return msnet_buf_steal(&body);
}

/* One request with a JSON body of one key; frees path and body. */
static int
folder_request(struct graph_client *client, struct graph_call_spec *spec,
	       char *path, char *body, struct msnet_response **resp_r,
	       struct graph_failure *fail_r)
{
	struct msnet_response *resp = NULL;
	int ret;

	spec->path = path;
	spec->item_is_folder = true;
	if (body != NULL) {
		spec->content_type = "application/json";
		spec->body = body;
		spec->body_size = strlen(body);
	}
	ret = graph_call_run(client, spec, &resp, fail_r);
	free(path);
	free(body);
	if (resp_r != NULL)
		*resp_r = resp;
	else if (resp != NULL)
		msnet_response_free(&resp);
	return ret;
}

struct folder_look {
	const char *display_name;
	char *id;
};

static bool folder_look_row(void *context, struct json_object *row)
{
	struct folder_look *look = context;
	const char *name = graph_json_string(row, "displayName");
	const char *id = graph_json_string(row, "id");

	if (name != NULL && id != NULL &&
	    strcasecmp(name, look->display_name) == 0)
		look->id = msnet_strdup(id);
	return look->id == NULL;
}

/* Returns 1 and the id, 0 if there is none, -1. */
static int
folder_find_child(struct graph_client *client, const char *parent_id,
		  const char *display_name, char **id_r,
		  struct graph_failure *fail_r)
{
	struct folder_look look = { .display_name = display_name };
	struct msnet_buf filter = { 0 }, path = { 0 };
	char *start;

	msnet_buf_add(&filter, "displayName eq ");
	graph_url_add_quoted(&filter, display_name);
	start = folder_path(client, parent_id == NULL ? "msgfolderroot" :
			    parent_id, "/childFolders");
	msnet_buf_add(&path, start);
	graph_url_add_query(&path, "$filter", filter.data);
	free(start);
	msnet_buf_free(&filter);
	if (graph_list_rows(client, "look for a folder", false,
			    msnet_buf_steal(&path), folder_look_row, &look,
			    fail_r) < 0) {
		free(look.id);
		return -1;
	}
	*id_r = look.id;
	return look.id != NULL ? 1 : 0;
}

static int
folder_create_once(struct graph_client *client, const char *parent_id,
		   const char *display_name, char **id_r,
		   struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "create a folder", .method = "POST", .ok = { 201 },
	};
	struct msnet_response *resp;
	struct json_object *obj;
	const char *id;

	if (folder_request(client, &spec,
			   folder_path(client, parent_id, parent_id == NULL ?
				       "" : "/childFolders"),
			   folder_body("displayName", display_name),
			   &resp, fail_r) < 0)
		return -1;
	obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	id = obj == NULL ? NULL : graph_json_string(obj, "id");
	if (id != NULL)
		*id_r = msnet_strdup(id);
	else
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				  "create a folder: an answer without id");
	json_object_put(obj);
	msnet_response_free(&resp);
	return *id_r != NULL ? 0 : -1;
}

int graph_folder_create(struct graph_client *client, const char *parent_id,
			const char *display_name, char **id_r,
			struct graph_failure *fail_r)
{
	struct graph_failure ignored;

	*id_r = NULL;
	if (folder_create_once(client, parent_id, display_name, id_r,
			       fail_r) == 0)
		return 0;
	if (fail_r->error != GRAPH_ERROR_LOST &&
	    fail_r->error != GRAPH_ERROR_TIMEOUT &&
	    fail_r->error != GRAPH_ERROR_UNAVAILABLE)
		return -1;
	/* it may have been made all the same */
	switch (folder_find_child(client, parent_id, display_name, id_r,
				  &ignored)) {
	case 1:
		return 0;
	case 0:
		return folder_create_once(client, parent_id, display_name,
					  id_r, fail_r);
	default:
		return -1;
	}
}

int graph_folder_rename(struct graph_client *client, const char *id,
			const char *display_name, struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "rename a folder", .method = "PATCH",
		.idempotent = true, .ok = { 200, 204 },
	};

	return folder_request(client, &spec, folder_path(client, id, ""),
			      folder_body("displayName", display_name), NULL,
			      fail_r);
}

int graph_folder_move(struct graph_client *client, const char *id,
		      const char *new_parent_id, struct graph_failure *fail_r)
{
	/* moving to where it is already changes nothing */
	struct graph_call_spec spec = {
		.what = "move a folder", .method = "POST",
		.idempotent = true, .ok = { 200, 201 },
	};

	return folder_request(client, &spec, folder_path(client, id, "/move"),
			      folder_body("destinationId", new_parent_id),
			      NULL, fail_r);
}

int graph_folder_delete(struct graph_client *client, const char *id,
			struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "delete a folder", .method = "DELETE",
		.idempotent = true, .ok = { 204, 200 },
	};

	if (folder_request(client, &spec, folder_path(client, id, ""), NULL,
			   NULL, fail_r) == 0)
		return 0;
	return fail_r->error == GRAPH_ERROR_NOT_FOUND ||
		fail_r->error == GRAPH_ERROR_FOLDER_GONE ? 0 : -1;
}
