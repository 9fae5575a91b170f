/* The handle of a mailbox at Graph: settings, deadline, clock, waiting. */

#include "graph-client.h"
#include "graph-budget.h"
#include "graph-call-private.h"
#include "graph-delta.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Clocks of the service's hosts differ by no more, and Date has whole seconds */
#define SERVICE_CLOCK_SKEW_SECS 2
/* the service's clock and ours */
#define CLOCK_SKEW_SECS 120

int64_t graph_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int64_t graph_wall_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

unsigned int graph_random(void)
{
	unsigned int n;

	msnet_secret_random(&n, sizeof(n));
	return n;
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
	client->deadline = graph_now() + msecs;
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

void graph_client_destroy(struct graph_client **_client)
{
	struct graph_client *client = *_client;
	struct graph_failure cancelled;

	if (client == NULL)
		return;
	*_client = NULL;
	graph_failure_set(&cancelled, GRAPH_ERROR_CANCELLED,
			  "the session is ending");
	/* graph_call_finish() takes the call out of the list */
	while (client->calls != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		graph_call_finish(client->calls, &cancelled, NULL);
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

void graph_client_set_clock(struct graph_client *client,
			    const struct msnet_response *resp)
{
	const char *value = msnet_response_header(resp, "Date");
	long date = value == NULL ? -1 : graph_http_date_parse(value);

	if (date == -1)
		return;
	client->service_clock = date * 1000LL - graph_now();
	client->have_service_clock = true;
}

int64_t graph_client_service_time(const struct graph_client *client)
{
	if (!client->have_service_clock)
		return graph_wall_now() / 1000 - CLOCK_SKEW_SECS;
	return (client->service_clock + graph_now()) / 1000 -
		SERVICE_CLOCK_SKEW_SECS;
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

	if (graph_now() + msecs >= client->deadline)
		return false;
	(void)client->set.transport->v->timer_add(client->set.transport, msecs,
						  pause_over, &done);
	graph_client_run(client, &done);
	return true;
}
