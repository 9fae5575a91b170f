#include "mstoken-request.h"
#include "mstoken-assertion.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

void mstoken_add_param(struct msnet_buf *buf, const char *name,
		       const char *value)
{
	if (value == NULL)
		return;
	if (buf->used > 0 && buf->data[buf->used - 1] != '?')
		msnet_buf_add(buf, "&");
	msnet_buf_add(buf, name);
	msnet_buf_add(buf, "=");
	msnet_buf_add_escaped(buf, value);
}

/* Who we are: a secret, or a signed assertion, or nothing. */
static int
add_credential(struct msnet_buf *form, const struct mstoken_app *app,
	       const char *secret, const char *token_url,
	       struct mstoken_failure *fail_r)
{
	const char *error;
	char *assertion;

	mstoken_add_param(form, "client_id", app->client_id);
	if (app->certificate_file == NULL) {
		mstoken_add_param(form, "client_secret", secret);
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
	mstoken_add_param(form, "client_assertion_type",
		  "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	mstoken_add_param(form, "client_assertion", assertion);
	msnet_secret_free(&assertion);
	return 0;
}

void mstoken_form_free(struct msnet_buf *form)
{
	if (form->data != NULL)
		msnet_secret_wipe(form->data, form->used);
	msnet_buf_free(form);
}

char *mstoken_endpoint_url(const struct mstoken_app *app, const char *endpoint)
{
	struct msnet_buf url = { 0 };

	msnet_buf_printf(&url, "%s/", app->login_url);
	msnet_buf_add_escaped(&url, app->tenant);
	msnet_buf_printf(&url, "/oauth2/v2.0/%s", endpoint);
	return msnet_buf_steal(&url);
}

struct msnet_response *
mstoken_request_post(struct msnet_transport *transport, const char *url,
	  const struct msnet_buf *form, unsigned int timeout_msecs,
	  struct mstoken_failure *fail_r)
{
	struct msnet_request *req = msnet_request_create("POST", url);
	struct msnet_response *resp;

	(void)msnet_request_add_header(req, "Content-Type",
				       "application/x-www-form-urlencoded");
	(void)msnet_request_add_header(req, "Accept", "application/json");
	msnet_request_set_body(req, form->data, form->used);
	req->timeout_msecs = timeout_msecs;
	req->max_body = MSTOKEN_BODY_MAX;
	resp = msnet_transport_perform(transport, req);
	if (resp->result == MSNET_OK)
		return resp;
	mstoken_failure_unreachable(fail_r, resp->error[0] != '\0' ?
			    resp->error : msnet_result_text(resp->result));
	msnet_response_free(&resp);
	return NULL;
}

void mstoken_response_free(struct msnet_response **resp)
{
	if ((*resp)->body != NULL)
		msnet_secret_wipe((*resp)->body, (size_t)(*resp)->body_size);
	msnet_response_free(resp);
}

static int
token_attempt(struct msnet_transport *transport, const struct mstoken_app *app,
	      const char *secret, const struct msnet_buf *params,
	      unsigned int timeout_msecs, struct mstoken_grant *grant_r,
	      struct mstoken_failure *fail_r)
{
	char *url = mstoken_endpoint_url(app, "token");
	struct msnet_response *resp = NULL;
	struct msnet_buf form = { 0 };
	int ret = -1;

	memset(grant_r, 0, sizeof(*grant_r));
	msnet_buf_append(&form, params->data, params->used);
	if (add_credential(&form, app, secret, url, fail_r) == 0) {
		resp = mstoken_request_post(transport, url, &form, timeout_msecs, fail_r);
	}
	if (resp != NULL) {
		ret = mstoken_grant_decode(resp->status, resp->body,
					   (size_t)resp->body_size, grant_r,
					   fail_r);
		mstoken_response_free(&resp);
	}
	mstoken_form_free(&form);
	free(url);
	return ret;
}

static bool secret_was_refused(const struct mstoken_failure *fail)
{
	return fail->code == 7000215 || fail->code == 7000222;
}

int
mstoken_request_token(struct msnet_transport *transport, const struct mstoken_app *app,
	      struct msnet_buf *params, unsigned int timeout_msecs,
	      struct mstoken_grant *grant_r, struct mstoken_failure *fail_r)
{
	const char *first = app->client_secret, *other = app->client_secret_next;
	struct mstoken_failure other_fail;
	int ret;

	if (app->next_first && other != NULL) {
		first = app->client_secret_next;
		other = app->client_secret;
	}
	ret = token_attempt(transport, app, first, params, timeout_msecs,
			    grant_r, fail_r);
	if (ret < 0 && other != NULL && app->certificate_file == NULL &&
	    secret_was_refused(fail_r)) {
		ret = token_attempt(transport, app, other, params,
				    timeout_msecs, grant_r, &other_fail);
		/* refused, too: the first one's fault is the news */
		if (ret == 0 || !secret_was_refused(&other_fail)) {
			*fail_r = other_fail;
			if (app->secret_switched != NULL &&
			    other_fail.state != MSTOKEN_STATE_UNREACHABLE)
				app->secret_switched(app->context,
						     !app->next_first);
		}
	}
	mstoken_form_free(params);
	return ret;
}
