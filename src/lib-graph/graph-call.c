/* One request: made, sent, answered, and tried again where that helps. */

#include "graph-budget.h"
#include "graph-call-private.h"
#include "graph-error.h"
#include "graph-retry.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void call_unlink(struct graph_call *call)
{
	struct graph_call **p;

	for (p = &call->client->calls; *p != NULL; p = &(*p)->next) {
		if (*p == call) {
			*p = call->next;
			return;
		}
	}
}

static void call_free(struct graph_call *call)
{
	struct graph_client *client = call->client;

	call_unlink(call);
	if (call->exchange != NULL)
		client->set.transport->v->abort(client->set.transport,
						&call->exchange);
	graph_slots_release(client->slots, &call->slots);
	free(call->path);
	free(call->content_type);
	free(call->body);
	free(call->content_range);
	free(call->claims);
	msnet_secret_free(&call->sent_token);
	free(call);
}

void graph_call_finish(struct graph_call *call,
		       const struct graph_failure *failure,
		       struct msnet_response *resp)
{
	graph_call_callback_t *callback = call->callback;
	struct graph_client *client = call->client;
	struct graph_failure copy = *failure;
	void *context = call->context;

	call_free(call);
	/* a slot is free now */
	if (client->calls != NULL)
		graph_queue_schedule(client, graph_now());
	callback(context, &copy, resp);
}

static void
call_report(struct graph_call *call, const struct msnet_response *resp,
	    const struct graph_failure *failure)
{
	struct graph_client *client = call->client;
	const char *id = msnet_response_header(resp, "request-id");
	struct graph_request_info info = {
		.what = call->spec.what, .method = call->spec.method,
		.status = resp->status, .error = failure->error,
		.attempt = call->attempt,
		.bytes_in = resp->bytes_received,
		.bytes_out = resp->bytes_sent,
		.msecs = (unsigned int)(graph_now() - call->started),
		.request_id = id == NULL ? "" : id,
	};

	if (client->set.request_finished != NULL)
		client->set.request_finished(client->set.context, &info);
}

static bool status_is_ok(const struct graph_call_spec *spec, int status)
{
	unsigned int i;

	for (i = 0; i < 4 && spec->ok[i] != 0; i++) {
		if (spec->ok[i] == status)
			return true;
	}
	return false;
}

/* Not done: again later, or the end of it. Consumes resp. */
static void call_failed(struct graph_call *call, struct msnet_response *resp)
{
	struct graph_client *client = call->client;
	int64_t now = graph_now();
	int64_t left = call->deadline - now;
	struct graph_retry_input input = {
		.error = call->last.error, .status = call->last.status,
		.idempotent = call->spec.idempotent,
		.not_sent = resp->result == MSNET_CONNECT_FAILED,
		.hopeless = resp->result == MSNET_TLS_FAILED,
		.token_renewed = call->token_renewed ||
			call->spec.no_token,
		.attempt = call->attempt,
		.retry_after_msecs = call->last.retry_after_msecs,
		.msecs_left = left <= 0 ? 0 :
			left > INT_MAX ? INT_MAX : (unsigned int)left,
		.random = graph_random(),
	};
	struct graph_retry_verdict verdict = graph_retry_decide(&input);

	if (verdict.action == GRAPH_RETRY_FRESH_TOKEN)
		call->claims = graph_claims_challenge(
			msnet_response_header(resp, "WWW-Authenticate"));
	msnet_response_free(&resp);
	if (call->spec.chained && call->last.error == GRAPH_ERROR_THROTTLED) {
		client->no_chains = true;
		call->spec.weight = GRAPH_SLOTS;
	}
	if (verdict.hold_msecs > 0)
		graph_slots_hold(client->slots,
				 graph_wall_now() + verdict.hold_msecs);
	switch (verdict.action) {
	case GRAPH_RETRY_GIVE_UP:
		/* it may not end early each time */
		if (call->last.error == GRAPH_ERROR_LOST && !verdict.exhausted)
			call->last.status = 0;
		graph_call_finish(call, &call->last, NULL);
		return;
	case GRAPH_RETRY_FRESH_TOKEN:
		call->token_renewed = true;
		call->not_before = now;
		break;
	case GRAPH_RETRY_WAIT:
		call->not_before = now + verdict.wait_msecs;
		break;
	}
	graph_queue_schedule(client, call->not_before);
}

static void call_responded(struct msnet_response *resp, void *context)
{
	struct graph_call *call = context;
	struct graph_failure ok = { .error = GRAPH_OK };

	call->exchange = NULL;
	graph_slots_release(call->client->slots, &call->slots);
	graph_client_set_clock(call->client, resp);
	if (resp->result == MSNET_OK &&
	    status_is_ok(&call->spec, resp->status)) {
		call_report(call, resp, &ok);
		graph_call_finish(call, &ok, resp);
		return;
	}
	graph_failure_from_response(&call->last, call->spec.what, resp,
				    call->spec.item_is_folder);
	call_report(call, resp, &call->last);
	call_failed(call, resp);
}

static struct msnet_request *
call_build(struct graph_call *call, const char *token)
{
	const struct graph_call_spec *spec = &call->spec;
	struct graph_client *client = call->client;
	struct msnet_buf url = { 0 }, value = { 0 };
	struct msnet_request *req;
	bool absolute = strstr(call->path, "://") != NULL;

	msnet_buf_printf(&url, "%s%s%s", absolute ? "" : client->base_url,
			 absolute ? "" : "/v1.0", call->path);
	req = msnet_request_create(spec->method, url.data);
	msnet_buf_free(&url);
	if (token != NULL) {
		msnet_buf_printf(&value, "Bearer %s", token);
		(void)msnet_request_add_header(req, "Authorization",
					       value.data);
		msnet_secret_wipe(value.data, value.used);
		msnet_buf_free(&value);
		/* ids that survive moves; counts per request */
		msnet_buf_add(&value, "IdType=\"ImmutableId\"");
		if (spec->page_size > 0)
			msnet_buf_printf(&value, ", odata.maxpagesize=%u",
					 spec->page_size);
		(void)msnet_request_add_header(req, "Prefer", value.data);
		msnet_buf_free(&value);
	}
	if (call->content_type != NULL)
		(void)msnet_request_add_header(req, "Content-Type",
					       call->content_type);
	if (call->content_range != NULL)
		(void)msnet_request_add_header(req, "Content-Range",
					       call->content_range);
	if (spec->body_fd > 0)
		msnet_request_set_body_fd(req, spec->body_fd,
					  spec->body_offset,
					  spec->body_fd_size,
					  spec->body_base64);
	else if (call->content_type != NULL)
		msnet_request_set_body(req, call->body, spec->body_size);
	if (spec->sink_fd > 0)
		req->sink_fd = spec->sink_fd;
	return req;
}

unsigned int graph_call_requests(const struct graph_call *call)
{
	return call->spec.requests == 0 ? 1 : call->spec.requests;
}

uint64_t graph_call_upload(const struct graph_call *call)
{
	const struct graph_call_spec *spec = &call->spec;

	if (spec->body_fd <= 0)
		return spec->body_size;
	return spec->body_base64 ? (spec->body_fd_size + 2) / 3 * 4 :
		spec->body_fd_size;
}

bool graph_call_send(struct graph_call *call)
{
	struct graph_client *client = call->client;
	const char *token = NULL;
	struct msnet_request *req;
	int64_t left = call->deadline - graph_now();

	/* Links of this run were checked when they came; so this is one that
	   was stored, and the configured service is another one now. */
	if (!call->spec.no_token && strstr(call->path, "://") != NULL &&
	    !graph_url_same_origin(client->base_url, call->path)) {
		graph_failure_set(&call->last, GRAPH_ERROR_TOKEN_GONE,
				  "%s: the stored link is of another service",
				  call->spec.what);
		graph_call_finish(call, &call->last, NULL);
		return false;
	}
	if (!call->spec.no_token) {
		memset(&call->last, 0, sizeof(call->last));
		if (client->set.get_token(client->set.context,
				call->token_renewed ?
				call->sent_token : NULL,
				call->claims, &token, &call->last) < 0) {
			graph_call_finish(call, &call->last, NULL);
			return false;
		}
		if (!call->token_renewed) {
			msnet_secret_free(&call->sent_token);
			call->sent_token = msnet_strdup(token);
		}
	}
	if (call->spec.sink_fd > 0 &&
	    (ftruncate(call->spec.sink_fd, 0) < 0 ||
	     lseek(call->spec.sink_fd, 0, SEEK_SET) < 0)) {
		graph_failure_set(&call->last, GRAPH_ERROR_LOCAL,
				  "%s: a temporary file cannot be written",
				  call->spec.what);
		graph_call_finish(call, &call->last, NULL);
		return false;
	}
	req = call_build(call, token);
	req->timeout_msecs = client->set.request_timeout_msecs;
	if (left < req->timeout_msecs && call->spec.sink_fd <= 0 &&
	    call->spec.body_fd <= 0)
		req->timeout_msecs = left < 1 ? 1 : (unsigned int)left;
	call->attempt++;
	call->started = graph_now();
	client->request_count++;
	if (!call->spec.no_token)
		graph_budget_spend(client->budget, graph_call_requests(call),
				   graph_call_upload(call), graph_wall_now());
	call->exchange = client->set.transport->v->start(client->set.transport,
		req, call_responded, call);
	return true;
}

struct graph_call *
graph_call_start(struct graph_client *client,
		 const struct graph_call_spec *spec,
		 graph_call_callback_t *callback, void *context)
{
	struct graph_call *call = msnet_malloc(sizeof(*call)), **p;

	call->client = client;
	call->spec = *spec;
	call->path = msnet_strdup(spec->path);
	call->content_type = msnet_strdup(spec->content_type);
	call->content_range = msnet_strdup(spec->content_range);
	if (spec->body != NULL)
		call->body = msnet_strndup(spec->body, spec->body_size);
	call->callback = callback;
	call->context = context;
	call->priority = spec->background ? GRAPH_PRIORITY_BACKGROUND :
		client->priority;
	call->queued = graph_now();
	call->deadline = client->deadline;
	for (p = &client->calls; *p != NULL; p = &(*p)->next) ;
	*p = call;
	graph_queue_schedule(client, graph_now());
	return call;
}

void graph_call_abort(struct graph_call **_call)
{
	struct graph_call *call = *_call;
	struct graph_client *client;

	if (call == NULL)
		return;
	*_call = NULL;
	client = call->client;
	call_free(call);
	if (client->calls != NULL)
		graph_queue_schedule(client, graph_now());
	else
		graph_slots_set_urgent(client->slots, false);
}
