#include "graph-find.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-list.h"
#include "graph-message.h"
#include "graph-property.h"
#include "graph-url.h"
#include "msnet-buf.h"

#include <json-c/json.h>
#include <stdlib.h>

/* replicas may lag, so each wait is twice the one before */
#define FIND_TRIES 3
#define FIND_WAIT_MSECS 700
/* of one Message-ID in one folder */
#define FIND_MAX 1000

/* A time in the row, or otherwise if it is not there. */
static int64_t row_time(struct json_object *row, const char *key,
			int64_t otherwise)
{
	const char *value = graph_json_string(row, key);
	int64_t when = value == NULL ? GRAPH_TIME_UNKNOWN :
		graph_json_parse_time(value);

	return when == GRAPH_TIME_UNKNOWN ? otherwise : when;
}

/* What the filter does not ask for. */
static bool row_has_traits(struct json_object *row,
			   const struct graph_message_traits *traits)
{
	return row_time(row, "createdDateTime", INT64_MAX) >=
			traits->created_since &&
		(!traits->has_received ||
		 row_time(row, "receivedDateTime", traits->received) ==
			traits->received);
}

static char *find_path(struct graph_client *client, const char *folder_id,
		       const struct graph_message_traits *traits)
{
	struct msnet_buf path = { 0 }, filter = { 0 };

	if (traits->mark != NULL) {
		msnet_buf_add(&filter, "singleValueExtendedProperties/Any("
			      "ep: ep/id eq '" GRAPH_PROP_MARK
			      "' and ep/value eq ");
		graph_url_add_quoted(&filter, traits->mark);
		msnet_buf_add(&filter, ")");
	} else {
		msnet_buf_add(&filter, "internetMessageId eq ");
		graph_url_add_quoted(&filter, traits->internet_message_id);
	}
	msnet_buf_printf(&path, "%s/mailFolders",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(&path, folder_id);
	msnet_buf_add(&path, "/messages");
	graph_url_add_query(&path, "$filter", filter.data);
	graph_url_add_query(&path, "$select",
			    "id,createdDateTime,receivedDateTime");
	graph_url_add_query(&path, "$top", "50");
	msnet_buf_free(&filter);
	return path.data;
}

struct find {
	const struct graph_message_traits *traits;
	char **ids;			/* NULL-terminated */
	unsigned int count;
};

static bool find_take_row(void *context, struct json_object *row)
{
	struct find *find = context;
	const char *id = graph_json_string(row, "id");

	if (id == NULL || !row_has_traits(row, find->traits))
		return true;
	find->ids = msnet_realloc(find->ids,
				  (find->count + 2) * sizeof(*find->ids));
	find->ids[find->count++] = msnet_strdup(id);
	find->ids[find->count] = NULL;
	return find->count < FIND_MAX;
}

int graph_message_find(struct graph_client *client, const char *folder_id,
		       const struct graph_message_traits *traits,
		       char ***ids_r, struct graph_failure *fail_r)
{
	struct find find = { .traits = traits };

	find.ids = msnet_malloc(sizeof(*find.ids));
	if (graph_list_rows(client, "look for a message", true,
			    find_path(client, folder_id, traits),
			    find_take_row, &find, fail_r) < 0) {
		graph_ids_free(&find.ids);
		return -1;
	}
	*ids_r = find.ids;
	return 0;
}

void graph_ids_free(char ***_ids)
{
	char **p;

	for (p = *_ids; p != NULL && *p != NULL; p++)
		free(*p);
	free(*_ids);
	*_ids = NULL;
}

int graph_message_find_new(struct graph_client *client, const char *folder_id,
			   const struct graph_message_traits *traits,
			   bool (*is_known)(void *context, const char *id),
			   void *context, char **id_r,
			   struct graph_failure *fail_r)
{
	unsigned int i = 0;
	char **ids;
	int ret;

	if (graph_message_find(client, folder_id, traits, &ids, fail_r) < 0)
		return -1;
	while (ids[i] != NULL && is_known != NULL && is_known(context, ids[i]))
		i++;
	ret = ids[i] != NULL ? 1 : 0;
	if (ret > 0)
		*id_r = msnet_strdup(ids[i]);
	graph_ids_free(&ids);
	return ret;
}

bool graph_message_find_again(struct graph_client *client, unsigned int tries)
{
	return tries < FIND_TRIES - 1 &&
		graph_client_pause(client, FIND_WAIT_MSECS << tries);
}

int graph_message_find_lost(struct graph_client *client, const char *folder_id,
			    const struct graph_message_traits *traits,
			    bool (*is_known)(void *context, const char *id),
			    void *context, char **id_r,
			    struct graph_failure *fail_r)
{
	unsigned int tries = 0;
	int ret;

	*id_r = NULL;
	do {
		ret = graph_message_find_new(client, folder_id, traits,
					     is_known, context, id_r, fail_r);
		if (ret != 0 || tries == FIND_TRIES - 1)
			return ret;
	} while (graph_message_find_again(client, tries++));
	graph_failure_set(fail_r, GRAPH_ERROR_TIMEOUT,
			  "look for a message: no time left");
	return -1;
}
