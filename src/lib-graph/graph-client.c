/* The handle, the queue, and the life of one request in it:
   queued - (hold, slots, token) - in flight - done, or queued again. */

#include "graph-client.h"
#include "graph-budget.h"
#include "graph-client-private.h"
#include "graph-delta.h"
#include "graph-retry.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Clocks of the service's hosts differ by no more, and Date has whole seconds */
#define SERVICE_CLOCK_SKEW_SECS 2
/* the service's clock and ours */
#define CLOCK_SKEW_SECS 120

/* how often to look whether another process has given a slot back */
#define GRAPH_SLOT_POLL_MSECS 8

struct graph_call {
	struct graph_call *next;
	struct graph_client *client;
	struct graph_call_spec spec;
	char *path, *content_type, *body, *content_range;
	graph_call_callback_t *callback;
	void *context;
	enum graph_priority priority;

	struct msnet_exchange *exchange;	/* in flight */
	graph_slot_set slots;
	int64_t queued, not_before, deadline, started;	/* monotonic msecs */
	unsigned int attempt;
	bool token_renewed;
	char *sent_token;		/* with the last attempt */
	char *claims;			/* that a 401 wanted */
	/* what stopped it last */
	struct graph_failure last;
};

struct graph_client {
	struct graph_client_settings set;
	char *base_url, *mailbox_path, *shared_dir;
	struct graph_slots *slots;
	struct graph_budget *budget;
	struct graph_call *calls;	/* all that are not done, in order */
	struct msnet_timer *timer;
	int64_t timer_at;
	int64_t deadline;
	enum graph_priority priority;
	unsigned int request_count;
	/* the service's clock less ours (monotonic), milliseconds */
	int64_t service_clock;
	bool have_service_clock;
	enum graph_expand_mode expand_mode;
	bool no_batch, no_chains;
	struct graph_ahead *ahead;
};

static int64_t now_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int64_t now_wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

struct graph_client *
graph_client_create(const struct graph_client_settings *set)
{
	struct graph_client *client = msnet_malloc(sizeof(*client));
	struct msnet_buf buf = { 0 };
	size_t len = strlen(set->base_url);

	client->set = *set;
	while (len > 0 && set->base_url[len-1] == '/')
		len--;
	client->base_url = msnet_strndup(set->base_url, len);
	client->shared_dir = msnet_strdup(set->shared_dir);
	if (strcmp(set->mailbox, "me") == 0)
		msnet_buf_add(&buf, "/me");
	else {
		msnet_buf_add(&buf, "/users");
		graph_url_add_segment(&buf, set->mailbox);
	}
	client->mailbox_path = msnet_buf_steal(&buf);
	client->slots = graph_slots_create(client->shared_dir);
	client->budget = graph_budget_create(client->shared_dir);
	graph_client_set_deadline(client, 0);
	return client;
}

void graph_client_set_deadline(struct graph_client *client, unsigned int msecs)
{
	if (msecs == 0)
		msecs = client->set.request_timeout_msecs * 4;
	client->deadline = now_monotonic() + msecs;
}

void graph_client_extend_deadline(struct graph_client *client,
				  unsigned int msecs)
{
	client->deadline += msecs;
}

void graph_client_set_priority(struct graph_client *client,
			       enum graph_priority priority)
{
	client->priority = priority;
}

const char *graph_client_mailbox_path(const struct graph_client *client)
{
	return client->mailbox_path;
}

unsigned int graph_client_request_count(const struct graph_client *client)
{
	return client->request_count;
}

const char *graph_client_base_url(const struct graph_client *client)
{
	return client->base_url;
}

enum graph_expand_mode *graph_client_expand_mode(struct graph_client *client)
{
	return &client->expand_mode;
}

bool *graph_client_no_batch(struct graph_client *client)
{
	return &client->no_batch;
}

struct graph_ahead **graph_client_ahead(struct graph_client *client)
{
	return &client->ahead;
}

bool *graph_client_no_chains(struct graph_client *client)
{
	return &client->no_chains;
}

/*
 * The queue
 */

static void client_pump(struct graph_client *client);

static void client_timer(void *context)
{
	struct graph_client *client = context;

	client->timer = NULL;
	client_pump(client);
}

/* Pump at this time or earlier. */
static void client_schedule(struct graph_client *client, int64_t when)
{
	int64_t msecs = when - now_monotonic();

	if (client->timer != NULL) {
		if (client->timer_at <= when)
			return;
		client->set.transport->v->timer_remove(client->set.transport,
						       &client->timer);
	}
	client->timer_at = when;
	client->timer = client->set.transport->v->timer_add(
		client->set.transport,
		msecs <= 0 ? 0 : msecs > 60000 ? 60000 : (unsigned int)msecs,
		client_timer, client);
}

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

static void call_finish(struct graph_call *call,
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
		client_schedule(client, now_monotonic());
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
		.msecs = (unsigned int)(now_monotonic() - call->started),
		.request_id = id == NULL ? "" : id,
	};

	if (client->set.request_finished != NULL)
		client->set.request_finished(client->set.context, &info);
}

static void
client_set_service_clock(struct graph_client *client,
			 const struct msnet_response *resp)
{
	const char *value = msnet_response_header(resp, "Date");
	long date = value == NULL ? -1 : graph_http_date_parse(value);

	if (date == -1)
		return;
	client->service_clock = date * 1000LL - now_monotonic();
	client->have_service_clock = true;
}

int64_t graph_client_service_time(const struct graph_client *client)
{
	if (!client->have_service_clock)
		return now_wall() / 1000 - CLOCK_SKEW_SECS;
	return (client->service_clock + now_monotonic()) / 1000 -
		SERVICE_CLOCK_SKEW_SECS;
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

static unsigned int random_number(void)
{
	unsigned int n;

	msnet_secret_random(&n, sizeof(n));
	return n;
}

/* Not done: again later, or the end of it. Consumes resp. */
static void call_failed(struct graph_call *call, struct msnet_response *resp)
{
	struct graph_client *client = call->client;
	int64_t now = now_monotonic();
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
		.random = random_number(),
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
				 now_wall() + verdict.hold_msecs);
	switch (verdict.action) {
	case GRAPH_RETRY_GIVE_UP:
		call_finish(call, &call->last, NULL);
		return;
	case GRAPH_RETRY_FRESH_TOKEN:
		call->token_renewed = true;
		call->not_before = now;
		break;
	case GRAPH_RETRY_WAIT:
		call->not_before = now + verdict.wait_msecs;
		break;
	}
	client_schedule(client, call->not_before);
}

static void call_responded(struct msnet_response *resp, void *context)
{
	struct graph_call *call = context;
	struct graph_failure ok = { .error = GRAPH_OK };

	call->exchange = NULL;
	graph_slots_release(call->client->slots, &call->slots);
	client_set_service_clock(call->client, resp);
	if (resp->result == MSNET_OK &&
	    status_is_ok(&call->spec, resp->status)) {
		call_report(call, resp, &ok);
		call_finish(call, &ok, resp);
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

static unsigned int call_requests(const struct graph_call *call)
{
	return call->spec.requests == 0 ? 1 : call->spec.requests;
}

static uint64_t call_upload(const struct graph_call *call)
{
	const struct graph_call_spec *spec = &call->spec;

	if (spec->body_fd <= 0)
		return spec->body_size;
	return spec->body_base64 ? (spec->body_fd_size + 2) / 3 * 4 :
		spec->body_fd_size;
}

/* Returns false when the call has ended. */
static bool call_send(struct graph_call *call)
{
	struct graph_client *client = call->client;
	const char *token = NULL;
	struct msnet_request *req;
	int64_t left = call->deadline - now_monotonic();

	/* Links of this run were checked when they came; so this is one that
	   was stored, and the configured service is another one now. */
	if (!call->spec.no_token && strstr(call->path, "://") != NULL &&
	    !graph_url_same_origin(client->base_url, call->path)) {
		graph_failure_set(&call->last, GRAPH_ERROR_TOKEN_GONE,
				  "%s: the stored link is of another service",
				  call->spec.what);
		call_finish(call, &call->last, NULL);
		return false;
	}
	if (!call->spec.no_token) {
		memset(&call->last, 0, sizeof(call->last));
		if (client->set.get_token(client->set.context,
				call->token_renewed ?
				call->sent_token : NULL,
				call->claims, &token, &call->last) < 0) {
			call_finish(call, &call->last, NULL);
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
		call_finish(call, &call->last, NULL);
		return false;
	}
	req = call_build(call, token);
	req->timeout_msecs = client->set.request_timeout_msecs;
	if (left < req->timeout_msecs && call->spec.sink_fd <= 0 &&
	    call->spec.body_fd <= 0)
		req->timeout_msecs = left < 1 ? 1 : (unsigned int)left;
	call->attempt++;
	call->started = now_monotonic();
	client->request_count++;
	if (!call->spec.no_token)
		graph_budget_spend(client->budget, call_requests(call),
				   call_upload(call), now_wall());
	call->exchange = client->set.transport->v->start(client->set.transport,
		req, call_responded, call);
	return true;
}

/* The mailbox has to be left alone for longer than the command may last. */
static void call_expire_held(struct graph_call *call, int64_t hold)
{
	unsigned int msecs = hold > INT_MAX ? INT_MAX : (unsigned int)hold;

	if (call->last.error == GRAPH_OK)
		graph_failure_set(&call->last, GRAPH_ERROR_THROTTLED,
				  "%s: the mailbox has to wait for %u s",
				  call->spec.what, msecs / 1000 + 1);
	call->last.retry_after_msecs = msecs;
	call_finish(call, &call->last, NULL);
}

/* What is waiting and too late. */
static void call_expire(struct graph_call *call)
{
	if (call->last.error == GRAPH_OK)
		graph_failure_set(&call->last, GRAPH_ERROR_TIMEOUT,
				  "%s: no turn within the time of the command",
				  call->spec.what);
	call_finish(call, &call->last, NULL);
}

/* What has waited for half of its time is waited for by somebody. */
static bool call_is_background(const struct graph_call *call, int64_t now)
{
	return call->priority != GRAPH_PRIORITY_INTERACTIVE &&
		now < call->queued + (call->deadline - call->queued) / 2;
}

static struct graph_call *
client_next(struct graph_client *client, int64_t now, int64_t *wake_r)
{
	struct graph_call *call, *best = NULL;

	for (call = client->calls; call != NULL; call = call->next) {
		if (call->exchange != NULL)
			continue;
		if (call->deadline < *wake_r)
			*wake_r = call->deadline;
		if (call->not_before > now) {
			if (call->not_before < *wake_r)
				*wake_r = call->not_before;
			continue;
		}
		if (best == NULL || (call_is_background(best, now) &&
				     !call_is_background(call, now)))
			best = call;
	}
	return best;
}

/* How long the mailbox is to be left alone: the service has said so, or its
   budget is used up. */
static int64_t call_hold(const struct graph_call *call, bool background)
{
	struct graph_client *client = call->client;
	int64_t hold, wait, now = now_wall();

	if (call->spec.no_token)
		return 0;
	hold = graph_slots_hold_until(client->slots) - now;
	wait = graph_budget_wait(client->budget, background,
				 call_requests(call), call_upload(call), now);
	return hold > wait ? hold : wait;
}

/* One of those that somebody waits for goes first, also before those of other
   processes; of four slots one is kept for them. */
static bool call_take_slots(struct graph_call *call, bool background)
{
	struct graph_client *client = call->client;
	unsigned int weight = call->spec.weight == 0 ? 1 : call->spec.weight;
	int64_t now = now_wall();
	bool leave_one = background &&
		graph_budget_others_interactive(client->budget, now);

	if (background && graph_slots_urgent(client->slots)) {
		graph_slots_release(client->slots, &call->slots);
		return false;
	}
	if (!background)
		graph_budget_note_interactive(client->budget, now);
	return graph_slots_take(client->slots, weight, leave_one,
				&call->slots);
}

/* Ends one call that is too late. */
static bool client_expire(struct graph_client *client, int64_t now)
{
	struct graph_call *call;

	for (call = client->calls; call != NULL; call = call->next) {
		if (call->exchange == NULL && call->deadline <= now) {
			client_schedule(client, now);
			/* the callback may change the list */
			call_expire(call);
			return true;
		}
	}
	return false;
}

static void client_pump(struct graph_client *client)
{
	bool background, urgent = false;
	struct graph_call *call;
	int64_t now, wake, hold;

	for (;;) {
		now = now_monotonic();
		wake = INT64_MAX;
		if (client_expire(client, now))
			return;
		call = client_next(client, now, &wake);
		if (call == NULL)
			break;
		background = call_is_background(call, now);
		hold = call_hold(call, background);
		if (hold > 0 && now + hold >= call->deadline) {
			client_schedule(client, now);
			call_expire_held(call, hold);
			return;
		}
		if (hold > 0) {
			if (now + hold < wake)
				wake = now + hold;
			break;
		}
		if (!call_take_slots(call, background)) {
			urgent = !background;
			if (now + GRAPH_SLOT_POLL_MSECS < wake)
				wake = now + (background ?
					GRAPH_SLOT_POLL_MSECS +
					(int64_t)(random_number() % 5) :
					1 + (int64_t)(random_number() % 3));
			break;
		}
		if (!call_send(call)) {
			client_schedule(client, now_monotonic());
			return;
		}
	}
	graph_slots_set_urgent(client->slots, urgent);
	if (wake != INT64_MAX)
		client_schedule(client, wake);
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
	call->queued = now_monotonic();
	call->deadline = client->deadline;
	for (p = &client->calls; *p != NULL; p = &(*p)->next) ;
	*p = call;
	client_schedule(client, now_monotonic());
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
		client_schedule(client, now_monotonic());
	else
		graph_slots_set_urgent(client->slots, false);
}

void graph_client_destroy(struct graph_client **_client)
{
	struct graph_client *client = *_client;
	struct graph_failure cancelled;

	if (client == NULL)
		return;
	*_client = NULL;
	graph_failure_set(&cancelled, GRAPH_ERROR_CANCELLED,
			  "the session is ending");
	/* call_finish() takes the call out of the list */
	while (client->calls != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		call_finish(client->calls, &cancelled, NULL);
	if (client->timer != NULL)
		client->set.transport->v->timer_remove(client->set.transport,
						       &client->timer);
	graph_delta_ahead_forget(client);
	graph_slots_destroy(&client->slots);
	graph_budget_destroy(&client->budget);
	free(client->base_url);
	free(client->mailbox_path);
	free(client->shared_dir);
	free(client);
}

/*
 * Waiting
 */

void graph_client_run(struct graph_client *client, const bool *done)
{
	if (!*done)
		client->set.transport->v->run(client->set.transport, done);
}

struct call_wait {
	struct graph_failure failure;
	struct msnet_response *resp;
	bool done;
};

static void call_wait_done(void *context, const struct graph_failure *failure,
			   struct msnet_response *resp)
{
	struct call_wait *wait = context;

	wait->failure = *failure;
	wait->resp = resp;
	wait->done = true;
}

int graph_call_run(struct graph_client *client,
		   const struct graph_call_spec *spec,
		   struct msnet_response **resp_r,
		   struct graph_failure *fail_r)
{
	struct call_wait wait = { .done = false };

	(void)graph_call_start(client, spec, call_wait_done, &wait);
	graph_client_run(client, &wait.done);
	*fail_r = wait.failure;
	*resp_r = wait.resp;
	return wait.failure.error == GRAPH_OK ? 0 : -1;
}

static void pause_over(void *context)
{
	bool *done = context;

	*done = true;
}

bool graph_client_pause(struct graph_client *client, unsigned int msecs)
{
	bool done = false;

	if (now_monotonic() + msecs >= client->deadline)
		return false;
	(void)client->set.transport->v->timer_add(client->set.transport, msecs,
						  pause_over, &done);
	graph_client_run(client, &done);
	return true;
}
