#include "broker-proto.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	enum broker_status status;
	const char *name;
} broker_statuses[] = {
	{ BROKER_OK, "ok" },
	{ BROKER_NEEDS_CONSENT, "needs_consent" },
	{ BROKER_NEEDS_SIGN_IN, "needs_sign_in" },
	{ BROKER_BLOCKED, "blocked" },
	{ BROKER_UNKNOWN_ACCOUNT, "unknown_account" },
	{ BROKER_UNREACHABLE, "unreachable" },
	{ BROKER_FORBIDDEN, "forbidden" },
	{ BROKER_UNAVAILABLE, "error" },
	{ BROKER_PENDING, "pending" },
};
#define BROKER_STATUS_COUNT \
	(sizeof(broker_statuses) / sizeof(broker_statuses[0]))

const char *broker_status_name(enum broker_status status)
{
	size_t i;

	for (i = 0; i < BROKER_STATUS_COUNT; i++) {
		if (broker_statuses[i].status == status)
			return broker_statuses[i].name;
	}
	return "error";
}

static enum broker_status broker_status_parse(const char *name)
{
	size_t i;

	for (i = 0; i < BROKER_STATUS_COUNT; i++) {
		if (name != NULL && strcmp(broker_statuses[i].name, name) == 0)
			return broker_statuses[i].status;
	}
	return BROKER_UNAVAILABLE;
}

static json_object *broker_line_parse(const char *line, size_t size)
{
	struct json_tokener *tok;
	json_object *obj;

	while (size > 0 && (line[size-1] == '\n' || line[size-1] == '\r'))
		size--;
	if (size == 0 || size > BROKER_LINE_MAX)
		return NULL;
	tok = json_tokener_new_ex(4);
	if (tok == NULL)
		return NULL;
	obj = json_tokener_parse_ex(tok, line, (int)size);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != size ||
	    !json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tok);
	return obj;
}

/* Heap copy of a string member; NULL if absent or no string. */
static char *broker_get_string(json_object *obj, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return msnet_strdup(json_object_get_string(value));
}

static void
broker_add_string(json_object *obj, const char *key, const char *value)
{
	if (value != NULL)
		json_object_object_add(obj, key, json_object_new_string(value));
}

static char *broker_line_format(json_object *obj)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_add(&buf, json_object_to_json_string_ext(obj,
				JSON_C_TO_STRING_PLAIN |
				JSON_C_TO_STRING_NOSLASHESCAPE));
	msnet_buf_add(&buf, "\n");
	json_object_put(obj);
	return msnet_buf_steal(&buf);
}

int broker_request_parse(const char *line, size_t size,
			 struct broker_request *req_r)
{
	json_object *obj;

	memset(req_r, 0, sizeof(*req_r));
	obj = broker_line_parse(line, size);
	if (obj == NULL)
		return -1;
	req_r->op = broker_get_string(obj, "op");
	req_r->account = broker_get_string(obj, "account");
	req_r->rejected = broker_get_string(obj, "not");
	req_r->claims = broker_get_string(obj, "claims");
	json_object_put(obj);
	if (req_r->op == NULL) {
		broker_request_deinit(req_r);
		return -1;
	}
	return 0;
}

void broker_request_deinit(struct broker_request *req)
{
	free(req->op);
	free(req->account);
	free(req->rejected);
	free(req->claims);
	memset(req, 0, sizeof(*req));
}

char *broker_request_format(const struct broker_request *req)
{
	json_object *obj = json_object_new_object();

	broker_add_string(obj, "op", req->op);
	broker_add_string(obj, "account", req->account);
	broker_add_string(obj, "not", req->rejected);
	broker_add_string(obj, "claims", req->claims);
	return broker_line_format(obj);
}

int broker_answer_parse(const char *line, size_t size,
			struct broker_answer *answer_r)
{
	json_object *obj, *value;
	char *status;
	int64_t expires = 0;

	memset(answer_r, 0, sizeof(*answer_r));
	answer_r->status = BROKER_UNAVAILABLE;
	obj = broker_line_parse(line, size);
	if (obj == NULL) {
		answer_r->message = msnet_strdup(
			"the answer of msgraph-oauthd makes no sense");
		return -1;
	}
	status = broker_get_string(obj, "status");
	answer_r->status = broker_status_parse(status);
	free(status);
	answer_r->token = broker_get_string(obj, "token");
	answer_r->password = broker_get_string(obj, "password");
	answer_r->message = broker_get_string(obj, "message");
	answer_r->url = broker_get_string(obj, "url");
	answer_r->user_code = broker_get_string(obj, "user_code");
	if (json_object_object_get_ex(obj, "expires_in", &value))
		expires = json_object_get_int64(value);
	answer_r->expires_in = expires < 0 ? 0 :
		expires > 7*24*3600 ? 7*24*3600 : (unsigned int)expires;
	json_object_put(obj);
	return 0;
}

char *broker_answer_format(const struct broker_answer *answer)
{
	json_object *obj = json_object_new_object();

	broker_add_string(obj, "status", broker_status_name(answer->status));
	broker_add_string(obj, "token", answer->token);
	if (answer->token != NULL) {
		json_object_object_add(obj, "expires_in",
			json_object_new_int64(answer->expires_in));
	}
	broker_add_string(obj, "password", answer->password);
	broker_add_string(obj, "message", answer->message);
	broker_add_string(obj, "url", answer->url);
	broker_add_string(obj, "user_code", answer->user_code);
	return broker_line_format(obj);
}

void broker_answer_deinit(struct broker_answer *answer)
{
	msnet_secret_free(&answer->token);
	msnet_secret_free(&answer->password);
	free(answer->message);
	free(answer->url);
	free(answer->user_code);
	memset(answer, 0, sizeof(*answer));
}

void broker_token_hash(const char *token, char hash_r[65])
{
	unsigned char digest[32];
	unsigned int i, size = sizeof(digest);

	if (EVP_Digest(token, strlen(token), digest, &size,
		       EVP_sha256(), NULL) != 1)
		abort();
	for (i = 0; i < sizeof(digest); i++)
		snprintf(hash_r + i * 2, 3, "%02x", digest[i]);
}
