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

int graph_user_get_self(struct graph_client *client, struct graph_user *user_r,
			struct graph_failure *fail_r)
{
	struct graph_call_spec spec = {
		.what = "read the account", .method = "GET",
		.path = "/me?$select=id,userPrincipalName,mail,displayName,"
			"proxyAddresses",
		.idempotent = true, .ok = { 200 },
	};
	struct msnet_response *resp;
	struct json_object *obj;

	memset(user_r, 0, sizeof(*user_r));
	if (graph_call_run(client, &spec, &resp, fail_r) < 0)
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
