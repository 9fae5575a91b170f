#include "graph-user.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static char *user_string(struct json_object *obj, const char *key)
{
	const char *value = graph_json_string(obj, key);

	return msnet_strdup(value == NULL ? "" : value);
}

static char **user_addresses(struct json_object *obj)
{
	unsigned int i, count = 0;
	struct json_object *array =
		graph_json_array(obj, "proxyAddresses", &count);
	char **list;

	if (array == NULL)
		count = 0;
	list = msnet_malloc((count + 1) * sizeof(*list));
	for (i = 0; i < count; i++) {
		const char *text = graph_json_text(
			json_object_array_get_idx(array, i));

		list[i] = msnet_strdup(text == NULL ? "" : text);
	}
	return list;
}

/* path is under that of the mailbox */
static int user_call(struct graph_client *client, const char *what,
		     const char *path, struct msnet_response **resp_r,
		     struct graph_failure *fail_r)
{
	struct msnet_buf buf = { 0 };
	struct graph_call_spec spec = {
		.what = what, .method = "GET", .idempotent = true,
		.ok = { 200 },
	};
	int ret;

	msnet_buf_printf(&buf, "%s%s", graph_client_mailbox_path(client), path);
	spec.path = buf.data;
	ret = graph_call_run(client, &spec, resp_r, fail_r);
	msnet_buf_free(&buf);
	return ret;
}

int graph_user_check_mailbox(struct graph_client *client,
			     struct graph_failure *fail_r)
{
	struct msnet_response *resp;

	if (user_call(client, "open the mailbox",
		      "/mailFolders/inbox?$select=id", &resp, fail_r) < 0)
		return -1;
	msnet_response_free(&resp);
	return 0;
}

int graph_user_get(struct graph_client *client, struct graph_user *user_r,
		   struct graph_failure *fail_r)
{
	struct msnet_response *resp;
	struct json_object *obj;

	memset(user_r, 0, sizeof(*user_r));
	if (user_call(client, "read the account",
		      "?$select=id,userPrincipalName,mail,displayName,"
		      "proxyAddresses", &resp, fail_r) < 0)
		return -1;
	obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	msnet_response_free(&resp);
	if (obj == NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				  "read the account: the answer is no JSON");
		return -1;
	}
	user_r->id = user_string(obj, "id");
	user_r->user_principal_name = user_string(obj, "userPrincipalName");
	user_r->mail = user_string(obj, "mail");
	user_r->display_name = user_string(obj, "displayName");
	user_r->proxy_addresses = user_addresses(obj);
	json_object_put(obj);
	return 0;
}

void graph_user_deinit(struct graph_user *user)
{
	char **p;

	for (p = user->proxy_addresses; p != NULL && *p != NULL; p++)
		free(*p);
	free(user->proxy_addresses);
	free(user->id);
	free(user->user_principal_name);
	free(user->mail);
	free(user->display_name);
	memset(user, 0, sizeof(*user));
}
