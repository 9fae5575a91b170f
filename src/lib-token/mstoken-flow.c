#include "mstoken-flow.h"
#include "mstoken-assertion.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* what a token answer may measure at most */
#define TOKEN_BODY_MAX (256 * 1024)
/* clock difference to the login host that is put up with */
#define ID_TOKEN_SKEW_SECS 300

static const struct {
	const char *name, *scope;
} features_table[] = {
	{ "read", "Mail.ReadWrite" },
	{ "send", "Mail.Send" },
	{ "settings", "MailboxSettings.ReadWrite" },
	{ "shared", "Mail.ReadWrite.Shared Mail.Send.Shared" },
};
#define BASE_SCOPE "openid profile email offline_access User.Read"
#define DEFAULT_FEATURES "read send settings"

char *mstoken_scope_from_features(const char *features)
{
	struct msnet_buf buf = { 0 };
	char *copy, *word, *save = NULL;
	size_t i, count = sizeof(features_table) / sizeof(features_table[0]);

	msnet_buf_add(&buf, BASE_SCOPE);
	copy = msnet_strdup(features == NULL ? DEFAULT_FEATURES : features);
	for (word = strtok_r(copy, " ,\t", &save); word != NULL;
	     word = strtok_r(NULL, " ,\t", &save)) {
		for (i = 0; i < count; i++) {
			if (strcmp(features_table[i].name, word) == 0)
				break;
		}
		if (i == count) {
			msnet_buf_free(&buf);
			free(copy);
			return NULL;
		}
		msnet_buf_printf(&buf, " %s", features_table[i].scope);
	}
	free(copy);
	return msnet_buf_steal(&buf);
}

static void add_param(struct msnet_buf *buf, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (buf->used > 0 && buf->data[buf->used - 1] != '?')
		msnet_buf_add(buf, "&");
	msnet_buf_add(buf, name);
	msnet_buf_add(buf, "=");
	msnet_buf_add_escaped(buf, value);
}

char *mstoken_flow_authorize_url(const struct mstoken_app *app,
				 const char *state, const char *challenge,
				 const char *nonce, const char *login_hint,
				 const char *prompt, const char *response_mode)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s/", app->login_url);
	msnet_buf_add_escaped(&buf, app->tenant);
	msnet_buf_add(&buf, "/oauth2/v2.0/authorize?");
	add_param(&buf, "client_id", app->client_id);
	add_param(&buf, "response_type", "code");
	add_param(&buf, "redirect_uri", app->redirect_uri);
	add_param(&buf, "response_mode", response_mode);
	add_param(&buf, "scope", app->scope);
	add_param(&buf, "state", state);
	add_param(&buf, "nonce", nonce);
	add_param(&buf, "code_challenge", challenge);
	add_param(&buf, "code_challenge_method", "S256");
	add_param(&buf, "prompt", prompt);
	add_param(&buf, "login_hint", login_hint);
	return msnet_buf_steal(&buf);
}

char *mstoken_flow_admin_consent_url(const struct mstoken_app *app,
				     const char *state)
{
	struct msnet_buf buf = { 0 };

	if (strcmp(app->tenant, "consumers") == 0)
		return NULL;
	msnet_buf_printf(&buf, "%s/", app->login_url);
	/* the page does not exist at common */
	msnet_buf_add_escaped(&buf, strcmp(app->tenant, "common") == 0 ?
			      "organizations" : app->tenant);
	msnet_buf_add(&buf, "/v2.0/adminconsent?");
	add_param(&buf, "client_id", app->client_id);
	add_param(&buf, "scope", app->scope);
	add_param(&buf, "redirect_uri", app->redirect_uri);
	add_param(&buf, "state", state);
	return msnet_buf_steal(&buf);
}

/*
 * Decoding
 */

static json_object *parse_object(const char *text, size_t size)
{
	struct json_tokener *tok;
	json_object *obj;

	if (size == 0 || size > TOKEN_BODY_MAX)
		return NULL;
	tok = json_tokener_new_ex(16);
	if (tok == NULL)
		return NULL;
	obj = json_tokener_parse_ex(tok, text, (int)size);
	if (!json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tok);
	return obj;
}

static const char *get_string(json_object *obj, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* a number, also as a string */
static int64_t get_number(json_object *obj, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, key, &value))
		return 0;
	return json_object_get_int64(value);
}

static void decode_id_token(const char *token, struct mstoken_grant *grant)
{
	const char *start, *end;
	unsigned char *claims;
	json_object *obj;
	size_t size;

	start = strchr(token, '.');
	end = start == NULL ? NULL : strchr(start + 1, '.');
	if (end == NULL)
		return;
	claims = mstoken_base64url_decode(start + 1,
					  (size_t)(end - start - 1), &size);
	if (claims == NULL)
		return;
	obj = parse_object((const char *)claims, size);
	free(claims);
	if (obj == NULL)
		return;
	grant->tid = msnet_strdup(get_string(obj, "tid"));
	grant->oid = msnet_strdup(get_string(obj, "oid"));
	grant->username = msnet_strdup(get_string(obj, "preferred_username"));
	grant->nonce = msnet_strdup(get_string(obj, "nonce"));
	grant->audience = msnet_strdup(get_string(obj, "aud"));
	grant->id_expires = get_number(obj, "exp");
	json_object_put(obj);
}

void mstoken_failure_from_error(struct mstoken_failure *fail,
				const char *error, const char *description)
{
	const struct mstoken_aadsts *entry;

	fail->code = mstoken_aadsts_code(description);
	entry = mstoken_aadsts_find(error, fail->code);
	fail->entry = entry;
	fail->state = entry->state;
	if (fail->code != 0) {
		snprintf(fail->message, sizeof(fail->message),
			 "%s (AADSTS%u): %s; to be done by %s", entry->cause,
			 fail->code, entry->remedy,
			 mstoken_actor_name(entry->actor));
	} else {
		snprintf(fail->message, sizeof(fail->message),
			 "%s: %s; to be done by %s", entry->cause,
			 entry->remedy, mstoken_actor_name(entry->actor));
	}
}

static void
failure_unreachable(struct mstoken_failure *fail, const char *what)
{
	memset(fail, 0, sizeof(*fail));
	fail->state = MSTOKEN_STATE_UNREACHABLE;
	snprintf(fail->message, sizeof(fail->message),
		 "the login host cannot be used now: %s", what);
}

static int
decode_error(int status, json_object *obj, struct mstoken_failure *fail_r)
{
	const char *error = obj == NULL ? NULL : get_string(obj, "error");
	const char *suberror;
	json_object *codes;
	char text[64];

	if (error == NULL || status >= 500 || status == 429 || status == 408) {
		snprintf(text, sizeof(text), "it answered with status %d",
			 status);
		failure_unreachable(fail_r, text);
		return -1;
	}
	suberror = get_string(obj, "suberror");
	if (suberror != NULL && strcmp(suberror, "consent_required") == 0)
		error = suberror;
	mstoken_failure_from_error(fail_r, error,
				   get_string(obj, "error_description"));
	if (fail_r->code == 0 &&
	    json_object_object_get_ex(obj, "error_codes", &codes) &&
	    json_object_is_type(codes, json_type_array) &&
	    json_object_array_length(codes) > 0) {
		snprintf(text, sizeof(text), "AADSTS%lld", (long long)
			 json_object_get_int64(
				json_object_array_get_idx(codes, 0)));
		mstoken_failure_from_error(fail_r, error, text);
	}
	return -1;
}

int mstoken_grant_decode(int status, const char *body, size_t size,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r)
{
	const char *token, *id_token;
	json_object *obj;
	int64_t expires;

	memset(grant_r, 0, sizeof(*grant_r));
	memset(fail_r, 0, sizeof(*fail_r));
	obj = body == NULL ? NULL : parse_object(body, size);
	if (status != 200) {
		(void)decode_error(status, obj, fail_r);
		json_object_put(obj);
		return -1;
	}
	token = obj == NULL ? NULL : get_string(obj, "access_token");
	if (token == NULL || *token == '\0') {
		failure_unreachable(fail_r, "its answer has no access token");
		json_object_put(obj);
		return -1;
	}
	grant_r->access_token = msnet_strdup(token);
	grant_r->refresh_token = msnet_strdup(get_string(obj, "refresh_token"));
	expires = get_number(obj, "expires_in");
	/* absent: assume the shortest usual life */
	grant_r->expires_in = expires <= 0 ? 3600 :
		expires > 7*24*3600 ? 7*24*3600 : (unsigned int)expires;
	id_token = get_string(obj, "id_token");
	if (id_token != NULL)
		decode_id_token(id_token, grant_r);
	json_object_put(obj);
	return 0;
}

const char *mstoken_grant_check_id(const struct mstoken_grant *grant,
				   const struct mstoken_app *app,
				   const char *nonce, int64_t now)
{
	if (grant->tid == NULL || grant->oid == NULL)
		return "the login host did not say which account signed in";
	if (grant->audience == NULL ||
	    strcmp(grant->audience, app->client_id) != 0)
		return "the sign-in was made for another application";
	if (grant->nonce == NULL || !msnet_secret_equals(grant->nonce, nonce))
		return "the sign-in does not belong to this request";
	if (grant->id_expires + ID_TOKEN_SKEW_SECS < now)
		return "the sign-in has expired; check the clock";
	return NULL;
}

void mstoken_grant_deinit(struct mstoken_grant *grant)
{
	msnet_secret_free(&grant->access_token);
	msnet_secret_free(&grant->refresh_token);
	free(grant->tid);
	free(grant->oid);
	free(grant->username);
	free(grant->nonce);
	free(grant->audience);
	memset(grant, 0, sizeof(*grant));
}

/*
 * Requests
 */

/* Who we are: a secret, or a signed assertion, or nothing. */
static int
add_credential(struct msnet_buf *form, const struct mstoken_app *app,
	       const char *token_url, struct mstoken_failure *fail_r)
{
	const char *error;
	char *assertion;

	add_param(form, "client_id", app->client_id);
	if (app->certificate_file == NULL) {
		add_param(form, "client_secret", app->client_secret);
		return 0;
	}
	assertion = mstoken_assertion_create(app->certificate_file,
		app->client_id, token_url, (int64_t)time(NULL), &error);
	if (assertion == NULL) {
		memset(fail_r, 0, sizeof(*fail_r));
		fail_r->state = MSTOKEN_STATE_MISCONFIGURED;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "client_certificate_file: %s; to be done by %s", error,
			 mstoken_actor_name(MSTOKEN_ACTOR_OPERATOR));
		return -1;
	}
	add_param(form, "client_assertion_type",
		  "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	add_param(form, "client_assertion", assertion);
	msnet_secret_free(&assertion);
	return 0;
}

static int
token_request(struct msnet_transport *transport, const struct mstoken_app *app,
	      struct msnet_buf *form, unsigned int timeout_msecs,
	      struct mstoken_grant *grant_r, struct mstoken_failure *fail_r)
{
	struct msnet_buf url = { 0 };
	struct msnet_request *req;
	struct msnet_response *resp;
	int ret;

	msnet_buf_printf(&url, "%s/", app->login_url);
	msnet_buf_add_escaped(&url, app->tenant);
	msnet_buf_add(&url, "/oauth2/v2.0/token");
	if (add_credential(form, app, url.data, fail_r) < 0) {
		memset(grant_r, 0, sizeof(*grant_r));
		msnet_secret_wipe(form->data, form->used);
		msnet_buf_free(form);
		msnet_buf_free(&url);
		return -1;
	}
	add_param(form, "scope", app->scope);
	req = msnet_request_create("POST", url.data);
	msnet_buf_free(&url);
	(void)msnet_request_add_header(req, "Content-Type",
				       "application/x-www-form-urlencoded");
	(void)msnet_request_add_header(req, "Accept", "application/json");
	msnet_request_set_body(req, form->data, form->used);
	req->timeout_msecs = timeout_msecs;
	req->max_body = TOKEN_BODY_MAX;
	msnet_secret_wipe(form->data, form->used);
	msnet_buf_free(form);

	resp = msnet_transport_perform(transport, req);
	if (resp->result != MSNET_OK) {
		memset(grant_r, 0, sizeof(*grant_r));
		failure_unreachable(fail_r, resp->error[0] != '\0' ?
			resp->error : msnet_result_text(resp->result));
		ret = -1;
	} else {
		ret = mstoken_grant_decode(resp->status, resp->body,
					   (size_t)resp->body_size, grant_r,
					   fail_r);
	}
	if (resp->body != NULL)
		msnet_secret_wipe(resp->body, (size_t)resp->body_size);
	msnet_response_free(&resp);
	return ret;
}

int mstoken_flow_redeem_code(struct msnet_transport *transport,
			     const struct mstoken_app *app, const char *code,
			     const char *verifier, unsigned int timeout_msecs,
			     struct mstoken_grant *grant_r,
			     struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	add_param(&form, "grant_type", "authorization_code");
	add_param(&form, "code", code);
	add_param(&form, "redirect_uri", app->redirect_uri);
	add_param(&form, "code_verifier", verifier);
	return token_request(transport, app, &form, timeout_msecs, grant_r,
			     fail_r);
}

int mstoken_flow_refresh(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 const char *refresh_token, unsigned int timeout_msecs,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	add_param(&form, "grant_type", "refresh_token");
	add_param(&form, "refresh_token", refresh_token);
	return token_request(transport, app, &form, timeout_msecs, grant_r,
			     fail_r);
}
