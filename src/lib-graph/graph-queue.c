/* Which request goes next, and when: deadlines, precedence, the slots and the
   budget that all processes share. */

#include "graph-budget.h"
#include "graph-call-private.h"
#include "graph-slots.h"
#include "msnet-transport.h"

#include <limits.h>

/* how often to look whether another process has given a slot back */
#define GRAPH_SLOT_POLL_MSECS 8

static void client_pump(struct graph_client *client);

static void client_timer(void *context)
{
	struct graph_client *client = context;

	client->timer = NULL;
	client_pump(client);
}

/* Pump at this time or earlier. */
void graph_queue_schedule(struct graph_client *client, int64_t when)
{
	int64_t msecs = when - graph_now();

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

/* The mailbox has to be left alone for longer than the command may last. */
static void call_expire_held(struct graph_call *call, int64_t hold)
{
	unsigned int msecs = hold > INT_MAX ? INT_MAX : (unsigned int)hold;

	if (call->last.error == GRAPH_OK)
		graph_failure_set(&call->last, GRAPH_ERROR_THROTTLED,
				  "%s: the mailbox has to wait for %u s",
				  call->spec.what, msecs / 1000 + 1);
	call->last.retry_after_msecs = msecs;
	graph_call_finish(call, &call->last, NULL);
}

/* What is waiting and too late. */
static void call_expire(struct graph_call *call)
{
	if (call->last.error == GRAPH_OK)
		graph_failure_set(&call->last, GRAPH_ERROR_TIMEOUT,
				  "%s: no turn within the time of the command",
				  call->spec.what);
	graph_call_finish(call, &call->last, NULL);
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
	int64_t hold, wait, now = graph_wall_now();

	if (call->spec.no_token)
		return 0;
	hold = graph_slots_hold_until(client->slots) - now;
	wait = graph_budget_wait(client->budget, background,
				 graph_call_requests(call), graph_call_upload(call), now);
	return hold > wait ? hold : wait;
}

/* One of those that somebody waits for goes first, also before those of other
   processes; of four slots one is kept for them. */
static bool call_take_slots(struct graph_call *call, bool background)
{
	struct graph_client *client = call->client;
	unsigned int weight = call->spec.weight == 0 ? 1 : call->spec.weight;
	int64_t now = graph_wall_now();
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
			graph_queue_schedule(client, now);
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
		now = graph_now();
		wake = INT64_MAX;
		if (client_expire(client, now))
			return;
		call = client_next(client, now, &wake);
		if (call == NULL)
			break;
		background = call_is_background(call, now);
		hold = call_hold(call, background);
		if (hold > 0 && now + hold >= call->deadline) {
			graph_queue_schedule(client, now);
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
					(int64_t)(graph_random() % 5) :
					1 + (int64_t)(graph_random() % 3));
			break;
		}
		if (!graph_call_send(call)) {
			graph_queue_schedule(client, graph_now());
			return;
		}
	}
	graph_slots_set_urgent(client->slots, urgent);
	if (wake != INT64_MAX)
		graph_queue_schedule(client, wake);
}
