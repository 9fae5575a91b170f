#include "mstoken-flow.h"
#include "mstoken-pkce.h"
#include "mstoken-request.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* clock difference to the login host that is put up with */
#define ID_TOKEN_SKEW_SECS 300

static const struct {
	const char *name, *scopes[2];
} features_table[] = {
	{ "read", { "Mail.ReadWrite" } },
	{ "send", { "Mail.Send" } },
	{ "settings", { "MailboxSettings.ReadWrite" } },
	{ "shared", { "Mail.ReadWrite.Shared", "Mail.Send.Shared" } },
};
#define BASE_SCOPE "openid profile email offline_access"
#define DEFAULT_FEATURES "read send settings"

static void
add_scope(struct msnet_buf *buf, const char *resource, const char *name)
{
	if (name == NULL)
		return;
	msnet_buf_add(buf, " ");
	if (resource != NULL)
		msnet_buf_printf(buf, "%s/", resource);
	msnet_buf_add(buf, name);
}

char *mstoken_scope_from_features(const char *features, const char *resource)
{
	struct msnet_buf buf = { 0 };
	char *copy, *word, *save = NULL;
	size_t i, count = sizeof(features_table) / sizeof(features_table[0]);

	msnet_buf_add(&buf, BASE_SCOPE);
	add_scope(&buf, resource, "User.Read");
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
		add_scope(&buf, resource, features_table[i].scopes[0]);
		add_scope(&buf, resource, features_table[i].scopes[1]);
	}
	free(copy);
	return msnet_buf_steal(&buf);
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
	mstoken_add_param(&buf, "client_id", app->client_id);
	mstoken_add_param(&buf, "response_type", "code");
	mstoken_add_param(&buf, "redirect_uri", app->redirect_uri);
	mstoken_add_param(&buf, "response_mode", response_mode);
	mstoken_add_param(&buf, "scope", app->scope);
	mstoken_add_param(&buf, "state", state);
	mstoken_add_param(&buf, "nonce", nonce);
	mstoken_add_param(&buf, "code_challenge", challenge);
	mstoken_add_param(&buf, "code_challenge_method", "S256");
	mstoken_add_param(&buf, "prompt", prompt);
	mstoken_add_param(&buf, "login_hint", login_hint);
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
	mstoken_add_param(&buf, "client_id", app->client_id);
	mstoken_add_param(&buf, "scope", app->scope);
	mstoken_add_param(&buf, "redirect_uri", app->redirect_uri);
	mstoken_add_param(&buf, "state", state);
	return msnet_buf_steal(&buf);
}

/*
 * Decoding
 */

json_object *mstoken_parse_object(const char *text, size_t size)
{
	struct json_tokener *tok;
	json_object *obj;

	if (size == 0 || size > MSTOKEN_BODY_MAX)
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

const char *mstoken_get_string(json_object *obj, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

int64_t mstoken_get_number(json_object *obj, const char *key)
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
	obj = mstoken_parse_object((const char *)claims, size);
	free(claims);
	if (obj == NULL)
		return;
	grant->tid = msnet_strdup(mstoken_get_string(obj, "tid"));
	grant->oid = msnet_strdup(mstoken_get_string(obj, "oid"));
	grant->username = msnet_strdup(mstoken_get_string(obj, "preferred_username"));
	grant->nonce = msnet_strdup(mstoken_get_string(obj, "nonce"));
	grant->audience = msnet_strdup(mstoken_get_string(obj, "aud"));
	grant->id_expires = mstoken_get_number(obj, "exp");
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

void
mstoken_failure_unreachable(struct mstoken_failure *fail, const char *what)
{
	memset(fail, 0, sizeof(*fail));
	fail->state = MSTOKEN_STATE_UNREACHABLE;
	snprintf(fail->message, sizeof(fail->message),
		 "the login host cannot be used now: %s", what);
}

static int
decode_error(int status, json_object *obj, struct mstoken_failure *fail_r)
{
	const char *error = obj == NULL ? NULL : mstoken_get_string(obj, "error");
	const char *suberror;
	json_object *codes;
	char text[64];

	if (error != NULL && strcmp(error, "slow_down") == 0)
		fail_r->wait = MSTOKEN_WAIT_SLOW_DOWN;
	else if (error != NULL && strcmp(error, "authorization_pending") == 0)
		fail_r->wait = MSTOKEN_WAIT_PENDING;
	if (error == NULL || status >= 500 || status == 429 || status == 408) {
		snprintf(text, sizeof(text), "it answered with status %d",
			 status);
		mstoken_failure_unreachable(fail_r, text);
		return -1;
	}
	suberror = mstoken_get_string(obj, "suberror");
	if (suberror != NULL && strcmp(suberror, "consent_required") == 0)
		error = suberror;
	mstoken_failure_from_error(fail_r, error,
				   mstoken_get_string(obj, "error_description"));
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
	obj = body == NULL ? NULL : mstoken_parse_object(body, size);
	if (status != 200) {
		(void)decode_error(status, obj, fail_r);
		json_object_put(obj);
		return -1;
	}
	token = obj == NULL ? NULL : mstoken_get_string(obj, "access_token");
	if (token == NULL || *token == '\0') {
		mstoken_failure_unreachable(fail_r, "its answer has no access token");
		json_object_put(obj);
		return -1;
	}
	grant_r->access_token = msnet_strdup(token);
	grant_r->refresh_token = msnet_strdup(mstoken_get_string(obj, "refresh_token"));
	expires = mstoken_get_number(obj, "expires_in");
	/* absent: assume the shortest usual life */
	grant_r->expires_in = expires <= 0 ? 3600 :
		expires > 7*24*3600 ? 7*24*3600 : (unsigned int)expires;
	id_token = mstoken_get_string(obj, "id_token");
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
	if (nonce != NULL && (grant->nonce == NULL ||
			      !msnet_secret_equals(grant->nonce, nonce)))
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

int mstoken_flow_redeem_code(struct msnet_transport *transport,
			     const struct mstoken_app *app, const char *code,
			     const char *verifier, unsigned int timeout_msecs,
			     struct mstoken_grant *grant_r,
			     struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	mstoken_add_param(&form, "grant_type", "authorization_code");
	mstoken_add_param(&form, "code", code);
	mstoken_add_param(&form, "redirect_uri", app->redirect_uri);
	mstoken_add_param(&form, "code_verifier", verifier);
	mstoken_add_param(&form, "scope", app->scope);
	return mstoken_request_token(transport, app, &form, timeout_msecs,
				     grant_r, fail_r);
}

int mstoken_flow_refresh(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 const char *refresh_token, const char *claims,
			 unsigned int timeout_msecs,
			 struct mstoken_grant *grant_r,
			 struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	mstoken_add_param(&form, "grant_type", "refresh_token");
	mstoken_add_param(&form, "refresh_token", refresh_token);
	mstoken_add_param(&form, "scope", app->scope);
	mstoken_add_param(&form, "claims", claims);
	return mstoken_request_token(transport, app, &form, timeout_msecs,
				     grant_r, fail_r);
}

int mstoken_flow_app_only(struct msnet_transport *transport,
			  const struct mstoken_app *app, const char *claims,
			  unsigned int timeout_msecs,
			  struct mstoken_grant *grant_r,
			  struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	mstoken_add_param(&form, "grant_type", "client_credentials");
	mstoken_add_param(&form, "scope", app->scope);
	mstoken_add_param(&form, "claims", claims);
	return mstoken_request_token(transport, app, &form, timeout_msecs,
				     grant_r, fail_r);
}
